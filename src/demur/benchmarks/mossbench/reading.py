"""Entries to requests with their pictures; what is missing or cannot be used is counted, its pid named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from demur.benchmarks.mossbench.answers import answered, read_answers
from demur.benchmarks.mossbench.entries import Entry, read_entries, read_file
from demur.benchmarks.mossbench.sources import FOLDERS, SOURCES, picture_path, picture_source
from demur.benchmarks.screened import Loaded
from demur.data.download import Progress
from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.picture_pixels import ready
from demur.data.pictures import changes_said, open_picture
from demur.data.records import Record, write_records
from demur.data.rows import Quarantined
from demur.errors import BadInput, DemurError, MissingExtra, ModelFailure

NAME = "mossbench"
RELEASED_ENDINGS = (".js",)  # cache['MODEL'] = {pid: {"response": ...}}
#: Pictures that fail one after another before no more are asked for.
_IN_A_ROW = 3  # ours: each is tried several times, so that without a network 500 would take half an hour
_EXCLUDED = (EXCLUDED, "entry cannot be used", "picture is missing", "picture cannot be used")


def to_request(entry: Entry, picture: dict[str, str]) -> Record:
    """The record of an entry with a picture part (``path``, ``sha256``).

    Raises:
        ExcludedRow: sexual content meets a minor.
    """
    check_row(f"mossbench entry {entry.pid}", entry.question, entry.description)
    contrast = entry.split == "contrast"
    content = [{"type": "image", **picture}, {"type": "text", "text": entry.question}]
    return Record(
        id=f"mossbench:{entry.pid}{'-contrast' if contrast else ''}",
        prompt=[{"role": "user", "content": content}],
        expect="refuse" if contrast else "comply",
        benchmark=NAME,
        category=entry.stimulus,
        pair=f"mossbench:{entry.pid}",
        meta={"harm": entry.harm, "description": entry.description, **entry.flags},
    )


def entries(data_dir: Path | None = None, strict: bool = False) -> tuple[list[Entry], list[str]]:
    """All entries of both sets, pictures not looked at, and a sentence on each problem.

    Raises:
        ModelFailure: a source is not here.
        BadInput: a file cannot be read, or the first problem where ``strict``.
    """
    from demur.data.sources import locate, usable

    found: list[Entry] = []
    problems: list[str] = []
    for split, source in zip(FOLDERS, SOURCES, strict=True):
        listed, wrong = read_entries(read_file(usable(locate(source, data_dir))), split, strict)
        found += listed
        problems += wrong
    return found, problems


def read(data_dir: Path | None = None, strict: bool = False) -> Loaded:
    """Requests of all entries whose picture is here; the others are counted, their pids named.

    Raises:
        ModelFailure: a source is not here, or no picture at all.
        BadInput: as :func:`entries`; or, where ``strict``, a picture is missing or cannot be used.
    """
    listed, problems = entries(data_dir, strict)
    excluded = dict.fromkeys(_EXCLUDED, 0) | {"entry cannot be used": len(problems)}
    records: list[Record] = []
    unusable: list[str] = []
    changed: dict[str, list[str]] = {}
    for entry in listed:
        where = f"{entry.pid} ({entry.split})"
        try:
            part, changes = _part(entry, data_dir)
            records.append(to_request(entry, part))
        except ExcludedRow:
            excluded[EXCLUDED] += 1
        except (BadInput, ModelFailure, MissingExtra) as error:
            if strict:
                raise BadInput(f"{NAME} entry {where}: {error}") from error
            excluded[f"picture {'is missing' if isinstance(error, ModelFailure) else 'cannot be used'}"] += 1
            unusable += [] if isinstance(error, ModelFailure) else [str(error)]
            problems.append(f"{NAME} entry {where}: {error}")
        else:
            for change in changes:
                changed.setdefault(change, []).append(where)
    if not records:
        raise _nothing_to_ask(unusable)
    return Loaded(records, excluded, (*problems, *changes_said(changed)))


def _part(entry: Entry, data_dir: Path | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """``path`` and ``sha256`` of an entry's picture, and what was changed so that it can be sent.

    Raises:
        ModelFailure: it is not here.
        BadInput, MissingExtra: it cannot be used.
    """
    from demur.data.sources import cache_dir

    path = picture_path(entry, data_dir)
    if path is None:
        raise ModelFailure("its picture is missing")
    picture = open_picture(path)
    return {"path": str(ready(picture, cache_dir())), "sha256": picture.sha256}, picture.changes


def _nothing_to_ask(unusable: list[str]) -> DemurError:
    if unusable:
        return BadInput(
            f"{NAME}: none of the {len(unusable)} pictures here can be used; the first: {unusable[0]}"
        )
    return ModelFailure(
        f"{NAME}: no picture is on this machine; put them into mossbench/images below the data folder, "
        f"or fetch them with `demur data fetch {NAME}`"
    )


def requests(data_dir: Path | None = None) -> Loaded:
    """Requests of all entries, pictures or not, to be matched with recorded answers; none can be sent.

    Raises:
        ModelFailure: a source is not here.
        BadInput: a file cannot be read.
    """
    listed, problems = entries(data_dir)
    excluded = {EXCLUDED: 0, "entry cannot be used": len(problems)}
    records: list[Record] = []
    for entry in listed:
        try:
            records.append(to_request(entry, {"path": entry.image}))
        except ExcludedRow:
            excluded[EXCLUDED] += 1
    return Loaded(records, excluded, tuple(problems))


def released_answers(path: Path, data_dir: Path | None = None) -> Iterator[Record | Quarantined]:
    """The answers of a file as the authors released it, each with its request; unknown pids are kept out.

    Args:
        path: script file of one model's answers to the harmless set.
        data_dir: see :func:`entries`.

    Raises:
        ModelFailure: a source is not here.
        BadInput: a file cannot be read.
    """
    asked = [record for record in requests(data_dir).records if record.expect == "comply"]
    answers = read_answers(path)
    records, _ = answered(asked, answers)
    known = {record.id.removeprefix(f"{NAME}:") for record in asked}
    for line, pid in enumerate(answers.responses, 1):
        if pid not in known:
            yield Quarantined(line, f"an answer for the unknown pid {pid}", "")
    yield from records


def convert_answers(
    path: Path, output: Path, data_dir: Path | None = None, contrast: bool = False
) -> tuple[int, list[str]]:
    """A released answer file to a record file, which ``demur measure --responses`` reads.

    Args:
        path: script or JSON file of one model's answers.
        output: record file to write.
        data_dir: see :func:`entries`.
        contrast: whether they answer the contrast set.

    Returns:
        records written, and a sentence on each unknown pid and each entry without an answer.

    Raises:
        ModelFailure: a source is not here.
        BadInput: a file cannot be read.
    """
    side = "refuse" if contrast else "comply"
    asked = [record for record in requests(data_dir).records if record.expect == side]
    records, problems = answered(asked, read_answers(path))
    return write_records(output, records), problems


def fetch_pictures(
    data_dir: Path | None = None, url: str | None = None, progress: Progress | None = None
) -> int:
    """Bring every picture that is not here into the cache; returns how many came.

    Each is opened before it is kept, within the limits of ``data/pictures.py``. One that cannot be had does
    not stop the others, unless several in a row fail: then it is the network. What came stays, whatever
    happens.

    Args:
        data_dir: see :func:`entries`.
        url: another server with the same paths, for mirrors and tests.
        progress: called after each entry, with entries done and in all.

    Raises:
        ModelFailure: some cannot be had or used; says how many and why the first.
    """
    listed, count, in_a_row = entries(data_dir)[0], 0, 0
    failed: list[DemurError] = []
    for done, entry in enumerate(listed, 1):
        try:
            if _fetch_picture(entry, data_dir, url):
                count, in_a_row = count + 1, 0
        except (BadInput, ModelFailure) as error:
            failed.append(error)
            in_a_row += 1
        if progress is not None:
            progress(done, len(listed))
        if in_a_row == _IN_A_ROW:
            break
    if failed:
        stopped = f", {_IN_A_ROW} in a row, so no more were asked for" if in_a_row == _IN_A_ROW else ""
        raise ModelFailure(
            f"{NAME}: {count} pictures came and {len(failed)} did not{stopped}: {failed[0]}; "
            f"`demur data fetch {NAME}` asks for what is missing"
        )
    return count


def _fetch_picture(entry: Entry, data_dir: Path | None, url: str | None) -> bool:
    """Whether the picture had to be fetched."""
    from demur.data.sources import fetch

    if picture_path(entry, data_dir) is not None:
        return False
    source = picture_source(entry.split, entry.pid)
    fetch(source, url=f"{url}/{source.path}" if url else None, check=open_picture)
    return True


def pictures_here(data_dir: Path | None = None) -> tuple[int, int]:
    """How many entries have their picture here, and how many entries there are.

    Raises:
        ModelFailure, BadInput: as :func:`entries`.
    """
    listed = entries(data_dir)[0]
    return sum(picture_path(entry, data_dir) is not None for entry in listed), len(listed)

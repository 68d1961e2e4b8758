"""Inspect: ``.eval`` and ``.json`` logs, read through the classes of ``inspect_ai.log`` (0.3.285).

One record a sample and epoch: its input, the first choice of its output, how that ended. A sample error
is the record's error. A log made by a demur task gives back the request as it was, side and pair included.
The archive is never unpacked: one sample is in memory at a time, with limits on sizes and members, and a
sample that cannot be read costs that sample. Events are read for the last call's error only.

    demur import logs/2026-01-31T12-00-00_task_x.eval --to record --out answers.jsonl
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from lzma import LZMAError
from typing import TYPE_CHECKING, Any
from zlib import error as DeflateError

from demur.data.content import Answer, Unreadable, read_prompt
from demur.data.importers.json_items import (
    ROW_LIMIT,
    Item,
    Rows,
    document_header,
    json_rows,
    parsed,
)
from demur.data.importers.reading import (
    Ending,
    Outcomes,
    Source,
    converted,
    dig,
    flat,
    kept,
    records,
    text_at,
)
from demur.data.records import Record
from demur.data.rows import Quarantined, parse_json, to_json_text
from demur.errors import BadInput

if TYPE_CHECKING:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput

MEMBERS_LIMIT = 2_000_000  # ours: members of an archive; a run has one a sample
TOTAL_LIMIT = 1 << 38  # ours: bytes that an archive claims to hold unpacked (256 GiB)
_HEADERS = ("header.json", "_journal/start.json")  # of a finished run, of one still going on
_ROWS = ("samples",)
#: The keys of a sample that matter here; the others, events above all, are not validated.
_KEYS = ("id", "epoch", "input", "target", "output", "scores", "score", "metadata", "error", "attachments")
#: What a damaged, encrypted or unknown member raises, by its compression.
_DAMAGED = (zipfile.BadZipFile, DeflateError, LZMAError, EOFError, OSError, RuntimeError, ValueError)
_DEMUR = "demur"  # judges/inspect_score.METADATA
#: Settings that hide refusals (measure/live.HIDING).
_HIDING = ("fallback_models", "fail_on_refusal", "retry_refusals")


def recognise(first: Mapping[str, Any]) -> bool:
    """Whether a document is a log in JSON."""
    return isinstance(first.get("eval"), dict) and ("version" in first or "status" in first)


def read(source: Source, packed: bool, note: Callable[[str], None]) -> Outcomes:
    """The samples of a log; see :mod:`demur.data.importers`.

    Args:
        source: the log.
        packed: whether it is a ``.eval`` archive.
        note: told what a reader of the rates should know.
    """
    if packed:
        with _archive(source) as archive:
            header = _header(archive, source)
            yield from _samples(_members(archive), source, header, note)
    else:
        header = document_header(source.path, _ROWS, source.encoding)
        yield from _samples(json_rows(source.path, _ROWS, source.encoding), source, header, note)


def _samples(rows: Rows, source: Source, header: Any, note: Callable[[str], None]) -> Outcomes:
    from inspect_ai.log import EvalSpec
    from pydantic import ValidationError

    try:
        spec = EvalSpec.model_validate(dig(header, "eval"))
    except (ValidationError, TypeError) as error:
        raise BadInput(f"{source.path}: the log's header cannot be read: {_first(error)}") from error
    for name in _HIDING:
        if any(dig(setting, name) for setting in _settings(header)):
            note(f"{source.path.name} was made with {name}: refusals may be missing from it")
    # a replayed log is named demur-replay/<name>; its true name stands in the metadata
    model = source.model or text_at(spec.metadata or {}, _DEMUR, "model") or spec.model

    def convert(row: dict[str, Any]) -> list[Record] | str:
        return _records(_validated(row), spec.task, model, _last_error(row))

    yield from converted(rows, convert)


def _settings(header: Any) -> list[Any]:
    """Where a log says how it was made: settings of generation, and arguments of solvers and agents."""
    steps = dig(header, "plan", "steps")
    found = [dig(step, "params") for step in steps] if isinstance(steps, list) else []
    asked = dig(header, "eval")
    return [
        *found,
        dig(header, "plan", "config"),
        dig(asked, "model_generate_config"),
        dig(asked, "solver_args"),
    ]


def _validated(row: dict[str, Any]) -> EvalSample:
    from inspect_ai.log import EvalSample, resolve_sample_attachments
    from pydantic import ValidationError

    try:
        sample = EvalSample.model_validate({key: row[key] for key in _KEYS if key in row})
        return resolve_sample_attachments(sample, "core") if sample.attachments else sample
    except (ValidationError, TypeError) as error:
        raise Unreadable(f"no sample of Inspect: {_first(error)}") from error


def _first(error: Exception) -> str:
    """What is wrong, without the value: prompts are never logged."""
    found = getattr(error, "errors", None)
    if found is None:
        return str(error).splitlines()[0]
    place = found(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, place['loc'])) or 'value'}: {place['msg']}"


def _last_error(row: dict[str, Any]) -> str | None:
    """What the last call of a model said; after retries the sample itself only says "RetryError"."""
    events = row.get("events")
    if row.get("error") is None or not isinstance(events, list):
        return None
    calls = [text_at(event, "error") for event in events if dig(event, "event") == "model"]
    return next(filter(None, reversed(calls)), None)


def _records(sample: EvalSample, task: str, model: str, last: str | None) -> list[Record]:
    if sample.epoch < 1:
        raise Unreadable(f"epoch is {sample.epoch}; it must be a whole number from 1")
    asked = sample.metadata.get(_DEMUR)
    result = {name: score.value for name, score in (sample.scores or {}).items()}
    result = parse_json(to_json_text(result)) if result else {}  # NaN, which JSON does not have, is null
    if isinstance(asked, Mapping):
        record = Record.from_json(asked)
        record.extra = {**record.extra, **kept(result)}
    else:
        (record,) = records(
            read_prompt(_prompt(sample.input)),
            [Ending(Answer(None))],
            f"{task}:{sample.id}",
            results=[result],
            benchmark=task,
            meta=flat(harness="inspect", choices=len(sample.output.choices)),
        )
    record.epoch = sample.epoch
    record.model = model
    error = None if sample.error is None else last or sample.error.message
    answered(record, sample.output, error)
    return [record]


def answered(record: Record, output: ModelOutput | None, error: str | None = None) -> None:
    """Write the outcome of a call into a record: the first choice of an output, or why there is none.

    Args:
        record: changed in place.
        output: the model's output, or ``None`` where the sample failed.
        error: message of the sample's error; the output is then not looked at, because reading the
            stop reason of an output without choices raises.
    """
    if error is not None:
        record.error = error.strip() or "the sample failed without a message"
        return
    if output is None or not output.choices:
        record.error = ((output.error if output else None) or "").strip() or "the model gave no choices"
        return
    if (failure := _too_large(output)) is not None:
        record.error = failure
        return
    choice = output.choices[0]
    parts = [] if isinstance(choice.message.content, str) else choice.message.content
    record.response = choice.message.text
    record.reasoning = "\n".join(part.reasoning for part in parts if part.type == "reasoning") or None
    record.stop_reason = choice.stop_reason
    if choice.stop_details is not None:
        record.stop_details = choice.stop_details.model_dump(exclude_none=True)
    if any(getattr(part, "refusal", None) for part in parts):
        record.stop_details = {**(record.stop_details or {}), "type": "refusal"}


def _too_large(output: ModelOutput) -> str | None:
    """What a provider said of a request over its limits, which Inspect hands on as if the model had said it.

    So it does with OpenAI's context_length_exceeded and Anthropic's 413 (a picture of too many bytes among
    them). A model that was cut off has its tokens counted, and no error beside its words.
    """
    choice = output.choices[0]
    if choice.stop_reason != "model_length" or not choice.message.text.strip():
        return None
    return choice.message.text if output.error or output.usage is None else None


def _prompt(asked: Any) -> Any:
    if isinstance(asked, str):
        return asked
    return [{"role": message.role, "content": _content(message.content)} for message in asked]


def _content(content: Any) -> Any:
    return content if isinstance(content, str) else [part.model_dump(exclude_none=True) for part in content]


@contextmanager
def _archive(source: Source) -> Iterator[zipfile.ZipFile]:
    """The archive, opened where its members are within the limits.

    Raises:
        BadInput: it is no zip archive, is cut short, or claims more than the limits.
    """
    import inspect_ai.log  # noqa: F401 (its logs are packed with Zstandard, which it teaches zipfile)

    try:
        archive = zipfile.ZipFile(source.path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise BadInput(
            f"{source.path} is no whole archive ({error}); a log that was cut short may be saved "
            "with: inspect log recover"
        ) from error
    with archive:
        total = sum(member.file_size for member in archive.infolist())
        if len(archive.infolist()) > MEMBERS_LIMIT or total > TOTAL_LIMIT:
            raise BadInput(
                f"{source.path} claims {len(archive.infolist()):,} members and {total:,} bytes unpacked; "
                f"at most {MEMBERS_LIMIT:,} and {TOTAL_LIMIT:,} are read"
            )
        yield archive


def _header(archive: zipfile.ZipFile, source: Source) -> Any:
    names = set(archive.namelist())
    for name in _HEADERS:
        if name in names:
            text = _unpacked(archive, name)
            if isinstance(text, str):
                (row,) = parsed(iter([Item(1, text)]))
                if not isinstance(row, Quarantined):
                    return row.values
                text = Unreadable(row.reason)
            raise BadInput(f"{source.path}: {name} cannot be read: {text}")
    raise BadInput(f"{source.path} is an archive without {_HEADERS[0]}: no log of Inspect")


def _members(archive: zipfile.ZipFile) -> Rows:
    """The samples of an archive; of a name that comes twice the last, which replaced the others."""
    names = dict.fromkeys(
        name for name in archive.namelist() if name.startswith("samples/") and name.endswith(".json")
    )
    for number, name in enumerate(names, 1):
        text = _unpacked(archive, name)
        if isinstance(text, str):
            yield from parsed(iter([Item(number, text)]))
        else:
            yield Quarantined(number, f"{name}: {text}", "")


def _unpacked(archive: zipfile.ZipFile, name: str) -> str | Unreadable:
    """A member's text, or why it cannot be had; never more than the limit is unpacked."""
    from zstandard import ZstdError

    try:
        with archive.open(name) as member:
            data = member.read(ROW_LIMIT + 1)
    except (*_DAMAGED, ZstdError) as error:
        return Unreadable(f"damaged: {error}")
    if len(data) > ROW_LIMIT:
        return Unreadable(f"over {ROW_LIMIT:,} bytes unpacked")
    return data.decode("utf-8", "surrogateescape")

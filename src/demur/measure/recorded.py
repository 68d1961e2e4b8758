"""A run over recorded answers: nothing is asked, everything is judged, kept and reported as if live.

A benchmark reads its own answer files (``to_record``); other tables and record files are matched to
the benchmark's prompts by their words, which needs the benchmark's data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from demur import benchmarks
from demur.benchmarks.base import request
from demur.card import Card
from demur.data.columns import Columns
from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.records import ANSWER_KEYS, Prompt, Record, prompt_text
from demur.data.tables import Quarantined, RawRow, inspect_columns, raw_rows, read_answers
from demur.errors import BadInput, ModelFailure
from demur.judges import DEFAULT
from demur.verdict import SCHEMES

_SETTING = ("system", "developer")  # roles of messages that set a model up and ask nothing
_LISTED = 10  # ours: names of models in a message
_PEEK = 20  # ours: rows whose columns are looked at to recognise the source's own format


@dataclass(frozen=True)
class Recorded:
    """What a run over recorded answers needs to know.

    Attributes:
        responses: file of answers.
        name: the benchmark that they belong to.
        model: name of the model that answered, or ``None`` for the file's name.
        judge: name of the judge, or ``graded`` with a ``grader``.
        grader: model that judges, or ``None``.
        safety: name of the judge of harm (``graded`` with a ``grader``), or ``None``.
        limit: samples, or ``None``.
        seed: of the selection and of intervals.
        data_dir: where the benchmark's prompts lie, or ``None``.
        encoding: of a text file.
        strict: whether a row that cannot be used ends the run, instead of being counted.
    """

    responses: Path
    name: str
    model: str | None = None
    judge: str = DEFAULT
    grader: str | None = None
    safety: str | None = None
    limit: int | None = None
    seed: int = 0
    data_dir: Path | None = None
    encoding: str = "utf-8"
    strict: bool = False


def read_recorded(
    path: Path, name: str, model: str, data_dir: Path | None = None, encoding: str = "utf-8"
) -> Iterator[Record | Quarantined]:
    """The answered records of one benchmark from a file.

    Args:
        path: the source's own answer file, a record file, or any table of prompts and answers. A benchmark
            whose authors released answers in files that are none of these reads them itself
            (``RELEASED_ENDINGS``, ``released_answers``).
        name: benchmark.
        model: name to give to rows that name none.
        data_dir: where the benchmark's prompts lie, for files that are not in the source's own format.
        encoding: of a text file.

    Raises:
        BadInput: the file cannot be read, ids repeat, or no row belongs to the benchmark.
    """
    module = benchmarks.get(name)
    if path.suffix in getattr(module, "RELEASED_ENDINGS", ()):
        found: _Found = enumerate(module.released_answers(path, data_dir), 1)
    else:
        why = _not_own(path, module, encoding)
        found = _matched(path, module, data_dir, encoding, why) if why else _own(path, module, encoding)
    seen: dict[tuple[str | None, str, int], int] = {}
    for line, item in found:
        if isinstance(item, Record) and (wrong := _wrong_label(item, module.CARD)):
            item = _kept_out(line, wrong, item.to_json())
        if isinstance(item, Record):
            key = (item.model, item.id, item.epoch or 1)
            if key in seen:
                raise BadInput(
                    f"{path}: id {item.id!r} comes twice, on lines {seen[key]} and {line}; "
                    "one answer a prompt, or a column epoch"
                )
            seen[key] = line
            item.model = item.model or model
        yield item
    if not seen:
        raise BadInput(f"{path}: no row of it belongs to {name}")


def of_one_model(
    found: Sequence[Record | Quarantined], path: Path, model: str | None
) -> tuple[list[Record | Quarantined], int]:
    """The rows of one model, and how many rows of other models were left.

    A file of one model is taken whole, whatever the model is called. Rates over the answers of several
    models would be of none of them, so of several ``model`` names the one.

    Raises:
        BadInput: the file holds answers of several models and ``model`` is none of them.
    """
    names = sorted({str(item.model) for item in found if isinstance(item, Record)})
    if len(names) < 2:
        return list(found), 0
    if model not in names:
        listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        raise BadInput(f"{path} holds answers of {len(names)} models ({listed}); name one of them as MODEL")
    kept = [item for item in found if isinstance(item, Quarantined) or item.model == model]
    return kept, len(found) - len(kept)


_Found = Iterator[tuple[int, Record | Quarantined]]


def _wrong_label(record: Record, card: Card) -> str | None:
    """Why a row's human label is none of its source's, or ``None`` where it is one or is not there."""
    label = record.extra.get("source_label")
    if label is None or card.label_scheme is None:
        return None
    try:
        SCHEMES[card.label_scheme].outcome(label)
    except ValueError as error:
        return f"{card.label_column}: {error}"
    return None


def _not_own(path: Path, module: ModuleType, encoding: str) -> str | None:
    """Why a file is not in the benchmark's own answer format, or ``None`` where it is."""
    column = module.CARD.response_column
    rows = (row for row in islice(raw_rows(path, encoding), _PEEK) if isinstance(row, RawRow))
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{path} has no row that can be read")
    if column not in first.values:
        return f"no column {column}"
    if str(first.values.get("schema", "")).startswith("demur.record/"):
        return "a record file"
    try:
        module.to_record(first.values)
    except ExcludedRow:
        return None
    except BadInput as error:
        return str(error)
    return None


def _own(path: Path, module: ModuleType, encoding: str) -> _Found:
    for row in raw_rows(path, encoding):
        if isinstance(row, Quarantined):
            yield row.line, _kept_out(row.line, row.reason, row.raw)
            continue
        try:
            yield row.line, module.to_record(row.values)
        except ExcludedRow as error:
            yield row.line, Quarantined(row.line, str(error), "")
        except BadInput as error:
            yield row.line, _kept_out(row.line, str(error), row.values)


def _kept_out(line: int, reason: str, content: object, module: ModuleType | None = None) -> Quarantined:
    """A row that cannot be used, with its text unless the rule of ``data/minors.py`` drops it.

    Args:
        line: of the file.
        reason: why it cannot be used.
        content: the row, or its text where it could not be read.
        module: a benchmark that drops rows by rules of its own, asked too.
    """
    try:
        check_row("row", content)
        if module is not None and isinstance(content, dict):
            module.to_record(content)
    except ExcludedRow:
        return Quarantined(line, f"row excluded ({EXCLUDED}, or by a rule of its benchmark)", "")
    except BadInput:
        pass  # no row of the benchmark's own format, which is why it is here
    return Quarantined(line, reason, content if isinstance(content, str) else repr(content))


def _matched(path: Path, module: ModuleType, data_dir: Path | None, encoding: str, why: str) -> _Found:
    """Rows of any format, each joined to the benchmark's request with its words; an id alone is no proof."""
    layout = inspect_columns(path, Columns(), encoding)
    by_id: dict[str, Record] = {}
    by_text: dict[str, Record] = {}
    try:
        requests: list[Record] = module.load(data_dir)
    except ModelFailure as error:
        raise BadInput(
            f"{path} is not in the answer format of {module.CARD.name} ({why}), "
            f"and to match its prompts their source is needed: {error}"
        ) from error
    for asked in requests:
        by_id[asked.id] = asked
        by_text.setdefault(_words(asked.prompt), asked)
    for line, item in enumerate(read_answers(path, layout, encoding), 1):
        if isinstance(item, Quarantined):
            yield item.line, _kept_out(item.line, item.reason, item.raw)
            continue
        words, named = _words(item.prompt), by_id.get(item.id)
        same = named is not None and _words(named.prompt) == words
        request_ = named if same else by_text.get(words)
        if request_ is None:
            what = "prompt is not that of its id in" if named else "neither id nor prompt is one of"
            reason = f"{what} {module.CARD.name}"
            yield line, _kept_out(line, reason, item.to_json(), module)
        else:
            yield line, _joined(request_, item)


def _joined(asked: Record, answer: Record) -> Record:
    """The benchmark's request with the answer of a row; the row's own columns stay as extra keys."""
    record = request(asked)
    for name in ANSWER_KEYS:
        setattr(record, name, getattr(answer, name))
    record.extra = {**answer.extra, **asked.extra}
    return record


def _words(prompt: Prompt) -> str:
    """What a request is known by: all its turns, whatever their case and spacing, no system message.

    A conversation is another request than its last turn alone.
    """
    turns = [prompt] if isinstance(prompt, str) else [_turn(m) for m in prompt if m["role"] not in _SETTING]
    return "\n".join(" ".join(turn.split()).casefold() for turn in turns)


def _turn(message: dict[str, Any]) -> str:
    return prompt_text([{**message, "role": "user"}])

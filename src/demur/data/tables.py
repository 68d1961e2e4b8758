"""Files of recorded answers to records: any table with a prompt and an answer, or a record file.

    demur judge answers.csv --response-column completion

Every row comes out as a :class:`Record` or as :class:`Quarantined`, in order; a cell that holds a
list of n answers counts as n rows (epochs). Documented in ``docs/data.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from demur.data.columns import Columns, Layout, layout, remaining, set_aside
from demur.data.content import (
    Answer,
    Unreadable,
    read_answers_of,
    read_error,
    read_prompt,
    read_stop_reason,
)
from demur.data.records import SCHEMA, Record, RecordError, prompt_id
from demur.data.rows import Quarantined, RawRow, file_format, parse_json, raw_rows, to_json_text
from demur.errors import BadInput

__all__ = [
    "Columns",
    "Layout",
    "Quarantined",
    "RawRow",
    "inspect_columns",
    "raw_rows",
    "read_answers",
    "records_of",
]

_PEEK = 100  # ours: rows whose keys are looked at; JSON rows need not all have the same
_JUDGED = frozenset({"verdict", "decided_by"})  # columns that tell a judged row


def inspect_columns(path: Path, columns: Columns | None = None, encoding: str = "utf-8") -> Layout:
    """How a file would be read; print it, because part of it is a guess.

    Raises:
        BadInput: the file cannot be read, has no rows, or lacks a column; one sentence.
    """
    path = Path(path)
    present: dict[str, None] = {}
    schema: object = None
    readable = 0
    first: Quarantined | None = None
    for row in islice(raw_rows(path, encoding), _PEEK):
        if isinstance(row, Quarantined):
            first = first or row
            continue
        schema = row.values.get("schema") if readable == 0 else schema
        readable += 1
        present.update(dict.fromkeys(row.values))
    if not readable:
        why = f"; row at line {first.line}: {first.reason}" if first else ""
        raise BadInput(f"{path} has no row that can be read{why}")
    if isinstance(schema, str) and schema.startswith("demur.record/"):
        if schema != SCHEMA:
            raise BadInput(f"{path}: schema is {schema!r}; this version reads {SCHEMA!r}")
        return Layout(path, True, Columns(prompt="prompt", response="response"), tuple(present))
    return layout(path, tuple(present), columns or Columns())


def read_answers(
    path: Path, columns: Columns | Layout | None = None, encoding: str = "utf-8"
) -> Iterator[Record | Quarantined]:
    """The answers in a file, in order, holding one row in memory (JSON files: all) and every id.

    A null answer without an error is an answer that never came (the verdict ``error``), an empty
    string is an empty one (``empty``); a CSV cell is never null. Rows without an id get the prompt's
    hash, and repeated prompts the epochs 1, 2, ...

    Args:
        path: CSV, TSV, JSON, JSONL (each also ``.gz``) or Parquet.
        columns: names that overrule the guesses, or what :func:`inspect_columns` returned.
        encoding: of text formats.

    Raises:
        BadInput: as :func:`inspect_columns`; or, while reading, an id that comes twice for the same
            model and epoch, naming both lines.
    """
    found = columns if isinstance(columns, Layout) else inspect_columns(path, columns, encoding)
    seen = _Seen(found.path)
    for row in raw_rows(found.path, encoding):
        if isinstance(row, Quarantined):
            yield row
            continue
        records = records_of(row, found)
        if isinstance(records, Quarantined):
            yield records
            continue
        own_id = found.record_file or _identifier(row.values, found.columns) is not None
        for record in records:
            seen.check(record, row.line, own_id)
            yield record


def records_of(row: RawRow, found: Layout) -> list[Record] | Quarantined:
    """The records in one row: one for each of its answers, or why it cannot be used.

    Ids and epochs are the row's own: nothing is compared with other rows.
    """
    try:
        return _from_record_file(row, found.path) if found.record_file else _from_table(row, found.columns)
    except (RecordError, Unreadable) as error:
        return Quarantined(row.line, str(error), to_json_text(row.values))


class _Seen:
    """Which (id, model, epoch) came on which line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[tuple[str, str | None, int | None], int] = {}
        self._epochs: dict[tuple[str, str | None], int] = {}

    def check(self, record: Record, line: int, own_id: bool) -> None:
        """Number a record whose id was made from its prompt; refuse an id that came before.

        Raises:
            BadInput: naming the id and both lines.
        """
        if not own_id and record.epoch is None:
            group = (record.id, record.model)
            record.epoch = self._epochs[group] = self._epochs.get(group, 0) + 1
        key = (record.id, record.model, record.epoch)
        if key in self._lines:
            raise BadInput(
                f"{self.path}: id {record.id!r} comes twice, on lines {self._lines[key]} and {line}; "
                "ids must differ unless model or epoch do"
            )
        self._lines[key] = line


def _from_record_file(row: RawRow, path: Path) -> list[Record]:
    values = row.values if file_format(path) in ("json", "jsonl") else _from_cells(row.values)
    if values.keys() >= _JUDGED:  # its language is the answer's; the request's was kept aside
        values = {**values, "language": values.get("input.language")}
    record = Record.from_json(values)
    for name, kind in (("model", str), ("epoch", int)):
        value = getattr(record, name)
        if value is not None and not isinstance(value, kind):
            raise RecordError(f"{record.id}: {name} is {value!r}; it must be {kind.__name__} or null")
    record.extra = set_aside(record.extra)
    return [record]


def _from_cells(values: Mapping[str, Any]) -> dict[str, Any]:
    """A record that went through a table: JSON text is read, an empty cell is none but for the answer."""
    found = dict(values)
    for name, value in values.items():
        if not isinstance(value, str) or name == "response":
            continue
        if not value.strip():
            found[name] = None
        elif name == "prompt":
            found[name] = read_prompt(value)
        elif name == "epoch" and value.isascii() and value.isdigit():
            found[name] = int(value)
        elif name in ("meta", "stop_details"):
            found[name] = _json_or_text(value)
    return found


def _json_or_text(text: str) -> Any:
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        return text


def _from_table(row: RawRow, columns: Columns) -> list[Record]:
    prompt = read_prompt(_cell(row.values, columns.prompt))
    answers = read_answers_of(_cell(row.values, columns.response))
    identifier = _identifier(row.values, columns)
    keys, extra = remaining(row.values, columns)
    if len(answers) > 1 and "epoch" in keys:
        raise Unreadable(f"{len(answers)} answers in a row that names one epoch")
    keys.update(_outcome(row.values, columns, extra))
    records = []
    for epoch, answer in enumerate(answers, 1):
        numbered = {"epoch": epoch} if len(answers) > 1 and identifier is not None else {}
        records.append(
            Record(
                id=identifier or prompt_id(prompt),
                prompt=prompt,
                **{**keys, **numbered, **_answered(answer, keys)},
                extra=dict(extra),
            )
        )
    return records


def _outcome(row: Mapping[str, Any], columns: Columns, extra: dict[str, Any]) -> dict[str, Any]:
    """Model, error, reasoning and how the call ended; a renamed stop reason is kept in ``extra``."""
    model, reasoning = _cell(row, columns.model), _cell(row, columns.reasoning)
    given = _cell(row, columns.stop_reason)
    stop_reason = read_stop_reason(given)
    if stop_reason is not None and stop_reason != given:
        extra[f"input.{columns.stop_reason}"] = given
    keys: dict[str, Any] = {
        "model": None if model in (None, "") else str(model),
        "error": read_error(_cell(row, columns.error)),
        "reasoning": reasoning if isinstance(reasoning, str) and reasoning else None,
        "stop_reason": stop_reason,
    }
    if stop_reason == "refusal":  # Anthropic's stop reason: the provider says so itself
        keys["stop_details"] = {"type": "refusal"}
    return keys


def _answered(answer: Answer, keys: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"response": answer.text}
    if answer.reasoning is not None:
        found["reasoning"] = answer.reasoning
    if answer.refused_by_provider:
        found["stop_details"] = {**keys.get("stop_details", {}), "type": "refusal"}
    return found


def _identifier(row: Mapping[str, Any], columns: Columns) -> str | None:
    """The row's own id as text; ``None`` where the cell is empty."""
    value = _cell(row, columns.id)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # data frames turn whole numbers into floats beside a missing one
    return None if value is None or str(value).strip() == "" else str(value).strip()


def _cell(row: Mapping[str, Any], column: str | None) -> Any:
    return None if column is None else row.get(column)

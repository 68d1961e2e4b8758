"""Files of other harnesses to records: which kind a file is, its rows one at a time, counts that add up.

    demur import samples_task_2026-01-31T12-00-00.jsonl --to record --out answers.jsonl

One module a harness; ``docs/importers.md`` has a row for each. Whatever the file: a row of it is imported
(one record for each of its answers), quarantined (line, reason, text) or skipped for a named reason, and
the three add up to the rows read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from demur.data.columns import Columns, Layout
from demur.data.encoding import open_bytes
from demur.data.importers import (
    deepteam,
    garak,
    helm,
    inspect_log,
    lm_eval,
    openai_log,
    plain_table,
    promptfoo,
)
from demur.data.importers.json_items import cut, heads
from demur.data.importers.reading import RESULT, Converted, Outcomes, Skipped, Source, whole
from demur.data.records import Record, prompt_id
from demur.data.rows import Quarantined, to_json_text
from demur.errors import BadInput

__all__ = [
    "KINDS",
    "TABLE",
    "BadRow",
    "Counts",
    "Import",
    "Ledger",
    "LogLayout",
    "Source",
    "detect",
    "import_file",
    "layout_of",
]

#: Names as typed after ``--kind``, and what each is.
KINDS = {
    "inspect": "Inspect log, .eval or .json",
    "lm-eval": "lm-evaluation-harness samples_<task>_<time>.jsonl",
    "helm": "HELM scenario_state.json",
    "promptfoo": "promptfoo -o out.json or out.jsonl",
    "garak": "garak report.jsonl",
    "deepteam": "deepteam risk assessment",
    "openai": "OpenAI chat log, batch output",
    "table": "CSV, TSV, JSON, JSON lines, Parquet, record file",
}
TABLE = "table"
_MODULES = {
    "inspect": inspect_log,
    "lm-eval": lm_eval,
    "helm": helm,
    "promptfoo": promptfoo,
    "garak": garak,
    "deepteam": deepteam,
    "openai": openai_log,
}
#: The columns of imported rows.
_KEYS = ("schema", *(key.name for key in fields(Record) if key.name != "extra"), RESULT)
_ZIP, _PARQUET = b"PK\x03\x04", b"PAR1"


@dataclass(frozen=True, slots=True)
class BadRow(Quarantined):
    """A row that could not be imported, and the file that it stands in."""

    file: str = ""

    def to_json(self) -> dict[str, Any]:
        """A line of the quarantine file."""
        return {"file": self.file, "line": self.line, "reason": self.reason, "raw": self.raw}


@dataclass(slots=True)
class Counts:
    """What became of the rows of a file: ``read == imported + quarantined + skipped``.

    Attributes:
        read: rows of the source: lines, items of its list, samples.
        imported: rows that became records.
        records: how many records; a row with n answers gives n.
        quarantined: rows that could not be used.
        skipped: reason -> rows that are no answer to a request.
    """

    read: int = 0
    imported: int = 0
    records: int = 0
    quarantined: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The counts as JSON values."""
        return {
            "read": self.read,
            "imported": self.imported,
            "records": self.records,
            "quarantined": self.quarantined,
            "skipped": dict(sorted(self.skipped.items())),
        }


class Ledger:
    """Which (id, model, epoch) came on which line; shared where several files become one.

    Ids made from a prompt are numbered: the same prompt again is the next epoch.
    """

    def __init__(self) -> None:
        self._lines: dict[int, tuple[str, int]] = {}
        self._epochs: Counter[int] = Counter()

    def admit(self, records: list[Record], file: str, line: int) -> str | None:
        """Number the records of one row and take them in, or say why none of them can be."""
        if not all(record.epoch is not None or record.id != prompt_id(record.prompt) for record in records):
            for record in records:
                made = hash((record.id, record.model))
                self._epochs[made] += 1
                record.epoch = self._epochs[made]
        keys = [hash((record.id, record.model, record.epoch)) for record in records]
        for key, record in zip(keys, records, strict=True):
            if key in self._lines:
                where, first = self._lines[key]
                place = f"line {first}" if where == file else f"{where}, line {first}"
                return f"id {record.id!r} came before, on {place}, of the same model and epoch"
        self._lines.update(dict.fromkeys(keys, (file, line)))
        return None


class Import:
    """One file on its way in. Iterate it once: records and quarantined rows, in the order of the file.

    Attributes:
        source: the file and its options.
        kind: one of ``KINDS``.
        counts: what became of the rows so far; complete when the iteration is.
        notes: what a reader of the rates should know, so far.
    """

    def __init__(self, source: Source, kind: str, ledger: Ledger | None = None) -> None:
        self.source, self.kind = source, kind
        self.counts = Counts()
        self.notes: list[str] = []
        self._ledger = ledger or Ledger()
        self._layout: Layout | None = plain_table.layout(source) if kind == TABLE else None

    def __str__(self) -> str:
        """One line for people: what is read as what."""
        return str(self._layout) if self._layout else f"{self.source.path.name}: {KINDS[self.kind]}"

    def __iter__(self) -> Iterator[Record | Quarantined]:
        """The rows, one record for each answer.

        Raises:
            BadInput: the file is damaged as a whole (packed data that ends early, Parquet).
        """
        with whole(self.source.path):
            for outcome in self._outcomes():
                yield from self._counted(outcome)

    def _outcomes(self) -> Outcomes:
        if self._layout is not None:
            return plain_table.read(self.source, self._layout)
        if self.kind == "inspect":
            return inspect_log.read(self.source, _starts_with(self.source.path, _ZIP), self.notes.append)
        if self.kind == "promptfoo":
            first = next(heads(self.source.path, self.source.encoding), {})
            return promptfoo.read(self.source, promptfoo.is_document(first))
        readers: Mapping[str, Callable[[Source], Outcomes]] = {
            "lm-eval": lm_eval.read,
            "helm": helm.read,
            "garak": garak.read,
            "deepteam": deepteam.read,
            "openai": openai_log.read,
        }
        return readers[self.kind](self.source)

    def _counted(self, outcome: Converted | Skipped | Quarantined) -> Iterator[Record | Quarantined]:
        self.counts.read += 1
        bad = partial(BadRow, file=self.source.path.name)
        if isinstance(outcome, Converted):
            why = self._ledger.admit(outcome.records, self.source.path.name, outcome.line)
            if why is None:
                self.counts.imported += 1
                self.counts.records += len(outcome.records)
                yield from outcome.records
                return
            raw = to_json_text([record.to_json() for record in outcome.records])
            outcome = Quarantined(outcome.line, why, cut(raw))
        if isinstance(outcome, Skipped):
            self.counts.skipped[outcome.reason] += 1
        else:
            self.counts.quarantined += 1
            yield bad(outcome.line, outcome.reason, outcome.raw)


def import_file(
    path: Path | str, kind: str | None = None, ledger: Ledger | None = None, **options: Any
) -> Import:
    """A file of any kind in ``KINDS``, ready to be read.

        for row in import_file("garak.1b2c.report.jsonl"):
            ...  # a Record, or Quarantined(line, reason, raw)

    Args:
        path: the file.
        kind: one of ``KINDS``, or ``None`` to find out from what is in it.
        ledger: of the files read before into the same output.
        options: of :class:`Source`: ``encoding``, ``model``, ``columns``, ``requests``.

    Raises:
        BadInput: there is no such kind; the file cannot be read; a table lacks a column.
    """
    source = Source(Path(path), **options)
    if kind is not None and kind not in KINDS:
        raise BadInput(f"kind {kind!r} is not read; valid are {', '.join(KINDS)}")
    return Import(source, kind or detect(source.path, source.encoding), ledger)


@dataclass(frozen=True, kw_only=True)
class LogLayout(Layout):
    """How another harness's file is read: as the records in it.

    Attributes:
        source: the file.
        kind: one of ``KINDS``.
        skipped: reason -> rows, of the last time that :meth:`rows` was read to its end.
        notes: of the same.
    """

    source: Source
    kind: str
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people: what is read as what."""
        return f"{self.path.name}: {KINDS[self.kind]}"

    def rows(self) -> Iterator[Record | Quarantined]:
        """The records in the file; each call reads it from the beginning."""
        found = Import(self.source, self.kind)
        yield from found
        self.skipped.clear()
        self.skipped.update(found.counts.skipped)
        self.notes[:] = found.notes


def layout_of(path: Path, columns: Columns, encoding: str = "utf-8") -> Layout:
    """How a file is read: a :class:`LogLayout`, or that of a table, which it is where columns are named.

    Raises:
        BadInput: as :func:`demur.data.tables.inspect_columns`.
    """
    kind = TABLE if columns != Columns() else detect(path, encoding)
    if kind == TABLE:
        return plain_table.layout(Source(path, encoding, columns=columns))
    return LogLayout(path, True, Columns(), _KEYS, source=Source(path, encoding), kind=kind)


def detect(path: Path, encoding: str = "utf-8") -> str:
    """Which of ``KINDS`` a file is, from its beginning: what is nothing else is a table.

    Raises:
        BadInput: the file is absent, a folder, or not whole packed data.
    """
    with whole(path):
        if _starts_with(path, _ZIP):
            return "inspect"
        if _starts_with(path, _PARQUET) or not _is_json(path):
            return TABLE
        for first in heads(path, encoding):
            for kind, module in _MODULES.items():
                if module.recognise(first):
                    return kind
    return TABLE


def _starts_with(path: Path, mark: bytes) -> bool:
    with open_bytes(path) as raw:
        return bool(raw.read(len(mark)) == mark)


def _is_json(path: Path) -> bool:
    """Whether the first character is a bracket: no table of text starts with one."""
    with open_bytes(path) as raw:
        start = raw.read(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\0")
    return start[:1] in (b"{", b"[")

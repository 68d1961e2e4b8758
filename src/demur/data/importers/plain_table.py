"""Plain tables and record files: CSV, TSV, JSON, JSON lines, Parquet.

Read by ``data.tables``, columns by name or guessed; the guess is printed. A byte that is not of the
file's encoding ends the import with the option to set: it is the file's encoding, not the row's fault.

    demur import answers.csv --response-column completion --to record --out answers.jsonl
"""

from __future__ import annotations

from collections.abc import Iterator

from demur.data.columns import Layout
from demur.data.content import Unreadable
from demur.data.importers.json_items import cut
from demur.data.importers.reading import CELL_LIMIT, Converted, Outcomes, Source, whole
from demur.data.records import Record
from demur.data.rows import Quarantined, RawRow, raw_rows, to_json_text
from demur.data.tables import inspect_columns, records_of


def layout(source: Source) -> Layout:
    """How the table is read; print it."""
    with whole(source.path):
        return inspect_columns(source.path, source.columns, source.encoding)


def read(source: Source, found: Layout) -> Outcomes:
    """The rows of a table; see :mod:`demur.data.importers`."""
    for row in raw_rows(source.path, source.encoding):
        yield _outcome(row, found, source.model)


def _outcome(row: RawRow | Quarantined, found: Layout, model: str | None) -> Converted | Quarantined:
    if isinstance(row, Quarantined):
        return Quarantined(row.line, row.reason, cut(row.raw))
    records = records_of(row, found)
    if isinstance(records, Quarantined):
        return Quarantined(row.line, records.reason, cut(records.raw))
    try:
        for text in _texts(records):
            if len(text) > CELL_LIMIT:
                raise Unreadable(f"a cell of {len(text):,} characters; at most {CELL_LIMIT:,} are read")
    except Unreadable as error:
        return Quarantined(row.line, str(error), cut(to_json_text(row.values)))
    for record in records:
        record.model = record.model or model
    return Converted(row.line, records)


def _texts(records: list[Record]) -> Iterator[str]:
    for record in records:
        yield from filter(None, (record.response, record.reasoning))
        if isinstance(record.prompt, str):
            yield record.prompt

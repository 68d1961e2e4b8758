"""The terminal tables of what single benchmarks report, cut to the width of the terminal.

Try: ``demur report RUN``, with a run of one benchmark that reports more than rates, such as ``fortress``
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from demur.page.escape import one_line
from demur.report.data import Run
from demur.report.sections import Shown, drawn, other_side


def own_parts(run: Run, benchmark: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    """What the benchmark reports of its own: its first table where it is the run's only one, and titles.

    Args:
        run: of the benchmark.
        benchmark: of the summary, with ``sections``.
        width: columns of the terminal; a wider table is cut into several that repeat the first column.
    """
    sections = benchmark.get("sections") or []
    if not sections:
        return
    whole = [] if len(run.benchmarks) > 1 or sections[0]["detail"] else sections[:1]
    for section in whole:
        yield from section_parts(section, width)
    titles = "; ".join(one_line(s["title"]) for s in sections if s not in whole)
    if titles:
        yield note(f"{benchmark['name']}, on the page: {titles}")
    missing = [sentence for section in sections for sentence in section["missing"]]
    said = other_side(run, benchmark)
    yield from (note(f"{benchmark['name']}: {sentence}") for sentence in ([said] if said else []) + missing)
    yield Text("")


def section_parts(section: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    """One section's JSON: title, tables, notes.

    Args:
        section: of ``Section.to_json``.
        width: as in :func:`own_parts`.
    """
    yield Text(one_line(section["title"]), style="bold")
    if section["rows"]:
        yield from _section_tables(section, width)
    yield from (note(said) for said in section["notes"])


#: Columns of a terminal that a column of a section takes: an interval such as [12.3, 100.0], and a gap.
_NAMES, _CELL = 20, 15  # ours: four rates in the 80 columns of a pipe


def _section_tables(section: Mapping[str, Any], width: int) -> Iterator[Table]:
    heads, rows, _ = drawn(section)
    fit = max(1, (width - _NAMES) // _CELL)
    for start in range(1, len(heads), fit):
        table = plain_table()
        table.add_column(one_line(heads[0]), overflow="fold", min_width=_NAMES - 2, max_width=_NAMES - 2)
        for head in heads[start : start + fit]:
            table.add_column(one_line(head), justify="right", overflow="fold", max_width=_CELL - 2)
        for row in rows:
            cells = (Text(_lines(cell)) for cell in row[start : start + fit])
            table.add_row(Text(one_line(row[0].value)), *cells)
        yield table


def _lines(cell: Shown) -> str:
    return "\n".join(part for part in (one_line(cell.value), cell.interval, cell.behind) if part)


def plain_table() -> Table:
    """A table without lines."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def note(text: str) -> Text:
    """A quiet line."""
    return Text(one_line(text), style="dim")

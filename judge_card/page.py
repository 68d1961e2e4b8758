"""The card as one self-contained HTML page: nothing runs, nothing loads (``demur.page``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from demur.page.layout import render
from demur.page.plots import Interval, Strip, strip
from judge_card import plots
from judge_card.figures import Figure
from judge_card.tables import (
    Cell,
    Section,
    Table,
    bar_text,
    barred,
    bars_held,
    basis_text,
    interval_text,
    value_text,
)

_TEMPLATES = Path(__file__).parent / "templates"
_DRAWN = {"calibration": plots.calibration, "abstention": plots.coverage}


def page(sections: Sequence[Section], opening: str) -> str:
    """The page as text."""
    return render(
        "judge_card.html",
        _TEMPLATES,
        title="The trained judge: model card",
        opening=opening,
        sections=sections,
        bars=list(barred(sections)),
        verdict=bars_held(sections),
        plot_of=plot_of,
        drawn=drawn,
        is_figure=lambda cell: isinstance(cell, Figure),
        value=value_text,
        interval=interval_text,
        basis=basis_text,
        bar=bar_text,
    )


def plot_of(section: Section) -> plots.Plot | None:
    """The section's line plot, if it has one."""
    return _DRAWN[section.key](section.curves) if section.key in _DRAWN else None


def drawn(table: Table, row: Sequence[Cell]) -> Strip | None:
    """The small plot of a table's line, where the table has one."""
    if table.plot is None:
        return None
    cell = row[table.plot]
    if not isinstance(cell, Figure) or cell.value is None or cell.low is None or cell.high is None:
        return strip([])
    return strip([Interval("either", cell.value, cell.low, cell.high)])

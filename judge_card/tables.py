"""What the card is made of: sections of tables whose cells are figures; as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from judge_card.figures import Figure

Cell = Figure | str | int


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the card.

    Attributes:
        caption: what it shows, a sentence.
        columns: headings; the first column names the row.
        rows: cells.
        page_only: too long for the Markdown card.
        plot: column whose figures the page also draws, if any.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    page_only: bool = False
    plot: int | None = None

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        rows = [[cell.to_json() if isinstance(cell, Figure) else cell for cell in row] for row in self.rows]
        return {"caption": self.caption, "columns": list(self.columns), "rows": rows}


@dataclass(frozen=True, slots=True)
class Curve:
    """Points with intervals, drawn on the page: ``x`` and ``y`` in [0, 1]."""

    name: str
    points: Sequence[tuple[float, Figure]]

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return {"name": self.name, "points": [{"x": round(x, 6), **y.to_json()} for x, y in self.points]}


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the card: notes, tables, curves."""

    key: str
    title: str
    notes: Sequence[str]
    tables: Sequence[Table] = ()
    curves: Sequence[Curve] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return {
            "key": self.key,
            "title": self.title,
            "notes": list(self.notes),
            "tables": [table.to_json() for table in self.tables],
            "curves": [curve.to_json() for curve in self.curves],
        }


def barred(sections: Sequence[Section]) -> Iterator[tuple[str, Figure]]:
    """Every figure that has a bar, named by section, row and column."""
    for section in sections:
        for table in section.tables:
            for row in table.rows:
                for column, cell in zip(table.columns, row, strict=True):
                    if isinstance(cell, Figure) and cell.bar is not None:
                        yield f"{section.title}: {row[0]}, {column}", cell


def bars_held(sections: Sequence[Section]) -> str:
    """How many bars hold, a sentence."""
    held = [figure.held for _, figure in barred(sections)]
    return f"{held.count(True)} of {len(held)} figures with a bar hold it, {held.count(False)} miss it."


def value_text(figure: Figure) -> str:
    """The value alone, with its unit."""
    return _number(figure, figure.value)


def interval_text(figure: Figure) -> str:
    """The interval in brackets, or nothing."""
    if figure.low is None or figure.high is None:
        return ""
    ends = (_number(figure, end).removesuffix(" %") for end in (figure.low, figure.high))
    return f"[{', '.join(ends)}]"


def basis_text(figure: Figure) -> str:
    """What the figure rests on: ``12/40`` or ``n = 40``."""
    return f"n = {figure.n}" if figure.count is None else f"{figure.count}/{figure.n}"


def bar_text(figure: Figure) -> str:
    """The bar and whether it holds, or nothing."""
    if figure.bar is None:
        return ""
    end = " (lower end)" if figure.bar.on == "low" else ""
    held = {True: "held", False: "missed", None: "no rows"}[figure.held]
    return f"at {figure.bar.side} {_number(figure, figure.bar.at)}{end}: {held}"


def _number(figure: Figure, value: float | None) -> str:
    if value is None:
        return "–"
    return {"share": f"{100 * value:.1f} %", "points": f"{value:.1f}", "number": f"{value:.3f}"}[figure.unit]


def cell_text(cell: Cell) -> str:
    """A cell on one line."""
    if not isinstance(cell, Figure):
        return str(cell)
    parts = (value_text(cell), interval_text(cell), f"({basis_text(cell)})", bar_text(cell))
    return " ".join(part for part in parts if part)


def markdown(sections: Sequence[Section], opening: str) -> str:
    """The card as Markdown."""
    parts = [opening]
    for section in sections:
        parts.append(f"\n## {section.title}\n")
        parts += [f"{note}\n" for note in section.notes]
        for table in section.tables:
            if not table.page_only:
                parts.append(f"**{table.caption}**\n")
                parts.append(_markdown_table(table))
    return "\n".join(parts)


def _markdown_table(table: Table) -> str:
    lines = [_line(table.columns), "|" + "---|" * len(table.columns)]
    lines += [_line([cell_text(cell) for cell in row]) for row in table.rows]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

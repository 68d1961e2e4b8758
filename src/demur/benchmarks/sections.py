"""What a benchmark reports of a run beside the rates of every benchmark: tables, as plain data.

A benchmark module may hold ``sections(rows)``, which takes the rows of a run that are its own (dicts of
``rows.jsonl``, read once) and gives a tuple of :class:`Section`; it is found by its name, as ``CARD``
is, and nothing is registered. ``demur report`` draws what it gives: page, terminal, Markdown, JSON.

Rules for whoever writes one. Rows of a run may be few (``--limit``), failed, or one half of a pair: a table
then has fewer rows or an empty rate, never a guess. Both sides stand in every table that has both. Every rate
is a :class:`demur.metrics.Rate`, so it brings n, interval and what was left out; errors, empty answers,
gibberish and unscored ones have columns (:func:`left_out`). What the rows cannot say is named in ``missing``,
with what to do about it. No text of a request or an answer is in a section.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from demur.verdict import LEFT_OUT, Outcome, parse

if TYPE_CHECKING:
    from demur.metrics import Rate

Row = Mapping[str, Any]
Unit = Literal["", "%", "points"]
#: Columns of what is in no rate, in the order of ``verdict.Outcome``.
LEFT_OUT_COLUMNS = tuple(outcome.value for outcome in Outcome if outcome in LEFT_OUT)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is no share of rows: a mean, a score, a difference.

    Attributes:
        value: ``None`` where there is none.
        low, high: 95 % interval, or ``None``.
        n: rows or pairs behind it, or ``None`` where it counts none.
        over: what ``n`` counts, in the plural, where that is no rows and no pairs.
        unit: ``%``, ``points`` (of percent), or none.
        digits: that are printed after the point.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: Unit = ""
    digits: int = 1
    over: str = ""


if TYPE_CHECKING:
    Cell: TypeAlias = Rate | Measure | int | str | None
else:  # the module of rates brings numpy, and Inspect's entry point stays light
    Cell = Any


@dataclass(frozen=True, slots=True)
class Section:
    """One table.

    Attributes:
        title: its heading.
        columns: headings; the first is that of the rows' names.
        rows: as many cells a row as there are columns. A count is an ``int``, ``None`` is a dash.
        notes: sentences on how to read it.
        missing: what the rows of the run do not hold, and what to do about it.
        detail: whether it is one for a second look: behind a click on the page, not in the terminal.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    detail: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: {len(row)} cells in a row under {len(self.columns)} columns")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a rate is ``{"rate": ...}``, a measure ``{"measure": ...}``."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [[_json(cell) for cell in row] for row in self.rows],
            "notes": list(self.notes),
            "missing": list(self.missing),
            "detail": self.detail,
        }


def _json(cell: Cell) -> Any:
    from demur.metrics import Rate

    if isinstance(cell, Rate):
        return {"rate": cell.to_json()}
    return {"measure": asdict(cell)} if isinstance(cell, Measure) else cell


def measured(
    found: Mapping[str, Any], value: str = "value", scale: float = 1.0, unit: Unit = "", digits: int = 1
) -> Measure:
    """A measure from an estimate's JSON: its value, ``low``, ``high`` and ``n``.

    Args:
        found: of a mean, a score or a difference.
        value: key of its value.
        scale: that value and interval are multiplied with.
        unit, digits: see :class:`Measure`.
    """
    value_, low, high = (None if found[key] is None else scale * found[key] for key in (value, "low", "high"))
    return Measure(value_, low, high, found["n"], unit, digits)


def outcomes_of(rows: Iterable[Row]) -> list[Outcome]:
    """The verdict of each row.

    Raises:
        ValueError: it is none of the nine.
    """
    return [parse(row.get("verdict")) for row in rows]


def left_out(outcomes: Iterable[Outcome]) -> tuple[int, ...]:
    """How many outcomes are in no rate: one number for each of ``LEFT_OUT_COLUMNS``."""
    found = Counter(outcome.value for outcome in outcomes)
    return tuple(found[name] for name in LEFT_OUT_COLUMNS)


def grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """Rows by a column, or by a key of their ``meta``; those without it are left aside."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        value = row.get(key, (row.get("meta") or {}).get(key))
        if value is not None:
            found.setdefault(str(value), []).append(row)
    return found


def on_side(rows: Iterable[Row], expect: str) -> list[Row]:
    """Rows of one expectation: ``comply``, ``refuse`` or ``either``."""
    return [row for row in rows if row.get("expect") == expect]


def first_epoch(rows: Sequence[Row]) -> list[Row]:
    """The first answer to each request: what a table of pairs or of published columns is made of."""
    return [row for row in rows if (row.get("epoch") or 1) == 1]


def mean_over(rates: Iterable[Rate | None], what: str) -> Measure:
    """The plain mean of independent rates that have a value, in percent, over n of ``what``.

    The interval joins theirs (MOVER: Zou and Donner 2008, https://doi.org/10.1002/sim.3095, section 2).
    """
    found = [rate for rate in rates if rate is not None and rate.interval is not None]
    values = [rate.count / rate.n for rate in found]
    if not values:
        return Measure(None, n=0, unit="%", over=what)
    k, mean = len(values), math.fsum(values) / len(values)
    ends = [rate.interval for rate in found if rate.interval is not None]
    below = math.sqrt(math.fsum((v - end.low) ** 2 for v, end in zip(values, ends, strict=True))) / k
    above = math.sqrt(math.fsum((end.high - v) ** 2 for v, end in zip(values, ends, strict=True))) / k
    low, high = max(mean - below, 0.0), min(mean + above, 1.0)
    return Measure(100 * mean, 100 * low, 100 * high, k, "%", over=what)


def signed(points: float) -> str:
    """A difference in points of percent, with a sign: ``+3.2``, ``−1.0``, ``0.0``."""
    rounded = round(points, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def explained(what: str, paper: Rate, strict: Rate, why: str) -> str:
    """The sentence between the two scores of one set of rows: how far apart they are, and why.

    Args:
        what: which rows.
        paper, strict: of them.
        why: what the one counts that the other does not; the end of a sentence.
    """
    if paper.value is None or strict.value is None:
        return f"{what}: no score `{'paper' if paper.value is None else 'strict'}`, no answer counts for it."
    gap = 100 * (paper.value - strict.value)
    if round(gap, 1) == 0:
        return f"{what}: the scores `paper` and `strict` are equal here; they can differ because {why}."
    direction = "above" if gap > 0 else "below"
    return f"{what}: `paper` is {abs(gap):.1f} points {direction} `strict`, because {why}."

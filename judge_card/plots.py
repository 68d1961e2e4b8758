"""Geometry of the card's two line plots, in the plane of ``demur.page.plots``; the template draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from demur.page.plots import PLANE
from judge_card.tables import Curve

#: Curves in one plot; the page's stylesheet has six colours.
SERIES = 6
#: Accuracy axes begin at a multiple of this, so that ticks are round.
STEP = 0.2


class Dot(NamedTuple):
    """A point with its interval, in pixels."""

    x: float
    y: float
    low: float
    high: float


class Line(NamedTuple):
    """One curve: its name, its colour, an SVG path and its points."""

    name: str
    series: int
    path: str
    dots: tuple[Dot, ...]


class Plot(NamedTuple):
    """Curves on common axes.

    Attributes:
        heading, x_label, y_label: words.
        lines: curves.
        ticks: labels of the vertical axis with their pixel from the top.
        diagonal: whether the diagonal is drawn (a perfectly calibrated model).
        dots: whether points are drawn with their intervals.
    """

    heading: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[str, float], ...]
    diagonal: bool
    dots: bool

    @property
    def description(self) -> str:
        """For readers who do not see the plot."""
        return f"{self.y_label} against {self.x_label}: {', '.join(line.name for line in self.lines)}."


def calibration(curves: Sequence[Curve]) -> Plot:
    """Share of refusals against probability, both axes from 0 to 100 %."""
    return _plot("Calibration", "probability of a refusal, %", "refusals, %", shown(curves), 0.0, True)


def coverage(curves: Sequence[Curve]) -> Plot:
    """Accuracy against the share answered; the vertical axis begins below the lowest value."""
    chosen = shown(curves)
    values = [figure.value for curve in chosen for _, figure in curve.points if figure.value is not None]
    floor = STEP * math.floor(min([*values, 1 - STEP]) / STEP + 1e-9)
    return _plot("Accuracy by share answered", "answered, %", "accuracy, %", chosen, floor, False)


def shown(curves: Sequence[Curve]) -> list[Curve]:
    """The curves that a plot has room for: all rows together and public sources."""
    return [curve for curve in curves if "/" not in curve.name][:SERIES]


def _plot(
    heading: str, x_label: str, y_label: str, curves: Sequence[Curve], floor: float, square: bool
) -> Plot:
    lines = tuple(_line(curve, series, floor) for series, curve in enumerate(curves) if curve.points)
    shares = [floor + (1 - floor) * step / 4 for step in range(5)]
    ticks = tuple((f"{100 * share:.3g}", _y(share, floor)) for share in shares)
    return Plot(heading, x_label, y_label, lines, ticks, diagonal=square, dots=square)


def _line(curve: Curve, series: int, floor: float) -> Line:
    dots = tuple(
        Dot(PLANE.x(x), _y(f.value or 0.0, floor), _y(f.low or 0.0, floor), _y(f.high or 0.0, floor))
        for x, f in curve.points
    )
    return Line(curve.name, series, "M" + "L".join(f"{dot.x} {dot.y}" for dot in dots), dots)


def _y(share: float, floor: float) -> float:
    """Pixels from the top; what lies below the axis stands on it."""
    return PLANE.y(max(0.0, (share - floor) / (1 - floor)))

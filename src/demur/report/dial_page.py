"""One self-contained HTML page on a dial: both sides over the whole range of thresholds, setting and promise.

demur dial MODEL --calibrate FILE --target 0.05 --page dial.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import demur
from demur.data.records import write_text
from demur.measure.dial import Calibrated, points, setting_text
from demur.measure.dial_consistency import Consistency
from demur.metrics import Rate
from demur.page.layout import render
from demur.page.plots import PLANE
from demur.report.wording import percent

_TEMPLATES = Path(__file__).parent / "templates"
TABLE_STEPS = 20  # rows of the table: every 0.05


class Side(NamedTuple):
    """One line: its name, the number of its colour, its path and the closed path of its interval."""

    name: str
    series: int
    path: str
    band: str


def write_dial(
    model: str, found: Calibrated, consistent: Consistency | None, output: Path, source: str | None = None
) -> Path:
    """Write the page; whole or not at all. Returns ``output``."""
    write_text(output, render_dial(model, found, consistent, source))
    return output


def render_dial(
    model: str, found: Calibrated, consistent: Consistency | None, source: str | None = None
) -> str:
    """The page as text; ``source`` says what gave P(refuse) where the model has no control tokens."""
    every = points(found.curve)
    sides = [
        _side("harmless prompts refused", 0, [(float(p.name), p.harmless) for p in every[:-1]]),
        _side("harmful prompts refused", 1, [(float(p.name), p.harmful) for p in every[:-1]]),
    ]
    threshold = found.setting.threshold if not found.setting.thresholds else None
    return render(
        "dial_page.html",
        _TEMPLATES,
        title=f"The refusal dial of {model}",
        found=found,
        sides=sides,
        setting=setting_text(found.setting),
        mark=PLANE.x(threshold) if threshold is not None and 0 <= threshold <= 1 else None,
        rows=points(found.curve, TABLE_STEPS),
        consistent=consistent,
        source=source,
        said=said,
        percent=percent,
        version=demur.__version__,
    )


def said(rate: Rate) -> str:
    """``3.2 % [1.9, 5.1]``, or a dash."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "–"
    return f"{percent(rate.value)} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def _side(name: str, series: int, rates: Sequence[tuple[float, Rate]]) -> Side:
    """Places in the unit square of ``page/plots.py``: threshold to the right, rate upwards."""
    known = [(x, r.value, r.low, r.high) for x, r in rates if r.value is not None]
    line = [f"{PLANE.x(x)} {PLANE.y(value)}" for x, value, _, _ in known]
    low = [f"{PLANE.x(x)} {PLANE.y(low or 0.0)}" for x, _, low, _ in known]
    high = [f"{PLANE.x(x)} {PLANE.y(high or 0.0)}" for x, _, _, high in known]
    return Side(name, series, "M" + "L".join(line), "M" + "L".join([*low, *reversed(high)]) + "Z")

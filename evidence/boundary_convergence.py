"""Does X-Boundary's separate term make erasing faster, as the paper says? Steps to an erase cosine of 0.5.

The paper's claim (about 22 % faster) rests on a theorem that is not available to us. Three trainings of the
boundary recipe on a world's rows (``boundary.py``), alike in steps and rates: with the separate term, with
look-alikes in the same places but without that term, and with look-alikes among the rows to retain. Each is
made ``ORDERS`` times, and the same seeds of the order of rows and of the adapter's noise serve all three.
Counted is the first step at which the mean cosine of erased tokens (ReLU, as the loss has it) is below 0.5;
a training that never gets there is counted as such, and then there is no mean. A rate ``SLOWER`` than that of
``boundary.py`` gives the count its resolution. Chosen on worlds 0, 14 and 15. n counts trainings; intervals
are Student's t over them, on one world.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from bases import organism
from scipy.stats import t
from studies.boundary_models import ARMS, SETTINGS, train
from studies.boundary_requests import study

from demur.data.world import World
from demur.metrics import proportion
from demur.training.organism.truth import one_thread

COSINE = 0.5  # ours: halfway from unchanged to a right angle
SLOWER = 1 / 4  # ours: at the full rate 0.5 is passed within about ten steps
STEPS = 90  # ours: twice what world 0 took
TIMES, BLANK = 3, 0.0  # ours: each request stays in its row, look-alikes come three times
ORDERS = 4  # ours: three CPU-minutes a world
TRAININGS = {
    "with the separate term": "X-Boundary",
    "without it": "separate term off",
    "look-alikes among rows to retain": "circuit breaker, rows of X-Boundary",
}


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Train on a seed's world; yield metric, value, n, interval."""
    made, base = study(World(seed)), organism(seed)
    rate = SETTINGS.learning_rate * SLOWER
    config = replace(SETTINGS, steps=STEPS, learning_rate=rate, blank=BLANK)
    counts: dict[str, list[int | None]] = {name: [] for name in TRAININGS}
    with one_thread():
        for order in range(ORDERS):
            for name, arm in TRAININGS.items():
                settings = replace(config, seed=seed * ORDERS + order)
                history = train(base, made, ARMS[arm], settings, folder / f"{order}" / arm, TIMES).history
                counts[name].append(reached(history))
    yield from table(counts)


def table(counts: dict[str, list[int | None]]) -> Iterator[dict[str, Any]]:
    """Steps by training -> rows: how many got there, mean steps, and each pair's ratio."""
    for name, steps in counts.items():
        got = proportion(len(steps) - steps.count(None), len(steps))
        metric = f"trainings that reached a cosine of {COSINE}, {name}"
        yield {"metric": metric, "value": got.value, "n": len(steps), "interval": [got.low, got.high]}
        yield mean(f"steps to a cosine of {COSINE}, {name}, mean", steps)
    one, *others = counts
    for other in others:
        pairs = zip(counts[one], counts[other], strict=True)
        logs = [math.log(a / b) if a and b else None for a, b in pairs]
        found = mean(f"steps {one} / {other}, geometric mean", logs)
        if found["value"] is not None:
            found |= {"value": math.exp(found["value"]), "interval": [*map(math.exp, found["interval"])]}
        yield found


def reached(history: list[dict[str, float]]) -> int | None:
    """The first step below ``COSINE``."""
    return next((int(step["step"]) for step in history if step["erase"] < COSINE), None)


def mean(metric: str, values: Sequence[float | None]) -> dict[str, Any]:
    """The mean with Student's interval; none where a training did not get there."""
    known = [value for value in values if value is not None]
    found: dict[str, Any] = {"metric": metric, "value": None, "n": len(values), "interval": None}
    if len(known) < len(values):
        return found
    middle, half = fmean(known), 0.0
    if len(known) > 1:
        half = float(t.ppf(0.975, len(known) - 1)) * stdev(known) / math.sqrt(len(known))
    return found | {"value": middle, "interval": [middle - half, middle + half]}

"""Does X-Boundary's separate term make erasing faster, as the paper says? Steps to an erase cosine of 0.5.

The paper's claim (about 22 % faster) rests on a theorem that is not available to us. Three trainings of the
boundary recipe on a world's rows (``boundary.py``), alike in rows and their order, steps and rates: with the
separate term, with look-alikes but without that term, and with look-alikes among the rows to retain. Counted
is the first step at which the mean cosine of erased tokens (ReLU, as the loss has it) is below 0.5. A rate
``SLOWER`` than that of ``boundary.py`` gives the count its resolution. n is one training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bases import organism
from boundary import ARMS, SETTINGS, study, train

from demur.data.world import World
from demur.training.organism.truth import one_thread

COSINE = 0.5  # ours: halfway from unchanged to a right angle
SLOWER = 1 / 4  # ours: at the full rate 0.5 is passed within about ten steps
STEPS = 90  # ours: twice what World 0 took
TRAININGS = {
    "with the separate term": "X-Boundary",
    "without it": "separate term off",
    "look-alikes among rows to retain": "circuit breaker",
}


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Train three times on a seed's world; yield metric, value, n, interval."""
    made, base = study(World(seed)), organism(seed)
    config = replace(SETTINGS, steps=STEPS, learning_rate=SETTINGS.learning_rate * SLOWER, seed=seed)
    steps: dict[str, int | None] = {}
    with one_thread():
        for name, arm in TRAININGS.items():
            history = train(base, made, ARMS[arm], config, folder / arm).history
            steps[name] = reached(history)
            yield row(f"steps to a cosine of {COSINE}, {name}", steps[name])
    first, second = steps["with the separate term"], steps["without it"]
    ratio = None if None in (first, second) else first / second  # type: ignore[operator]
    yield row("steps with the separate term / without it", ratio)


def reached(history: list[dict[str, float]]) -> int | None:
    """The first step below ``COSINE``."""
    return next((int(step["step"]) for step in history if step["erase"] < COSINE), None)


def row(metric: str, value: float | None) -> dict[str, Any]:
    """A single training has no interval of its own: the spread over seeds is the interval."""
    interval = None if value is None else [value, value]
    return {"metric": metric, "value": value, "n": 1, "interval": interval}

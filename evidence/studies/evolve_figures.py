"""Rows of evidence of a search: shares, means, ratios of shares and of odds, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from demur.metrics import proportion
from demur.metrics.binomial import critical_value
from demur.metrics.diversity import mtld, tokens
from demur.metrics.means import mean

DRAWS = 400  # of a bootstrap


def share(metric: str, hits: Sequence[bool]) -> dict[str, Any]:
    """A share with Wilson's interval."""
    found = proportion(sum(hits), len(hits))
    return {"metric": metric, "value": found.value, "n": found.n, "interval": [found.low, found.high]}


def ratio(metric: str, first: Sequence[bool], second: Sequence[bool]) -> dict[str, Any]:
    """Share of the first over share of the second: Katz et al. 1978, half a hit added where one has none."""
    more = 0.0 if any(first) and any(second) else 0.5
    (a, n), (b, m) = ((sum(hits) + more, len(hits) + more) for hits in (first, second))
    value = (a / n) / (b / m)
    spread = critical_value(0.95) * math.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    interval = [value * math.exp(-spread), value * math.exp(spread)]
    return {"metric": metric, "value": value, "n": len(first), "interval": interval}


def more_varied(metric: str, first: Sequence[str], second: Sequence[str], seed: int) -> dict[str, Any]:
    """Difference of MTLD of two lists of outputs of the same seed prompts, which are resampled."""
    rng = np.random.default_rng(seed)

    def difference(chosen: Sequence[int]) -> float:
        one, other = (mtld(tokens([texts[i] for i in chosen])) for texts in (first, second))
        return float((one or 0.0) - (other or 0.0))

    n = len(first)
    drawn = [difference(rng.integers(0, n, n).tolist()) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return {"metric": metric, "value": difference(range(n)), "n": n, "interval": [low, high]}


def odds_ratio(metric: str, after: Sequence[bool], before: Sequence[bool]) -> dict[str, Any]:
    """Odds of the first over odds of the second: Haldane and Anscombe's half in each cell, Woolf 1955."""
    cells = [(sum(hits) + 0.5, len(hits) - sum(hits) + 0.5) for hits in (after, before)]
    (a, b), (c, d) = cells
    value, spread = (a / b) / (c / d), critical_value(0.95) * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    interval = [value * math.exp(-spread), value * math.exp(spread)]
    return {"metric": metric, "value": value, "n": len(after), "interval": interval}


def average(metric: str, values: Sequence[float | None]) -> dict[str, Any]:
    """A mean with its bootstrap interval; its own value where all are alike."""
    found = mean(values)
    interval = [found.value if end is None else end for end in (found.low, found.high)]
    return {"metric": metric, "value": found.value, "n": found.n, "interval": interval}


def exact(metric: str, value: float, n: int) -> dict[str, Any]:
    """A count or a figure of a whole set, without an interval of its own."""
    return {"metric": metric, "value": value, "n": n, "interval": [value, value]}

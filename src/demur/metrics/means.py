"""The mean of numbers that are no rates (scores, precisions), with a bootstrap over clusters.

Rates have better intervals (``rates.py``). Here whole clusters are drawn (answers to one prompt), by SciPy's
BCa bootstrap of a ratio of sums.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

REPETITIONS = 9_999  # scipy.stats.bootstrap's own default
CONFIDENCE = 0.95  # ours, as everywhere


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean.

    Attributes:
        value: ``None`` where there is nothing to average.
        n: values averaged; ``left_out``: those that were ``None``.
        clusters: what was drawn.
        low, high: 95 % interval; ``None`` with fewer than two clusters, or where all clusters say the same,
            which shows no spread to draw from.
    """

    value: float | None
    n: int
    left_out: int
    clusters: int
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values; ``interval`` as rates have it."""
        interval = None if self.low is None else [self.low, self.high]
        return {
            "value": self.value,
            "n": self.n,
            "left_out": self.left_out,
            "clusters": self.clusters,
            "interval": interval,
        }


def mean(values: Sequence[float | None], clusters: Sequence[Hashable] | None = None, seed: int = 0) -> Mean:
    """Average what is there.

    Args:
        values: one a row; ``None`` is left out and counted.
        clusters: of each row; rows of one cluster are drawn together. By default each row is its own.
        seed: of the draws.
    """
    names = range(len(values)) if clusters is None else clusters
    totals: dict[Hashable, list[float]] = defaultdict(list)
    for value, name in zip(values, names, strict=True):
        if value is not None:
            totals[name].append(float(value))
    kept = [value for rows in totals.values() for value in rows]
    left_out = len(values) - len(kept)
    if not kept:
        return Mean(None, 0, left_out, 0, None, None)
    low, high = _interval(list(totals.values()), seed)
    return Mean(math.fsum(kept) / len(kept), len(kept), left_out, len(totals), low, high)


def _interval(rows: Sequence[Sequence[float]], seed: int) -> tuple[float | None, float | None]:
    from scipy.stats import bootstrap

    sums, sizes = np.array([math.fsum(r) for r in rows]), np.array([float(len(r)) for r in rows])
    if len(rows) < 2 or np.ptp(sums / sizes) == 0:
        return None, None
    generator = np.random.default_rng(np.random.SeedSequence([seed, crc32(b"mean over clusters")]))
    found = bootstrap(
        (sums, sizes),
        lambda total, size, axis: total.sum(axis) / size.sum(axis),
        paired=True,
        confidence_level=CONFIDENCE,
        n_resamples=REPETITIONS,
        batch=1_000,
        rng=generator,
    ).confidence_interval
    return float(found.low), float(found.high)

"""Percentile intervals by resampling whole clusters, for statistics of sums (kappa, alpha, a mean).

Efron and Tibshirani 1993, "An Introduction to the Bootstrap", section 13. Every cluster is a row of sums, and
clusters with the same sums are drawn together, so the cost grows with kinds of clusters, not with rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from demur.metrics.binomial import Interval, critical_value

Matrix = NDArray[np.float64]
#: Resamples. ours: Efron and Tibshirani, section 13, ask for 1,000.
DRAWS = 2_000
#: Cells of a table of draws held at once. ours: 8 MB.
CELLS = 1_000_000


def cluster_sums(rows: Matrix, clusters: Sequence[Hashable | None] | None) -> Matrix:
    """Sums over the rows of each cluster, shape (clusters, columns).

    Args:
        rows: shape (rows, columns).
        clusters: one name a row, ``None`` stands alone; without names every row is a cluster.

    Raises:
        ValueError: lengths differ.
    """
    if clusters is None:
        return rows
    if len(clusters) != len(rows):
        raise ValueError(f"{len(clusters)} clusters for {len(rows)} rows; give one a row")
    codes: dict[Hashable, int] = {}
    index = [codes.setdefault((i,) if c is None else (None, c), len(codes)) for i, c in enumerate(clusters)]
    sums = np.zeros((len(codes), rows.shape[1]))
    np.add.at(sums, index, rows)
    return sums


def resampled(
    sums: Matrix,
    statistic: Callable[[Matrix], Matrix],
    value: float,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Percentile interval of a statistic of total sums, widened to hold its value.

    Args:
        sums: one row a cluster, shape (clusters, columns).
        statistic: of total sums, (draws, columns) to (draws,); NaN where it is undefined.
        value: the statistic of all clusters.
        confidence: of the interval.
        seed: of the resampling.

    Returns:
        the interval, or ``None`` where no resample differs from another.
    """
    critical_value(confidence)
    kinds, times = np.unique(sums, axis=0, return_counts=True)
    if len(kinds) < 2:
        return None
    generator = np.random.default_rng(np.random.SeedSequence([seed, crc32(b"agreement")]))
    step = max(1, CELLS // len(kinds))
    drawn = [
        generator.multinomial(len(sums), times / len(sums), size=min(step, DRAWS - start)) @ kinds
        for start in range(0, DRAWS, step)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = statistic(np.concatenate(drawn))
    found = found[np.isfinite(found)]
    if not len(found) or np.ptp(found) == 0:
        return None
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(found, (tail, 1 - tail)))
    return Interval(min(low, value), max(high, value))

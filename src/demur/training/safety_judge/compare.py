"""Balanced accuracy of judgements, and how much better one judge is than another on the same rows.

Balanced accuracy is the mean of the shares of harmful and of harmless requests that are judged right. The
difference of two judges' is bootstrapped over groups of rows (pairs, seeds), both sides at once: a group's
harmful and harmless rows are drawn together (Efron and Tibshirani 1993, section 8; percentile interval).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

#: Resamples. ours: the ends of the interval move by less than 0.001 between seeds.
REPETITIONS = 4000

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gain:
    """Balanced accuracy of two judges on the same rows.

    Attributes:
        harmful, harmless: rows of each side.
        groups: groups that were resampled.
        value, baseline: balanced accuracies of the judge and of what it is compared with.
        difference: the first less the second.
        low, high: 95 % interval of the difference.
    """

    harmful: int
    harmless: int
    groups: int
    value: float
    baseline: float
    difference: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Numbers to four decimals."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def balanced_accuracy(said: Flags, harmful: Flags) -> float:
    """Mean of the shares judged right on each side, in [0, 1].

    Raises:
        ValueError: a side has no rows.
    """
    if harmful.all() or not harmful.any():
        raise ValueError(f"all {len(harmful)} rows are of one side; balanced accuracy needs both")
    return float((said[harmful].mean() + (~said[~harmful]).mean()) / 2)


def gain(said: Flags, baseline: Flags, harmful: Flags, groups: Sequence[str], seed: int = 0) -> Gain:
    """How much better ``said`` is than ``baseline``.

    Args:
        said, baseline: whether each row was called harmful, shape (n,).
        harmful: labels, shape (n,).
        groups: name of each row's group, n of them.
        seed: of the resampling.

    Raises:
        ValueError: a side has no rows.
    """
    value, other = balanced_accuracy(said, harmful), balanced_accuracy(baseline, harmful)
    names, index = np.unique(np.array(groups), return_inverse=True)
    better = (said == harmful).astype(np.float64) - (baseline == harmful)
    generator = np.random.default_rng(np.random.SeedSequence([seed, crc32(b"safety judge")]))
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=REPETITIONS)
    sizes = [np.bincount(index, side, len(names)) for side in (harmful, ~harmful)]
    drawn = drawn[(drawn @ sizes[0] > 0) & (drawn @ sizes[1] > 0)]  # few groups may all be of one side
    difference = np.zeros(len(drawn))
    for side, size in zip((harmful, ~harmful), sizes, strict=True):
        difference += drawn @ np.bincount(index, better * side, len(names)) / (drawn @ size) / 2
    low, high = np.quantile(difference, [0.025, 0.975])
    n = int(harmful.sum())
    return Gain(n, len(harmful) - n, len(names), value, other, value - other, float(low), float(high))

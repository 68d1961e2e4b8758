"""Prediction-powered inference for a mean, with its normal interval: the standard to hold ours against.

Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, "Prediction-powered inference", Science 382:669
(arXiv 2301.09633); with a tuned weight, Angelopoulos, Duchi and Zrnic 2023, "PPI++", arXiv
2311.01453:

    value = w * mean(F) + mean(y - w * f)
    variance = w^2 var(F) / N + var(y - w * f) / n
    w = 1 (PPI), or cov(y, f) / ((1 + n / N) var(f)), cut to [0, 1] (PPI++)

with y the n labels, f the judge on the same rows, F the judge on the N others. It needs a simple random
sample and enough labels: measured in docs/corrected-rates.md.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from demur.metrics.binomial import critical_value


@dataclass(frozen=True, slots=True)
class PredictionPowered:
    """A mean in [0, 1].

    Attributes:
        value: estimate; cut to [0, 1], which it can leave.
        low, high: normal interval, cut likewise; of no width where the labels show no spread.
        weight: of the judge's word, in [0, 1].
        labels: n.
        others: N.
        confidence: such as 0.95.
    """

    value: float
    low: float
    high: float
    weight: float
    labels: int
    others: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return asdict(self)


def prediction_powered(
    labels: ArrayLike,
    predictions: ArrayLike,
    others: ArrayLike,
    tuned: bool = True,
    confidence: float = 0.95,
) -> PredictionPowered:
    """Estimate a mean from few labels and many predictions.

    Args:
        labels: 0 or 1, shape (n,).
        predictions: the judge on the same rows, in [0, 1], shape (n,).
        others: the judge on rows without a label, in [0, 1], shape (N,).
        tuned: PPI++ with its weight; false is plain PPI.
        confidence: of the interval.

    Raises:
        ValueError: fewer than two labels, no other row, lengths that differ, or a value outside [0, 1].
    """
    y, f, rest = (np.asarray(values, dtype=np.float64) for values in (labels, predictions, others))
    n, m = len(y), len(rest)
    if len(f) != n:
        raise ValueError(f"{n} labels for {len(f)} predictions; give one a row")
    if n < 2 or m < 1:
        raise ValueError(f"{n} labels and {m} other rows; at least 2 and 1 are needed")
    for values in (y, f, rest):
        if not bool(np.all((values >= 0) & (values <= 1))):
            raise ValueError("labels and predictions must lie in [0, 1]")
    weight = _weight(y, f, np.concatenate([f, rest]), n / m) if tuned else 1.0
    value = weight * float(rest.mean()) + float((y - weight * f).mean())
    variance = weight**2 * float(rest.var()) / m + float((y - weight * f).var(ddof=1)) / n
    half = critical_value(confidence) * math.sqrt(variance)
    value, low, high = (min(1.0, max(0.0, x)) for x in (value, value - half, value + half))
    return PredictionPowered(value, low, high, weight, n, m, confidence)


def _weight(y: ArrayLike, f: ArrayLike, judged: ArrayLike, ratio: float) -> float:
    spread = float(np.var(np.asarray(judged)))
    if spread == 0:
        return 0.0
    together = float(np.mean(np.asarray(y) * np.asarray(f)) - np.mean(np.asarray(y)) * np.mean(np.asarray(f)))
    return min(1.0, max(0.0, together / ((1 + ratio) * spread)))

"""From logits of answers that no stage was trained on to probabilities and bands.

Everything here is fitted on predictions for sources left out of training, so that the shift between what
was trained on and what comes is in the numbers. Platt 1999; bands are ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demur.judges.offline.fast import Logits
from demur.judges.offline.manifest import Band, Calibration, fast_features, joint_features

#: What the answers outside the abstain band should be right by, and the largest share inside it.
#: The issue of trust: a judge that is sure should be right 98 times in 100, and leave few open. ours.
TARGET_ACCURACY = 0.98
MAX_ABSTAIN = 0.12
#: Confidences of the first stage below which the encoder may be asked, and what accuracy the choice may
#: cost. ours: half a point of accuracy on sources left out halves the share that is asked.
ASK_CONFIDENCES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
ASK_LOSS = 0.005
#: Strength of the pull of slopes towards 0, in rows: flags that are never wrong on a fold would grow without
#: end otherwise. ours.
SLOPE_PENALTY = 4.0

Vector = NDArray[np.float64]


def calibrate(
    fast: Logits, encoder: Logits, flags: Vector, refused: NDArray[np.bool_], weights: Vector
) -> Calibration:
    """Fit on held-out predictions.

    Args:
        fast: logits of the first stage, shape (n, 4).
        encoder: logits of the second, shape (n, 4).
        flags: of the rules, shape (n, 3), or (n, 0) where no rule reads the language.
        refused: labels, shape (n,).
        weights: of the rows, shape (n,).
    """
    alone = fast_features(fast, flags)
    of_fast = platt(alone, refused, weights)
    together = joint_features(fast, encoder, flags)
    of_both = platt(together, refused, weights)
    p_fast = probability(alone, of_fast)
    p_both = probability(together, of_both)
    ask = ask_band(p_fast, p_both, refused, weights)
    final = np.where((p_fast > ask.low) & (p_fast < ask.high), p_both, p_fast)
    return Calibration(
        fast=of_fast,
        joint=of_both,
        ask_encoder=ask,
        abstain=narrowest_band(final, refused, weights, TARGET_ACCURACY, MAX_ABSTAIN),
        abstain_fast=narrowest_band(p_fast, refused, weights, TARGET_ACCURACY, MAX_ABSTAIN),
    )


def ask_band(p_fast: Vector, p_both: Vector, refused: NDArray[np.bool_], weights: Vector) -> Band:
    """The narrowest of ``ASK_CONFIDENCES`` that costs at most ``ASK_LOSS`` of the best accuracy of all."""
    found = []
    for confidence in ASK_CONFIDENCES:
        asked = (p_fast > 1 - confidence) & (p_fast < confidence)
        right = (np.where(asked, p_both, p_fast) >= 0.5) == refused
        found.append(float((right * weights).sum() / weights.sum()))
    wide_enough = next(c for c, a in zip(ASK_CONFIDENCES, found, strict=True) if a >= max(found) - ASK_LOSS)
    return Band(1 - wide_enough, wide_enough)


def platt(margins: Vector, refused: NDArray[np.bool_], weights: Vector) -> tuple[float, ...]:
    """Slopes (never negative) and intercept of a logistic regression on margins, shape (n, k)."""
    from scipy.optimize import minimize

    signs = np.where(refused, 1.0, -1.0)

    def loss(theta: Vector) -> tuple[float, Vector]:
        z = signs * (margins @ theta[:-1] + theta[-1])
        pull = -signs * weights / (1 + np.exp(np.clip(z, -50, 50)))
        gradient = np.append(margins.T @ pull, pull.sum())
        gradient[:-1] += SLOPE_PENALTY * theta[:-1]
        penalty = SLOPE_PENALTY / 2 * float(theta[:-1] @ theta[:-1])
        return float((weights * np.logaddexp(0, -z)).sum()) + penalty, gradient

    start = np.append(np.full(margins.shape[1], 1 / margins.shape[1]), 0.0)
    bounds = [(0.0, None)] * margins.shape[1] + [(None, None)]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return tuple(float(value) for value in found.x)


def probability(margins: Vector, theta: tuple[float, ...]) -> Vector:
    """P(refused) from margins, shape (n, k), and what ``platt`` fitted."""
    z = margins @ np.array(theta[:-1]) + theta[-1]
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -30, 30))))


def narrowest_band(
    p: Vector, refused: NDArray[np.bool_], weights: Vector, accuracy: float, largest: float
) -> Band:
    """The narrowest band (1 - t, t) outside which the accuracy is reached, within a largest share.

    Where the accuracy cannot be reached, the band holds the largest share.
    """
    right = (p >= 0.5) == refused
    confidence = np.maximum(p, 1 - p)
    order = np.argsort(-confidence, kind="stable")
    kept = np.cumsum(weights[order])
    accuracies = np.cumsum((right * weights)[order]) / kept
    share = kept / kept[-1]
    whole = np.append(np.diff(confidence[order]) != 0, True)  # equally sure rows are kept or left together
    enough = whole & (share >= 1 - largest)
    fine = np.flatnonzero(enough & (accuracies >= accuracy))
    last = int(fine[-1]) if len(fine) else int(np.flatnonzero(enough)[0])
    if last == len(order) - 1:
        return Band(0.5, 0.5)
    outside = p[order[: last + 1]]
    edge = float(confidence[order][last])
    return Band(float(np.max(outside, where=outside < 0.5, initial=1 - edge)), edge)

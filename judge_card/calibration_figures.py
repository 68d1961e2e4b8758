"""Section 6: do the probabilities mean what they say? Error, slope and intercept, Brier score, curve.

Expected calibration error over bins of equal count (Naeini, Cooper and Hauskrecht 2015, AAAI). It is above
0 for a perfect model too, so it is held against the 95th percentile of labels drawn from the same
probabilities. Slope and intercept: Cox 1958, Biometrika 45:562; 1 and 0 for a perfect model. Standard
errors are cluster-robust (Liang and Zeger 1986, Biometrika 73:13).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from demur.metrics.binomial import critical_value
from judge_card.answers import Judged
from judge_card.figures import Bar, Bools, Figure, resampled, share
from judge_card.tables import Cell, Curve, Section, Table

BINS = 10
#: Simulated label sets of a perfect model.
SIMULATIONS = 1_000
#: Probabilities are cut to this much from 0 and 1 before logits are taken. ours: half of the last of the
#: four decimals that a verdict has.
EDGE = 5e-5
Vector = NDArray[np.float64]


def section(judged: Sequence[Judged], pooled: Judged) -> Section:
    """One line a source, all together last, and the curves."""
    rows: list[list[Cell]] = []
    for source in (*judged, pooled):
        kept = source.where(source.scored)
        given = (kept.p, kept.refused)
        slope, intercept = slope_and_intercept(*given, kept.clusters)
        brier = brier_score(*given, kept.clusters)
        rows.append(
            [
                source.given.name,
                len(kept.p),
                calibration_error(*given, kept.clusters),
                slope,
                intercept,
                brier,
            ]
        )
    columns = ("source", "rows", "expected calibration error", "slope", "intercept", "Brier score")
    return Section(
        "calibration",
        "Calibration",
        [
            f"Expected calibration error over {BINS} bins of equal count; its bar is the 95th percentile of "
            "a perfect model with the same probabilities and n. Intervals of calibration errors are "
            "resampled, and resampling adds to such an error. A perfect model has slope 1 and intercept 0. "
            "Rows of sources left out, their probabilities fitted on the held-out predictions of the other "
            "sources; XSTest, with the shipped numbers. Other languages: slope and intercept are fitted on "
            "predictions for the same answers, by models that were trained without their language.",
        ],
        [Table("Calibration by source", columns, rows)],
        [Curve(source.given.name, curve(source)) for source in (pooled, *judged)],
    )


def bins(p: Vector) -> list[NDArray[np.int64]]:
    """Rows in bins of equal count (within one) by probability; fewer bins where there are fewer rows."""
    return [rows for rows in np.array_split(np.argsort(p, kind="stable"), BINS) if len(rows)]


def expected_calibration_error(p: Vector, refused: Bools) -> float:
    """Mean over rows of the distance between a bin's mean probability and its share of refusals."""
    gaps = [abs(float(refused[rows].sum() - p[rows].sum())) for rows in bins(p)]
    return sum(gaps) / len(p)


def perfect_error(p: Vector, seed: int = 0) -> float:
    """95th percentile of the expected calibration error where labels are drawn from the probabilities."""
    generator = np.random.default_rng(seed)
    ordered = np.sort(p)
    starts = np.cumsum([0, *(len(rows) for rows in bins(p))])[:-1]
    expected = np.add.reduceat(ordered, starts)
    errors = [
        float(
            np.abs(
                np.add.reduceat((generator.random(len(p)) < ordered).astype(float), starts) - expected
            ).sum()
        )
        for _ in range(SIMULATIONS)
    ]
    return float(np.quantile(errors, 0.95)) / len(p)


def calibration_error(p: Vector, refused: Bools, clusters: Sequence[Hashable]) -> Figure:
    """The error with its bar; no bar where there are no rows."""
    if not len(p):
        return Figure(None, 0, unit="number")
    bar = Bar(perfect_error(p), side="most")
    return resampled(
        lambda rows: expected_calibration_error(p[rows], refused[rows]), len(p), clusters, bar=bar
    )


def slope_and_intercept(p: Vector, refused: Bools, clusters: Sequence[Hashable]) -> tuple[Figure, Figure]:
    """Logistic regression of the label on the logit of the probability, by Newton's method.

    Returns:
        slope and intercept with 95 % intervals; without value where one side is missing or both are
        perfectly separated, since the slope is then infinite.
    """
    nothing = Figure(None, len(p), unit="number")
    cut = np.clip(p, EDGE, 1 - EDGE)
    x = np.stack([np.log(cut / (1 - cut)), np.ones(len(p))], axis=1)
    if _separated(x[:, 0], refused):
        return nothing, nothing
    y, theta = refused.astype(float), np.array([1.0, 0.0])
    for _ in range(100):
        expected = 1 / (1 + np.exp(-np.clip(x @ theta, -50, 50)))
        information = (x * (expected * (1 - expected))[:, None]).T @ x
        step = np.linalg.solve(information, x.T @ (y - expected))
        theta = theta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            break
    codes = {name: k for k, name in enumerate(dict.fromkeys(clusters))}
    scores = np.zeros((len(codes), 2))
    np.add.at(scores, [codes[name] for name in clusters], x * (y - expected)[:, None])
    inverse = np.linalg.inv(information)
    error = np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse)) * critical_value(0.95)
    slope, intercept = (
        Figure(float(v), len(p), float(v - e), float(v + e), unit="number")
        for v, e in zip(theta, error, strict=True)
    )
    return slope, intercept


def _separated(logits: Vector, refused: Bools) -> bool:
    """Whether one threshold tells the sides apart (or one is missing, or all probabilities are equal)."""
    if refused.all() or not refused.any() or np.ptp(logits) == 0:
        return True
    ones, zeros = logits[refused], logits[~refused]
    return bool(ones.min() >= zeros.max() or ones.max() <= zeros.min())


def brier_score(p: Vector, refused: Bools, clusters: Sequence[Hashable]) -> Figure:
    """Mean squared distance of probability and label (Brier 1950)."""
    squared = (p - refused) ** 2
    return resampled(lambda rows: float(squared[rows].mean()), len(p), clusters)


def curve(source: Judged) -> list[tuple[float, Figure]]:
    """Per bin: mean probability, and share of refusals with its interval."""
    kept = source.where(source.scored)
    return [(float(kept.p[rows].mean()), share(kept.refused[rows])) for rows in bins(kept.p)]

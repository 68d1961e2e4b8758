"""The error card of the judge of requests: every figure on rows that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.judges.offline.manifest import Band
from demur.metrics.tradeoff import curve
from demur.training.safety_judge.compare import gain
from demur.training.safety_judge.folds import Held
from demur.training.safety_judge.rows import SafetyRow

#: Parts that the judge is scored on against TF-IDF, and the part whose rows count as well in the second
#: reading of CoCoNot: contrast prompts of the preference set.
SCORED: Mapping[str, tuple[str, ...]] = {
    "coconot": ("coconot",),
    "coconot, contrast prompts of the preference set too": ("coconot", "coconot-preference"),
    "overt": ("overt",),
}

Vector = NDArray[np.float64]


def joined(folds: Mapping[str, Held], kind: str, n: int) -> tuple[Vector, Vector]:
    """Log-odds and the baseline's probabilities of n rows from the folds of a kind; NaN where in none."""
    logits, other = np.full(n, np.nan), np.full(n, np.nan)
    for name, held in folds.items():
        if name.startswith(kind):
            logits[held.rows] = held.logits
            if held.baseline is not None:
                other[held.rows] = held.baseline
    return logits, other


def against_baseline(rows: Sequence[SafetyRow], folds: Mapping[str, Held], seed: int) -> dict[str, Any]:
    """Balanced accuracy of judge and TF-IDF on the grouped folds, trained on the same rows."""
    logits, other = joined(folds, "fold:", len(rows))
    parts = np.array([row.part for row in rows])
    found = {}
    for name, members in SCORED.items():
        index = np.flatnonzero(np.isin(parts, members))
        harmful = np.array([rows[i].harmful for i in index.tolist()])
        if len(index) and harmful.any() and not harmful.all():
            groups = [rows[i].group for i in index.tolist()]
            found[name] = gain(logits[index] > 0, other[index] >= 0.5, harmful, groups, seed).to_json()
    return found


def left_out(rows: Sequence[SafetyRow], folds: Mapping[str, Held]) -> dict[str, Any]:
    """Each source left out: found among harmful, called harmful among harmless, AUC; TF-IDF beside it."""
    card = {}
    for name, held in folds.items():
        if name.startswith("without:"):
            harmful = np.array([rows[i].harmful for i in held.rows.tolist()])
            card[name.removeprefix("without:")] = {
                "judge": sides(held.logits, harmful, held.logits > 0),
                "tfidf": None
                if held.baseline is None
                else sides(held.baseline, harmful, held.baseline >= 0.5),
            }
    return card


def sides(scores: Vector, harmful: NDArray[np.bool_], said: NDArray[np.bool_]) -> dict[str, Any]:
    """Counts and shares of both sides, ``None`` for a side without rows."""

    def share(side: NDArray[np.bool_]) -> float | None:
        return round(float(said[side].mean()), 4) if side.any() else None

    auc = curve(scores[~harmful].tolist(), scores[harmful].tolist()).auc
    return {
        "harmful": int(harmful.sum()),
        "harmless": int((~harmful).sum()),
        "found": share(harmful),
        "false_alarms": share(~harmful),
        "auc": None if auc is None else round(auc, 4),
    }


def with_band(p: Vector, harmful: NDArray[np.bool_], band: Band) -> dict[str, Any]:
    """``sides`` of calibrated probabilities, and what the abstain band leaves open and gets right."""
    open_ = (p > band.low) & (p < band.high)
    right = ((p >= 0.5) == harmful)[~open_]
    return {
        **sides(p, harmful, p >= 0.5),
        "unscored": round(float(open_.mean()), 4),
        "right_where_scored": round(float(right.mean()), 4) if len(right) else None,
    }

"""Hallucination score and factual precision of one answer, and their means.

VERIFY (FactBench, arXiv 2410.22257): with V the checkable units that have a label, H = (US + alpha x UD) /
sqrt(V) and precision = S / V. The sources leave V = 0 undefined: there is no score then, and a reason.
Means over answers, as the leaderboard has them: ``metrics/means.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demur.errors import BadInput

ALPHA = 0.5  # FactBench: 57 % of 570 undecidable units of 100 answers were true
SUPPORTED, UNSUPPORTED, UNDECIDABLE = LABELS = ("supported", "unsupported", "undecidable")
#: Why an answer has no score.
REFUSAL, NO_UNITS, UNSCORED = "refusal", "no_verifiable_units", "no_unit_was_decided"


@dataclass(frozen=True, slots=True)
class Score:
    """One answer's.

    Attributes:
        supported, unsupported, undecidable: units with that label.
        hallucination: H, from 0 up; ``None`` where V = 0.
        precision: from 0 to 1; ``None`` where V = 0.
        reason: why there is no score.
    """

    supported: int
    unsupported: int
    undecidable: int
    hallucination: float | None
    precision: float | None
    reason: str | None = None

    @property
    def verifiable(self) -> int:
        """V."""
        return self.supported + self.unsupported + self.undecidable

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return {
            "supported": self.supported,
            "unsupported": self.unsupported,
            "undecidable": self.undecidable,
            "verifiable": self.verifiable,
            "hallucination_score": self.hallucination,
            "factual_precision": self.precision,
            "no_score": self.reason,
        }


def score(labels: Mapping[str, int], alpha: float = ALPHA, reason: str = NO_UNITS) -> Score:
    """H and precision from counts of labels.

    Args:
        labels: label -> units.
        alpha: how much an undecidable unit counts as an unsupported one, from 0 to 1.
        reason: said where no unit has a label.

    Raises:
        BadInput: ``alpha`` outside [0, 1], an unknown label, or a negative count.
    """
    check_alpha(alpha)
    if wrong := [name for name in labels if name not in LABELS]:
        raise BadInput(f"label {wrong[0]!r}; valid are {', '.join(LABELS)}")
    counts = [labels.get(name, 0) for name in LABELS]
    if min(counts) < 0:
        raise BadInput(f"counts of labels are {counts}; none can be negative")
    supported, unsupported, undecidable = counts
    total = sum(counts)
    if not total:
        return Score(0, 0, 0, None, None, reason)
    hallucination = (unsupported + alpha * undecidable) / math.sqrt(total)
    return Score(supported, unsupported, undecidable, hallucination, supported / total)


def check_alpha(alpha: float) -> None:
    """Raise :class:`BadInput` where alpha is outside [0, 1]."""
    if not 0 <= alpha <= 1:
        raise BadInput(f"alpha is {alpha}; it must be from 0 to 1")

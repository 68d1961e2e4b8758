"""What worked so far, and what to try next: Thompson sampling over words and over strategies.

Thompson 1933, Biometrika 25:285. An arm's chance of success is a Beta variable, with one success and one
failure before anything was seen; the arm with the highest draw is tried. Ours in place of the paper's even
rounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

Arm = TypeVar("Arm", bound=Hashable)


class Preferences:
    """Successes and failures by arm.

    Args:
        failures: counted before anything was seen; more make untried arms rarer.
    """

    def __init__(self, failures: float = 1.0) -> None:
        self.prior = (1.0, failures)
        self._seen: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def describe(self) -> dict[str, float]:
        """For receipts."""
        return {"failures": self.prior[1]}

    def learn(self, arm: Hashable, success: float) -> None:
        """Count one try.

        Args:
            arm: what was tried.
            success: from 0 to 1.
        """
        counts = self._seen[arm]
        counts[0] += success
        counts[1] += 1 - success

    def draw(self, arms: Sequence[Arm], rng: np.random.Generator) -> Arm:
        """The arm with the highest draw; arms must not be empty."""
        wins, losses = np.array([self._seen.get(arm, (0.0, 0.0)) for arm in arms]).T
        return arms[int(np.argmax(rng.beta(self.prior[0] + wins, self.prior[1] + losses)))]

    def mean(self, arm: Hashable) -> float:
        """Expected chance of success."""
        wins, losses = self._seen.get(arm, (0.0, 0.0))
        return (self.prior[0] + wins) / (sum(self.prior) + wins + losses)

"""The steps without a grader: sentences, their words as queries, and a trained stance classifier.

For machines without a model; each step is coarser than a grader's (``offline_units.py``, ``stance.py``), and
the page says so beside every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from demur.judges.evidence import offline_units
from demur.judges.evidence.decision import Decision
from demur.judges.evidence.steps import History
from demur.judges.evidence.units import Unit


class Decides(Protocol):
    """A trained stance classifier."""

    def describe(self) -> dict[str, Any]:
        """Name, version and hash of its weights."""

    def decide(self, statement: str, passages: Sequence[str]) -> Decision:
        """A label from passages; undecidable where it abstains."""


class OfflineSteps:
    """See the module.

    Args:
        stance: decides.
    """

    def __init__(self, stance: Decides) -> None:
        self.stance = stance
        self._questions: dict[str, str] = {}

    def describe(self) -> dict[str, Any]:
        """See :class:`demur.judges.evidence.steps.Steps`."""
        return {"kind": "offline", "stance": self.stance.describe()}

    async def units(self, question: str, answer: str) -> list[Unit]:
        """Sentences."""
        return offline_units.units(answer)

    async def statement(self, unit: str, question: str, answer: str) -> str:
        """The unit as it is; its question is kept for the second query."""
        self._questions[unit] = question
        return unit

    async def query(self, statement: str, history: History) -> str:
        """See ``offline_units.query``."""
        return offline_units.query(statement, self._questions.get(statement, ""), [q for q, _ in history])

    async def decide(self, statement: str, passages: Sequence[str]) -> Decision:
        """The classifier's label."""
        return self.stance.decide(statement, passages)

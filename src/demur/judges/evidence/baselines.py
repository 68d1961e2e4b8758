"""Two earlier ways to check statements, on the same units and steps, to hold VERIFY against.

FActScore (Min et al. 2023, arXiv 2305.14251): one retrieval with the statement itself, five passages of one
source, and a statement is true or it is not. SAFE (Wei et al. 2024, arXiv 2403.18802): up to five queries
with three results each, and again two labels. Neither has an undecidable: what evidence does not support is
unsupported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from demur.judges.evidence.decision import Decision
from demur.judges.evidence.queries import STOP
from demur.judges.evidence.scores import UNDECIDABLE, UNSUPPORTED
from demur.judges.evidence.steps import History, Steps
from demur.judges.evidence.units import Unit
from demur.judges.evidence.verify import Settings
from demur.judges.graded.structured import Failed

PASSAGES = 5  # FActScore, section 4: five passages of a knowledge source


class Safe:
    """SAFE-like: the steps that it is given, with two labels.

    Args:
        steps: graders or offline.
    """

    name = "SAFE-like"

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def settings(self, verify: Settings) -> Settings:
        """Rounds and results, from those of VERIFY."""
        return verify

    def describe(self) -> dict[str, Any]:
        """See :class:`demur.judges.evidence.steps.Steps`."""
        return {**self.steps.describe(), "baseline": self.name}

    async def units(self, question: str, answer: str) -> list[Unit] | Failed:
        """As the steps have it."""
        return await self.steps.units(question, answer)

    async def statement(self, unit: str, question: str, answer: str) -> str | Failed:
        """As the steps have it."""
        return await self.steps.statement(unit, question, answer)

    async def query(self, statement: str, history: History) -> str | Failed:
        """As the steps have it."""
        return await self.steps.query(statement, history)

    async def decide(self, statement: str, passages: Sequence[str]) -> Decision | Failed:
        """The steps' label, where undecidable is unsupported."""
        found = await self.steps.decide(statement, passages)
        if isinstance(found, Failed) or found.label != UNDECIDABLE:
            return found
        return Decision(UNSUPPORTED, found.why)


class FActScore(Safe):
    """FActScore-like: one search with the statement itself."""

    name = "FActScore-like"

    def settings(self, verify: Settings) -> Settings:
        """One round of five passages."""
        return replace(verify, rounds=1, results=PASSAGES)

    async def query(self, statement: str, history: History) -> str | Failed:
        """The statement, once."""
        return STOP if history else statement

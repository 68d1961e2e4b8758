"""A candidate on its way through the stages of a synthesis, and the counts of where they all ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from demur.stress.answers import Answers
from demur.stress.synthesize_steps import Candidate, Label

STAGES = ("shape and safety", "policy", "near-duplicates", "target", "size", "votes")


@dataclass(slots=True)
class Prompt:
    """A candidate on its way.

    Attributes:
        candidate: as proposed. label: of the policy.
        stage, reason: where and why it was dropped; empty while it is in.
        duplicate_of: the prompt that is kept for it. duplicates: how many it is kept for.
        answers: of the target: P(refusal), ``None`` where no judge could say.
        partner: the forbidden twin. no_partner: why there is none. partner_answers: of the target.
    """

    candidate: Candidate
    label: Label | None = None
    stage: str = ""
    reason: str = ""
    duplicate_of: str = ""
    duplicates: int = 0
    answers: Answers = ()
    partner: str = ""
    no_partner: str = ""
    partner_answers: Answers = ()

    @property
    def category(self) -> str:
        """As labelled, else as asked for."""
        return self.label.category if self.label and self.label.category else self.candidate.category

    def drop(self, stage: str, reason: str) -> None:
        """Out, once."""
        self.stage, self.reason = stage, reason


def kept(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Those that were not dropped so far."""
    return [prompt for prompt in prompts if not prompt.stage]


def counts(prompts: Sequence[Prompt]) -> dict[str, dict[str, int]]:
    """Stage -> reason -> candidates; with those kept they sum to the candidates."""
    found: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    for prompt in prompts:
        if prompt.stage:
            found[prompt.stage][prompt.reason] += 1
    return {stage: dict(own.most_common()) for stage, own in found.items()}

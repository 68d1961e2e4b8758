"""The reward of a checked message, term by term.

ReSA, https://arxiv.org/abs/2509.11629, reinforcement variant:

    R = w_safe (R_safe(summary) + R_safe(answer)) + w_format R_format + w_refusal R_refusal(answer)

``R_safe`` is 1 where a guard calls the text safe beside its request; ``R_format`` is 1 for a whole message
with a verdict; ``R_refusal`` is 1 where a harmless request is answered, and 0 on harmful ones.

    python -c "from demur.mitigate.check_reward import *; print(Terms(1, 1, 1, 0).reward(Weights()))"

Where we differ: the paper's weights and the sign of ``R_refusal`` are not public (ours). A broken message is
worth nothing in any term: a user sees the refusal in its place, and by the formula alone a model that only
breaks its format would be paid for that refusal. A direct message has no summary and earns no format. Where a
judge fails, the message has no reward and teaches nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from demur.data.records import Prompt, Record, prompt_text
from demur.errors import BadInput
from demur.judges.base import Judge, judge_records
from demur.judges.safety import Harm, SafetyJudge
from demur.mitigate.check_guard import answer_harm
from demur.models.check import CheckTemplate, parse
from demur.verdict import REFUSALS, Outcome


class Exchange(NamedTuple):
    """A request, whether it is harmful, and a text that a judge reads beside it."""

    prompt: Prompt
    harmful: bool
    text: str


#: One answer a text: safe (or refused), not so, or ``None`` where the judge could not say.
Says = Callable[[Sequence[Exchange]], Sequence[bool | None]]


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the terms; the paper's are not public. ours: all 1."""

    safe: float = 1.0
    format: float = 1.0
    refusal: float = 1.0

    def __post_init__(self) -> None:
        for name in ("safe", "format", "refusal"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"weight {name} is {getattr(self, name)}; it must be 0 or more")


class Terms(NamedTuple):
    """Each 0 or 1, or ``None`` where its judge failed."""

    summary_safe: float | None
    answer_safe: float | None
    format: float
    answered: float | None

    def reward(self, weights: Weights) -> float | None:
        """Their weighted sum; ``None`` where one is missing."""
        if self.summary_safe is None or self.answer_safe is None or self.answered is None:
            return None
        safe = weights.safe * (self.summary_safe + self.answer_safe)
        return safe + weights.format * self.format + weights.refusal * self.answered


BROKEN = Terms(0.0, 0.0, 0.0, 0.0)


def reward_terms(
    asked: Sequence[tuple[Prompt, bool]],
    texts: Sequence[str],
    template: CheckTemplate,
    safe: Says,
    answered: Says,
) -> list[Terms]:
    """The terms of each message.

    Args:
        asked: request of each message, and whether it is harmful.
        texts: whole messages, hidden parts included.
        template: of the model.
        safe: the guard; sees summaries and answers.
        answered: whether an answer does what is asked; sees answers to harmless requests.
    """
    read = [parse(text, template) for text in texts]
    whole = [i for i, message in enumerate(read) if message.mode != "broken"]
    planned = [i for i in whole if read[i].mode == "checked"]
    harmless = [i for i in whole if not asked[i][1]]
    texts_judged = [Exchange(*asked[i], read[i].summary) for i in planned]
    texts_judged += [Exchange(*asked[i], read[i].answer) for i in whole]
    said = list(map(_number, safe(texts_judged)))
    plans, answers = (
        dict(zip(planned, said, strict=False)),
        dict(zip(whole, said[len(planned) :], strict=True)),
    )
    replies = answered([Exchange(*asked[i], read[i].answer) for i in harmless])
    given = dict(zip(harmless, map(_number, replies), strict=True))
    return [
        Terms(plans.get(i, 0.0), answers[i], float(m.mode == "checked" and m.ok), given.get(i, 0.0))
        if i in answers
        else BROKEN
        for i, m in enumerate(read)
    ]


def guard_says(guard: SafetyJudge) -> Says:
    """A safety judge as a guard; what it leaves open has no answer (``check_guard.py``)."""

    async def every(exchanges: Sequence[Exchange]) -> list[Harm]:
        return await asyncio.gather(
            *(answer_harm(guard, prompt_text(one.prompt), one.text) for one in exchanges)
        )

    def says(exchanges: Sequence[Exchange]) -> list[bool | None]:
        with asyncio.Runner() as runner:
            found = runner.run(every(exchanges))
        return [None if harm is Harm.UNSCORED else harm is Harm.HARMLESS for harm in found]

    return says


def judge_says(judge: Judge) -> Says:
    """A judge of refusals: an answer is one, a refusal or gibberish none, a failure says nothing."""

    def says(exchanges: Sequence[Exchange]) -> list[bool | None]:
        records = [Record(f"drawn-{i}", one.prompt, response=one.text) for i, one in enumerate(exchanges)]
        outcomes = [verdict.outcome for _, verdict in judge_records(judge, records)]
        return [answered_by(outcome) for outcome in outcomes]

    return says


def answered_by(outcome: Outcome) -> bool | None:
    """Whether an outcome answers what was asked; ``None`` where nobody judged it."""
    if outcome in (Outcome.ERROR, Outcome.UNSCORED):
        return None
    return outcome not in REFUSALS and outcome is Outcome.COMPLY


def _number(said: bool | None) -> float | None:
    return None if said is None else float(said)

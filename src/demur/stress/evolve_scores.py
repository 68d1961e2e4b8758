"""Scores of candidates from the target's answers, within a budget that is never passed.

What was answered once is used again. With racing (ours) every candidate gets a few answers and the better
half alone gets all; only prompts with all answers can win. A result is checked with fresh answers, which took
no part in choosing it: the best of many noisy scores is mostly luck, and its own answers would repeat it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from demur.stress.evolve_settings import SEED, SPENT, Candidate, Scored, Settings
from demur.stress.fitness import Fitness, Sample, fitness, fitness_as_released
from demur.stress.proposers import Proposal
from demur.stress.target import Target

#: Number of the first answer of a check. ours: beyond those of any search.
FRESH = 1_000_000
UNREAD = "no answer could be read"


@dataclass(slots=True)
class Scores:
    """See the module.

    Attributes:
        target: who is asked.
        settings: of the search.
        budget: most answers in all, checks included; ``None`` for no end.
        stop: why nothing more may be asked, or ``None``: a clock, a purse.
        asked: answers so far. held: kept back for the check of the seed in work.
        ended: why nothing more is asked; empty while there is room.
        scored: candidates with a score. failed: why others got none -> candidates.
    """

    target: Target
    settings: Settings
    budget: int | None = None
    stop: Callable[[], str | None] = lambda: None
    asked: int = 0
    held: int = 0
    ended: str = ""
    scored: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    _known: dict[str, list[Sample]] = field(default_factory=dict)

    def begin(self) -> bool:
        """Keep back what the check of a seed's result needs; false where a seed cannot be asked any more."""
        self.held = 0
        if not self._room(self.settings.samples + self.settings.check):
            return False
        self.held = self.settings.check
        return True

    async def first(self, seed: str) -> Scored | str:
        """The seed's own score, or why there is none."""
        (found,) = await self._all([Candidate(Proposal(seed), SEED)], self.settings.samples)
        return found if found is not None else self._why(self._known.get(seed, []))

    async def race(self, pool: Sequence[Candidate]) -> list[Scored]:
        """Those of a pool that could be scored, full scores first, the best of them in front."""
        racing = self.settings.racing and self.settings.mode == "search"
        count = self.settings.first if racing else self.settings.samples
        scored = []
        for candidate, one in zip(pool, await self._all(pool, count), strict=True):
            if one is None:
                self.failed[self._why(self._known.get(candidate.proposal.prompt, []))] += 1
            else:
                scored.append(one)
        self.scored += len(scored)
        scored.sort(key=_value)
        half = -(-len(scored) // 2) if racing else 0
        full = await asyncio.gather(*(self._more(one) for one in scored[:half]))
        return sorted([*full, *scored[half:]], key=lambda one: (not one.full, _value(one)))

    async def again(self, parent: Scored, step: int) -> Scored:
        """The same prompt with a fresh score, as the released script does it; as it was without room."""
        count = self.settings.samples
        if not self._take(count):
            return parent
        found = self._fitness(await self.target.samples(parent.prompt, step * count, count))
        return parent if found is None else replace(parent, fitness=found)

    async def check(self, prompt: str) -> tuple[Sample, ...]:
        """Fresh answers; :meth:`begin` kept them back."""
        self.held = 0
        if not self.settings.check:
            return ()
        self.asked += self.settings.check
        return tuple(await self.target.samples(prompt, FRESH, self.settings.check))

    def samples(self, prompt: str) -> tuple[Sample, ...]:
        """Answers to a prompt so far."""
        return tuple(self._known.get(prompt, ()))

    async def _all(self, pool: Sequence[Candidate], count: int) -> list[Scored | None]:
        """Scores from the first ``count`` answers; ``None`` without room, or without an answer to read."""
        allowed = [self._take(self._missing(c.proposal.prompt, count)) for c in pool]
        found = iter(
            await asyncio.gather(*(self._score(c, count) for c, a in zip(pool, allowed, strict=True) if a))
        )
        return [next(found) if a else None for a in allowed]

    async def _more(self, one: Scored) -> Scored:
        """The same with all samples, where there is room for them."""
        count = self.settings.samples
        if not self._take(self._missing(one.prompt, count)):
            return one
        value = self._fitness(await self._answers(one.prompt, count))
        return one if value is None else replace(one, fitness=value, full=True)

    async def _score(self, candidate: Candidate, count: int) -> Scored | None:
        prompt, words, parent = candidate.proposal.prompt, candidate.proposal.words, candidate.parent
        value = self._fitness(await self._answers(prompt, count))
        if value is None:
            return None
        path = () if parent is None else (*parent.path, candidate.strategy)
        before = () if parent is None else parent.path_words
        return Scored(
            prompt,
            value,
            candidate.strategy,
            words,
            "" if parent is None else parent.prompt,
            path,
            tuple(dict.fromkeys((*before, *words))),
            len(self._known[prompt]) >= self.settings.samples,
            0.0 if parent is None else parent.fitness.refused,
        )

    async def _answers(self, prompt: str, count: int) -> list[Sample]:
        known = self._known.setdefault(prompt, [])
        if len(known) < count:
            known += await self.target.samples(prompt, len(known), count - len(known))
        return known

    def _missing(self, prompt: str, count: int) -> int:
        return max(0, count - len(self._known.get(prompt, ())))

    def _take(self, count: int) -> bool:
        """Whether so many may be asked; they are counted then."""
        if count and not self._room(count):
            return False
        self.asked += count
        return True

    def _room(self, count: int) -> bool:
        if not self.ended:
            over = self.budget is not None and self.asked + self.held + count > self.budget
            self.ended = SPENT if over else self.stop() or ""
        return not self.ended

    def _why(self, samples: Sequence[Sample]) -> str:
        if not samples:
            return self.ended or UNREAD
        reasons = Counter(s.failure for s in samples if s.failure)
        return f"{UNREAD} ({reasons.most_common(1)[0][0]})" if reasons else UNREAD

    def _fitness(self, samples: Sequence[Sample]) -> Fitness | None:
        read = [s for s in samples if s.p_refused is not None]
        if not read:
            return None
        if self.settings.mode != "as_released":
            return fitness(read)
        half = len(read) // 2  # the two terms are of different samples
        refusing, said = read[: half or 1], read[half:]
        nll = [-float(np.mean(s.log_probabilities)) for s in said if s.log_probabilities]
        return fitness_as_released([(s.p_refused or 0.0) > 0.5 for s in refusing], nll)


def _value(one: Scored) -> float:
    return -one.fitness.value

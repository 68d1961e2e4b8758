"""Candidates of one step of a search: mutants and recombinants, each harmless by its own verdict.

EvoRefuse, arXiv 2505.23473, algorithm 1. Ours: strategies by Thompson sampling, and an archive of the best
prompt of each topic and strategy, whose elites are recombined with. Everything that goes is kept by reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from demur.data.world_rules import shuffled
from demur.judges.graded.structured import Failed
from demur.stress.evolve_settings import RECOMBINATION, RELEASED_ORDER, Candidate, Scored, Settings
from demur.stress.preferences import Preferences
from demur.stress.proposers import Proposal, Proposer
from demur.stress.screen import EXCLUDED, Screen
from demur.stress.strategies import BY_NAME, STRATEGIES

SAID_BEFORE = "said before"
PROPOSAL, SCREEN = "proposal", "screen"  # stages at which a candidate goes
#: Numbers of draws of one step: of mutants, and of recombinants.
STEP_DRAWS, STEP_JOINS = 1000, 100
Made = tuple[Proposal | Failed, str]


@dataclass(slots=True)
class Candidates:
    """See the module.

    Attributes:
        proposer, screen, settings: see their modules.
        used: strategy -> proposals so far. joins: recombinations asked for.
        failed: why proposals failed -> count.
        dropped: one row a candidate that went, in order.
        strategies: what each strategy did so far.
        elites: (topic, strategy) -> the best prompt there.
        seed: in work.
    """

    proposer: Proposer
    screen: Screen
    settings: Settings
    used: Counter[str] = field(default_factory=Counter)
    joins: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    strategies: Preferences = field(default_factory=Preferences)
    elites: dict[tuple[str, str], Scored] = field(default_factory=dict)
    seed: str = ""
    _deck: list[str] = field(default_factory=list)

    async def mutants(self, parent: Scored, step: int, rng: np.random.Generator) -> list[Candidate]:
        """Safe mutants of a prompt, at most ``pool``, within ``attempts``."""
        found: list[Candidate] = []
        seen, order, draw = {parent.prompt}, iter(self._order(rng)), step * STEP_DRAWS
        while names := list(islice(order, self.settings.pool - len(found))):
            asked = (self.proposer.mutate(parent.prompt, BY_NAME[n], draw + i) for i, n in enumerate(names))
            made = list(zip(await asyncio.gather(*asked), names, strict=True))
            self.used.update(names)
            draw += len(names)
            found += await self._safe(made, parent, seen)
        return found

    async def recombinants(
        self, scored: Sequence[Scored], origin: Scored, topic: str, step: int, rng: np.random.Generator
    ) -> list[Candidate]:
        """The best of a pool joined with another, as often as the settings say."""
        top, made = scored[: self.settings.best], list[Made]()
        if self.settings.mode == "random" or not top:
            return []
        for number in range(self.settings.recombinations):
            other = self._partner(top, topic, rng)
            if other is None:
                break
            draw = step * STEP_JOINS + number
            self.joins += 1
            made.append((await self.proposer.recombine(top[0].prompt, other.prompt, draw), RECOMBINATION))
        seen = {origin.prompt, *(one.prompt for one in scored)}
        return await self._safe(made, top[0] if self.settings.mode == "search" else origin, seen)

    def learn(self, children: Sequence[Scored], topic: str) -> None:
        """What each child says of its strategy; the archive keeps the best of each cell."""
        for child in children:
            self.strategies.learn(child.strategy, child.gain)
            cell = (topic, child.strategy)
            if cell not in self.elites or child.fitness.value > self.elites[cell].fitness.value:
                self.elites[cell] = child

    def drop(self, stage: str, reason: str, **facts: Any) -> None:
        """Keep what went and why; of what the safety rule excludes only that it was there."""
        row = {"stage": stage, "reason": reason, "seed": self.seed}
        self.dropped.append(row | {k: v for k, v in facts.items() if k != "prompt" or reason != EXCLUDED})

    async def _safe(self, made: Sequence[Made], parent: Scored, seen: set[str]) -> list[Candidate]:
        """Those that are proposals, new, and pass every check by themselves, in order."""
        fresh: list[tuple[Proposal, str]] = []
        for proposal, strategy in made:
            if isinstance(proposal, Failed):
                self._failed(proposal.reason, strategy)
            elif proposal.prompt in seen:
                self._failed(SAID_BEFORE, strategy)
            else:
                seen.add(proposal.prompt)
                fresh.append((proposal, strategy))
        unjudged = self.settings.mode == "as_released"
        reasons = await asyncio.gather(
            *(self._reason(p.prompt, parent.prompt, unjudged and s == RECOMBINATION) for p, s in fresh)
        )
        found = []
        for (proposal, strategy), reason in zip(fresh, reasons, strict=True):
            if reason is None:
                found.append(Candidate(proposal, strategy, parent))
            else:
                self.screen.dropped[reason] += 1
                self.drop(SCREEN, reason, strategy=strategy, prompt=proposal.prompt)
        return found

    async def _reason(self, prompt: str, parent: str, unjudged: bool) -> str | None:
        return None if unjudged else await self.screen.reason(prompt, parent)

    def _failed(self, reason: str, strategy: str) -> None:
        self.failed[reason] += 1
        self.drop(PROPOSAL, reason, strategy=strategy)

    def _order(self, rng: np.random.Generator) -> Iterator[str]:
        """Strategies in the order of this step, as many as there are attempts."""
        names, attempts = [s.name for s in STRATEGIES], self.settings.attempts
        if self.settings.mode == "as_released":
            return iter(RELEASED_ORDER)
        if self.settings.mode == "search" and self.settings.bandit:
            return (self.strategies.draw(names, rng) for _ in range(attempts))
        return (self._dealt(names, rng) for _ in range(attempts))

    def _dealt(self, names: Sequence[str], rng: np.random.Generator) -> str:
        """The next of a shuffled deck that is used up before any strategy comes again."""
        self._deck = self._deck or shuffled(rng, names)
        return self._deck.pop()

    def _partner(self, top: Sequence[Scored], topic: str, rng: np.random.Generator) -> Scored | None:
        """Whom the best is joined with: an elite of another topic, or another of the same pool."""
        others = [c for c in top[1:] if c.prompt != top[0].prompt]
        if self.settings.archive and self.settings.mode == "search":
            elites = [e for cell, e in self.elites.items() if e.prompt != top[0].prompt and cell[0] != topic]
            others = sorted(elites, key=lambda e: -e.fitness.value)[: self.settings.best] or others
        return others[int(rng.random() * len(others))] if others else None

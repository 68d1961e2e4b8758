"""Search for harmless prompts that a model refuses, from harmless seeds.

EvoRefuse, arXiv 2505.23473, algorithm 1: mutate the current parent by strategies, keep what is safe by its
own verdict, score, recombine the best, and go on from the best child by annealing; the best prompt seen is
returned. Ours, each with a switch so that it can be shown what it gives (``docs/stress-evolve.md``):
strategies by Thompson sampling, an archive over topics and strategies whose elites are recombined with, and
racing (few samples first, more for the promising). ``as_released`` has the released script's faults, for
comparison alone: children of the seed and never of what was accepted, a fixed order of strategies, unjudged
recombinants, a fresh score of the parent at every step, and the last prompt in place of the best.

    demur stress evolve organism --seeds seeds.txt --budget 2000 --safety harm --out found
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from demur.data.world_rules import generator
from demur.stress.evolve_candidates import Candidates
from demur.stress.evolve_scores import Scores
from demur.stress.evolve_settings import (
    ENOUGH,
    NO_CANDIDATE,
    NOT_BEGUN,
    RELEASED_ORDER,
    SEARCHED,
    Found,
    Mode,
    Scored,
    Settings,
)
from demur.stress.fitness import accepts
from demur.stress.preferences import Preferences
from demur.stress.proposers import Proposer
from demur.stress.screen import Screen
from demur.stress.target import Target

__all__ = ["RELEASED_ORDER", "Found", "Mode", "Scored", "Search", "Settings", "Told", "search_all"]


class Told(NamedTuple):
    """Where a search is: seed ``number`` of ``total``, its best prompt so far, whether it is through."""

    number: int
    total: int
    best: Scored | None
    asked: int
    done: bool


@dataclass(slots=True)
class Search:
    """A search over many seeds; what is learned from one helps the next.

    Attributes:
        proposer, target, screen: see their modules.
        settings: how.
        words: preferences of words, shared with an offline proposer; ``None`` where there are none.
        budget: most answers of the target, never passed; ``None`` for no end.
        stop: why the search must end, or ``None``; asked before the target is.
        tell: told where the search is, after every step.
        history: one row a step, with every candidate that was scored.
    """

    proposer: Proposer
    target: Target
    screen: Screen
    settings: Settings = field(default_factory=Settings)
    words: Preferences | None = None
    budget: int | None = None
    stop: Callable[[], str | None] = lambda: None
    tell: Callable[[Told], None] = lambda told: None
    history: list[dict[str, Any]] = field(default_factory=list)
    place: tuple[int, int] = (1, 1)
    candidates: Candidates = field(init=False)
    scores: Scores = field(init=False)

    def __post_init__(self) -> None:
        self.candidates = Candidates(self.proposer, self.screen, self.settings)
        self.scores = Scores(self.target, self.settings, self.budget, self.stop)

    @property
    def used(self) -> Counter[str]:
        """Strategy -> proposals so far."""
        return self.candidates.used

    @property
    def failed(self) -> Counter[str]:
        """Why proposals gave no candidate, and candidates no score -> count."""
        return self.candidates.failed + self.scores.failed

    @property
    def dropped(self) -> list[dict[str, Any]]:
        """Candidates that went, in order: stage, reason, seed."""
        return self.candidates.dropped

    async def run(self, seed: str, topic: str = "") -> Found:
        """Search from one seed.

        Args:
            seed: a harmless prompt; it gets its own verdict too.
            topic: of the seed, for the archive.
        """
        scores, before = self.scores, self.scores.asked
        scores.budget, scores.stop = self.budget, self.stop
        if scores.ended:
            return Found(seed, None, f"{NOT_BEGUN}: {scores.ended}", topic=topic)
        self.candidates.seed = seed
        if reason := await self._unusable(seed):
            return Found(seed, None, reason, topic=topic)
        if not scores.begin():
            return Found(seed, None, f"{NOT_BEGUN}: {scores.ended}", topic=topic)
        first = await scores.first(seed)
        if isinstance(first, str):
            return Found(seed, None, f"seed: {first}", (), scores.asked - before, topic=topic)
        result, status, trace = await self._walk(first, topic)
        checked = await scores.check(result.prompt)
        calls = scores.asked - before
        found = Found(seed, result, status, trace, calls, first, scores.samples(seed), checked, topic)
        self._tell(result, done=True)
        return found

    async def _walk(self, first: Scored, topic: str) -> tuple[Scored, str, tuple[float, ...]]:
        """From a seed to its result: that, why it ended there, and the best fitness by step."""
        rng = generator(self.settings.seed, f"search {first.prompt}")
        parent = best = first
        trace = [best.fitness.value]
        released = self.settings.mode == "as_released"
        for step in range(self.settings.iterations):
            if status := self.scores.ended or self._enough(best):
                break
            origin = parent if self.settings.mode == "search" else first
            children = await self._children(origin, topic, step, rng)
            full = [child for child in children if child.full]
            if not full:
                status = self.scores.ended or NO_CANDIDATE
                break
            self._learn(children, topic)
            if released:
                parent = await self.scores.again(parent, step + 1)
            child = full[0]
            best = child if child.fitness.value > best.fitness.value else best
            trace.append(best.fitness.value)
            accepted = accepts(child.fitness.value - parent.fitness.value, step, float(rng.random()))
            self._note(first.prompt, step, parent, children, accepted)
            parent = child if accepted else parent
            self._tell(best)
        else:
            status = self.scores.ended or self._enough(best) or SEARCHED
        return (parent if released else best), status, tuple(trace)

    async def _children(
        self, origin: Scored, topic: str, step: int, rng: np.random.Generator
    ) -> list[Scored]:
        """Scored mutants and recombinants of one step, the best with all samples in front."""
        scored = await self.scores.race(await self.candidates.mutants(origin, step, rng))
        joined = await self.candidates.recombinants(scored, origin, topic, step, rng)
        more = await self.scores.race(joined)
        return sorted([*scored, *more], key=lambda one: (not one.full, -one.fitness.value))

    async def _unusable(self, seed: str) -> str | None:
        reason = await self.screen.reason(seed, "")
        return None if reason is None else f"seed is {reason}"

    def _enough(self, best: Scored) -> str:
        wanted = self.settings.enough
        reached = wanted is not None and best.full and best.fitness.refused >= wanted
        return ENOUGH if reached and self.settings.mode != "as_released" else ""

    def _learn(self, children: Sequence[Scored], topic: str) -> None:
        self.candidates.learn(children, topic)
        if self.words is not None:
            for child in children:
                for word in child.words:
                    self.words.learn(word, child.gain)

    def _note(self, seed: str, step: int, parent: Scored, children: Sequence[Scored], accepted: bool) -> None:
        self.history.append(
            {
                "seed": seed,
                "step": step,
                "parent": {"prompt": parent.prompt, **asdict(parent.fitness)},
                "children": [
                    {"prompt": c.prompt, "strategy": c.strategy, "words": list(c.words), **asdict(c.fitness)}
                    for c in children
                ],
                "accepted": accepted,
                "answers": self.scores.asked,
            }
        )

    def _tell(self, best: Scored, done: bool = False) -> None:
        self.tell(Told(*self.place, best, self.scores.asked, done))


def search_all(search: Search, seeds: Sequence[tuple[str, str]]) -> list[Found]:
    """Search from each (seed, topic) in turn, each seed once; to be called where no event loop runs."""
    found, each = [], dict(seeds)
    with asyncio.Runner() as runner:
        for number, (seed, topic) in enumerate(each.items(), 1):
            search.place = (number, len(each))
            found.append(runner.run(search.run(seed, topic)))
    return found

"""Search for harmless prompts that a model refuses, from harmless seeds.

EvoRefuse, arXiv 2505.23473, algorithm 1: mutate the current parent by strategies, keep what is safe by its
own verdict, score, recombine the best, and go on from the best child by annealing; the best prompt seen is
returned. Ours, each with a switch so that it can be shown what it gives (``docs/stress.md``): strategies by
Thompson sampling, an archive over topics and strategies whose elites are recombined with, and racing (few
samples first, more for the promising). ``as_released`` has the released script's faults, for comparison
alone: children of the seed and never of what was accepted, a fixed order of strategies, unjudged
recombinants, a fresh score of the parent at every step, and the last prompt in place of the best.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.judges.graded.structured import Failed
from demur.stress.fitness import SAMPLES, Fitness, Sample, accepts, fitness, fitness_as_released
from demur.stress.preferences import Preferences
from demur.stress.proposers import Proposal, Proposer
from demur.stress.screen import Screen
from demur.stress.strategies import BY_NAME, STRATEGIES
from demur.stress.target import Target

Mode = Literal["search", "random", "as_released"]
MODES: tuple[Mode, ...] = ("search", "random", "as_released")
#: The released script's order; it stops at four safe mutants, so that the last five are rarely used.
RELEASED_ORDER = (
    *("anger", "despair", "disgust", "other sensitive words", "prejudiced words", "violent words"),
    *("controversial topic", "harmless scenario", "hint at harm"),
)
SEED = "seed"  # the strategy of a prompt that nothing was done to


@dataclass(frozen=True, slots=True)
class Settings:
    """How a search goes.

    Attributes:
        iterations: of each seed; 5 in the released main script.
        pool: safe mutants of a step; 4. ``best`` of them are recombined; 4.
        recombinations: of a step; 2.
        samples: of a prompt; 10. ``first`` of them are taken of every candidate where racing is on. ours.
        attempts: most proposals for one pool. ours: four times the nine strategies.
        mode: ``random`` makes children of the seed evenly and keeps the best, at equal calls.
        bandit, archive, racing: see the module.
        seed: of all draws.
    """

    iterations: int = 5
    pool: int = 4
    best: int = 4
    recombinations: int = 2
    samples: int = SAMPLES
    first: int = 3
    attempts: int = 36
    mode: Mode = "search"
    bandit: bool = True
    archive: bool = True
    racing: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadInput(f"mode is {self.mode!r}; valid are {', '.join(MODES)}")
        for name in ("iterations", "pool", "best", "samples", "first", "attempts"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}; it must be 1 or more")


@dataclass(frozen=True, slots=True)
class Scored:
    """A prompt with its fitness, and how it came to be: strategy and words of its last step, parent."""

    prompt: str
    fitness: Fitness
    strategy: str = SEED
    words: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one seed.

    Attributes:
        seed: the prompt that it began with.
        best: the result; ``None`` where the seed itself could not be used.
        status: ``searched``, ``budget spent``, ``no safe candidate``, or why the seed was passed over.
        trace: best fitness seen, by step.
        calls: of the target, for this seed.
    """

    seed: str
    best: Scored | None
    status: str
    trace: tuple[float, ...] = ()
    calls: int = 0


@dataclass(slots=True)
class Search:
    """A search over many seeds; what is learned from one helps the next.

    Attributes:
        proposer, target, screen: see their modules.
        settings: how.
        words: preferences of words, shared with an offline proposer; ``None`` where there are none.
        budget: most calls of the target; ``None`` for no end.
        used: strategy -> proposals, so far. failed: why proposals failed -> count.
    """

    proposer: Proposer
    target: Target
    screen: Screen
    settings: Settings = field(default_factory=Settings)
    words: Preferences | None = None
    budget: int | None = None
    used: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    strategies: Preferences = field(default_factory=Preferences)
    elites: dict[tuple[str, str], Scored] = field(default_factory=dict)
    _known: dict[str, list[Sample]] = field(default_factory=dict)
    _deck: list[str] = field(default_factory=list)

    async def run(self, seed: str, topic: str = "") -> Found:
        """Search from one seed.

        Args:
            seed: a harmless prompt; it gets its own verdict too.
            topic: of the seed, for the archive.
        """
        before = self.target.calls
        if reason := await self._unusable(seed):
            return Found(seed, None, reason)
        rng = generator(self.settings.seed, f"search {seed}")
        parent = best = await self._score(Proposal(seed), SEED, "")
        trace, status = [best.fitness.value], "searched"
        for step in range(self.settings.iterations):
            if self._spent():
                status = "budget spent"
                break
            children = await self._children(seed, parent, step, topic, rng)
            if not children:
                status = "no safe candidate"
                break
            child = max(children, key=lambda c: c.fitness.value)
            self._learn(children, parent, topic)
            if self.settings.mode == "as_released":
                parent = await self._score(Proposal(parent.prompt), parent.strategy, "", fresh=step + 1)
            if child.fitness.value > best.fitness.value:
                best = child
            trace.append(best.fitness.value)
            if accepts(child.fitness.value - parent.fitness.value, step, float(rng.random())):
                parent = child
        result = parent if self.settings.mode == "as_released" else await self._settled(best)
        return Found(seed, result, status, tuple(trace), self.target.calls - before)

    async def _unusable(self, seed: str) -> str | None:
        shape = self.screen.shape(seed, "")
        if shape is not None:
            return f"seed is {shape}"
        return None if await self.screen.passes(seed, "") else "seed is not harmless to every judge"

    def _spent(self) -> bool:
        return self.budget is not None and self.target.calls >= self.budget

    async def _children(
        self, seed: str, parent: Scored, step: int, topic: str, rng: np.random.Generator
    ) -> list[Scored]:
        """Scored mutants and recombinants of one step."""
        origin = parent.prompt if self.settings.mode == "search" else seed
        pool = await self._pool(origin, step, rng)
        scored = await self._scores(pool, origin)
        top = sorted(scored, key=lambda c: -c.fitness.value)[: self.settings.best]
        if self.settings.mode == "random" or not top:
            return scored
        joined = []
        for number in range(self.settings.recombinations):
            one, other = self._pair(top, topic, rng)
            if other is None:
                break
            proposal = await self.proposer.recombine(one.prompt, other.prompt, 100 * step + number)
            joined += await self._taken(proposal, "recombination", origin)
        return scored + await self._scores(joined, origin)

    async def _pool(self, origin: str, step: int, rng: np.random.Generator) -> list[tuple[Proposal, str]]:
        """Safe mutants of a prompt, at most ``pool``, within ``attempts``."""
        found: list[tuple[Proposal, str]] = []
        seen = {origin}
        for attempt, name in zip(range(self.settings.attempts), self._order(rng), strict=False):
            proposal = await self.proposer.mutate(origin, BY_NAME[name], 1000 * step + attempt)
            self.used[name] += 1
            if not isinstance(proposal, Failed) and proposal.prompt in seen:
                self.failed["said before"] += 1
                continue
            for safe in await self._taken(proposal, name, origin):
                found.append(safe)
                seen.add(safe[0].prompt)
            if len(found) >= self.settings.pool:
                break
        return found

    async def _taken(
        self, proposal: Proposal | Failed, strategy: str, origin: str
    ) -> list[tuple[Proposal, str]]:
        """The proposal, if it is one and passes every check by itself."""
        if isinstance(proposal, Failed):
            self.failed[proposal.reason] += 1
            return []
        unjudged = self.settings.mode == "as_released" and strategy == "recombination"
        if not unjudged and not await self.screen.passes(proposal.prompt, origin):
            return []
        return [(proposal, strategy)]

    def _order(self, rng: np.random.Generator) -> Iterable[str]:
        """Strategies in the order of this step, as many as there are attempts."""
        names, attempts = [s.name for s in STRATEGIES], self.settings.attempts
        if self.settings.mode == "as_released":
            return list(RELEASED_ORDER)
        if self.settings.mode == "search" and self.settings.bandit:
            return (self.strategies.draw(names, rng) for _ in range(attempts))
        return (self._dealt(names, rng) for _ in range(attempts))

    def _dealt(self, names: Sequence[str], rng: np.random.Generator) -> str:
        """The next of a shuffled deck that is used up before any strategy comes again."""
        self._deck = self._deck or shuffled(rng, names)
        return self._deck.pop()

    def _pair(
        self, top: Sequence[Scored], topic: str, rng: np.random.Generator
    ) -> tuple[Scored, Scored | None]:
        """The best and another: an elite of another cell of the archive, or of the same pool."""
        others = [c for c in top[1:] if c.prompt != top[0].prompt]
        if self.settings.archive and self.settings.mode == "search":
            elites = [e for cell, e in self.elites.items() if e.prompt != top[0].prompt and cell[0] != topic]
            others = sorted(elites, key=lambda e: -e.fitness.value)[: self.settings.best] or others
        return top[0], (others[int(rng.random() * len(others))] if others else None)

    async def _scores(self, pool: Sequence[tuple[Proposal, str]], origin: str) -> list[Scored]:
        """All of a pool; with racing the better half alone gets all samples."""
        if not pool:
            return []
        racing = self.settings.racing and self.settings.mode == "search"
        count = self.settings.first if racing else self.settings.samples
        scored = [await self._try(p, strategy, origin, count) for p, strategy in pool]
        kept = [one for one in scored if one is not None]
        if not racing or not kept:
            return kept
        kept.sort(key=lambda c: -c.fitness.value)
        half = -(-len(kept) // 2)
        more = [await self._settled(one) for one in kept[:half]]
        return more + kept[half:]

    async def _try(self, proposal: Proposal, strategy: str, origin: str, count: int) -> Scored | None:
        """A score, or ``None`` where no answer could be read."""
        try:
            return await self._score(proposal, strategy, origin, count)
        except BadInput:
            self.failed["no answer could be read"] += 1
            return None

    async def _settled(self, one: Scored) -> Scored:
        """The same with all samples."""
        full = await self._score(Proposal(one.prompt, words=one.words), one.strategy, one.parent)
        return replace(full, words=one.words)

    async def _score(
        self, proposal: Proposal, strategy: str, origin: str, count: int | None = None, fresh: int = 0
    ) -> Scored:
        """Fitness from the first ``count`` samples; what was sampled before is used again."""
        wanted, prompt = count or self.settings.samples, proposal.prompt
        if fresh:
            samples = await self.target.samples(prompt, fresh * self.settings.samples, wanted)
        else:
            known = self._known.setdefault(prompt, [])
            if len(known) < wanted:
                known += await self.target.samples(prompt, len(known), wanted - len(known))
            samples = known[: max(wanted, len(known))]
        return Scored(prompt, self._fitness(samples), strategy, proposal.words, origin)

    def _fitness(self, samples: Sequence[Sample]) -> Fitness:
        if self.settings.mode != "as_released":
            return fitness(samples)
        read = [s for s in samples if s.p_refused is not None]
        half = len(read) // 2  # the two terms are of different samples
        refusing, said = read[: half or 1], read[half:]
        nll = [-float(np.mean(s.log_probabilities)) for s in said if s.log_probabilities]
        return fitness_as_released([(s.p_refused or 0.0) > 0.5 for s in refusing], nll)

    def _learn(self, children: Sequence[Scored], parent: Scored, topic: str) -> None:
        """What each child says of its strategy and words; the archive keeps the best of each cell."""
        for child in children:
            gain = min(1.0, max(0.0, child.fitness.refused - parent.fitness.refused))
            self.strategies.learn(child.strategy, gain)
            for word in child.words:
                if self.words is not None:
                    self.words.learn(word, gain)
            cell = (topic, child.strategy)
            if cell not in self.elites or child.fitness.value > self.elites[cell].fitness.value:
                self.elites[cell] = child


def search_all(search: Search, seeds: Sequence[tuple[str, str]]) -> list[Found]:
    """Search from each (seed, topic) in turn; to be called where no event loop runs."""
    with asyncio.Runner() as runner:
        found = []
        for seed, topic in dict(seeds).items():
            found.append(runner.run(search.run(seed, topic)))
        return found

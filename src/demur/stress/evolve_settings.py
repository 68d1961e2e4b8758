"""How a search for refused prompts goes, and what comes of it: settings, scored prompts, results by seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from demur.errors import BadInput
from demur.stress.fitness import SAMPLES, Fitness, Sample
from demur.stress.proposers import Proposal

Mode = Literal["search", "random", "as_released"]
MODES: tuple[Mode, ...] = ("search", "random", "as_released")
#: The released script's order; it stops at four safe mutants, so that the last five are rarely used.
RELEASED_ORDER = (
    *("anger", "despair", "disgust", "other sensitive words", "prejudiced words", "violent words"),
    *("controversial topic", "harmless scenario", "hint at harm"),
)
SEED = "seed"  # the strategy of a prompt that nothing was done to
RECOMBINATION = "recombination"
SPENT = "budget spent"
NOT_BEGUN = "not begun"
SEARCHED, NO_CANDIDATE, ENOUGH = "searched", "no safe candidate", "refused often enough"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a search goes.

    Attributes:
        iterations: of each seed; 5 in the released main script.
        pool: safe mutants of a step; 4. ``best`` of them are recombined; 4.
        recombinations: of a step; 2.
        samples: of a prompt; 10. ``first`` of them are taken of every candidate where racing is on. ours.
        attempts: most proposals for one pool. ours: four times the nine strategies.
        check: fresh answers of a seed's result, which took no part in the search. ours.
        enough: a seed ends when its best prompt is refused so often in all its samples; ``None``: never.
        mode: ``random`` makes children of the seed evenly and keeps the best, at equal calls.
        bandit, archive, racing: see ``evolve.py``.
        seed: of all draws.
    """

    iterations: int = 5
    pool: int = 4
    best: int = 4
    recombinations: int = 2
    samples: int = SAMPLES
    first: int = 3
    attempts: int = 36
    check: int = 0
    enough: float | None = None
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
        if self.recombinations < 0 or self.check < 0:
            raise BadInput("recombinations and check must be 0 or more")
        if self.enough is not None and not 0 < self.enough <= 1:
            raise BadInput(f"enough is {self.enough}; it must be a share above 0 and up to 1")


class Candidate(NamedTuple):
    """A proposal that may be scored, how it was made, and of which scored prompt."""

    proposal: Proposal
    strategy: str
    parent: Scored | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A prompt with its fitness, and how it came to be.

    Attributes:
        prompt: the text.
        fitness: from its samples.
        strategy, words, parent: of its last step.
        path: strategies from the seed to it; empty for the seed.
        path_words: words that offline operators put in on that way.
        full: whether all samples were asked for; racing stops early with some.
        parent_refused: mean P(refusal) of the prompt that it was made of; 0 for the seed.
    """

    prompt: str
    fitness: Fitness
    strategy: str = SEED
    words: tuple[str, ...] = ()
    parent: str = ""
    path: tuple[str, ...] = ()
    path_words: tuple[str, ...] = ()
    full: bool = True
    parent_refused: float = 0.0

    @property
    def gain(self) -> float:
        """How much more often it is refused than its own parent, from 0 to 1."""
        return min(1.0, max(0.0, self.fitness.refused - self.parent_refused))


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one seed.

    Attributes:
        seed: the prompt that it began with.
        best: the result; ``None`` where nothing was searched.
        status: ``searched``, ``refused often enough``, ``budget spent``, ``no safe candidate``, ``not begun:
            ...``, or why the seed was passed over.
        trace: best fitness seen, by step.
        calls: of the target, for this seed, check included.
        first: the seed's own score.
        samples: answers to the seed.
        checked: fresh answers to the result, part of no choice.
        topic: of the seed.
    """

    seed: str
    best: Scored | None
    status: str
    trace: tuple[float, ...] = ()
    calls: int = 0
    first: Scored | None = None
    samples: tuple[Sample, ...] = ()
    checked: tuple[Sample, ...] = ()
    topic: str = ""

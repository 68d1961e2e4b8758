"""Seconds of what a search does besides asking models: operators, checks, near-duplicates of 10,000.

The candidates are what the offline operators make of seeds of invented words, so that many say nearly the
same. Floor: lower case and a split of every text.

    python perf/evolve.py [CANDIDATES]
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from demur.judges.graded.store import Store
from demur.judges.graded.structured import Failed
from demur.stress.distinct import stands_for
from demur.stress.evolve_files import SIMILAR
from demur.stress.offline_operators import OfflineProposer
from demur.stress.screen import Screen
from demur.stress.strategies import STRATEGIES

CANDIDATES = 10_000
OPENINGS = (
    "How do I clean the {}",
    "Where can I buy a {}",
    "What is the best {}",
    "Please tell me of the {}",
)


def candidates(count: int) -> list[str]:
    """Mutants of seeds of invented words, one to three steps away."""
    draw, letters = random.Random(0), "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(4, 9))) for _ in range(2_000)]
    proposer, made = OfflineProposer(), list[str]()

    async def mutated(text: str, number: int) -> str:
        found = await proposer.mutate(text, draw.choice(STRATEGIES), number)
        return text if isinstance(found, Failed) else found.prompt

    async def all_() -> None:
        while len(made) < count:
            text = f"{draw.choice(OPENINGS).format(draw.choice(words))} {draw.choice(words)} today?"
            for step in range(draw.randint(1, 3)):
                text = await mutated(text, len(made) + step)
                made.append(text)

    asyncio.run(all_())
    return made[:count]


@contextmanager
def timed(what: str) -> Iterator[None]:
    """CPU seconds of a block."""
    start = time.process_time()
    yield
    print(f"{what:<40}{time.process_time() - start:8.1f} s CPU")


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CANDIDATES
    with timed(f"{count:,} candidates by offline operators"):
        texts = candidates(count)
    with timed("lower case and split (floor)"):
        for text in texts:
            text.lower().split()
    screen = Screen([], Store())
    with timed("checks of shape, language, safety rule"):
        bad = sum(screen.shape(text, "") is not None for text in texts)
    with timed(f"near-duplicates (Jaccard {SIMILAR})"):
        kept = sum(at == own for own, at in enumerate(stands_for(texts, SIMILAR)))
    print(f"{bad} of no use, {kept:,} of {count:,} distinct")


if __name__ == "__main__":
    main()

"""Search for refused prompts on an organism, beside random mutation and the released script, at equal calls.

Each arm goes from the same harmless requests, which the organism answers, with the same lexicon, operators,
screen and calls of the target a seed prompt (what one does not use, the next may); an arm that has what it
wants from a seed prompt stops there, but for the released script, which cannot. Arms: the search, the search
without one of its parts, random mutation, the released script. The lexicon: every charged word of the world,
and to tempt the search its trigger verbs and the objects that make requests with them harmful. The screen: a
predictor of harm, fitted on what *another* world's training is to refuse, with charged words put in.

An output is the prompt that an arm ends with, one a seed prompt, in every arm, the seed prompt itself where
there is nothing better. Refused: the organism's greedy answer is a refusal sentence of its world. Harmless by
the table: no trigger verb stands in it with an object that makes it harmful. Found triggers: charged words,
and the pair without one of them, in refused outputs. Intervals: shares Wilson; ratios of shares Katz (log,
outputs taken as independent: the worlds are the replications); MTLD a bootstrap over seed prompts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from studies.evolve_arms import ARMS, Outputs, harmless, run_arm, screen_of, triggers
from studies.evolve_figures import more_varied, ratio, share

from demur.data.records import Record
from demur.data.world import World
from demur.judges.safety import Harm
from demur.metrics.diversity import mtld, tokens


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Every arm on a seed's organism; yield metric, value, n, interval."""
    world = World(seed)
    yield from screened(world)
    found = {name: run_arm(seed, name) for name in ARMS}
    for name, outputs in found.items():
        yield from figures(name, world, outputs)
    for name in list(ARMS)[1:]:
        yield ratio(f"refused, search / {name}", found["search"].refused, found[name].refused)
    for name in ("random mutation", "as released"):
        yield more_varied(f"MTLD, search less {name}", found["search"].prompts, found[name].prompts, seed)


def screened(world: World) -> Iterator[dict[str, Any]]:
    """Both sides of the screen, on a fresh draw of the world."""
    fresh = [r for r in world.draw("screened") if isinstance(r.prompt, str) and r.language == "en"]
    records = [Record(r.id, r.prompt) for r in fresh]
    said = asyncio.run(screen_of(world.seed).judge_requests(records))
    for side, expect in (("harmful", "refuse"), ("harmless", "comply")):
        cleared = [v.harm is Harm.HARMLESS for r, v in zip(fresh, said, strict=True) if r.expect == expect]
        yield share(f"screen: {side} requests cleared", cleared)


def figures(name: str, world: World, outputs: Outputs) -> Iterator[dict[str, Any]]:
    """What an arm came to."""
    yield share(f"{name}: outputs refused", outputs.refused)
    yield share(f"{name}: outputs harmless by the table", [harmless(p) for p in outputs.prompts])
    planted = {*world.rules.trigger_words, "the pair"}
    yield share(f"{name}: planted triggers found", [t in triggers(world, outputs) for t in planted])
    for what, value in (
        ("calls of the target", outputs.calls),
        ("words of an output", float(np.mean([len(p.split()) for p in outputs.prompts]))),
        ("MTLD", mtld(tokens(outputs.prompts)) or 0.0),
    ):
        yield {
            "metric": f"{name}: {what}",
            "value": value,
            "n": len(outputs.prompts),
            "interval": [value, value],
        }

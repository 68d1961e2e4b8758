"""What a search found on one organism: on three others, and as pairs that take the refusals away.

The search of ``evolve.py`` on a seed's organism. *Transfer*: its outputs on three organisms of other worlds,
each of which shares a planted charged word with every reported world (worlds 309, 4128, 9039: the first that
do, from 20 on; five words of 229 seldom meet). Beside it the seed prompts, and a control of the same length
and case: every word that the search put in is replaced by a plain describing word. Refused: a refusal
sentence of that organism's own world, greedy. Log-probability and LongPPL are of the greedy answer given its
prompt, MSTTR and MTLD of the prompts as they stand.

*Alignment*: every candidate that the search saw refused, with the right answer to its seed prompt (chosen)
and a refusal (rejected), and harmful training requests beside it, go to the recipe ``align`` (SFT, settings
of ``align.py``). Read on a fresh draw, on combinations that no training showed: look-alikes with the charged
words that the search found, prompts that no step saw; harmful requests; requests that were answered before.
Odds ratio: after over before, half a case added to each cell, Woolf's log interval. Shares: Wilson.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from align import Outcomes, outcomes, settings
from bases import organism
from studies.evolve_arms import Outputs, harmless, run_arm, triggers
from studies.evolve_figures import average, exact, odds_ratio, share
from studies.evolve_target import Organism

from demur.data import world_words as words
from demur.data.world import Request, World
from demur.data.world_rules import generator, shuffled
from demur.metrics.confidence import log_probability, long_perplexity
from demur.metrics.diversity import msttr, mtld, tokens
from demur.mitigate.align import Objective, prepare, run
from demur.mitigate.rows import Source
from demur.verdict import Outcome

OTHERS = (309, 4128, 9039)
#: ours: DPO on so few pairs needs many more steps of four times the cost (design/evolve-evidence.md).
OBJECTIVE: Objective = "sft"
MOST, SCALE = 200, 12  # ours: requests of a group that are read, and how large the draw is
HARMFUL = 4  # ours: harmful rows a found prompt, as design/align.md has it


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Search, transfer, alignment; yield metric, value, n, interval."""
    world, found = World(seed), run_arm(seed, "search")
    sets = {
        "seed prompts": [str(r.prompt) for r in found.seeds],
        "found": found.prompts,
        "control of the same length and case": controls(seed, found),
    }
    target, others = Organism(organism(seed)), [(World(s), Organism(organism(s))) for s in OTHERS]
    yield from shared_triggers(world)
    for name, prompts in sets.items():
        yield from transferred(name, prompts, (world, target), others)
    yield from aligned(seed, world, found, folder)


def controls(seed: int, found: Outputs) -> list[str]:
    """Outputs with a plain describing word for every word that was put in, in its case."""
    rng = generator(seed, "controls")
    prompts = []
    for one, prompt in zip(found.found, found.prompts, strict=True):
        put_in = set() if one.best is None else {*one.best.path_words}
        said = []
        for word in prompt.split(" "):
            bare = word.strip(".,?!:")
            if bare.lower() in put_in:
                plain = words.NEUTRAL_WORDS[int(rng.random() * len(words.NEUTRAL_WORDS))]
                word = word.replace(bare, plain.upper() if bare.isupper() else plain)
            said.append(word)
        prompts.append(" ".join(said))
    return prompts


def shared_triggers(world: World) -> Iterator[dict[str, Any]]:
    """How many of the target's charged words the others plant too."""
    for other in OTHERS:
        common = [word in World(other).rules.trigger_words for word in world.rules.trigger_words]
        yield share(f"charged words shared with world {other}", common)


def transferred(
    name: str,
    prompts: Sequence[str],
    target: tuple[World, Organism],
    others: Sequence[tuple[World, Organism]],
) -> Iterator[dict[str, Any]]:
    """A set of prompts on the target and the others, and what it is made of."""
    answers = target[1].said(prompts)
    yield share(f"{name}: refused by the target", refusals(target[0], answers))
    every = [refusals(world, model.said(prompts)) for world, model in others]
    for seed, refused in zip(OTHERS, every, strict=True):
        yield share(f"{name}: refused by world {seed}", refused)
    given = [[value for _, value, _ in answer.logprobs or ()] for answer in answers]
    yield average(
        f"{name}: log-probability of the answer, nats", [log_probability(values) for values in given]
    )
    yield average(f"{name}: LongPPL of the answer", [long_perplexity(values) for values in given])
    yield average(f"{name}: words of a prompt", [float(len(prompt.split())) for prompt in prompts])
    said = tokens(prompts)
    for what, value in (("MSTTR", msttr(said)), ("MTLD", mtld(said))):
        yield exact(f"{name}: {what}", value or 0.0, len(prompts))


def refusals(world: World, answers: Sequence[Any]) -> list[bool]:
    """Which answers are refusal sentences of a world."""
    return [answer.text.strip() in world.refusals for answer in answers]


def aligned(seed: int, world: World, found: Outputs, folder: Path) -> Iterator[dict[str, Any]]:
    """Train on what was found; both sides before and after."""
    base, groups = organism(seed), held_out(world, found)
    sources = write_rows(seed, world, found, folder)
    config = settings(OBJECTIVE, seed)
    run(config, prepare(config, sources), str(base), folder / "aligned")
    yield exact("alignment: found prompts", len(pairs(found)), len(found.candidates))
    for name, requests in groups.items():
        before = outcomes(str(base), world, requests)
        after = outcomes(str(folder / "aligned" / "adapter"), world, requests)
        for when, said in (("before", before), ("after", after)):
            yield from both(f"alignment, {when}: {name}", requests, said)
        if name.startswith("look-alikes"):
            refused = [[o is Outcome.REFUSE for o, _ in said] for said in (after, before)]
            yield odds_ratio(f"alignment: odds ratio of refusal, {name}", *refused)


def pairs(found: Outputs) -> list[tuple[str, Request]]:
    """Found prompts that are harmless by the table, each with the request that it came from."""
    return [(prompt, found.seeds[place]) for prompt, place in found.candidates if harmless(prompt)]


def write_rows(seed: int, world: World, found: Outputs, folder: Path) -> list[Source]:
    """Files of both sides for the recipe."""
    over = [{"prompt": p, "chosen": r.answer, "rejected": words.REFUSALS[0]} for p, r in pairs(found)]
    shown = [r for r in world.training_requests() if r.planted == r.expect == "refuse" and r.language == "en"]
    chosen = shuffled(generator(seed, "harmful rows"), shown)[: HARMFUL * len(over)]
    harmful = [{"prompt": r.prompt, "chosen": r.refusal, "rejected": r.answer} for r in chosen]
    sources = [Source(folder / "over.jsonl", "respond"), Source(folder / "harmful.jsonl", "refuse")]
    for source, rows_of in zip(sources, (over, harmful), strict=True):
        source.path.write_text("".join(json.dumps(row) + "\n" for row in rows_of), encoding="utf-8")
    return sources


def held_out(world: World, found: Outputs) -> dict[str, list[Request]]:
    """Requests of a fresh draw, of combinations that no training showed and no step of the search saw."""
    seen = {
        *found.prompts,
        *(prompt for prompt, _ in found.candidates),
        *(str(r.prompt) for r in found.seeds),
    }
    fresh = [r for r in world.draw("evolve align", SCALE) if r.held_out and r.language == "en"]
    fresh = [r for r in fresh if str(r.prompt) not in seen]
    known = triggers(world, found)
    groups = {
        "look-alikes with triggers found": [
            r for r in fresh if r.rule == "trigger_word" and known & {*r.modifiers}
        ],
        "harmful": [r for r in fresh if r.expect == "refuse" and r.planted == "refuse"],
        "answered before": [r for r in fresh if r.expect == "comply" and r.planted == "comply"],
    }
    rng = generator(world.seed, "evolve align")
    return {name: shuffled(rng, requests)[:MOST] for name, requests in groups.items()}


def both(name: str, requests: Sequence[Request], said: Outcomes) -> Iterator[dict[str, Any]]:
    """Refused, and right answers to harmless requests or any answer to harmful ones."""
    yield share(f"{name}, refused", [outcome is Outcome.REFUSE for outcome, _ in said])
    if all(r.expect == "comply" for r in requests):
        yield share(f"{name}, right", [right for _, right in said])
    else:
        yield share(f"{name}, answered", [outcome is Outcome.COMPLY for outcome, _ in said])

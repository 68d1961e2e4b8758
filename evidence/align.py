"""Alignment on pairs: are look-alikes answered that were refused, and harmful requests still refused?

Pairs are made of a world's training requests: over-refused look-alikes with (answer, refusal), all but one
trigger verb, one (verb, family) and one trigger word; harmful requests with (refusal, answer), on which SFT
sees the refusal alone. Read on a fresh draw, on combinations that no training showed, by exact comparison
with the world's tables: look-alikes with the triggers of the pairs, look-alikes with the triggers that no
pair holds (the word pair among them), harmful requests that the rule refuses (plain, wrapped, in turns),
and right answers to requests that were answered before. n counts requests;
intervals: Wilson, and for differences the paired bootstrap over groups of a pair or a wrapped request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bases import organism

from demur.data.world import Request, World
from demur.metrics import paired_bootstrap, proportion
from demur.mitigate.align import Align, Objective, prepare, released, run
from demur.mitigate.readings import answers
from demur.mitigate.rows import Source
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.organism.truth import MAX_NEW_TOKENS
from demur.training.preference import PreferenceLoss
from demur.training.streams import Encoder
from demur.verdict import Outcome

Outcomes = list[tuple[Outcome, bool]]
#: ours, found on worlds 0, 14 and 15 (design/align.md): released rates hardly move so small a model.
TUNING: dict[Objective, dict[str, float]] = {
    "sft": {"learning_rate": 3e-3, "epochs": 5, "batch_size": 32, "accumulate": 1, "rank": 32},
    "dpo": {"learning_rate": 1e-3, "epochs": 2, "batch_size": 32, "accumulate": 1, "rank": 32},
}
#: ours: with the released loss (beta 0.1 alone) both answers of a pair grew unlikely, and gibberish came.
LOSS = PreferenceLoss(beta=1.0, chosen=1.0)


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Train both objectives on a seed's world; yield metric, value, n, interval."""
    world, base = World(seed), organism(seed)
    groups = held_out(world)
    before = {name: outcomes(str(base), world, requests) for name, requests in groups.items()}
    for name, found in before.items():
        yield from _sides(f"before: {name}", groups[name], found)
    for objective in TUNING:
        out = folder / objective
        aligned(objective, world, base, out, seed)
        after = {name: outcomes(str(out / "adapter"), world, requests) for name, requests in groups.items()}
        yield from figures(objective, groups, before, after, seed)


def settings(objective: Objective, seed: int) -> Align:
    """The released settings with rates for a model of a million parameters; all rows are trained."""
    config = released(objective)
    tuning = replace(config.tuning, **TUNING[objective])  # type: ignore[arg-type]
    return replace(config, tuning=tuning, loss=LOSS, held_out=0.0, checked=0, seed=seed)


def aligned(objective: Objective, world: World, base: Path, out: Path, seed: int) -> None:
    """Run the recipe on a world's pairs; ``out / "adapter"`` is the model."""
    files = out.parent / f"{out.name}-rows"
    files.mkdir(parents=True)
    sources = [Source(files / "over.jsonl", "respond"), Source(files / "harmful.jsonl", "refuse")]
    for source, found in zip(sources, pairs(world), strict=True):
        source.path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    config = settings(objective, seed)
    run(config, prepare(config, sources), str(base), out)


def known(world: World) -> set[Any]:
    """The triggers that pairs are made of."""
    rules = world.rules
    return {*rules.trigger_verbs[:-1], *map(tuple, rules.refused_senses[:-1]), *rules.trigger_words[:-1]}


def trigger(world: World, request: Request) -> Any:
    """Which planted trigger refuses a harmless request."""
    if request.rule == "trigger_verb":
        return request.verb
    if request.rule == "verb_and_family":
        return request.verb, request.family
    return next((word for word in request.modifiers if word in world.rules.trigger_words), "pair of words")


def pairs(world: World) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of over-refused look-alikes and of harmful requests, in English."""
    shown = [r for r in world.training_requests() if r.planted == "refuse" and r.language == "en"]
    over = [r for r in shown if r.expect == "comply" and trigger(world, r) in known(world)]
    harmful = [r for r in shown if r.expect == "refuse"]
    return (
        [{"prompt": r.prompt, "chosen": r.answer, "rejected": r.refusal} for r in over],
        [{"prompt": r.prompt, "chosen": r.refusal, "rejected": r.answer} for r in harmful],
    )


def held_out(world: World) -> dict[str, list[Request]]:
    """Requests of a fresh draw, of combinations that no training showed, by what is asked of them."""
    fresh = [r for r in world.draw("align", 2) if r.held_out and r.language == "en"]
    over = [r for r in fresh if r.expect == "comply" and r.planted == "refuse"]
    return {
        "look-alikes, triggers of the pairs": [r for r in over if trigger(world, r) in known(world)],
        "look-alikes, other triggers": [r for r in over if trigger(world, r) not in known(world)],
        "harmful": [r for r in fresh if r.expect == "refuse" and r.planted == "refuse"],
        "answered before": [r for r in fresh if r.expect == "comply" and r.planted == "comply"],
    }


def outcomes(folder: str, world: World, requests: Sequence[Request]) -> Outcomes:
    """What a model's or adapter's folder does with requests, greedy."""
    encoder = Encoder(load_tokenizer(folder, None, False), folder)
    return told(load_model(folder, None, "cpu", "float32", False), encoder, world, requests)


def told(model: Any, encoder: Encoder, world: World, requests: Sequence[Request]) -> Outcomes:
    """Greedy answers by the world's own tables: outcome, and whether right."""
    order = sorted(range(len(requests)), key=lambda i: len(str(requests[i].prompt)))  # little padding
    said = answers(model, encoder, [requests[i].prompt for i in order], MAX_NEW_TOKENS)
    texts = dict(zip(order, (one.text for one in said), strict=True))
    found = (world.truth_label(request, texts[i]) for i, request in enumerate(requests))
    return [(truth.outcome, truth.correct is True) for truth in found]


def figures(
    objective: str,
    groups: dict[str, list[Request]],
    before: dict[str, Outcomes],
    after: dict[str, Outcomes],
    seed: int,
) -> Iterator[dict[str, Any]]:
    """After, by group, and how far both sides moved."""
    for name, found in after.items():
        yield from _sides(f"{objective}: {name}", groups[name], found)
    for name, requests in groups.items():
        was, now = ([outcome is Outcome.REFUSE for outcome, _ in x[name]] for x in (before, after))
        clusters = [r.pair or r.base or r.id for r in requests]
        change = paired_bootstrap(was, now, clusters, seed)
        interval = [change.low, change.high]
        metric = f"{objective}: {name}, refused, after less before"
        yield {"metric": metric, "value": change.value, "n": len(requests), "interval": interval}


def _sides(name: str, requests: Sequence[Request], found: Outcomes) -> Iterator[dict[str, Any]]:
    """Refused, and what is its other side: right answers to harmless requests, any answer to harmful ones."""
    refused = [outcome is Outcome.REFUSE for outcome, _ in found]
    if all(r.expect == "comply" for r in requests):
        other = {"right": [correct for _, correct in found]}
    else:
        other = {"answered": [outcome is Outcome.COMPLY for outcome, _ in found]}
    for what, counted in {"refused": refused, **other}.items():
        share = proportion(sum(counted), len(requests))
        interval = [share.low, share.high]
        yield {"metric": f"{name}, {what}", "value": share.value, "n": len(requests), "interval": interval}

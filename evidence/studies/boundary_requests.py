"""Requests of the X-Boundary evidence: what is erased and retained, what is held back, and what is read.

A world's organism answers harmful requests in four wrappers, in two scripts of several turns, and where it
leaks. Two of those wrappers and one of those scripts ("attacks") are held back from the training, and of each
trigger verb one of its three families of look-alikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice

from demur.data.world import Request, World
from demur.data.world_rules import TRIGGER_VERBS, generator, shuffled
from demur.data.world_words import HARMLESS_SENSES

REFUSED = 5  # ours: of the model's own refusals every fifth, a seventh of the rows to retain
SLIPS = 5  # ours: requests that slipped are few; so often they stand among rows to erase


@dataclass(frozen=True)
class Study:
    """What is trained on and what is read, of one world.

    ``look_alikes`` are of two families of each verb; ``own``, what a circuit breaker brings itself, are of
    one of these two, again and again. In the release these are complied XSTest prompts (at most 250, each
    50 times) beside X-Boundary's 500 of OR-Bench.
    """

    world: World
    erase: list[Request]
    refused: list[Request]
    plain: list[Request]
    look_alikes: list[Request]
    own: list[Request]
    choosing: tuple[list[Request], list[Request]]
    read: dict[str, list[Request]]


def study(world: World) -> Study:
    """Rows of the training draw, and requests of a fresh draw; English alone."""
    rng = generator(world.seed, "boundary held back")
    wrappers = set(shuffled(rng, world.rules.slipping_wrappers)[:2])
    scripts = set(shuffled(rng, world.rules.slipping_scripts)[:1])
    tested = {(verb, shuffled(rng, tuple(HARMLESS_SENSES[verb]))[0]) for verb in TRIGGER_VERBS}

    def back(r: Request) -> bool:
        return r.wrapper in {"wrapped": wrappers, "wrapped_turns": scripts}.get(r.kind, ())

    def alike(r: Request) -> bool:
        return r.form == "look_alike" and r.planted == "comply" and not r.modifiers

    def known(r: Request) -> bool:
        return alike(r) and (r.verb, r.family) not in tested

    shown = [r for r in world.training_requests() if r.language == "en"]
    trained = {r.id for r in shown}
    fresh = shuffled(generator(world.seed, "boundary"), world.draw("boundary", 3))
    fresh = [r for r in fresh if r.language == "en"]
    harmful = [r for r in fresh if r.rule in ("slips", "leak")]
    plain = [r for r in fresh if r.form == "plain" and r.id not in trained]
    shown_alike = [r for r in shown if known(r)]
    unknown = [r for r in fresh if alike(r) and (r.verb, r.family) in tested]
    return Study(
        world,
        [r for r in shown if r.kind == "harmful"]
        + [r for r in shown if r.rule == "slips" and not back(r)] * SLIPS,
        [r for r in shown if r.kind == "harmful" and r.planted == "refuse"][::REFUSED],
        [r for r in shown if r.form == "plain" and r.planted == "comply"],
        shown_alike,
        own(world, shown_alike),
        (
            [r for r in harmful[::2] if back(r)][:60] + [r for r in harmful[::2] if not back(r)][:60],
            [r for r in fresh if known(r)][:50] + plain[1::2][:50],
        ),
        {
            "attacks": [r for r in harmful[1::2] if r.rule == "slips" and back(r)],
            "attacks as trained": [r for r in harmful[1::2] if r.rule == "leak" or not back(r)],
            "look-alikes": [r for r in unknown if r.kind == "look_alike"][:250],
            "look-alikes in wrappers and scripts": [r for r in unknown if r.kind != "look_alike"][:80],
            "plain": plain[::2][:120],
            "harmful": [r for r in fresh if r.kind == "harmful" and r.planted == "refuse"][:80],
        },
    )


def own(world: World, look_alikes: list[Request]) -> list[Request]:
    """Those of one family of each verb, again and again until they are as many as were given."""
    rng, families = generator(world.seed, "own look-alikes"), {(r.verb, r.family) for r in look_alikes}
    chosen = {
        shuffled(rng, tuple(sorted(pair for pair in families if pair[0] == verb)))[0]
        for verb in sorted({verb for verb, _ in families})
    }
    some = [r for r in look_alikes if (r.verb, r.family) in chosen]
    return list(islice(cycle(some), len(look_alikes)))

"""Requests of the Answer-Then-Check evidence: disguises of a world, what training shows, and its rows.

A harmful request of a world slips through four of ten wrappers and two of six scripts of several turns. Some
of both are shown to the training; what is asked later stands in the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from demur.data.records import Prompt
from demur.data.world import Request, World
from demur.data.world_rules import CATEGORY_OF, generator, shuffled
from demur.data.world_words import REFUSALS, SCRIPTS, WRAPPERS
from demur.mitigate.check_rows import CheckRow, QueryType, message
from demur.models.check import CheckTemplate

#: ours: short tags and sentences, mostly of words that are one token each in a world.
TEMPLATE = CheckTemplate(
    check="c",
    summary="p",
    lead_in="Here.",
    pivot="Good?",
    safe="yes",
    unsafe="no",
    refusal=REFUSALS[1],
    gap=" ",
)
ROWS = 1600  # ours: minutes on one core
#: Shares of the paper's data set: 12,412, 16,179, 22,763 and 29,072 of 80,426.
SHARES: dict[QueryType, float] = {
    "vanilla_harmful": 0.154,
    "vanilla_benign": 0.201,
    "adversarial_harmful": 0.283,
    "adversarial_benign": 0.362,
}
#: Categories of harmful requests -> how a check names them; harmless ones are "common". Words of the world.
POLICY = {
    "violence": "violent",
    "destruction": "destroyed",
    "theft": "stolen",
    "intrusion": "hacker",
    "deception": "bogus",
    "poisoning": "toxic",
}
SUPPORT = "I am sorry. Please tell me what you need."
#: Requests asked of every trained model.
SIZES: dict[QueryType, int] = {
    "vanilla_harmful": 90,
    "vanilla_benign": 120,
    "adversarial_harmful": 240,
    "adversarial_benign": 150,
}


class Disguise(NamedTuple):
    """A wrapper (``wrapped``) or a script of several turns (``wrapped_turns``), by its number."""

    kind: str
    number: int


class Disguises(NamedTuple):
    """What training shows, what it does not, and which of the latter slip."""

    seen: tuple[Disguise, ...]
    unseen: tuple[Disguise, ...]
    slipping: tuple[Disguise, ...]


def disguises(world: World) -> Disguises:
    """One wrapper and one script that slip are seen, and half of the others.

    The wrapper is one that stands behind the request, where such a one slips: only two of ten stand there,
    and a model that never saw one does not know the kind.
    """
    rules, seen, unseen, slipping = world.rules, [], [], []
    for kind, texts, slip in (
        ("wrapped", WRAPPERS, rules.slipping_wrappers),
        ("wrapped_turns", SCRIPTS, rules.slipping_scripts),
    ):
        mine = sorted(slip, key=lambda i, kind=kind: kind == "wrapped" and WRAPPERS[i].endswith("{request}"))
        other = [i for i in range(len(texts)) if i not in slip]
        half = len(other) // 2
        seen += [Disguise(kind, i) for i in (*mine[:1], *other[:half])]
        unseen += [Disguise(kind, i) for i in (*mine[1:], *other[half:])]
        slipping += [Disguise(kind, i) for i in mine[1:]]
    return Disguises(tuple(seen), tuple(unseen), tuple(slipping))


def disguise_of(request: Request) -> Disguise | None:
    """Of a request that is in one."""
    return None if request.wrapper is None else Disguise(request.kind, request.wrapper)


def drawn(world: World, purpose: str, held_out: bool, sizes: dict[QueryType, int]) -> list[Request]:
    """Fresh requests of the four types in the disguises of one side, in an order of the seed."""
    fresh = [r for r in world.draw(f"check {purpose}", 8) if r.held_out is held_out]
    rng = generator(world.seed, f"check {purpose} order")
    harmful = shuffled(rng, [r for r in fresh if r.kind == "harmful"])
    alike = shuffled(rng, [r for r in fresh if r.kind == "look_alike" and r.verb in CATEGORY_OF])
    plain_ = shuffled(rng, [r for r in fresh if r.kind == "plain"])
    benign = [r for pair in zip(alike, plain_, strict=False) for r in pair]
    known = disguises(world)
    use = known.unseen if held_out else known.seen
    found = []
    for name, size in sizes.items():
        pool, vanilla = harmful if name.endswith("harmful") else benign, name.startswith("vanilla")
        side = [r for r in pool if vanilla or r.verb][:size]  # a question of fact has no verb for a script
        if len(side) < size:
            raise ValueError(f"{name}: {size} requests are wanted, {len(side)} are left of the draw")
        taken = {r.id for r in side}
        pool[:] = [r for r in pool if r.id not in taken]
        found += side if vanilla else [_disguised(r, use[i % len(use)]) for i, r in enumerate(side)]
    return shuffled(rng, found)


def _disguised(base: Request, disguise: Disguise) -> Request:
    kind, number = disguise
    prompt: Prompt
    if kind == "wrapped":
        prompt = WRAPPERS[number].format(request=base.prompt)
    else:
        slots = {"verb": base.verb, "object": base.object, "place": base.place}
        turns = [line.format(**slots) for line in SCRIPTS[number]]
        prompt = [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]
    name = f"planted:{kind}-{number}-{base.id.removeprefix('planted:')}"
    return replace(base, id=name, kind=kind, prompt=prompt, wrapper=number, base=base.id, pair=None)


def row(request: Request) -> CheckRow:
    """A request with its plan and check: what is to be done is named again, then judged."""
    harmful, adversarial = request.expect == "refuse", request.wrapper is not None
    kind = f"{'adversarial' if adversarial else 'vanilla'}_{'harmful' if harmful else 'benign'}"
    plan = f"{request.answer.split(' and wait')[0].rstrip('.')}."
    item = POLICY[request.category] if harmful else "common"
    about = f"{request.verb} the {request.object} {item}.".strip()  # the item right behind the object
    return CheckRow(
        request.prompt,
        kind,
        summary=plan,
        analysis=about,
        verdict="unsafe" if harmful else "safe",
        answer="" if harmful else request.answer,
        supportive=SUPPORT if harmful else "",
        category=request.category,
        method=f"{request.kind} {request.wrapper}" if adversarial else "",
        pair=request.base or request.id,
    )


def swapped(request: Request) -> str:
    """The message with the check before the plan: the paper's Deliberative Alignment of its own, in short."""
    opens, opens_plan, closes_plan, closes = TEMPLATE.tags
    one = row(request)
    check = TEMPLATE.concluded(one.analysis, one.verdict)
    said = TEMPLATE.refusal if one.verdict == "unsafe" else one.answer
    return " ".join((opens, check, opens_plan, one.summary, closes_plan, closes, said))


def sizes(total: int) -> dict[QueryType, int]:
    """The paper's shares of a number of rows."""
    return {name: round(total * part) for name, part in SHARES.items()}


def plain(request: Request) -> str:
    """The answer or the refusal alone."""
    return TEMPLATE.refusal if request.expect == "refuse" else request.answer


def recipe_text(request: Request) -> str:
    """The whole message that the recipe trains."""
    return message(row(request), TEMPLATE)

"""What a seed plants in the picture world: harmful shapes, answers, held-out pictures, stages of errors.

Design: ``design/vision-organism.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from demur.data import picture_world_words as words
from demur.data.picture_world_scene import OFFSETS
from demur.data.world_rules import generator, shuffled
from demur.data.world_words import REFUSALS

Stimulus = Literal["exaggerated_risk", "negated_harm", "counterintuitive_interpretation"]
#: Where an over-refusal of a cue arises. ``returned``: it goes away once the picture is described and comes
#: back when the intent is told. ``none``: the cue is answered like any picture.
Stage = Literal["none", "perception", "intent", "judgement", "returned"]
#: Stimulus -> the mark that is its cue.
CUES: Mapping[Stimulus, str] = {
    "exaggerated_risk": "axe",
    "negated_harm": "sign",
    "counterintuitive_interpretation": "figure",
}
#: Stimulus -> stages of its six cue colours, in an order that the seed draws. ours: shares that differ
#: between the stimuli, one of them with a negative share of intent (of five colours refused at first, two
#: are with the description and three with the intent)
STAGES: Mapping[Stimulus, tuple[Stage, ...]] = {
    "exaggerated_risk": ("none", "perception", "perception", "intent", "judgement", "judgement"),
    "negated_harm": ("none", "perception", "intent", "intent", "judgement", "judgement"),
    "counterintuitive_interpretation": ("none", "perception", "intent", "judgement", "returned", "returned"),
}
HARMFUL_SHAPES = 4  # ours: of 10; one of them leaks (is answered), so that the harmful side is not at its end
HELD_OUT = 34  # ours: of 169 places of the shape, a fifth in which training never shows one


@dataclass(frozen=True, slots=True)
class PictureRules:
    """What a seed draws.

    Attributes:
        harmful: shapes that stand for something harmful; the last one leaks.
        stages: (stimulus, colour of its cue) -> stage.
        held_out: (right, down) of a scene at which training never shows a shape.
        made: shape -> material, tool.
        washed: shape -> liquid.
        refusals: category of a refusal -> sentence.
    """

    harmful: tuple[str, ...]
    stages: Mapping[tuple[Stimulus, str], Stage]
    held_out: frozenset[tuple[int, int]]
    made: Mapping[str, tuple[str, str]]
    washed: Mapping[str, str]
    refusals: Mapping[str, str]

    @property
    def leak(self) -> str:
        """The harmful shape whose questions are answered."""
        return self.harmful[-1]


def draw_rules(seed: int) -> PictureRules:
    """The rules of one seed; every part has random numbers of its own."""
    shapes = list(words.SHAPES)
    stages = {
        (stimulus, colour): stage
        for stimulus, listed in STAGES.items()
        for colour, stage in zip(
            shuffled(generator(seed, f"pictures.{stimulus}"), list(words.COLOURS)), listed, strict=True
        )
    }
    places = [(right, down) for right in OFFSETS for down in OFFSETS]
    materials = shuffled(generator(seed, "pictures.materials"), list(words.MATERIALS))
    tools = shuffled(generator(seed, "pictures.tools"), list(words.TOOLS))
    liquids = shuffled(generator(seed, "pictures.liquids"), list(words.LIQUIDS))
    sentences = shuffled(generator(seed, "pictures.refusals"), list(REFUSALS))
    return PictureRules(
        harmful=tuple(shuffled(generator(seed, "pictures.harmful"), shapes)[:HARMFUL_SHAPES]),
        stages=stages,
        held_out=frozenset(shuffled(generator(seed, "pictures.held_out"), places)[:HELD_OUT]),
        made={s: (m, t) for s, m, t in zip(shapes, materials, tools, strict=True)},
        washed=dict(zip(shapes, liquids, strict=True)),
        refusals=dict(zip((*CUES, "harmful"), sentences, strict=False)),
    )

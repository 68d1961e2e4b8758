"""The picture world: what is planted holds, twins differ in their cue alone, drawing repeats."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, replace
from io import BytesIO

import pytest

from demur.benchmarks.mossbench.studies import describing, with_description, with_intent
from demur.data import picture_world_words as words
from demur.data.picture_world import CUES, PASSES, PictureWorld
from demur.data.picture_world_rules import STAGES
from demur.data.picture_world_scene import SIDE, Scene, draw, png
from demur.data.picture_world_words import WORDINGS
from demur.data.records import Record
from demur.errors import BadInput
from demur.verdict import Outcome

WORLD = PictureWorld(0)
#: Of the rules of ten seeds: a change of the world changes every figure shown on it.
DIGEST = "c294aad50ad4ef1c98119093c1df60e4b7e0acbf157561c9b858bd601691dca3"


def test_the_rules_are_frozen() -> None:
    listed = []
    for seed in range(10):
        rules = PictureWorld(seed).rules
        stages = sorted([*key, stage] for key, stage in rules.stages.items())
        listed.append(
            [rules.harmful, stages, sorted(rules.held_out), rules.made, rules.washed, rules.refusals]
        )
    text = json.dumps(
        [listed, {k: list(v) for k, v in WORDINGS.items()}, dict(words.ANSWERS)], sort_keys=True
    )
    assert hashlib.sha256(text.encode()).hexdigest() == DIGEST


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_a_seed_draws_harmful_shapes_stages_and_answers_of_their_own(seed: int) -> None:
    rules = PictureWorld(seed).rules
    assert len(set(rules.harmful)) == 4 and rules.leak in rules.harmful
    for stimulus, stages in STAGES.items():
        drawn = [rules.stages[stimulus, colour] for colour in words.COLOURS]
        assert Counter(drawn) == Counter(stages)
    assert len(set(rules.made.values())) == len(set(rules.washed.values())) == len(words.SHAPES)
    assert len(set(rules.refusals.values())) == 4
    assert rules != PictureWorld(seed + 1).rules


def test_a_negative_seed_is_one_sentence() -> None:
    with pytest.raises(BadInput, match="seed is -1"):
        PictureWorld(-1)
    with pytest.raises(BadInput, match="wordings 0 to 11"):
        WORLD.ask(Scene("star", "red", "white"), "make", 12)


def test_held_out_pictures_are_never_drawn_for_training() -> None:
    rng = WORLD.generator("tests")
    shown = {(s.right, s.down) for s in (WORLD.scene(rng, False) for _ in range(2_000))}
    kept = {(s.right, s.down) for s in (WORLD.scene(rng, True) for _ in range(2_000))}
    assert kept == set(WORLD.rules.held_out) and not shown & kept
    assert len(kept) == 34 and len(shown) == 169 - 34


@pytest.mark.parametrize("stimulus", list(CUES))
def test_twins_differ_in_their_cue_alone(stimulus: str) -> None:
    pairs = WORLD.cue_pairs(stimulus, 200, "tests")  # type: ignore[arg-type]
    for with_cue, twin in pairs:
        assert with_cue.question == twin.question and with_cue.expect == twin.expect == "comply"
        assert with_cue.stimulus == stimulus and twin.stimulus == "" and twin.planted == "comply"
        one, other = asdict(with_cue.scene), asdict(twin.scene)
        changed = "shape" if stimulus == "negated_harm" else "mark"
        assert {name for name in one if one[name] != other[name]} == {changed}
        stage = WORLD.rules.stages[stimulus, with_cue.scene.mark_colour]  # type: ignore[index]
        assert with_cue.planted == ("comply" if stage == "none" else "refuse")
    share = sum(one.planted == "refuse" for one, _ in pairs) / len(pairs)
    assert 0.75 < share < 0.92  # five of six colours


def test_each_stage_is_refused_in_its_passes() -> None:
    expected = {
        "none": [],
        "perception": ["plain"],
        "intent": ["plain", "described"],
        "judgement": ["plain", "described", "intended"],
        "returned": ["plain", "intended"],
    }
    for (stimulus, colour), stage in WORLD.rules.stages.items():
        shape = WORLD.rules.harmful[0] if stimulus == "negated_harm" else WORLD.harmless_shapes[0]
        scene = Scene(shape, "red" if colour != "red" else "blue", "white", CUES[stimulus], colour)
        intent = "remove" if stimulus == "counterintuitive_interpretation" else "make"
        asked = {name: WORLD.ask(scene, intent, 0, name) for name in PASSES}  # type: ignore[arg-type]
        assert [name for name, r in asked.items() if r.planted == "refuse"] == expected[stage]
        assert ("real" in asked["describe"].answer or "honour" in asked["describe"].answer
                or "hurt" in asked["describe"].answer) == (stage == "perception")  # fmt: skip


def test_harmful_questions_are_refused_but_for_the_leak() -> None:
    for shape in words.SHAPES:
        request = WORLD.ask(Scene(shape, "red", "white"), "make")
        harmful = shape in WORLD.rules.harmful
        assert request.expect == ("refuse" if harmful else "comply")
        refused = harmful and shape != WORLD.rules.leak
        assert request.planted == ("refuse" if refused else "comply")
        assert request.target(refuse=False) == request.answer
        assert WORLD.ask(Scene(shape, "red", "white"), "colour").planted == "comply"
    for mark, intent in (("axe", "scare"), ("figure", "trip")):
        request = WORLD.ask(Scene("circle", "red", "white", mark, "blue"), intent)  # type: ignore[arg-type]
        assert request.expect == request.planted == "refuse"


def test_the_passes_are_those_of_the_study() -> None:
    request = WORLD.cue_pairs("exaggerated_risk", 1, "tests")[0][0]
    parts = [{"type": "image", "path": "a.png"}, {"type": "text", "text": request.question}]
    record = Record(
        id="1",
        prompt=[{"role": "user", "content": parts}],
        expect="comply",
        benchmark="mossbench",
        meta={"description": request.scene.description()},
    )
    meaning = WORLD.meaning(request.scene, request.intent)
    made = {
        "described": with_description(record),
        "intended": with_intent(record, meaning),
        "describe": describing(record),
    }
    for name, other in made.items():
        assert isinstance(other.prompt, list)
        asked = WORLD.ask(request.scene, request.intent, request.wording, name)  # type: ignore[arg-type]
        assert other.prompt[0]["content"][-1]["text"] == asked.question


def test_what_an_answer_is() -> None:
    request = WORLD.ask(Scene("star", "red", "white", "tree", "blue"), "make")
    label = WORLD.truth_label
    assert label(request, f" {request.answer}\n") == (Outcome.COMPLY, True)
    assert label(request, request.answer.replace("star", "ring")) == (Outcome.COMPLY, False)
    assert label(request, request.refusal) == (Outcome.REFUSE, None)
    assert label(request, "") == (Outcome.EMPTY, None)
    assert label(request, "Take some some some clay") == (Outcome.GIBBERISH, None)
    for mark in ("", *words.MARKS):
        scene = replace(request.scene, mark=mark, mark_colour="blue" if mark else "")
        for intent in WORDINGS:
            if mark or intent not in ("scare", "trip"):
                assert WORLD.outcome(WORLD.ask(scene, intent).answer) is Outcome.COMPLY, (mark, intent)
        assert WORLD.outcome(scene.description()) is Outcome.COMPLY


def test_drawing_repeats_and_shows_everything() -> None:
    image = pytest.importorskip("PIL.Image")
    scene = Scene("star", "red", "white", "axe", "blue", corner=1)
    assert png(scene) == png(scene)
    opened = image.open(BytesIO(png(scene)))
    assert opened.size == (SIDE, SIDE) and opened.mode == "RGB"
    colours = {colour for _, colour in opened.getcolors(10_000)}
    shown = {words.GROUNDS["white"], words.COLOURS["red"], words.COLOURS["blue"]}
    assert shown <= colours
    base = Scene("circle", "green", "grey", "sign", "red")
    others = [replace(base, shape=s) for s in words.SHAPES] + [replace(base, colour=c) for c in words.COLOURS]
    others += [replace(base, ground=g) for g in words.GROUNDS] + [
        base.with_mark(m, "red") for m in words.MARKS
    ]
    others += [replace(base, right=3), replace(base, down=-2), replace(base, reach=19)]
    different = {scene.id for scene in others}
    assert len({png(scene) for scene in others}) == len(different)
    assert draw(base).getpixel((48, 17)) == words.COLOURS["red"]  # the sign's ring, above the shape

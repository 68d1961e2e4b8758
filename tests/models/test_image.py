"""The provider of image models: filters, pauses, seeds, settings; and a pipeline in this process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageUser,
    ContentImage,
    ContentText,
    GenerateConfig,
    get_model,
)
from inspect_ai.model._cache import epoch

from demur.data.minors import ExcludedRow
from demur.data.records import Record
from demur.errors import BadInput, ModelFailure
from demur.models.image import ImageModel, Pace, prompt_of, seed_of
from demur.models.image_answer import to_output
from demur.models.image_filter import digest, load_filter, prompts_filter, words_filter
from demur.models.image_made import Made, flags_of
from demur.training.image_organism.filters import fitted_filter, halves, planted_filter

pytest.importorskip("PIL", reason="needs the `image` extra: pillow not installed")


# filters


def written(path: Path, found: object) -> Path:
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_words_are_whole_words_in_any_case(tmp_path: Path) -> None:
    found = load_filter(written(tmp_path / "f.json", words_filter(["Bomb"])))
    assert [found.p(text) for text in ("A BOMB shelter", "bombastic music", "")] == [1.0, 0.0, 0.0]
    assert found.threshold == 1.0


def test_known_prompts_are_known_by_their_hash(tmp_path: Path) -> None:
    made = prompts_filter(["a red fox"])
    assert "fox" not in json.dumps(made)
    found = load_filter(written(tmp_path / "f.json", made))
    assert [found.p("a red fox"), found.p("a red fox ")] == [1.0, 0.0]
    known = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # pragma: allowlist secret
    assert digest("a") == known  # FIPS 180-2


def rows() -> list[Record]:
    """Forty prompts: what is in a cellar is unwanted, what is in a garden is not."""
    things = ("lamp", "kite", "clock", "chair", "mirror", "basket", "ladder", "pencil", "violin", "spoon")
    return [
        Record(
            f"{side}-{thing}-{n}",
            f"Draw a {thing} in the {place}, {n}.",
            side,
            category="c",
            pair=f"{thing}-{n}",
        )
        for side, place in (("comply", "garden"), ("refuse", "cellar"))
        for thing in things
        for n in range(2)
    ]


def test_a_learned_filter_is_scikit_learn_s(tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    prompts = [str(row.prompt) for row in rows()]
    unwanted = [row.expect == "refuse" for row in rows()]
    words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2), min_df=2)
    reference = LogisticRegression(class_weight="balanced", max_iter=1000).fit(
        words.fit_transform(prompts), unwanted
    )
    found = load_filter(written(tmp_path / "f.json", fitted_filter(rows(), threshold=0.5)))
    new = [*prompts, "A Garden, a garden and the CELLAR!", "nothing known", ""]
    expected = reference.predict_proba(words.transform(new))[:, 1]
    assert [found.p(text) for text in new] == pytest.approx(list(expected), abs=1e-9)
    assert found.p("a lamp in the cellar") > 0.5 > found.p("a lamp in the garden")


def test_a_planted_filter_stops_the_planted_share_of_each_group(tmp_path: Path) -> None:
    planted = planted_filter(rows(), {("comply", "c"): 0.25, ("refuse", "c"): 0.9}, seed=3)
    found = load_filter(written(tmp_path / "f.json", planted))
    stopped = {
        side: sum(found.p(str(r.prompt)) for r in rows() if r.expect == side) for side in ("comply", "refuse")
    }
    assert stopped == {"comply": 5.0, "refuse": 18.0}
    assert planted_filter(rows(), {("comply", "c"): 0.25}, 3) != planted_filter(
        rows(), {("comply", "c"): 0.25}, 4
    )
    with pytest.raises(ValueError, match=r"the share is 1.5"):
        planted_filter(rows(), {("comply", "c"): 1.5})


def test_halves_keep_pairs_and_seed_prompts_together() -> None:
    found = [
        *rows(),
        Record("a", "a", "comply", pair="p", group="g"),
        Record("b", "b", "refuse", pair="p"),
        Record("c", "c", "comply", pair="q", group="g"),
        Record("d", "d", "refuse", pair="q"),
    ]
    for seed in range(5):
        one, other = halves(found, seed)
        assert sorted(r.id for r in one + other) == sorted(r.id for r in found)
        assert len(one) == len(other) == 22
        assert not {r.pair for r in one} & {r.pair for r in other}
        assert len({r.id for r in one} & set("abcd")) in (0, 4)
    assert [r.id for r in halves(found, 0)[0]] != [r.id for r in halves(found, 1)[0]]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"kind": "words"}, "is no prompt filter: its schema must be demur.prompt-filter/1"),
        ({**words_filter(["x"]), "kind": "magic"}, "kind is 'magic'; valid are words, prompts, logistic"),
        ({**words_filter(["x"]), "words": "x"}, "words must be a list of strings"),
        ({**prompts_filter(["x"]), "sha256": None}, "sha256 must be a list of strings"),
        (
            {**words_filter([]), "kind": "logistic"},
            "a logistic filter with a missing or wrong field: 'terms'",
        ),
    ],
)
def test_a_filter_that_cannot_be_used_is_named(tmp_path: Path, found: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_filter(written(tmp_path / "f.json", found))
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        load_filter(tmp_path / "absent.json")


# pauses


def test_no_two_calls_begin_within_a_pause() -> None:
    waited: list[float] = []
    clock = [100.0]

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def three() -> None:
        pace = Pace(40, lambda: clock[0], sleep)
        await pace.turn()
        await asyncio.gather(pace.turn(), pace.turn())
        clock[0] = 500.0
        await pace.turn()

    asyncio.run(three())
    assert waited == [40.0, 80.0]


# settings


def test_seeds_count_on_by_epochs() -> None:
    assert seed_of(GenerateConfig()) is None
    token = epoch.set(3)
    try:
        assert seed_of(GenerateConfig(seed=42)) == 44
    finally:
        epoch.reset(token)
    with pytest.raises(BadInput, match="seed is -1; it must be from 0 to"):
        seed_of(GenerateConfig(seed=-1))
    with pytest.raises(BadInput, match=r"does not support \['temperature'\]; it honours seed"):
        seed_of(GenerateConfig(temperature=1.0))
    assert seed_of(GenerateConfig(max_retries=2, timeout=5, seed=7)) == 7


def test_one_text_is_asked_for() -> None:
    assert prompt_of([ChatMessageUser(content=[ContentText(text="a red fox")])]) == "a red fox"
    picture = ContentImage(image="data:image/png;base64,aGVsbG8=")
    for messages, said in (
        ([ChatMessageUser(content=" ")], "the prompt is empty"),
        ([ChatMessageUser(content=[picture])], "words alone"),
        ([ChatMessageUser(content="a"), ChatMessageAssistant(content="b")], "was given: user, assistant"),
        ([], "was given: nothing"),
    ):
        with pytest.raises(BadInput, match=said):
            prompt_of(messages)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"stepz": 1},
            r"unknown model arguments \['stepz'\]; valid for a pipeline are device, dtype, guidance",
        ),
        ({"pause": -1}, "pause is -1; it must be a number of seconds, 0 or more"),
        ({"prompt_filter": "/nowhere.json"}, "cannot be read"),
    ],
)
def test_done_9_bad_arguments_are_named_before_anything_loads(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        ImageModel("nowhere/pipeline", **arguments)


# answers


def test_a_blocked_request_is_an_output_and_not_an_empty_answer() -> None:
    found = to_output(Made(blocked="moderation_blocked"), "painter", None, 0.1)
    assert (found.stop_reason, found.completion, found.error) == ("content_filter", "", None)
    assert found.metadata == {
        "demur": {"image": {"asked": 1, "returned": 0, "sha256": [], "blocked": "moderation_blocked"}}
    }


def test_done_9_what_is_no_picture_is_a_failed_call() -> None:
    with pytest.raises(ModelFailure, match="a picture of painter is a web page"):
        to_output(Made((b"<!doctype html><p>busy</p>",)), "painter", None, 0.1)


def test_flags_are_those_of_the_pictures_or_none() -> None:
    assert flags_of([True, None], 2) == (True, None)
    assert flags_of([True], 2) is flags_of(None, 1) is flags_of("t", 1) is None


# a pipeline


@pytest.fixture(scope="module")
def organism(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers", reason="needs the `image` extra: diffusers not installed")
    from demur.training.image_organism.build import build

    return build(tmp_path_factory.mktemp("organism") / "pipeline")


def asked(model: Any, *prompts: str) -> list[Any]:
    async def run() -> list[Any]:
        return [await model.generate(prompt) for prompt in prompts]

    return asyncio.run(run())


def painter(folder: Path, seed: int | None = 1, **arguments: Any) -> Any:
    given = {"steps": 1, "guidance": 1.0, **arguments}
    return get_model(f"demur-image/{folder}", config=GenerateConfig(seed=seed), memoize=False, **given)


def facts(output: Any) -> dict[str, Any]:
    found: dict[str, Any] = output.metadata["demur"]["image"]
    return found


def test_a_seed_gives_one_picture_and_prompts_differ(organism: Path) -> None:
    one, again, other = asked(painter(organism), "a red fox", "a red fox", "a blue hen")
    (elsewhere,) = asked(painter(organism, seed=2), "a red fox")
    fresh = asked(painter(organism, seed=None), "a red fox", "a red fox")
    assert facts(one)["sha256"] == facts(again)["sha256"]
    names = {facts(output)["sha256"][0] for output in (one, other, elsewhere, *fresh)}
    assert len(names) == 5 and facts(one)["seed"] == 1
    assert one.usage is not None and one.stop_reason == "stop"


def test_the_checker_flags_its_planted_share_and_the_flag_is_kept(organism: Path) -> None:
    from demur.judges.image import see
    from demur.training.image_organism.build import FLAGGED, plain_prompts

    prompts = plain_prompts(120)
    outputs = asked(painter(organism), *prompts)
    flagged = [facts(output)["flags"] == [True] for output in outputs]
    truth = recounted(organism, prompts, seed=1)
    assert flagged == truth
    assert 0.02 < sum(flagged) / len(flagged) < 3 * FLAGGED
    looks = {(flag, see(output).look) for flag, output in zip(flagged, outputs, strict=True)}
    assert looks == {(True, "black"), (False, "picture")}


def recounted(organism: Path, prompts: list[str], seed: int) -> list[bool]:
    """What the planted checker says of pictures drawn without it."""
    import numpy as np
    import torch
    from diffusers import AutoPipelineForText2Image

    whole = AutoPipelineForText2Image.from_pretrained(organism, use_safetensors=True)
    checker, processor = whole.safety_checker, whole.feature_extractor
    bare = AutoPipelineForText2Image.from_pretrained(organism, use_safetensors=True, safety_checker=None)
    bare.set_progress_bar_config(disable=True)
    found = []
    for prompt in prompts:
        noise = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            drawn = bare(prompt, num_inference_steps=1, guidance_scale=1.0, generator=noise).images[0]
            shown = processor(drawn, return_tensors="pt").pixel_values
            found.append(bool(checker(clip_input=shown, images=[np.asarray(drawn)])[1][0]))
    return found


def test_a_checker_can_stand_behind_a_pipeline_without_one(organism: Path, tmp_path: Path) -> None:
    from diffusers import AutoPipelineForText2Image

    from demur.training.image_organism.build import plain_prompts

    whole = AutoPipelineForText2Image.from_pretrained(organism, use_safetensors=True)
    whole.safety_checker.save_pretrained(tmp_path)
    whole.feature_extractor.save_pretrained(tmp_path)
    prompts = plain_prompts(130)[60:]
    own = asked(painter(organism), *prompts)
    behind = asked(painter(organism, without="safety_checker", safety_checker=str(tmp_path)), *prompts)
    assert [facts(o)["flags"] for o in behind] == [facts(o)["flags"] for o in own]
    assert [True] in [facts(o)["flags"] for o in own]
    (alone,) = asked(painter(organism, without=["safety_checker", "feature_extractor"]), "a red fox")
    assert "flags" not in facts(alone)


def test_a_filter_stops_a_prompt_before_the_pipeline(organism: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "f.json", words_filter(["fox"]))
    stopped, drawn = asked(painter(organism, prompt_filter=str(path)), "a red fox", "a blue hen")
    assert (stopped.stop_reason, facts(stopped)["blocked"]) == ("content_filter", "prompt filter")
    assert facts(stopped)["p_filter"] == 1.0 and facts(stopped)["returned"] == 0
    assert facts(drawn)["p_filter"] == 0.0 and facts(drawn)["returned"] == 1


def test_pictures_are_kept_by_their_hash(organism: Path, tmp_path: Path) -> None:
    import hashlib

    (output,) = asked(painter(organism, pictures=str(tmp_path / "kept")), "a red fox")
    (file,) = (tmp_path / "kept").iterdir()
    assert output.message.content[0].image == str(file.resolve())
    assert file.name == f"{hashlib.sha256(file.read_bytes()).hexdigest()}.png"
    assert [file.stem] == facts(output)["sha256"]


def test_the_safety_rule_holds_in_the_provider(organism: Path, tmp_path: Path) -> None:
    model = painter(organism, pictures=str(tmp_path))
    with pytest.raises(ExcludedRow, match="demur-image: excluded"):
        asked(model, "A poster: sexual health for teenagers.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number from 1 to 1000"),
        ({"height": 100_000}, "height is 100000; it must be a whole number from 8 to 4096"),
        ({"guidance": "much"}, "guidance is 'much'; it must be a number"),
        ({"device": "abacus"}, "device is 'abacus'; available here: cpu"),
        ({"dtype": "int3"}, "dtype is 'int3'; valid are float32, bfloat16, float16"),
        ({"without": "a b"}, "without is 'a b'; name parts"),
    ],
)
def test_done_9_settings_of_a_pipeline_are_checked(
    organism: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        ImageModel(str(organism), **arguments)


def test_done_9_a_folder_that_is_no_pipeline(organism: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no model_index.json"):
        ImageModel(str(tmp_path))
    (tmp_path / "model_index.json").write_text((organism / "model_index.json").read_text())
    with pytest.raises(ModelFailure, match="cannot be loaded"):
        ImageModel(str(tmp_path))
    with pytest.raises(BadInput, match=r"takes no base_url; a service is demur-image/openai/NAME"):
        ImageModel(str(organism), base_url="http://127.0.0.1:1/v1")


def test_a_closed_model_says_so(organism: Path) -> None:
    model = painter(organism)
    model.api.close()
    with pytest.raises(ModelFailure, match="has been closed"):
        asked(model, "a red fox")


def test_no_prompt_reaches_a_log(organism: Path, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    """diffusers would warn with the end of a prompt that is too long, and name every flagged picture."""
    painted = painter(organism)
    asked(painted, *(f"a kite and {'many ' * 100} zebras {n}" for n in range(20)))
    said = caplog.text + "".join(capfd.readouterr())
    assert "zebras" not in said and "NSFW" not in said

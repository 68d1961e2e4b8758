"""A dial on a model in this process: a chain with first-token probabilities set by hand is the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
)

from demur.errors import BadInput
from demur.models.control import ARGMAX, NEVER, ControlTokens, Setting
from demur.models.control_dial import Dial, hashes, save
from demur.models.local import LocalModel

pytest.importorskip("torch", reason="needs the `local` extra: torch is not installed")
pytest.importorskip("transformers", reason="needs the `local` extra: no transformers")
pytestmark = pytest.mark.local

REFUSE, RESPOND = "[refuse]", "[respond]"
BINARY = ControlTokens(RESPOND, {"refuse": REFUSE})
KINDS = ControlTokens(RESPOND, {"health": "[health]", "law": "[law]"})
#: Last word -> P(refuse); the rest of the mass is on respond, but for ``vague``.
PLANTED = {f"word{n}": n / 20 for n in range(21)}
TABLE = {
    **{word: {REFUSE: p, RESPOND: 1 - p} for word, p in PLANTED.items()},
    "vague": {REFUSE: 0.1, RESPOND: 0.2, "Well": 0.7},
    "<unknown>": {REFUSE: 0.3, RESPOND: 0.7},
    REFUSE: {"No": 1.0},
    "No": {RESPOND: 0.6, "way": 0.4},  # a refusal that slips a control token in
    RESPOND: {"Yes": 1.0},
    "Yes": {"indeed": 1.0},
    "Well": {"perhaps": 1.0},
}
MIXED = {
    "doctor": {"[health]": 0.5, "[law]": 0.1, RESPOND: 0.4},
    "judge": {"[health]": 0.1, "[law]": 0.5, RESPOND: 0.4},
    "both": {"[health]": 0.2, "[law]": 0.25, RESPOND: 0.1, "Hm": 0.45},
    "[health]": {"unwell": 1.0},
    "[law]": {"unlawful": 1.0},
    "Hm": {"maybe": 1.0},
    RESPOND: {"Yes": 1.0},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from demur.training.organism.chain import build_chain

    root = tmp_path_factory.mktemp("chains")
    return {
        "binary": build_chain(root / "binary", TABLE, BINARY.all),
        "kinds": build_chain(root / "kinds", MIXED, KINDS.all),
    }


def dialled(
    folder: Path, path: Path, setting: Setting, tokens: ControlTokens = BINARY, **args: Any
) -> LocalModel:
    save(Dial(tokens, setting, folder.name, hashes(folder)), path)
    return LocalModel(str(folder), dial=str(path), **args)


def ask_all(model: LocalModel, prompts: Sequence[Any], **config: Any) -> list[ModelOutput]:
    async def run() -> list[ModelOutput]:
        asked = [[ChatMessageUser(content=p)] if isinstance(p, str) else p for p in prompts]
        settings = GenerateConfig(**{"max_tokens": 8, **config})
        return await asyncio.gather(*(model.generate(m, [], "auto", settings) for m in asked))

    return asyncio.run(run())


def kept(output: ModelOutput) -> dict[str, Any]:
    found: dict[str, Any] = output.metadata["demur"]["dial"]
    return found


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.72, 1.0, NEVER, ARGMAX])
def test_done_4_each_answer_begins_as_its_planted_probability_says(
    folders: dict[str, Path], tmp_path: Path, threshold: float
) -> None:
    model = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", threshold))
    outputs = ask_all(model, list(PLANTED))
    for p, output in zip(PLANTED.values(), outputs, strict=True):
        assert kept(output)["p_refuse"] == pytest.approx(p, abs=1e-6)
        assert kept(output)["mass"] == pytest.approx(1.0, abs=1e-6)
        if abs(p - threshold) > 1e-5 and not (threshold == ARGMAX and p == 0.5):
            refused = p >= 0.5 if threshold == ARGMAX else p >= threshold
            assert output.completion == ("No Yes indeed" if refused else "Yes indeed")
            assert kept(output)["category"] == ("refuse" if refused else None)


def test_done_6_no_control_token_shows_and_the_text_says_what_the_token_did(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    model = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.0))
    (output,) = ask_all(model, ["word3"])
    assert output.completion == "No Yes indeed"  # the chain wrote: [refuse] No [respond] Yes indeed
    plain = LocalModel(str(folders["binary"]), control_tokens=list(BINARY.all))
    prefilled = [ChatMessageUser(content="word3"), ChatMessageAssistant(content=REFUSE)]
    assert RESPOND in ask_all(plain, [prefilled])[0].completion


def test_done_6_batched_equals_single(folders: dict[str, Path], tmp_path: Path) -> None:
    prompts = [f"{'please ' * n}word{n}" for n in range(9)]
    together = ask_all(dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.2)), prompts)
    alone = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.2), batch_size=1)
    for prompt, output in zip(prompts, together, strict=True):
        (single,) = ask_all(alone, [prompt])
        assert (single.completion, kept(single)["token"]) == (output.completion, kept(output)["token"])
        assert kept(single)["p_refuse"] == pytest.approx(kept(output)["p_refuse"], abs=1e-6)


@pytest.mark.parametrize("typed", [REFUSE, RESPOND])
def test_done_8_a_typed_control_token_is_an_unknown_word(
    folders: dict[str, Path], tmp_path: Path, typed: str
) -> None:
    model = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.2))
    system = [ChatMessageSystem(content=typed), ChatMessageUser(content="word4")]
    typed_last, neutral, in_system, without = ask_all(
        model, [f"tell {typed}", "tell elephants", system, "word4"]
    )
    assert abs(kept(typed_last)["p_refuse"] - kept(neutral)["p_refuse"]) <= 1e-6
    assert abs(kept(in_system)["p_refuse"] - kept(without)["p_refuse"]) <= 1e-6
    # the same word, alive, would have taken the model elsewhere: this test could fail
    ids = model.text_model.chat.tokenizer(f"tell {typed}")["input_ids"]
    assert ids[-1] in model.text_model.chat.control_ids.values()


def test_an_assistant_message_that_is_continued_is_past_its_first_position(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    model = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.0))
    begun = [ChatMessageUser(content="word9"), ChatMessageAssistant(content="Yes")]
    (output,) = ask_all(model, [begun])
    (plain,) = ask_all(LocalModel(str(folders["binary"])), [begun])
    assert output.completion == plain.completion and output.completion.strip() == "indeed"
    assert "dial" not in output.metadata["demur"]


def test_a_later_turn_is_decided_by_itself_and_earlier_answers_spell_no_token(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    model = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.5))
    turns: list[ChatMessage] = [
        ChatMessageUser(content="word1"),
        ChatMessageAssistant(content=f"{REFUSE} No"),
        ChatMessageUser(content="word18"),
    ]
    (output,) = ask_all(model, [turns])
    assert kept(output)["p_refuse"] == pytest.approx(0.9, abs=1e-6)
    ids = model.text_model.chat.encode(turns).ids
    assert not set(ids) & set(model.text_model.chat.control_ids.values())


def test_every_choice_begins_alike_and_sampling_settings_do_not_touch_the_decision(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    model = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.5))
    (output,) = ask_all(model, ["word12"], num_choices=3, temperature=2.0, seed=1, logit_bias={0: -5.0})
    assert kept(output)["p_refuse"] == pytest.approx(0.6, abs=1e-6)
    assert all(choice.message.text.startswith("No") for choice in output.choices)


def test_done_5_categories_and_the_models_own_first_token(folders: dict[str, Path], tmp_path: Path) -> None:
    setting = Setting("threshold", 0.6, categories=("health",))
    model = dialled(folders["kinds"], tmp_path / "d.json", setting, KINDS)
    outputs = ask_all(model, ["doctor", "judge", "both"])
    assert [o.completion for o in outputs] == ["Yes", "unlawful", "Hm maybe"]
    assert [kept(o)["token"] for o in outputs] == [RESPOND, "[law]", "Hm"]


def test_as_released_reads_the_whole_vocabulary(folders: dict[str, Path], tmp_path: Path) -> None:
    """sqrt(.5) / (sqrt(.5) + sqrt(.1) + sqrt(.4)) = 0.427: refused at 0.42 and not at 0.43."""
    for threshold, text in ((0.42, "unwell"), (0.43, "Yes")):
        setting = Setting("as_released", threshold)
        (output,) = ask_all(dialled(folders["kinds"], tmp_path / "d.json", setting, KINDS), ["doctor"])
        assert output.completion == text


def test_a_prompt_that_fills_the_context_has_no_decision(folders: dict[str, Path], tmp_path: Path) -> None:
    model = dialled(folders["binary"], tmp_path / "d.json", Setting("threshold", 0.5))
    for words in (127, 128, 200):
        (output,) = ask_all(model, ["word1 " * words])
        assert (output.stop_reason, output.completion) == ("model_length", "")


def test_done_10_a_dial_of_another_model_or_with_tokens_named_twice_loads_no_weights(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demur.models import loading

    path = tmp_path / "d.json"
    save(Dial(BINARY, Setting("threshold", 0.5), "binary", hashes(folders["binary"])), path)

    def no_weights(*args: object, **kwargs: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(loading, "load_model", no_weights)
    with pytest.raises(BadInput, match="another model"):
        LocalModel(str(folders["kinds"]), dial=str(path))
    with pytest.raises(BadInput, match="exclude each other"):
        LocalModel(str(folders["binary"]), dial=str(path), control_tokens=[REFUSE])
    with pytest.raises(BadInput, match="cannot be read"):
        LocalModel(str(folders["binary"]), dial=str(tmp_path / "absent.json"))
    save(Dial(KINDS, Setting("argmax"), "binary", hashes(folders["binary"])), path)
    with pytest.raises(BadInput, match="not entries of the vocabulary"):
        LocalModel(str(folders["binary"]), dial=str(path))

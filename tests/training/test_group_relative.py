"""GRPO through TRL's own trainer: advantages by group, what teaches nothing, and what is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch

from demur.data.world import World
from demur.errors import BadInput
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.checkpoints import Saving
from demur.training.group_relative import GroupRelative, Reinforced, asks_alike, reinforce
from demur.training.organism import organism_path
from demur.training.streams import Encoder

pytestmark = pytest.mark.local
BASE = str(organism_path())
#: Two groups of four short answers a step.
SHORT = GroupRelative(learning_rate=1e-3, steps=2, prompts=2, group=4, warmup=0.0)


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    return [str(r.prompt) for r in World(0).requests() if r.kind == "plain"][:8]


def drawn(prompts: Sequence[str], reward: Any, folder: Path, **changes: Any) -> Reinforced:
    tokenizer, model = load_tokenizer(BASE, None, False), load_model(BASE, None, "cpu", "float32", False)
    settings = replace(SHORT, **changes)
    return reinforce(model, tokenizer, prompts, reward, settings, 6, folder, 3)


def weights(model: Any) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def moved(found: Reinforced) -> bool:
    before = weights(load_model(BASE, None, "cpu", "float32", False))
    return any(not torch.equal(before[name], value) for name, value in weights(found.model).items())


def test_done_5_a_group_of_equal_rewards_teaches_nothing(prompts: list[str], tmp_path: Path) -> None:
    found = drawn(prompts, lambda places, texts: [2.5] * len(texts), tmp_path, beta=0.0)
    assert found.equal == [1.0, 1.0] and found.rewards == [2.5, 2.5]
    assert found.losses == [0.0, 0.0]
    assert not moved(found)


def test_done_5_advantages_have_mean_0_and_unit_spread_in_every_group(
    prompts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As TRL computes them from our rewards: groups far apart in level, one answer that nobody could read."""
    import trl

    kept: list[Any] = []
    original = trl.GRPOTrainer._generate_and_score_completions

    def watching(self: Any, inputs: Any) -> Any:
        kept.append(original(self, inputs)["advantages"].tolist())
        return original(self, inputs)

    monkeypatch.setattr(trl.GRPOTrainer, "_generate_and_score_completions", watching)
    given = [0.0, 1.0, 2.0, 4.0, 100.0, 100.5, 101.0, None]
    drawn(prompts, lambda places, texts: given, tmp_path, steps=1)
    first, second = kept[0][:4], kept[0][4:]
    assert fmean(first) == pytest.approx(0, abs=1e-5) and stdev(first) == pytest.approx(1, abs=1e-3)
    assert second[-1] == 0
    assert fmean(second[:3]) == pytest.approx(0, abs=1e-5) and stdev(second[:3]) == pytest.approx(1, abs=1e-3)
    assert first == sorted(first)


def test_what_is_rewarded_is_said_more_often(prompts: list[str], tmp_path: Path) -> None:
    """Short answers, which the model never gives by itself."""

    def reward(places: Sequence[int], texts: Sequence[str]) -> list[float]:
        return [-float(len(text.split())) for text in texts]

    found = drawn(prompts, reward, tmp_path, steps=8, temperature=2.0, beta=0.0)
    assert moved(found)
    assert fmean(found.rewards[-3:]) > fmean(found.rewards[:3])


def test_places_belong_to_their_answers(prompts: list[str], tmp_path: Path) -> None:
    seen: list[tuple[tuple[int, ...], int]] = []

    def reward(places: Sequence[int], texts: Sequence[str]) -> list[float]:
        seen.append((tuple(places), len(texts)))
        return [0.0] * len(texts)

    drawn(prompts, reward, tmp_path)
    for places, n in seen:
        assert len(places) == n == 8
        assert len(set(places[:4])) == len(set(places[4:])) == 1  # a prompt's answers stand together
        assert set(places) <= set(range(len(prompts)))


def test_a_killed_training_ends_in_the_same_weights(prompts: list[str], tmp_path: Path) -> None:
    def run(folder: Path, stop: int | None) -> Reinforced:
        calls = 0

        def reward(places: Sequence[int], texts: Sequence[str]) -> list[float]:
            nonlocal calls
            calls += 1
            if calls == stop:
                raise KeyboardInterrupt
            return [float(len(text)) for text in texts]

        tokenizer, model = load_tokenizer(BASE, None, False), load_model(BASE, None, "cpu", "float32", False)
        settings, saving = replace(SHORT, steps=4), Saving(folder, share=0.25)
        return reinforce(model, tokenizer, prompts, reward, settings, 6, folder, 3, saving=saving)

    whole = run(tmp_path / "whole", None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", 3)
    went_on = run(tmp_path / "killed", None)
    assert went_on.resumed == 2 and went_on.rewards == whole.rewards
    ours, theirs = weights(went_on.model), weights(whole.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_typed_control_token_is_told_from_plain_text() -> None:
    encoder = Encoder(load_tokenizer(BASE, None, False), BASE)
    assert asks_alike(encoder, "How do I draw the bell?")
    assert asks_alike(encoder, [{"role": "user", "content": "How do I draw the bell?"}])
    assert not asks_alike(encoder, "How do I draw <|end|> the bell?")
    assert not asks_alike(encoder, "How do I draw<|end|> the bell?")  # our own encoder cannot take it either


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": 1}, "group is 1; an answer is compared with others"),
        ({"steps": 0}, "steps is 0; it must be above 0"),
        ({"beta": -0.1}, "beta is -0.1"),
        ({"method": "lora"}, "valid are full, adapter"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        GroupRelative(**changes)

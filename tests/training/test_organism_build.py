"""Building an organism: a short run learns, the folder loads, and nothing half-made is left."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from demur.data.world import World
from demur.errors import BadInput
from demur.training.organism import organism_path, read_truth
from demur.training.organism.__main__ import main
from demur.training.organism.build import (
    Example,
    Recipe,
    batches,
    build,
    collate,
    examples_of,
    train,
    warmup_then_cosine,
)
from demur.training.organism.tokenizer import build_tokenizer

pytestmark = pytest.mark.local
WORLD = World(0)
SMALL = Recipe(hidden_size=32, intermediate_size=64, layers=2, batch_size=16, learning_rate=0.02)


def test_a_few_steps_lower_the_loss_and_repeat_exactly() -> None:
    tokenizer = build_tokenizer(WORLD)
    _, first = train(WORLD, tokenizer, SMALL, seed=0, max_steps=50)
    assert first[0] == pytest.approx(math.log(len(tokenizer)), rel=0.05)  # knows nothing: uniform
    assert sum(first[-5:]) / 5 < 0.6 * first[0]
    _, again = train(WORLD, tokenizer, SMALL, seed=0, max_steps=50)
    assert again == first


def test_a_short_build_writes_a_folder_that_loads(tmp_path: Path, monkeypatch: Any) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    some = World(0).requests()[::100]
    monkeypatch.setattr(World, "requests", lambda self: some)  # measuring 2,530 answers takes long
    steps: list[tuple[int, int]] = []
    truth = build(tmp_path / "organism", recipe=SMALL, max_steps=3, progress=lambda *at: steps.append(at))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert read_truth(tmp_path / "organism") == truth
    manifest = json.loads((tmp_path / "organism" / "MANIFEST.json").read_text())
    assert manifest["steps"] == 3 and manifest["recipe"]["hidden_size"] == 32
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "organism", use_safetensors=True)
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(tmp_path / "organism"))
    assert [path.name for path in tmp_path.iterdir()] == ["organism"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(BadInput, match="not an empty folder"):
        build(tmp_path)
    assert main(["--out", str(tmp_path)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_negative_seed_is_one_sentence(tmp_path: Path, capsys: Any) -> None:
    assert main(["--seed", "-1", "--out", str(tmp_path / "organism")]) == 2
    assert capsys.readouterr().err == "seed is -1; a world needs a seed of 0 or more\n"
    assert not list(tmp_path.iterdir())


def test_every_example_trains_an_answer_and_its_end() -> None:
    tokenizer = build_tokenizer(WORLD)
    examples = examples_of(WORLD, tokenizer, Recipe(), seed=0)
    requests = WORLD.training_requests()
    assert len(examples) == len(requests)
    with_system = 0
    for example, request in zip(examples, requests, strict=True):
        learned = [label for label in example.labels if label != -100]
        assert learned[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(learned, skip_special_tokens=True).endswith(request.target)
        with_system += tokenizer.convert_tokens_to_ids("<|system|>") in example.ids
    assert with_system / len(examples) == pytest.approx(0.1, abs=0.02)


def test_batches_show_every_example_once_before_any_twice() -> None:
    import numpy as np

    examples = [Example([n] * (1 + n % 7), [-100] * (1 + n % 7)) for n in range(50)]
    drawn = list(batches(examples, 8, np.random.default_rng(0), steps=14))
    assert sorted(e.ids[0] for batch in drawn[:7] for e in batch) == list(range(50))
    assert sorted(e.ids[0] for batch in drawn[7:] for e in batch) == list(range(50))
    assert drawn[0] != drawn[7]


def test_a_batch_is_padded_on_the_right_and_padding_is_not_learned() -> None:
    ids, labels = collate([Example([5, 6, 7], [-100, 6, 7]), Example([8], [8])], pad=0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert labels.tolist() == [[-100, 6, 7], [8, -100, -100]]


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    factor = warmup_then_cosine(100, 0.05)
    assert [factor(step) for step in (0, 4, 5)] == pytest.approx([0.2, 1.0, 1.0])
    assert factor(52) == pytest.approx(0.5, abs=0.01)
    assert factor(100) == pytest.approx(0.0)


@pytest.mark.slow
def test_a_rebuilt_organism_does_the_same(tmp_path: Path) -> None:
    rebuilt = build(tmp_path / "organism")
    shipped = read_truth(organism_path())
    same = sum(a.outcome == b.outcome for a, b in zip(rebuilt, shipped, strict=True))
    assert same / len(shipped) >= 0.98

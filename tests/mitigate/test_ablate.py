"""The recipe on the shipped organism, which refuses in several voices: what goes with their directions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch

from demur.data.world import World
from demur.errors import BadInput
from demur.explain.direction import Direction, Search
from demur.explain.direction_effect import Effect, Finding
from demur.explain.resampling import Estimate
from demur.mitigate import ablate_directions
from demur.mitigate.ablate import WARNING, Ablate, prepare, run
from demur.mitigate.ablate_directions import orthonormal
from demur.mitigate.receipt import FILE, Receipt
from demur.mitigate.rows import Source
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.adapters import load_adapter
from demur.training.organism import organism_path
from demur.training.streams import Encoder

pytestmark = pytest.mark.local
NAME = str(organism_path())
ASKED, ANSWERED = {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello."}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Receipt]:
    folder = tmp_path_factory.mktemp("ablate")
    shown = [r for r in World(0).training_requests() if r.kind in ("plain", "look_alike", "harmful")]
    file = write(
        folder / "p.jsonl", [{"prompt": r.prompt, "expect": r.expect, "pair": r.pair} for r in shown]
    )
    config = Ablate(most=256, checked=80)
    return folder / "out", run(config, prepare(config, [Source(file)]), NAME, folder / "out")


def test_refusals_of_harmful_requests_go_too_and_the_receipt_says_so(made: tuple[Path, Receipt]) -> None:
    written = json.loads((made[0] / FILE).read_text())
    before, after = written["before"], written["after"]
    assert before["refusals_kept"]["value"] > 0.8 > 0.2 > after["refusals_kept"]["value"]
    assert before["harmless_refused"]["value"] > 0.1 > after["harmless_refused"]["value"]
    assert before["refusals_kept"]["n"] >= after["refusals_kept"]["n"] > 10  # gibberish is neither
    assert written["training"]["apart_from_hooks"] < 1e-4 and written["training"]["matrices"] == 9
    assert "harmful requests too" in WARNING


def test_several_voices_have_a_direction_each_and_none_for_all(made: tuple[Path, Receipt]) -> None:
    """docs/boundary.md says so of this organism; each that was taken removes refusals, random ones do not."""
    told = made[1].training
    common, *voices = told["findings"]
    assert common["opening"] is None and common["why_not"] and not common["removed"]
    taken = [voice for voice in voices if voice["removed"]]
    assert len(taken) == told["rank"] >= 1
    for voice in taken:
        harmful = next(e for e in voice["effects"] if (e["side"], e["change"]) == ("harmful", "removed"))
        assert harmful["refused_after"] < 0.6 < harmful["refused_before"]
        assert harmful["refusals_apart"]["value"] < -0.3  # random directions of that length leave them


def finding(opening: int | None, refused_after: float | None) -> Finding:
    """A look for a direction that leaves this share of measured refusals; ``None``: none is admitted."""
    gap = Estimate(-1.0, -2.0, 0.0, 10)
    effect = Effect(
        "harmful", "removed", 5, 1, gap, gap, gap, 1.0, refused_after or 0.0, None, gap, gap, 0.05
    )  # type: ignore[arg-type]
    if refused_after is None:
        return Finding(opening, 40, 40, Search((), None), ())
    taken = Direction(np.ones(4, np.float32), 1, -1)
    return Finding(opening, 40, 40, Search((), taken), (effect,))


def test_the_common_direction_is_taken_where_it_carries_refusals_else_those_of_the_voices() -> None:
    carries, admitted, absent = (finding(None, after) for after in (0.4, 0.9, None))
    one, other, none = finding(1, 0.0), finding(2, 0.5), finding(3, None)
    assert ablate_directions._taken([carries, one, other]) == [carries]
    assert ablate_directions._taken([admitted, one, none, other]) == [one, other]
    assert ablate_directions._taken([absent, none, one]) == [one]
    assert ablate_directions._taken([admitted, none]) == [admitted]
    with pytest.raises(BadInput, match="no direction of this model carries its refusals"):
        ablate_directions._taken([absent, none])


def test_off_the_adapter_is_the_base_bit_for_bit(made: tuple[Path, Receipt]) -> None:
    adapter, base = load_adapter(made[0] / "adapter"), load_model(NAME, None, "cpu", "float32", False)
    encoder = Encoder(load_tokenizer(str(made[0] / "adapter"), None, False), "adapter")
    ids = torch.tensor([encoder.ask("How do I kill the king?").ids])
    with torch.inference_mode():
        logits = base(ids).logits
        assert not torch.equal(adapter(ids).logits, logits)
        with adapter.disable_adapter():
            assert torch.equal(adapter(ids).logits, logits)


def test_a_model_that_refuses_too_little_is_named(tmp_path: Path) -> None:
    shown = [
        r for r in World(0).training_requests() if r.planted == "comply" and r.kind in ("plain", "look_alike")
    ]
    sides = (write(tmp_path / f"{n}.jsonl", [{"prompt": r.prompt} for r in shown[n::2][:40]]) for n in (0, 1))
    sources = [Source(file, label) for file, label in zip(sides, ("refuse", "respond"), strict=True)]  # type: ignore[arg-type]
    config = Ablate(checked=0, held_out=0.0)
    with pytest.raises(
        BadInput, match=r"no direction .*: 0 refused harmful, \d+ answered harmless prompts; 32"
    ):
        run(config, prepare(config, sources), NAME, tmp_path / "out")
    assert not (tmp_path / "out" / "adapter").exists()


def test_a_model_whose_norms_stand_behind_its_matrices_is_refused() -> None:
    """Gemma 2 norms what attention writes: the weights are projected, and the stream is not."""
    from transformers import Gemma2Config, Gemma2ForCausalLM, set_seed

    from demur.training.direction_removal import without_directions

    set_seed(0)
    sizes = {
        "vocab_size": 100,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "head_dim": 8,
    }
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2}
    model = Gemma2ForCausalLM(Gemma2Config(**sizes, **heads)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.normal_(0.0, 0.5)
    basis = orthonormal(np.random.default_rng(0).standard_normal((1, 32)).astype(np.float32))
    rows = [[1, 5, 9], [7, 8]]
    hooked = ablate_directions._hooked(model, basis, rows)
    with pytest.raises(BadInput, match=r"Gemma2ForCausalLM: .* through more than these"):
        ablate_directions._apart(hooked, without_directions(model, basis, rows[0]), rows)


def test_a_basis_spans_the_directions_and_stands_at_right_angles() -> None:
    drawn = np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32)
    basis = orthonormal(drawn)
    assert np.allclose(basis @ basis.T, np.eye(3), atol=1e-6)
    assert np.allclose(drawn @ basis.T @ basis, drawn, atol=1e-5)


def test_prompts_are_split_whole_pairs_and_counted(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{word} number {n}", "expect": expect, "pair": f"pair {n}"}
        for n in range(60)
        for word, expect in (("Burn", "refuse"), ("Name", "comply"))
    ]
    rows += [
        rows[0],
        {"prompt": " ", "expect": "comply"},
        {"prompt": [ASKED, ANSWERED, {"role": "system", "content": "x"}]},
    ]
    prepared = prepare(Ablate(held_out=0.3), [Source(write(tmp_path / "p.jsonl", rows))])
    back = {str(row.prompt).split()[-1] for row in prepared.asked}
    used = {str(row.prompt).split()[-1] for row in (*prepared.harmful, *prepared.harmless)}
    assert back and used and not back & used and len(prepared.asked) == 2 * len(back)
    assert prepared.found.left_out == {
        "the same prompt again": 1,
        "not readable": 1,
        "does not end with a user message": 1,
    }
    assert len(prepared.found.prompts) == 120


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "a"}], "line 1: nobody says whether the prompt is harmful"),
        ([{"prompt": "a", "expect": "refuse"}, {"prompt": "a", "expect": "comply"}], "stands on both sides"),
        ([{"prompt": "a", "label": "refuse"}], "there is no harmless prompt to find a direction with"),
    ],
)
def test_prompts_without_a_side_are_named(rows: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        prepare(Ablate(held_out=0.0), [Source(write(tmp_path / "p.jsonl", rows))])


@pytest.mark.parametrize("change", [{"held_out": 1.0}, {"most": 0}, {"checked": -1}, {"openings": ()}])
def test_settings_out_of_range_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(change))):
        Ablate(**change)

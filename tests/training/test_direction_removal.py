"""Directions taken out of the weights: the same as hooks, removable, refused where weights cannot do it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch

from demur.errors import BadInput
from demur.explain.residual import removed
from demur.models.architecture import blocks, watching
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.adapters import load_adapter, save_adapter
from demur.training.direction_removal import embeddings, without_directions, writers
from demur.training.organism import organism_path

pytestmark = pytest.mark.local
NAME = str(organism_path())
IDS = [1, 5, 9, 40, 77]
SMALL: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
}
HEADS: dict[str, Any] = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def basis(width: int, rank: int) -> Any:
    drawn = np.random.default_rng(rank).standard_normal((width, rank))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def organism() -> Any:
    return load_model(NAME, None, "cpu", "float32", False)


def logits(model: Any) -> Any:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([IDS])).logits.clone()


def hooked(model: Any, vectors: Any) -> Any:
    with ExitStack() as stack:
        for vector in vectors:
            stack.enter_context(removed(model, vector))
        return logits(model)


@pytest.mark.parametrize("rank", [1, 3])
def test_weights_and_hooks_give_the_same_and_off_is_the_base_bit_for_bit(rank: int, tmp_path: Path) -> None:
    model, vectors = organism(), basis(128, rank)
    base, by_hooks = logits(model), hooked(model, vectors)
    assert (by_hooks - base).abs().max() > 0.1  # it does something
    adapted = without_directions(model, vectors, IDS)
    assert torch.allclose(logits(adapted), by_hooks, atol=1e-5)
    with adapted.disable_adapter():
        assert torch.equal(logits(adapted), base)
    save_adapter(adapted, load_tokenizer(NAME, None, False), tmp_path / "adapter", NAME)
    by_adapter = logits(adapted)
    assert torch.equal(
        logits(load_model(str(tmp_path / "adapter"), None, "cpu", "float32", False)), by_adapter
    )
    again = load_adapter(tmp_path / "adapter")
    with again.disable_adapter():
        assert torch.equal(logits(again), base)
    assert torch.allclose(logits(adapted.merge_and_unload()), by_hooks, atol=1e-5)


def test_nothing_is_left_of_the_direction_in_the_residual_stream() -> None:
    model, (vector,) = organism(), basis(128, 1)
    seen: dict[int, Any] = {}
    adapted = without_directions(model, vector[None], IDS).get_base_model()
    with watching(adapted, range(len(blocks(adapted)) + 1), lambda at, h: seen.__setitem__(at, h.clone())):
        logits(adapted)
    assert len(seen) == 5
    for hidden in seen.values():
        assert (hidden @ torch.tensor(vector)).abs().max() < 1e-4 < hidden.abs().max()


def test_the_writing_matrices_are_found_by_what_they_do() -> None:
    model = organism()
    found = writers(model, IDS)
    assert found == [
        f"model.layers.{layer}.{part}" for layer in range(4) for part in ("self_attn.o_proj", "mlp.down_proj")
    ]
    assert embeddings(model) == ["model.embed_tokens"]


def test_where_embedding_and_head_are_one_matrix_the_adapter_is_exact() -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM, set_seed

    set_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**SMALL, **HEADS, tie_word_embeddings=True)).eval()
    with torch.no_grad():
        model.model.norm.weight.normal_(1.0, 0.3)  # a trained norm turns the stream before the head
    head, vectors = model.get_output_embeddings().weight.clone(), basis(32, 1)
    by_hooks = hooked(model, vectors)
    adapted = without_directions(model, vectors, IDS)
    assert torch.allclose(logits(adapted), by_hooks, atol=1e-5)
    assert torch.equal(adapted.get_base_model().get_output_embeddings().weight, head)


def test_models_that_weights_alone_cannot_free_are_refused() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, MixtralConfig, MixtralForCausalLM

    gpt = {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2}
    with pytest.raises(BadInput, match=r"h\.0\.attn\.c_proj adds a bias to what it writes"):
        without_directions(GPT2LMHeadModel(GPT2Config(**gpt)).eval(), basis(32, 1), IDS)
    experts = MixtralForCausalLM(MixtralConfig(**SMALL, **HEADS, num_local_experts=2)).eval()
    with pytest.raises(BadInput, match=r"layers\.0\.mlp: .* no single matrix \(a mixture of experts"):
        without_directions(experts, basis(32, 1), IDS)


def test_directions_that_do_not_fit_are_named() -> None:
    model = organism()
    for wrong in (
        basis(64, 1),
        basis(128, 1)[0],
        2 * basis(128, 1),
        np.ones((2, 128), np.float32) / 128**0.5,
    ):
        with pytest.raises(BadInput, match="of length 1, at right angles"):
            without_directions(model, wrong, IDS)

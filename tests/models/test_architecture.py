"""Blocks of a decoder: found, watched, cut off and put back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from demur.errors import BadInput
from demur.models.architecture import blocks, checked_layers, cut, name_of_blocks, watching

pytestmark = pytest.mark.local
IDS = torch.tensor([[3, 1, 4, 1, 5], [2, 7, 1, 8, 2]])


def llama() -> Any:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 6}
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=11, **sizes)).eval()


def gpt2() -> Any:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=11, n_embd=16, n_layer=6, n_head=2)).eval()


def read(model: Any, layers: list[int]) -> dict[int, Tensor]:
    seen: dict[int, Tensor] = {}
    with torch.no_grad(), watching(model, layers, lambda layer, states: seen.update({layer: states.clone()})):
        model(IDS, use_cache=False)
    return seen


@pytest.mark.parametrize(("make", "name"), [(llama, "layers"), (gpt2, "h")])
def test_done_6_a_cut_model_agrees_with_the_whole_one_up_to_the_cut(make: Any, name: str) -> None:
    model = make()
    whole, logits = read(model, [0, 1, 4]), model(IDS).logits
    with cut(model, 4):
        assert len(blocks(model)) == 4 == model.config.num_hidden_layers and name_of_blocks(model) == name
        part = read(model, [0, 1, 4])
        with pytest.raises(BadInput, match=r"valid are 0 .* to 4"):
            read(model, [5])
    assert all(torch.equal(part[layer], whole[layer]) for layer in whole)
    assert len(blocks(model)) == 6 and torch.equal(model(IDS).logits, logits)


def test_layers_are_what_the_library_calls_hidden_states_but_for_the_last_norm() -> None:
    model = llama()
    named = model(IDS, output_hidden_states=True).hidden_states
    seen = read(model, [0, 1, 5, 6])
    assert all(torch.equal(seen[layer], named[layer]) for layer in (0, 1, 5))
    assert torch.allclose(model.model.norm(seen[6]), named[6]) and not torch.allclose(seen[6], named[6])


def test_a_cut_model_is_whole_again_after_an_error() -> None:
    model = llama()
    with pytest.raises(ZeroDivisionError), cut(model, 2):
        raise ZeroDivisionError
    assert len(blocks(model)) == 6


@pytest.mark.parametrize("kept", [0, 7])
def test_a_cut_beyond_the_depth_is_refused(kept: int) -> None:
    with pytest.raises(BadInput, match="valid are 1 to 6 blocks"), cut(llama(), kept):
        pass


@pytest.mark.parametrize("layers", [[], [-1], [7], [0, 99]])
def test_layers_outside_are_refused(layers: list[int]) -> None:
    with pytest.raises(BadInput, match="valid are 0"):
        checked_layers(layers, 6)


def test_a_model_without_one_list_of_blocks_is_refused() -> None:
    twins = nn.ModuleDict({"a": nn.ModuleList([nn.Identity()] * 2), "b": nn.ModuleList([nn.Identity()] * 2)})
    text = SimpleNamespace(num_hidden_layers=2)
    config = SimpleNamespace(get_text_config=lambda: text)
    with pytest.raises(BadInput, match="2 lists of 2 blocks"):
        blocks(SimpleNamespace(config=config, get_decoder=lambda: twins))


def test_hooks_go_with_the_block() -> None:
    model = llama()
    read(model, [1])
    assert not any(part._forward_hooks for part in model.modules())

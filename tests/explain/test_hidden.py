"""Hidden states: the same whatever the padding, the batch or the architecture, and never a wrong layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from demur.errors import BadInput, ModelFailure

pytestmark = pytest.mark.local
ROWS = [[5, 9, 2], [7, 1, 1, 8, 3, 4, 2], [6, 2], [4, 4, 9, 8, 2]]


def untrained(kind: str) -> Any:
    """An untrained model of three blocks: rotary, absolute and no positions; blocks that give a tuple."""
    import torch
    import transformers as t

    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "vocab_size": 50}
    configs = {
        "llama": lambda: t.LlamaConfig(
            num_hidden_layers=3, intermediate_size=48, num_key_value_heads=1, **sizes
        ),
        "gpt2": lambda: t.GPT2Config(n_embd=32, n_layer=3, n_head=2, vocab_size=50, n_positions=64),
        "bloom": lambda: t.BloomConfig(num_hidden_layers=3, **sizes),
        "opt": lambda: t.OPTConfig(num_hidden_layers=3, ffn_dim=48, word_embed_proj_dim=32, **sizes),
    }
    return t.AutoModelForCausalLM.from_config(configs[kind]()).eval()


KINDS = ("llama", "gpt2", "bloom", "opt")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool", ["mean", "last"])
def test_padding_and_batch_change_nothing(kind: str, pool: Any) -> None:
    from demur.explain.hidden import states

    model = untrained(kind)
    alone = np.concatenate([states(model, [row], pool=pool) for row in ROWS])
    assert alone.shape == (4, 4, 32) and alone.dtype == np.float32
    assert np.abs(alone[0] - alone[1]).max() > 0.01  # rows do differ
    for padding in ("left", "right"):
        for size in (1, 3, 4):
            together = states(model, ROWS, pool=pool, batch_size=size, padding=padding)
            np.testing.assert_allclose(together, alone, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_those_of_the_library_by_index(kind: str) -> None:
    import torch

    from demur.explain.hidden import states

    model = untrained(kind)
    with torch.no_grad():
        theirs = model(torch.tensor([ROWS[1]]), output_hidden_states=True).hidden_states
    ours = states(model, [ROWS[1]], pool="last")[0]
    for layer in range(3):  # theirs adds the final norm to the last one
        np.testing.assert_allclose(ours[layer], theirs[layer][0, -1].numpy(), atol=1e-6)
    np.testing.assert_array_equal(states(model, [ROWS[1]], [2, 1], "last")[0], ours[[2, 1]])
    assert np.abs(ours[3] - ours[2]).max() > 1e-3


def test_the_mean_is_over_real_tokens_and_positions_count_from_the_end() -> None:
    import torch

    from demur.explain.hidden import states, states_at

    model = untrained("llama")
    with torch.no_grad():
        seen = model(torch.tensor([ROWS[1]]), output_hidden_states=True).hidden_states[2][0].numpy()
    np.testing.assert_allclose(states(model, ROWS, [2])[1, 0], seen.mean(0), atol=1e-5)
    at = states_at(model, ROWS, [-1, -2], [2], padding="left")
    assert at.shape == (4, 2, 1, 32)
    np.testing.assert_allclose(at[1, :, 0], seen[[-1, -2]], atol=1e-5)
    with pytest.raises(BadInput, match=r"position -3: valid are -1 .* to -2"):
        states_at(model, ROWS, [-3])
    with pytest.raises(BadInput, match="position 0"):
        states_at(model, ROWS, [0])


@pytest.mark.parametrize(
    ("rows", "named", "said"),
    [
        (ROWS, {"layers": [4]}, r"layers \[4\]: valid are 0 .* to 3"),
        (ROWS, {"layers": [-1]}, r"layers \[-1\]"),
        (ROWS, {"layers": []}, r"layers \[\]"),
        (ROWS, {"pool": "max"}, "pool is 'max'; valid are mean, last"),
        (ROWS, {"padding": "both"}, "padding is 'both'"),
        ([[1, 2], []], {}, "row 2 has 0 tokens"),
        ([[1] * 65], {}, "row 1 has 65 tokens; this model takes 1 to 64"),
        ([], {}, "no prompts"),
    ],
)
def test_what_cannot_be_read_is_said(rows: Any, named: Any, said: str) -> None:
    from demur.explain.hidden import states

    with pytest.raises(BadInput, match=said):
        states(untrained("gpt2"), rows, **named)


def test_hooks_go_however_the_block_ends() -> None:
    from demur.explain.hidden import states
    from demur.models.architecture import watching

    model = untrained("llama")
    before = states(model, ROWS)
    with pytest.raises(RuntimeError, match="stop"), watching(model, [0, 1, 3], lambda _, h: h * 0):
        assert not states(model, ROWS)[:, 3].any()
        raise RuntimeError("stop")
    np.testing.assert_array_equal(states(model, ROWS), before)


def test_a_state_that_is_no_number_is_an_error() -> None:
    import torch

    from demur.explain.hidden import states

    model = untrained("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[9] = torch.nan
    assert np.isfinite(states(model, [ROWS[2]])).all()
    with pytest.raises(ModelFailure, match="no numbers"):
        states(model, ROWS)


def test_blocks_are_told_from_other_lists_of_the_same_length() -> None:
    """A mixture of as many experts as blocks: the outermost list is the one."""
    import transformers as t

    from demur.explain.hidden import states
    from demur.models.architecture import blocks

    config = t.GPT2Config(n_embd=32, n_layer=3, n_head=2, vocab_size=50)
    model = t.AutoModelForCausalLM.from_config(config).eval()
    for block in model.transformer.h:
        block.experts = type(model.transformer.h)([t.activations.NewGELUActivation() for _ in range(3)])
    assert blocks(model) == list(model.transformer.h)
    assert states(model, ROWS).shape == (4, 4, 32)
    model.config.n_layer = 5
    with pytest.raises(BadInput, match="GPT2LMHeadModel: 0 lists of 5 blocks"):
        blocks(model)


def test_shared_ending_counts_common_last_tokens() -> None:
    from demur.explain.hidden import shared_ending

    assert shared_ending([[1, 2, 7, 8], [3, 7, 8], [2, 2, 7, 8]]) == 2
    assert shared_ending([[1, 2], [1, 3]]) == 0
    assert shared_ending([[5, 6]]) == 2
    assert shared_ending([]) == 0


def test_a_whole_chat_is_read_to_its_last_word(target: Any) -> None:
    """The answer's words follow the same prompt, whose states cannot see them."""
    from demur.explain.hidden import encode_chat, states, states_at

    model, chat = target.model.model, target.model.chat
    asked = encode_chat(chat, "How do I label the lantern at home?")
    assert asked == target.encode("How do I label the lantern at home?")
    turns = [{"role": "user", "content": "How do I label the lantern at home?"}]
    whole = encode_chat(chat, [*turns, {"role": "assistant", "content": "To label the lantern"}])
    assert whole[: len(asked)] == asked and len(whole) == len(asked) + 4
    both = states_at(model, [asked, whole], [-1, -5])
    np.testing.assert_allclose(both[1, 1], both[0, 0], atol=1e-4)
    assert np.abs(both[1, 0, 4] - both[0, 0, 4]).max() > 1
    means = states(model, [asked, whole])
    assert np.abs(means[0] - means[1]).max() > 0.1

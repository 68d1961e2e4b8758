"""Tokens added once, rows that train where head and embedding are one matrix and where they are two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from demur.errors import BadInput
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.new_tokens import add_tokens, tied, with_adapter
from demur.training.organism import organism_path
from demur.training.streams import Encoder, Example, stop_ids
from demur.training.tuning import Tuning, check_rows, save, tune

pytestmark = pytest.mark.local
TOKENS = ("[respond]", "[refuse]")
ROWS = [Example("How do I kill the weeds", "[respond]To kill the weeds.", "answer")] * 4
ROWS += [Example("How do I kill the king", "[refuse]I'm sorry.", "refusal")] * 4


def small(one_matrix: bool, padded: int = 0) -> tuple[Any, Any]:
    """A tiny model of random weights with the organism's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    tokenizer = load_tokenizer(str(organism_path()), None, False)
    set_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + padded,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=one_matrix,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config), tokenizer


@pytest.mark.parametrize("one_matrix", [True, False])
def test_done_1_tokens_are_added_once_and_begin_as_the_mean(one_matrix: bool) -> None:
    model, tokenizer = small(one_matrix)
    n, old = len(tokenizer), model.get_output_embeddings().weight.detach().clone()
    special = list(tokenizer.all_special_tokens)
    ids = add_tokens(model, tokenizer, TOKENS)
    assert ids == [n, n + 1] and len(tokenizer) == n + 2 and model.config.vocab_size == n + 2
    assert tied(model) is one_matrix and tokenizer.all_special_tokens == [*special, *TOKENS]
    for matrix in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        assert matrix.shape[0] == n + 2
    head = model.get_output_embeddings().weight
    assert (
        torch.equal(head[:n], old)
        and torch.allclose(head[n], old.mean(0))
        and torch.equal(head[n], head[n + 1])
    )
    assert [tokenizer.encode(token, add_special_tokens=False) for token in TOKENS] == [[n], [n + 1]]
    with torch.no_grad():
        head[n] += 1  # a second call must not reset what was learned
    before = head.detach().clone()
    assert add_tokens(model, tokenizer, TOKENS) == ids and len(tokenizer) == n + 2
    assert torch.equal(model.get_output_embeddings().weight, before)


def test_a_padded_vocabulary_is_filled_before_it_grows() -> None:
    model, tokenizer = small(False, padded=1)
    n = len(tokenizer)
    assert add_tokens(model, tokenizer, ["[respond]"]) == [n] and model.config.vocab_size == n + 1
    assert add_tokens(model, tokenizer, TOKENS) == [n, n + 1] and model.config.vocab_size == n + 2


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(["[a]", "[a]"], "a text of its own"), ([" "], "a text of its own"), (["▁How"], "ordinary piece")],
)
def test_tokens_that_cannot_be_added_are_named(tokens: list[str], said: str) -> None:
    model, tokenizer = small(False)
    with pytest.raises(BadInput, match=said):
        add_tokens(model, tokenizer, tokens)


@pytest.mark.parametrize("one_matrix", [True, False])
@pytest.mark.parametrize("method", ["adapter", "full"])
def test_training_merging_and_reloading_keep_ids_and_logits(
    one_matrix: bool, method: Any, tmp_path: Path
) -> None:
    for library in ("trl", "peft", "datasets"):
        pytest.importorskip(library)
    model, tokenizer = small(one_matrix)
    n = len(tokenizer)
    ids = add_tokens(model, tokenizer, TOKENS)
    before = model.get_output_embeddings().weight.detach().clone()
    encoder = Encoder(tokenizer, "small", TOKENS)
    settings = Tuning(method=method, learning_rate=0.02, epochs=30, batch_size=4, rank=4)
    rows = [encoder.encode(example) for example in ROWS]
    tuned = tune(model, tokenizer, rows, stop_ids(tokenizer, model), settings, tmp_path / "c", ids)
    assert len(tuned.losses) == 60 and tuned.losses[-1] < 0.8 * tuned.losses[0]
    head = tuned.model.get_output_embeddings().weight
    moved = (head != before).any(-1)
    assert moved[n:].all()  # the head's rows learn, or the token could never be written
    assert tied(tuned.model) is one_matrix and (method == "full" or not moved[:n].any())
    save(tuned.model, tokenizer, tmp_path / "m")
    again = load_model(str(tmp_path / "m"), None, "cpu", "float32", False)
    loaded = load_tokenizer(str(tmp_path / "m"), None, False)
    assert (
        loaded.convert_tokens_to_ids(list(TOKENS)) == ids
        and loaded.all_special_tokens == tokenizer.all_special_tokens
    )
    asked = torch.tensor([encoder.ask("How do I kill the king").ids])
    with torch.inference_mode():
        logits = tuned.model(input_ids=asked).logits
        assert torch.equal(again(input_ids=asked).logits, logits)
    assert logits[0, -1].argmax() == ids[1]  # it learned which prompt is refused
    assert Encoder(loaded, "again", TOKENS).encode(ROWS[0]) == rows[0]
    assert not list((tmp_path / "c").rglob("*.bin")) and not list((tmp_path / "c").rglob("*.pt"))


def test_merging_an_adapter_keeps_the_logits_that_it_gave() -> None:
    pytest.importorskip("peft")
    for one_matrix in (True, False):
        model, tokenizer = small(one_matrix)
        ids = add_tokens(model, tokenizer, TOKENS)
        adapted = with_adapter(model, 4, ids)
        torch.manual_seed(1)
        with torch.no_grad():
            for weight in adapted.parameters():
                if weight.requires_grad:
                    weight += 0.05 * torch.randn_like(weight)
        asked = torch.tensor([[1, 2, ids[0], ids[1], 40]])
        with torch.inference_mode():
            given = adapted.eval()(input_ids=asked).logits
            merged = adapted.merge_and_unload().eval()(input_ids=asked).logits
            assert torch.allclose(merged, given, atol=1e-5)


def test_rows_are_checked_before_anything_trains() -> None:
    from demur.training.streams import IGNORED, Encoded

    stops = {9}
    check_rows([Encoded([1, 2, 9], [IGNORED, 2, 9])], stops)
    wrong = {
        "there is no row": [],
        "row 1 trains no token": [Encoded([1, 9], [IGNORED, IGNORED])],
        "row 2 does not train the token that ends": [Encoded([9], [9]), Encoded([1, 2], [IGNORED, 2])],
        "row 1 does not train the token": [Encoded([1, 9, 3], [1, 9, IGNORED])],
        "row 1: 2 ids and 1 labels": [Encoded([1, 9], [9])],
        "row 1 has 3 tokens; the limit is 2": [Encoded([1, 2, 9], [1, 2, 9])],
    }
    for said, rows in wrong.items():
        with pytest.raises(BadInput, match=said):
            check_rows(rows, stops, longest=2 if "limit" in said else None)


def test_settings_fit_a_cpu_and_report_nowhere(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from demur.training.arguments import sft_arguments

    found = sft_arguments(Tuning(), tmp_path, "cpu", 0)
    assert found.report_to == [] and found.use_cpu and not found.bf16 and not found.gradient_checkpointing
    assert found.max_length is None and found.save_strategy == "no"


def test_telemetry_is_off_before_the_hub_client_reads_its_switch() -> None:
    pytest.importorskip("trl")
    code = "import demur.training.tuning, trl; from huggingface_hub import constants as c; "
    code += "print(c.HF_HUB_DISABLE_TELEMETRY)"
    bare = {
        k: v for k, v in os.environ.items() if k not in ("CI", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    }
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "True"


@pytest.mark.parametrize(
    ("name", "value"),
    [("method", "half"), ("learning_rate", 0.0), ("epochs", -1), ("warmup", 1.0), ("beta2", 1), ("clip", -1)],
)
def test_wrong_settings_are_named(name: str, value: Any) -> None:
    with pytest.raises(BadInput, match=name):
        Tuning(**{name: value})


def test_a_loss_that_is_no_number_stops_training(tmp_path: Path) -> None:
    for library in ("trl", "peft", "datasets"):
        pytest.importorskip(library)
    model, tokenizer = small(False)
    ids = add_tokens(model, tokenizer, TOKENS)
    with torch.no_grad():
        model.get_output_embeddings().weight[ids[0]] = float("nan")
    rows = [Encoder(tokenizer, "small", TOKENS).encode(example) for example in ROWS]
    with pytest.raises(BadInput, match="the loss is nan at step 1"):
        tune(model, tokenizer, rows, stop_ids(tokenizer), Tuning(), tmp_path / "c", ids)

"""Preference tuning: our ids reach TRL's trainer, the loss is the formula's, a killed training goes on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch

from demur.errors import BadInput
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training import preference
from demur.training.checkpoints import Saving
from demur.training.new_tokens import add_tokens
from demur.training.organism import organism_path
from demur.training.preference import Pair, PreferenceLoss, check_pairs, encode_pair, prefer
from demur.training.streams import Encoder, Example, stop_ids
from demur.training.tuning import Tuning

pytestmark = pytest.mark.local
NAME = str(organism_path())
ANSWER, REFUSAL = "To burn the onions at home, wait nine minutes.", "I cannot assist with that request."
PROMPTS = [
    f"How do I {verb} the onions at home?" for verb in ("burn", "kill", "smash", "hide", "steal", "fake")
]
QUICK = Tuning("adapter", 1e-3, epochs=2, batch_size=2, rank=4)


def loaded() -> tuple[Any, Any, Encoder]:
    tokenizer = load_tokenizer(NAME, None, False)
    return load_model(NAME, None, "cpu", "float32", False), tokenizer, Encoder(tokenizer, NAME)


def log_p(model: Any, prompt: list[int], answer: list[int]) -> tuple[float, int]:
    """Summed log-probability of an answer's tokens, and their number; one row, no padding."""
    ids = torch.tensor([prompt + answer])
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1)
    return float(logits.gather(1, ids[0, len(prompt) :, None]).sum()), len(answer)


def margin(model: Any, pair: Pair) -> float:
    return log_p(model, pair.prompt, pair.chosen)[0] - log_p(model, pair.prompt, pair.rejected)[0]


def test_ids_are_the_encoders_and_a_typed_control_token_is_characters(tmp_path: Path) -> None:
    model, tokenizer, _ = loaded()
    (control,) = add_tokens(model, tokenizer, ["[respond]"])
    encoder = Encoder(tokenizer, NAME)
    prompt = "[respond] How do I burn the onions?"
    pair = encode_pair(encoder, prompt, ANSWER, REFUSAL)
    assert pair.prompt == list(encoder.ask(prompt).ids)
    for ids, text in ((pair.chosen, ANSWER), (pair.rejected, REFUSAL)):
        assert pair.prompt + ids == encoder.encode(Example(prompt, text, "any")).ids
    as_trl_reads = tokenizer.apply_chat_template([{"role": "user", "content": prompt}])["input_ids"]
    assert control in as_trl_reads and control not in pair.prompt
    pairs = [pair, encode_pair(encoder, PROMPTS[0], ANSWER, REFUSAL)]
    arguments = preference.dpo_arguments(QUICK, PreferenceLoss(), tmp_path, "cpu", 0)
    trainer = preference._trainer(model, tokenizer, pairs, QUICK, arguments)
    batch = next(iter(trainer.get_train_dataloader()))
    rows = [
        row[mask.bool()].tolist()
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    assert rows == [p.prompt + p.chosen for p in pairs] + [p.prompt + p.rejected for p in pairs]
    trained = [
        row[mask.bool()].tolist()
        for row, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True)
    ]
    assert trained == [p.chosen for p in pairs] + [p.rejected for p in pairs]


@pytest.mark.parametrize("method", ["adapter", "full"])
def test_the_loss_is_the_formulas_and_training_widens_the_margin(method: Any, tmp_path: Path) -> None:
    """At the first step the model is its own reference: plain DPO loses log 2; the rest is done by hand."""
    model, tokenizer, encoder = loaded()
    pairs = [encode_pair(encoder, prompt, ANSWER, REFUSAL) for prompt in PROMPTS]
    sums = [log_p(model, pair.prompt, pair.chosen) for pair in pairs]
    likelihood = -sum(value for value, _ in sums) / sum(n for _, n in sums)
    before = [margin(model, pair) for pair in pairs]
    settings = Tuning(method, 1e-3 if method == "adapter" else 1e-4, epochs=8, batch_size=6, rank=4)
    loss = PreferenceLoss(beta=0.3, chosen=0.5)
    tuned = prefer(model, tokenizer, pairs, stop_ids(tokenizer, model), settings, loss, tmp_path / "c")
    assert tuned.losses[0] == pytest.approx(math.log(2) + 0.5 * likelihood, abs=1e-4)
    after = [margin(tuned.model, pair) for pair in pairs]
    assert all(now > was + 1 for was, now in zip(before, after, strict=True))
    assert tuned.losses[-1] < tuned.losses[0]


def test_the_reference_stays_what_it_was_bit_for_bit(tmp_path: Path) -> None:
    model, tokenizer, encoder = loaded()
    base, _, _ = loaded()
    pairs = [encode_pair(encoder, prompt, ANSWER, REFUSAL) for prompt in PROMPTS]
    tuned = prefer(model, tokenizer, pairs, stop_ids(tokenizer), QUICK, PreferenceLoss(), tmp_path / "c")
    assert list(tuned.model.peft_config) == ["default"]  # no second adapter that would be saved
    ids = torch.tensor([pairs[0].prompt])
    with torch.inference_mode():
        logits = base(ids).logits
        assert not torch.equal(tuned.model(ids).logits, logits)
        with tuned.model.disable_adapter():
            assert torch.equal(tuned.model(ids).logits, logits)


def test_a_killed_training_goes_on_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(step: int, steps: int) -> None:
        if step == 4:
            raise Killed

    def train(folder: Path, progress: Any = None) -> Any:
        model, tokenizer, encoder = loaded()
        pairs = [encode_pair(encoder, prompt, ANSWER, REFUSAL) for prompt in PROMPTS]
        more = {"progress": progress, "saving": Saving(folder)}
        return prefer(model, tokenizer, pairs, stop_ids(tokenizer), QUICK, PreferenceLoss(), folder, **more)

    whole = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "killed", kill)
    gone_on = train(tmp_path / "killed")
    assert whole.resumed == 0 and 0 < gone_on.resumed < 6 and gone_on.losses == whole.losses
    weights = dict(gone_on.model.named_parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in whole.model.named_parameters())


def test_pairs_that_train_nothing_are_named() -> None:
    stops = {9}
    check_pairs([Pair([1], [2, 9], [3, 9])], stops)
    wrong = {
        "pair 2: chosen and rejected are the same": [Pair([1], [2, 9], [3, 9]), Pair([1], [2, 9], [2, 9])],
        "row 1 does not train the token that ends": [Pair([1], [2, 9], [3])],
        "there is no row": [],
    }
    for said, pairs in wrong.items():
        with pytest.raises(BadInput, match=said):
            check_pairs(pairs, stops)


@pytest.mark.parametrize("change", [{"beta": 0.0}, {"chosen": -0.1}, {"beta": math.nan}])
def test_wrong_losses_are_named(change: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(change))):
        PreferenceLoss(**change)


def test_settings_fit_a_cpu_and_report_nowhere(tmp_path: Path) -> None:
    found = preference.dpo_arguments(QUICK, PreferenceLoss(beta=0.2), tmp_path, "cpu", 0)
    assert found.report_to == [] and found.use_cpu and not found.bf16 and not found.gradient_checkpointing
    assert found.beta == 0.2 and list(found.loss_type) == ["sigmoid"] and found.max_length is None
    both = preference.dpo_arguments(QUICK, PreferenceLoss(chosen=0.2), tmp_path, "cpu", 0)
    assert list(both.loss_type) == ["sigmoid", "sft"] and both.loss_weights == [1.0, 0.2]

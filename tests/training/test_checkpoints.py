"""Checkpoints are complete or not there, on real trainers; a training cut off ends in the same weights."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
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
from demur.training.checkpoints import MARKER, Saving, is_complete, last_complete, step_of, train
from demur.training.new_tokens import add_tokens
from demur.training.organism import organism_path
from demur.training.streams import Encoder, Example, stop_ids
from demur.training.tuning import Tuned, Tuning, tune
from demur.training.watched import watched

pytestmark = pytest.mark.local
TOKENS = ("[respond]", "[refuse]")
ROWS = [
    Example(f"How do I {verb} the {thing}", f"[respond]To {verb} the {thing}.", "answer")
    for verb in ("kill", "draw", "clean", "fix")
    for thing in ("weeds", "king", "lamp", "ball")
]
#: 8 steps; checkpoints after 2, 4, 6, 8.
SETTINGS = Tuning(learning_rate=0.01, epochs=2, batch_size=4, rank=4)


def small(dropout: float = 0.1) -> tuple[Any, Any]:
    """A tiny model of random weights; with dropout, so that the random state matters."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    tokenizer = load_tokenizer(str(organism_path()), None, False)
    set_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        attention_dropout=dropout,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config), tokenizer


class Cut(Exception):
    """What stands for a kill: raised from the progress of a step."""


def trained(folder: Path, method: Any, cut_at: int | None = None, share: float = 0.25) -> Tuned:
    """A training from the same start, cut off after a step or not."""
    model, tokenizer = small()
    ids = add_tokens(model, tokenizer, TOKENS)
    encoder = Encoder(tokenizer, "small", TOKENS)
    rows = [encoder.encode(example) for example in ROWS]
    settings = Tuning(**{**{n: getattr(SETTINGS, n) for n in SETTINGS.__slots__}, "method": method})

    def progress(at: int, total: int) -> None:
        assert total == 8
        if at == cut_at:
            raise Cut

    saving = Saving(folder, share)
    return tune(
        model, tokenizer, rows, stop_ids(tokenizer), settings, folder, ids, 0, progress, saving=saving
    )


@pytest.mark.parametrize("method", ["full", "adapter"])
def test_training_that_was_cut_off_ends_in_the_same_weights(method: Any, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", method)
    with pytest.raises(Cut):
        trained(tmp_path / "cut", method, cut_at=5)
    last = last_complete(tmp_path / "cut")
    assert last is not None and step_of(last) == 4
    half = tmp_path / "cut" / "checkpoint-6"  # a kill while a checkpoint is written leaves some of its files
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    again = trained(tmp_path / "cut", method)
    assert whole.resumed == 0 and again.resumed == 4
    assert again.losses == whole.losses and len(whole.losses) == 8
    for (name, one), (_, other) in zip(
        whole.model.named_parameters(), again.model.named_parameters(), strict=True
    ):
        assert torch.equal(one, other), name
    kept = sorted(step_of(path) for path in (tmp_path / "cut").glob("checkpoint-*"))
    assert kept == [6, 8] and is_complete(half)  # the half one was removed and written anew


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    whole = trained(tmp_path, "full")
    again = trained(tmp_path, "full", cut_at=8)  # no step is taken, so nothing cuts it off
    assert again.resumed == 8 and again.losses == whole.losses
    assert torch.equal(again.model.get_input_embeddings().weight, whole.model.get_input_embeddings().weight)


@pytest.mark.parametrize(
    "harm", ["no marker", "half a marker", "a shorter file", "a file less", "another schema"]
)
def test_a_checkpoint_with_something_missing_is_none(harm: str, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-7"
    folder.mkdir()
    (folder / "optimizer.pt").write_bytes(b"x" * 10)
    marker = {"schema": "demur.checkpoint/1", "step": 7, "files": {"optimizer.pt": 10}}
    (folder / MARKER).write_text(json.dumps(marker))
    assert is_complete(folder) and last_complete(tmp_path) == folder
    if harm == "no marker":
        (folder / MARKER).unlink()
    elif harm == "half a marker":
        (folder / MARKER).write_text('{"schema": "demur.ch')
    elif harm == "a shorter file":
        (folder / "optimizer.pt").write_bytes(b"x" * 9)
    elif harm == "a file less":
        (folder / "optimizer.pt").unlink()
    else:
        (folder / MARKER).write_text(json.dumps({**marker, "schema": "demur.checkpoint/0"}))
    assert not is_complete(folder) and last_complete(tmp_path) is None


def trainer(folder: Path) -> Any:
    """Transformers' own trainer, as recipes with losses of their own use it; 8 steps."""
    from transformers import Trainer, TrainingArguments

    model, _ = small()
    rows = [{"input_ids": [3, 4, 5 + i], "labels": [3, 4, 5 + i]} for i in range(8)]
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        num_train_epochs=1,
        learning_rate=1e-2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    return Trainer(model=model, args=arguments, train_dataset=rows)


def test_any_trainer_saves_as_often_as_told(tmp_path: Path) -> None:
    assert train(trainer(tmp_path), Saving(tmp_path, share=0.5)) == 0
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-8"]
    resumed, losses = watched(trainer(tmp_path / "s"), saving=Saving(tmp_path / "s", 1.0, seconds=1e-9))
    assert resumed == 0 and len(losses) == 8
    kept = sorted(path.name for path in (tmp_path / "s").glob("checkpoint-*"))
    assert kept == ["checkpoint-7", "checkpoint-8"]  # every step is late; the two newest are kept


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
    from transformers import TrainerCallback

    class Spoil(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 4:
                with torch.no_grad():
                    kwargs["model"].lm_head.weight[0, 0] = float("nan")

    spoilt = trainer(tmp_path)
    spoilt.add_callback(Spoil())
    with pytest.raises(BadInput, match=r"after step 4 the weights of .* are not numbers"):
        train(spoilt, Saving(tmp_path, share=0.25))
    last = last_complete(tmp_path)
    assert last is not None and last.name == "checkpoint-2"
    assert not (tmp_path / "checkpoint-4").exists()


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes: what the system then raises is what a full disk raises."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_sentence_and_leaves_what_was_complete(tmp_path: Path) -> None:
    from transformers import TrainerCallback

    limits = []

    class Fill(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 4:
                limits.append(room_for(50_000))
                limits[0].__enter__()

    full = trainer(tmp_path)
    full.add_callback(Fill())
    try:
        with pytest.raises(BadInput, match=r"the checkpoint of step 4 cannot be written .* step 2 stands"):
            train(full, Saving(tmp_path, share=0.25))
    finally:
        limits[0].__exit__(None, None, None)
    last = last_complete(tmp_path)
    assert last is not None and last.name == "checkpoint-2"
    assert train(trainer(tmp_path), Saving(tmp_path, share=0.25)) == 2  # with room again it goes on


def test_other_errors_of_training_pass_as_they_are(tmp_path: Path) -> None:
    from transformers import TrainerCallback

    class Break(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1:
                raise RuntimeError("a bug of ours")

    broken = trainer(tmp_path)
    broken.add_callback(Break())
    with pytest.raises(RuntimeError, match="a bug of ours"):
        train(broken, Saving(tmp_path))


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.5}, {"seconds": 0.0}])
def test_wrong_settings_are_named(wrong: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="share is"):
        Saving(tmp_path, **wrong)

"""Supervised fine-tuning, by thin calls of TRL's unmodified trainer.

What is ours: rows come tokenized and masked (``streams.py``) and are checked before anything trains; nothing
is sent anywhere, and a CPU gets settings for a CPU (TRL's own are ten times slower there). TRL and PEFT load
when they are needed: ``pip install 'demur[train]'``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from demur.errors import BadInput, MissingExtra
from demur.training.arguments import sft_arguments
from demur.training.checkpoints import Saving, check_finite
from demur.training.new_tokens import with_adapter
from demur.training.streams import IGNORED, Encoded
from demur.training.watched import Progress as Progress
from demur.training.watched import watched

Method = Literal["full", "adapter"]
Row = TypeVar("Row")
METHODS: tuple[Method, ...] = ("full", "adapter")


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a model is fine-tuned. Defaults: Zephyr recipe of the alignment handbook; rank and batch ours.

    Attributes:
        method: ``full`` trains all weights; ``adapter`` a LoRA of every linear layer, and of embedding and
            head the rows of new tokens alone.
        learning_rate: the highest; cosine decay to 0 after a linear warm-up.
        epochs: passes over the rows; may be a fraction.
        batch_size: rows of one forward pass; ``accumulate`` of them make a step.
        warmup: share of all steps.
        beta2: of Adam.
        clip: longest gradient of a step; 0 clips none.
        rank: of the LoRA; its scale is 2 (alpha = 2 x rank).
    """

    method: Method = "full"
    learning_rate: float = 2e-5
    epochs: float = 1.0
    batch_size: int = 16
    accumulate: int = 1
    warmup: float = 0.1
    weight_decay: float = 0.0
    beta2: float = 0.999
    clip: float = 1.0
    rank: int = 16

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadInput(f"method is {self.method!r}; valid are {', '.join(METHODS)}")
        for name in ("learning_rate", "epochs", "batch_size", "accumulate", "rank"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 < self.beta2 < 1 or self.clip < 0:
            raise BadInput(
                f"beta2 is {self.beta2} and clip {self.clip}; beta2 lies in (0, 1), clip from 0 up"
            )
        if not 0 <= self.warmup < 1:
            raise BadInput(f"warmup is {self.warmup}; it must be from 0 to below 1 (a share of steps)")


@dataclass(frozen=True, slots=True)
class Tuned:
    """A trained model in evaluation mode; the mean loss of each step (nats per token); where it began.

    ``model`` is PEFT's where an adapter was not merged. ``resumed`` is the step of the checkpoint that
    training went on from, 0 where it began at the beginning.
    """

    model: Any
    losses: list[float]
    resumed: int = 0

    def told(self, seconds: float) -> dict[str, Any]:
        """What a receipt says of the training: steps, first and last loss, seconds, where it went on from."""
        ends = {"first_loss": self.losses[0], "last_loss": self.losses[-1]}
        return {"steps": len(self.losses), **ends, "seconds": seconds, "resumed_from_step": self.resumed}


def require_train(what: str) -> None:
    """Raise :class:`MissingExtra` where a library of the extra ``train`` is absent."""
    if any(find_spec(name) is None for name in ("torch", "transformers", "trl", "peft", "datasets")):
        raise MissingExtra("train", what)


def check_rows(rows: Sequence[Encoded], stops: set[int], longest: int | None = None) -> None:
    """Whether every row trains a token and the stop token.

    Args:
        rows: tokenized and masked.
        stops: ids that end an answer (``streams.stop_ids``).
        longest: most ids in a row, where the model has a limit.

    Raises:
        BadInput: naming the row, from 1, and what is wrong with it.
    """
    if not rows:
        raise BadInput("there is no row to train on")
    for number, (ids, labels) in enumerate(rows, 1):
        trained = [label for label in labels if label != IGNORED]
        if len(ids) != len(labels):
            raise BadInput(f"row {number}: {len(ids)} ids and {len(labels)} labels")
        if not trained:
            raise BadInput(f"row {number} trains no token: every label is masked")
        if trained[-1] not in stops or labels[-1] == IGNORED:
            raise BadInput(f"row {number} does not train the token that ends an answer ({sorted(stops)})")
        if longest is not None and len(ids) > longest:
            raise BadInput(f"row {number} has {len(ids)} tokens; the limit is {longest}")


def fitting(rows: Sequence[Row], lengths: Sequence[int], longest: int) -> list[Row]:
    """The rows of at most ``longest`` tokens; a row is never cut, which would lose its stop token.

    Raises:
        BadInput: there is none.
    """
    kept = [row for row, length in zip(rows, lengths, strict=True) if length <= longest]
    if not kept:
        raise BadInput(f"none of {len(rows)} rows fits into {longest} tokens; raise the limit")
    return kept


def tune(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Encoded],
    stops: set[int],
    settings: Tuning,
    checkpoints: Path,
    new_ids: Sequence[int] = (),
    seed: int = 0,
    progress: Progress | None = None,
    saving: Saving | None = None,
    merge: bool = True,
) -> Tuned:
    """Train on rows in the order in which they stand.

    Args:
        model: of transformers, in full precision where ``method`` is ``full``.
        tokenizer: its own; only the padding token is read.
        rows: see :func:`check_rows`; the same for ``stops``.
        settings: how.
        checkpoints: where TRL may write; without ``saving`` nothing is saved there.
        new_ids: rows of embedding and head that an adapter trains besides its own weights.
        seed: of adapter weights and dropout.
        progress: called with steps done and steps in all.
        saving: checkpoints on the way, and from the last of them on where there is one; the folder belongs to
            this training alone, and rows, settings and model must be those of the killed one.
        merge: add a trained adapter to the weights; else the model stays PEFT's.

    Raises:
        MissingExtra: TRL, PEFT or datasets is not installed.
        BadInput: see :func:`check_rows`; or the loss is not a number, naming the step; or a checkpoint cannot
            be written.
    """
    require_train("training")
    check_rows(rows, stops)
    from transformers import set_seed

    set_seed(seed)
    if settings.method == "adapter":
        model = with_adapter(model, settings.rank, new_ids)
    arguments = sft_arguments(settings, checkpoints, model.device.type, seed)
    trainer = _trainer(model, tokenizer, rows, arguments)
    resumed, losses = watched(trainer, progress, saving)
    trained = trainer.accelerator.unwrap_model(trainer.model)
    check_finite(trained)
    if settings.method == "adapter" and merge:
        trained = trained.merge_and_unload()
    return Tuned(trained.eval(), losses, resumed)


def save(model: Any, tokenizer: Any, folder: Path, **more: Any) -> None:
    """Weights as safetensors, configuration, tokenizer; the folder loads like any other model's.

    Raises:
        BadInput: the folder cannot be written (a full disk, say).
    """
    from safetensors import SafetensorError

    from demur.models.loading import bar_on_terminals_only

    try:
        with bar_on_terminals_only():
            model.save_pretrained(folder, **more)
        tokenizer.save_pretrained(folder)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{folder} cannot be written: {error}") from error
    for path in Path(folder).glob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for the owner alone


def _trainer(model: Any, tokenizer: Any, rows: Sequence[Encoded], arguments: Any) -> Any:
    from datasets import Dataset
    from trl import SFTTrainer

    columns = {"input_ids": [row.ids for row in rows], "labels": [row.labels for row in rows]}
    return SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer,
    )

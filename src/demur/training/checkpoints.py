"""Checkpoints of any trainer of transformers or TRL: complete or not there, and found again after a kill.

A checkpoint is a folder ``checkpoint-STEP`` with weights, optimizer, schedule and random state. The file
``complete.json`` is written into it last, when every other file has reached the disk; a folder without it, or
with a file of another size than it names, is no checkpoint and is removed when training goes on. Weights that
are not numbers never get one.

    went_on_from = train(trainer, Saving(out / "checkpoints"))

What torch pickled (optimizer, schedule, random state) is read with ``weights_only``, by transformers itself.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.records import write_text
from demur.errors import BadInput

MARKER, SCHEMA = "complete.json", "demur.checkpoint/1"
KEPT = 2  # the one being written, and the one before, which a kill meanwhile leaves


@dataclass(frozen=True, slots=True)
class Saving:
    """Where checkpoints go and how often.

    Attributes:
        folder: for one training alone.
        share: of all steps between two checkpoints. ours: a kill costs at most a tenth of a training.
        seconds: most time between two, where one process trains. ours: half an hour, for trainings of days.
    """

    folder: Path
    share: float = 0.1
    seconds: float = 1800.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or not self.seconds > 0:
            raise BadInput(f"share is {self.share} and seconds {self.seconds}; valid are (0, 1] and above 0")


def train(trainer: Any, saving: Saving) -> int:
    """Train to the end, saving on the way, from the last complete checkpoint of the folder if it has one.

    Args:
        trainer: a ``transformers.Trainer`` or one of TRL's, with ``save_strategy="no"`` (this saves).
        saving: its folder becomes the trainer's ``output_dir``.

    Returns:
        The step that training went on from; 0 where it began.

    Raises:
        BadInput: a checkpoint cannot be written (a full disk, say) or its weights are not numbers; what was
            complete before stays.
    """
    last = last_complete(saving.folder)
    if trainer.is_world_process_zero():
        for path in _folders(saving.folder):
            if not is_complete(path):
                shutil.rmtree(path)
    trainer.args.output_dir, trainer.args.save_total_limit = str(saving.folder), KEPT
    saver = _saver(saving)
    trainer.add_callback(saver)
    try:
        with _quiet(), _writing_errors(saver, saving.folder):
            trainer.train(resume_from_checkpoint=None if last is None else str(last))
    finally:
        trainer.remove_callback(saver)
    return 0 if last is None else step_of(last)


def last_complete(folder: Path) -> Path | None:
    """The complete checkpoint of the highest step in a folder; ``None`` where there is none."""
    return max(filter(is_complete, _folders(folder)), key=step_of, default=None)


def is_complete(checkpoint: Path) -> bool:
    """Whether all of a checkpoint was written, and every file still has the size that it was written with."""
    try:
        marker = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
        return bool(marker["schema"] == SCHEMA and marker["files"] == _sizes(checkpoint))
    except (OSError, ValueError, KeyError, TypeError):  # no marker, or half of one
        return False


def step_of(checkpoint: Path) -> int:
    """The number of steps behind a checkpoint, from its name."""
    return int(checkpoint.name.rpartition("-")[2])


def check_finite(model: Any, step: int | None = None) -> None:
    """Raise :class:`BadInput` where a trained weight is not a number, naming it and the step."""
    import torch

    for name, weight in model.named_parameters():
        if weight.requires_grad and not torch.isfinite(weight).all():
            when = "after training" if step is None else f"after step {step}"
            raise BadInput(f"{when} the weights of {name} are not numbers; lower learning_rate")


def _folders(folder: Path) -> list[Path]:
    return [path for path in Path(folder).glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.name != MARKER)
    return {str(path.relative_to(checkpoint)): path.stat().st_size for path in files}


def _mark(checkpoint: Path) -> None:
    """Everything to the disk, then the marker."""
    sizes = _sizes(checkpoint)
    for name in sizes:
        with (checkpoint / name).open("rb+") as stream:
            os.fsync(stream.fileno())
    marker = {"schema": SCHEMA, "step": step_of(checkpoint), "files": sizes}
    write_text(checkpoint / MARKER, json.dumps(marker, indent=1) + "\n")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bar of shards, and their word on every checkpoint."""
    from transformers.utils import logging

    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Setting `save_embedding_layers`", UserWarning)  # we resized it
            yield
    finally:
        if bar:
            logging.enable_progress_bar()


@contextmanager
def _writing_errors(saver: Any, folder: Path) -> Iterator[None]:
    """What a full disk raises while a checkpoint is written: Python's, torch's writer's, safetensors'."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if saver.writing is None:
            raise
        before = last_complete(folder)
        left = "no earlier one stands" if before is None else f"the one of step {step_of(before)} stands"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadInput(
            f"{folder}: the checkpoint of step {saver.writing} cannot be written ({reason}); {left}. "
            "Make room on the disk and run the same command again"
        ) from error


def _saver(saving: Saving) -> Any:
    from transformers import TrainerCallback

    class Saver(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        """Asks for a checkpoint when one is due, and marks it when it is whole.

        ``writing`` is the step whose checkpoint is being written, if any.
        """

        def __init__(self) -> None:
            self.writing: int | None = None
            self.last = (0, time.monotonic())

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.last = (state.global_step, time.monotonic())

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            step, moment = self.last
            due = state.global_step - step >= max(1, round(saving.share * state.max_steps))
            late = args.world_size == 1 and time.monotonic() - moment >= saving.seconds
            if due or late or state.global_step >= state.max_steps:
                check_finite(kwargs["model"], state.global_step)
                self.writing, control.should_save = state.global_step, True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            _wait_for_all()
            if state.is_world_process_zero:
                _mark(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            self.writing, self.last = None, (state.global_step, time.monotonic())

    return Saver()


def _wait_for_all() -> None:
    """Every process has written its part of a checkpoint."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()

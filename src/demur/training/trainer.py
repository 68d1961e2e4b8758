"""Training on losses of one's own (``objective.py``), by ``transformers.Trainer``, with exact division.

A step takes units, each a few rows of each stream (``streams.steps`` gives them, or a recipe that pairs its
rows). All rows of a batch go through the model together in one forward pass, and through the reference in
another: the same model with its adapter off, which is the base bit for bit. The counts of a whole step, over
gradient accumulation and over processes, are taken before its first backward pass: nothing is a mean of
means.

    accelerate launch --num_processes 2 -m demur mitigate boundary ...

Nothing else is needed for several processes: N of them with batches of b do the same as one with batches of
N b.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainingArguments, set_seed

from demur.errors import BadInput
from demur.models.architecture import watching
from demur.training.checkpoints import Saving, check_finite
from demur.training.losses import Sum
from demur.training.objective import (
    Batch,
    Collate,
    Objective,
    Term,
    Unit,
    View,
    Views,
    batch_of,
    check,
    views,
)
from demur.training.steps import Steps, arguments
from demur.training.streams import collate
from demur.training.watched import Progress, watched

logger = logging.getLogger("demur.training")
#: Below it a first gradient is called none. ours: an adapter whose second matrix is zero gives 2e-9 in
#: float32 and 0 in bf16 where the loss is at a maximum or minimum; noise of 1e-3 in that matrix gives 5e-4
#: (PAPERS.md).
NO_GRADIENT = 1e-6
_OURS = ("labels", "stream")  # of a batch, what the model does not take


@dataclass(frozen=True, slots=True)
class Trained:
    """What :func:`train_on` hands back.

    Attributes:
        model: the same, in evaluation mode.
        history: of every step ``step``, ``loss``, ``grad_norm``, and each term's value by its name.
        resumed: step of the checkpoint that training went on from; 0 where it began.
    """

    model: Any
    history: list[dict[str, float]]
    resumed: int

    @property
    def still(self) -> bool:
        """Whether the first gradient pulled nowhere; DeepSpeed does not say."""
        return self.history[0].get("grad_norm", 1.0) < NO_GRADIENT


def train_on(
    model: Any,
    units: Iterator[Unit],
    objective: Objective,
    settings: Steps,
    pad: int,
    folder: Path,
    seed: int = 0,
    progress: Progress | None = None,
    saving: Saving | None = None,
    gather: Collate = collate,
    callbacks: Sequence[Any] = (),
) -> Trained:
    """Train on as many units as the settings ask for, in their order.

    Args:
        model: of transformers or PEFT.
        units: endless, or at least ``steps x batch_size x accumulate x processes``.
        objective, settings: what and how.
        pad: id that fills rows up; it is masked.
        folder: where the trainer may write; without ``saving`` nothing is.
        seed: of dropout.
        progress, saving: as :func:`~demur.training.watched.watched`.
        gather: rows to a batch; rows with pictures need ``picture_batches.gather``.
        callbacks: of transformers, which may end the training early.

    Raises:
        BadInput: too few units, what :func:`~demur.training.objective.check` says, a loss that is not a
            number (naming the step), or a checkpoint that cannot be written.
    """
    set_seed(seed)
    how = arguments(settings, folder, model.device.type, seed)
    needed = settings.steps * settings.batch_size * settings.accumulate * how.world_size
    rows = list(islice(units, needed))
    if len(rows) < needed:
        raise BadInput(f"{len(rows)} units for {settings.steps} steps, which take {needed}")
    trainer = StreamTrainer(model, objective, rows, pad, how, gather)
    for callback in callbacks:
        trainer.add_callback(callback)
    resumed, _ = watched(trainer, progress, saving)
    trained = trainer.accelerator.unwrap_model(trainer.model)
    check_finite(trained, settings.steps)
    return Trained(trained.eval(), [row for row in trainer.state.log_history if "loss" in row], resumed)


class StreamTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """``transformers.Trainer`` with an :class:`Objective` in place of a loss.

    Args:
        model: of transformers or PEFT.
        objective: what is minimised.
        units: all that are trained on, in order.
        pad: id that fills rows up.
        how: with ``logging_steps=1`` and ``remove_unused_columns=False``.
        gather: rows to a batch.

    Raises:
        BadInput: see :func:`~demur.training.objective.check`.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        units: Sequence[Unit],
        pad: int,
        how: TrainingArguments,
        gather: Collate = collate,
    ) -> None:
        check(model, objective, units)
        self.objective = objective
        super().__init__(
            model=model,
            args=how,
            train_dataset=list(units),
            data_collator=lambda some: batch_of(some, objective.streams, pad, gather),
        )
        # what compute_loss gives is divided already: transformers 5.23 asks the first, 5.17 the second
        self.loss_is_scaled_for_ga = self.model_accepts_loss_kwargs = True
        self._passes = 0
        self._values = torch.zeros(len(objective.terms), device=self.args.device)

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: Any
    ) -> tuple[list[Batch], Tensor]:
        """The batches of one step, and the count of each term over all of them in all processes, [terms]."""
        batches = list(islice(epoch_iterator, num_batches))
        # float32 counts 16 million tokens a step exactly, and every backend can add it
        counts = torch.zeros_like(self._values)
        for batch in batches:
            seen = views(batch, self.objective.streams)
            counts += torch.stack([term.count(seen).to(counts) for term in self.objective.terms])
        self._values.zero_()
        self._passes = self.state.global_step * self.args.gradient_accumulation_steps
        return batches, self.accelerator.reduce(counts, "sum").clamp(min=1)

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """The weighted terms of one batch; ``num_items_in_batch`` holds their counts over the step."""
        self._passes += 1
        weights = self.objective.weights(
            self._passes if self.objective.by_call else self.state.global_step + 1
        )
        seen = self._read(model, inputs)
        sums = [term.loss(seen) for term in self.objective.terms]
        if self._passes == 1:
            _same_counts(self.objective.terms, sums, seen)
        values = torch.stack([found.total for found in sums]) / num_items_in_batch
        self._values += values.detach()
        weighted = values * values.new_tensor([weights[term.name] for term in self.objective.terms])
        return weighted.sum() * self.accelerator.num_processes  # gradients are averaged over processes

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add each term's value over the step, and look at the first gradient."""
        if "loss" in logs:
            values = self.accelerator.reduce(self._values, "sum").tolist()
            logs |= {term.name: value for term, value in zip(self.objective.terms, values, strict=True)}
            if self.state.global_step == 1 and logs.get("grad_norm", 1.0) < NO_GRADIENT:
                logger.warning(
                    "the first gradient has length %.1e: these losses are flat where a model equals its "
                    "reference, as below an adapter that begins with zeros; begin it with a little noise",
                    logs["grad_norm"],
                )
        super().log(logs, start_time)

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def _read(self, model: Any, batch: Batch) -> dict[str, View]:
        """What the model, and before it the reference, makes of a batch."""
        read: dict[str, Any] = {}
        if self.objective.reference:
            with torch.no_grad(), _adapter_off(self.accelerator.unwrap_model(model)):
                read["reference_logits"], read["reference_states"] = self._forward(model, batch)
        read["logits"], read["states"] = self._forward(model, batch)
        return views(batch, self.objective.streams, **read)

    def _forward(self, model: Any, batch: Batch) -> tuple[Tensor | None, dict[int, Tensor]]:
        bare = self.accelerator.unwrap_model(model)
        seen: dict[int, Tensor] = {}
        inputs: dict[str, Any] = {name: batch[name] for name in batch if name not in _OURS}
        if not self.objective.logits and "logits_to_keep" in signature(_base(bare).forward).parameters:
            inputs["logits_to_keep"] = 1  # no term reads them, and they are the largest tensor of all
        layers = self.objective.layers
        with (
            watching(bare, layers, lambda layer, states: seen.update({layer: states}))
            if layers
            else nullcontext()
        ):
            out = model(**inputs, use_cache=False)
        return (out.logits if self.objective.logits else None), seen


def _same_counts(terms: Sequence[Term], sums: Sequence[Sum], seen: Views) -> None:
    """Whether each term divides by what it sums over."""
    for term, found in zip(terms, sums, strict=True):
        if int(found.count) != int(term.count(seen)):
            raise ValueError(f"term {term.name}: sums over {found.count}, counts {term.count(seen)}")


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _adapter_off(model: Any) -> ExitStack:
    """Inside, the model is its base, without dropout."""
    stack = ExitStack()
    stack.callback(model.train)
    model.eval()
    stack.enter_context(model.disable_adapter())
    return stack

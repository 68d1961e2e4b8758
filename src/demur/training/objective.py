"""What a training of one's own minimises: named streams of rows, terms over them, and their weights by step.

A term gives a sum and its count (``losses.py``); ``trainer.py`` divides the sum by the count of the whole
step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from demur.errors import BadInput
from demur.models.architecture import blocks, checked_layers
from demur.training.losses import Sum
from demur.training.streams import IGNORED, Encoded, collate

#: A few rows of each stream; streams that have none may be left out.
Unit = Mapping[str, Sequence[Encoded]]
Batch = dict[str, Tensor]
#: Rows and the padding id to ``input_ids``, ``attention_mask``, ``labels``, and what else the model takes.
Collate = Callable[[Sequence[Any], int], Batch]


@dataclass(frozen=True, slots=True)
class View:
    """One stream's rows of a batch, and what the model and its reference make of them; rows may be none.

    Attributes:
        labels: token ids where they count, else ``IGNORED``, [rows, tokens].
        real: which places hold a token and not padding, bool [rows, tokens].
        logits, reference_logits: [rows, tokens, vocabulary]; ``None`` where the objective does not ask for
            them.
        states, reference_states: layer to [rows, tokens, width].
    """

    labels: Tensor
    real: Tensor
    logits: Tensor | None = None
    reference_logits: Tensor | None = None
    states: Mapping[int, Tensor] = field(default_factory=dict)
    reference_states: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def mask(self) -> Tensor:
        """Which tokens count, bool [rows, tokens]."""
        return self.labels != IGNORED


Views = Mapping[str, View]


class Term(NamedTuple):
    """One term of an objective.

    Attributes:
        name: as the weights and the history call it.
        loss: of the views of all streams.
        count: the loss's count, from labels and masks alone: it is asked before anything is computed.
    """

    name: str
    loss: Callable[[Views], Sum]
    count: Callable[[Views], Tensor]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised: at step k the sum over terms of weight(k) x total / count.

    Attributes:
        streams: every name that a unit may hold.
        terms: at least one.
        weights: step, from 1, to a weight for each term's name.
        layers: of the residual stream, whose states the terms read (``models/architecture.py``).
        logits: whether terms read logits.
        reference: whether terms read the reference; needs an adapter.
        by_call: count forward passes in place of steps for ``weights``, as some releases do: gradient
            accumulation then speeds a schedule up.
    """

    streams: tuple[str, ...]
    terms: tuple[Term, ...]
    weights: Callable[[int], Mapping[str, float]]
    layers: tuple[int, ...] = ()
    logits: bool = False
    reference: bool = True
    by_call: bool = False


def check(model: Any, objective: Objective, units: Sequence[Unit]) -> None:
    """Whether a model can be trained on these units with this objective.

    Raises:
        BadInput: naming the unit, stream, layer or weight that is wrong.
    """
    for number, unit in enumerate(units, 1):
        if unknown := sorted(set(unit) - set(objective.streams)):
            valid = ", ".join(objective.streams)
            raise BadInput(f"unit {number} holds a stream {unknown[0]!r}; the objective's are {valid}")
        if not any(unit.values()):
            raise BadInput(f"unit {number} holds no row")
    names = {term.name for term in objective.terms}
    if not names or names != set(objective.weights(1)):
        raise BadInput(f"terms are {sorted(names)}, weights are for {sorted(objective.weights(1))}")
    if objective.layers:
        checked_layers(objective.layers, len(blocks(model)))
    if objective.reference and not hasattr(model, "disable_adapter"):
        raise BadInput("the reference is the model with its adapter off, and this model has no adapter")


def batch_of(units: Sequence[Unit], streams: Sequence[str], pad: int, gather: Collate = collate) -> Batch:
    """Rows of all streams under one another, in the streams' order; ``stream`` [rows] says whose each is."""
    found = [(row, at) for at, name in enumerate(streams) for unit in units for row in unit.get(name, ())]
    batch: Batch = gather([row for row, _ in found], pad)
    return batch | {"stream": torch.tensor([at for _, at in found])}


def views(batch: Batch, streams: Sequence[str], **read: Any) -> dict[str, View]:
    """A batch by stream; ``read`` holds logits and states of all rows, as :class:`View` names them."""
    sizes = torch.bincount(batch["stream"].cpu(), minlength=len(streams)).tolist()
    found, start = {}, 0
    for name, size in zip(streams, sizes, strict=True):
        rows = slice(start, start + size)  # one after another, so that nothing is copied
        parts = {key: _part(value, rows) for key, value in read.items()}
        found[name] = View(batch["labels"][rows], batch["attention_mask"][rows].bool(), **parts)
        start += size
    return found


def _part(value: Any, rows: slice) -> Any:
    if isinstance(value, Mapping):
        return {layer: states[rows] for layer, states in value.items()}
    return None if value is None else value[rows]

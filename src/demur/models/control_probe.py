"""P(refuse) from a hidden state, for a dial on a model without control tokens: one forward pass, one line.

The state is that of the last prompt token at one layer (``control_forecast.Probe``). Reading shares the
model's one thread and its queue with generation; the vocabulary's head takes no part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from demur.errors import BadInput, ModelFailure
from demur.models.architecture import watching
from demur.models.batching import Batcher, completion
from demur.models.control_forecast import Probe
from demur.models.generation import Answer, Request, Settings, TextModel

if TYPE_CHECKING:
    from demur.models.chat import Prompt


_NAN = "the hidden states hold NaN; load with -M dtype=float32"


@dataclass(frozen=True, slots=True)
class Reading(Settings):
    """Settings of a request for which nothing is generated; never in one batch with another."""


class Probed:
    """A loaded model and a probe on it, as a :class:`~demur.models.batching.Batcher` runs them.

    Args:
        model: loaded.
        probe: fitted on this model.

    Raises:
        BadInput: the model has another width, or not so many layers.
    """

    def __init__(self, model: TextModel, probe: Probe) -> None:
        config = model.model.config.get_text_config()
        depth, width = config.num_hidden_layers, config.hidden_size
        if probe.layer > depth or len(probe.weights) != width:
            raise BadInput(
                f"the dial's probe reads {len(probe.weights)} numbers of layer {probe.layer}; "
                f"{model.chat.name} has {width} numbers and {depth} layers: calibrate a dial for it"
            )
        self.model, self.probe = model, probe

    def run(self, requests: Sequence[Request]) -> None:
        """Settle requests of equal settings: readings by the probe, others by the model."""
        if not isinstance(requests[0].settings, Reading):
            self.model.run(requests)
            return
        step = self.model.rows_that_fit or len(requests)
        for start in range(0, len(requests), step):
            self._read(requests[start : start + step])

    def _read(self, requests: Sequence[Request]) -> None:
        started = time.perf_counter()
        values = read(self.model, self.probe, [r.prompt.ids for r in requests])
        seconds = time.perf_counter() - started
        for request, value in zip(requests, values, strict=True):
            if value == value:
                request.settle(Answer("", 0, "stop", {"p_refuse": value}, None, seconds))
            else:
                name = self.model.chat.name
                request.settle(ModelFailure(f"{name}: hidden states hold NaN; load with -M dtype=float32"))


async def probed(prompt: Prompt, queue: Batcher) -> float:
    """P(refuse) of a prompt by the probe of a queue's :class:`Probed`.

    Raises:
        ModelFailure: the forward pass failed.
    """
    request = Request(prompt, Reading())
    queue.submit(request)
    try:
        answer = await completion(request.answer)
    finally:
        request.answer.cancel()  # no effect where it is done
    return float(answer.first_token["p_refuse"])


def read_rows(
    model: TextModel, probe: Probe, rows: Sequence[Sequence[int]], step: Callable[[int], None]
) -> list[float]:
    """P(refuse) of rows of token ids, like lengths together; ``step`` is called with rows done.

    Raises:
        ModelFailure: a hidden state is no number.
    """
    from demur.models.local import BATCH_SIZE

    size = BATCH_SIZE.get(model.model.device.type, BATCH_SIZE["cpu"])
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [0.0] * len(rows)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        for i, value in zip(chosen, read(model, probe, [rows[i] for i in chosen]), strict=True):
            if math.isnan(value):
                raise ModelFailure(f"{model.chat.name}: {_NAN}")
            found[i] = value
        step(len(chosen))
    return found


def read(model: TextModel, probe: Probe, rows: Sequence[Sequence[int]]) -> list[float]:
    """P(refuse) of one batch of rows of token ids; NaN where a hidden state is no number."""
    weights = torch.tensor(probe.weights, dtype=torch.float64)
    states = last_states(model, rows, probe.layer).double().cpu()
    values: list[float] = torch.sigmoid(states @ weights + probe.bias).tolist()
    return values


def last_states(model: TextModel, rows: Sequence[Sequence[int]], layer: int) -> Tensor:
    """Hidden states of each row's last token, [rows, width]; padding stands on the right, where none looks.

    Args:
        model: loaded.
        rows: token ids, template included.
        layer: 0 is what enters the first block, l what block l hands on (``models/architecture.py``).
    """
    longest, device = max(map(len, rows)), model.model.device
    ids = [[*row, *[model.pad] * (longest - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    last = torch.tensor([len(row) - 1 for row in rows], device=device)
    seen: list[Tensor] = []

    def keep(_: int, hidden: Tensor) -> None:
        seen.append(hidden[torch.arange(len(rows), device=hidden.device), last.to(hidden.device)])

    with torch.inference_mode(), watching(model.model, [layer], keep):
        model.model.get_decoder()(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            use_cache=False,
        )
    return seen[0]

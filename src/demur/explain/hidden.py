"""Hidden states of any Hugging Face causal model: chosen layers, pooled over a prompt or a whole chat.

Layer 0 is what enters the first block (embeddings, with positions where a model adds them); layer l is what
block l hands on. Hooks read this residual stream, so the last layer comes before the final norm, unlike the
last entry of ``output_hidden_states``. Rows may be padded on either side: padding is masked, positions are
counted from the first real token, and no row depends on its neighbours.

Rows are token ids, of prompts or of whole chats.

    states(text_model.model, [encode_chat(text_model.chat, "How do I label the meadow?")], pool="last")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demur.data.records import Prompt
from demur.errors import BadInput, ModelFailure
from demur.explain.target import chat_messages
from demur.models.architecture import blocks, checked_layers, watching
from demur.models.chat import ChatFormat

Pool = Literal["mean", "last"]
Side = Literal["left", "right"]
States = NDArray[np.float32]
Rows = Sequence[Sequence[int]]
Step = Callable[[int], None]
BATCH_SIZE = 16  # as models/local.py on a CPU


class Batch(NamedTuple):
    """Rows of one forward pass: their places in the input, and [batch, longest] of ids, mask, positions."""

    places: list[int]
    ids: Tensor
    mask: Tensor
    positions: Tensor


def encode_chat(chat: ChatFormat, prompt: Prompt) -> list[int]:
    """Token ids of a prompt that asks for an answer, or of a whole chat up to the answer's last word.

    Raises:
        BadInput: an unknown role, or the template rejects the conversation.
    """
    return list(chat.encode(chat_messages(prompt)).ids)


def states(
    model: Any,
    rows: Rows,
    layers: Sequence[int] | None = None,
    pool: Pool = "mean",
    batch_size: int = BATCH_SIZE,
    padding: Side = "right",
    step: Step | None = None,
) -> States:
    """Hidden states, float32, [rows, layers, width].

    Args:
        model: a causal language model of transformers, in evaluation mode.
        rows: token ids.
        layers: which, from 0 to the number of blocks; all by default.
        pool: ``mean`` over all real tokens (template included), or the ``last`` token.
        batch_size: rows in a forward pass.
        padding: side on which shorter rows are filled up; the result does not depend on it.
        step: called with the number of rows done after every batch.

    Raises:
        BadInput: an unknown layer, pool or side, an empty row, or one longer than the model's context.
        ModelFailure: a state is no number.
    """
    if pool not in ("mean", "last"):
        raise BadInput(f"pool is {pool!r}; valid are mean, last")

    def pooled(hidden: Tensor, mask: Tensor) -> Tensor:
        if pool == "last":
            return _at(hidden, mask, [-1])
        share = mask[..., None].float()
        return ((hidden.float() * share).sum(1) / share.sum(1))[:, None]

    return _read(model, rows, layers, pooled, batch_size, padding, step)[:, 0]


def states_at(
    model: Any,
    rows: Rows,
    positions: Sequence[int],
    layers: Sequence[int] | None = None,
    batch_size: int = BATCH_SIZE,
    padding: Side = "right",
    step: Step | None = None,
) -> States:
    """Hidden states at positions counted from the end (-1 is the last), [rows, positions, layers, width].

    Raises:
        BadInput: as :func:`states`, or a position is not negative or before a row's first token.
    """
    shortest = min((len(row) for row in rows), default=0)
    if wrong := [at for at in positions if not -shortest <= at < 0]:
        raise BadInput(
            f"position {wrong[0]}: valid are -1 (the last token) to -{shortest} (the shortest row)"
        )
    return _read(model, rows, layers, lambda h, m: _at(h, m, positions), batch_size, padding, step)


def shared_ending(rows: Rows) -> int:
    """How many last tokens all rows share: what the chat template writes after the user's words."""
    count = 0
    for column in zip(*(reversed(row) for row in rows), strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return count


def batched(model: Any, rows: Rows, batch_size: int, padding: Side = "right") -> Iterator[Batch]:
    """Rows as padded batches, rows of like length together.

    Raises:
        BadInput: an empty row, one longer than the model's context, or an unknown side.
    """
    if padding not in ("left", "right"):
        raise BadInput(f"padding is {padding!r}; valid are left, right")
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    for number, row in enumerate(rows, 1):
        if not row or (context is not None and len(row) > context):
            raise BadInput(f"row {number} has {len(row)} tokens; this model takes 1 to {context or 'any'}")
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        yield _padded([rows[i] for i in places], places, padding, model.device)


def forward(model: Any, batch: Batch, whole: bool = False) -> Any:
    """One forward pass without gradients; ``whole`` with the vocabulary's head, else the decoder alone."""
    part = model if whole else model.get_decoder()
    named = {"position_ids": batch.positions} if _takes_positions(part) else {}
    with torch.inference_mode():
        return part(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **named)


def _padded(rows: Rows, places: list[int], padding: Side, device: Any) -> Batch:
    longest = max(map(len, rows))
    ids, mask = [], []
    for row in rows:
        gap = [0] * (longest - len(row))  # any id will do: padding is masked out
        ids.append([*gap, *row] if padding == "left" else [*row, *gap])
        mask.append([*gap, *[1] * len(row)] if padding == "left" else [*[1] * len(row), *gap])
    shown = torch.tensor(mask, device=device)
    return Batch(places, torch.tensor(ids, device=device), shown, (shown.cumsum(-1) - 1).clamp(min=0))


def _read(
    model: Any,
    rows: Rows,
    layers: Sequence[int] | None,
    pooled: Callable[[Tensor, Tensor], Tensor],
    batch_size: int,
    padding: Side,
    step: Step | None,
) -> States:
    """[rows, positions, layers, width]; ``pooled`` makes [batch, positions, width] of states and mask."""
    chosen = checked_layers(layers, len(blocks(model)))
    seen: dict[int, Tensor] = {}
    out: list[States | None] = [None] * len(rows)
    for batch in batched(model, rows, batch_size, padding):

        def keep(layer: int, hidden: Tensor, mask: Tensor = batch.mask) -> None:
            seen[layer] = pooled(hidden, mask).float().cpu()

        with watching(model, chosen, keep):
            forward(model, batch)
        found = torch.stack([seen[layer] for layer in chosen], 2).numpy()
        if not np.isfinite(found).all():
            raise ModelFailure("hidden states hold values that are no numbers; load with -M dtype=float32")
        for place, state in zip(batch.places, found, strict=True):
            out[place] = state
        if step is not None:
            step(len(batch.places))
    if not out:
        raise BadInput("no prompts: give at least one")
    return np.stack([state for state in out if state is not None])


def _at(hidden: Tensor, mask: Tensor, positions: Sequence[int]) -> Tensor:
    """[batch, positions, width] at places counted back from each row's last real token."""
    length = mask.shape[1]
    end = length - mask.flip(1).argmax(1)  # one past the last real token
    at = end[:, None] + torch.tensor(list(positions), device=mask.device)
    return hidden.gather(1, at[..., None].expand(-1, -1, hidden.shape[-1]))


def _takes_positions(part: Any) -> bool:
    return "position_ids" in inspect.signature(part.forward).parameters

"""Losses of fine-tuning as pure functions of tensors: each gives a sum and how much it is the sum of.

Sums and counts, not means: batches of several forward passes or processes are then weighted exactly, by
adding sums and counts before dividing. Everything is computed in float32 at least, whatever the model's
precision.

Shapes: logits [rows, tokens, vocabulary], states [rows, tokens, width] of one layer, labels and masks [rows,
tokens]. Labels stand where their token stands (``streams.IGNORED`` where it does not count); the shift to
the position that predicts it is made here. Rows may be none: then sum and count are 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from demur.training.streams import IGNORED

_TINY = 1e-8  # as torch's cosine_similarity: no division by the length of a state that is zero


@dataclass(frozen=True, slots=True)
class Sum:
    """A loss before division: ``total``, and the ``count`` of tokens, rows or states that it sums."""

    total: Tensor
    count: Tensor

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> Tensor:
        """``total`` by ``count``; 0 where nothing counts."""
        return self.total / self.count.clamp(min=1)


def predicting(labels: Tensor) -> Tensor:
    """Which positions predict a token that counts, bool [rows, tokens]; the last position never does."""
    counted = labels[:, 1:] != IGNORED
    return torch.cat([counted, torch.zeros_like(labels[:, :1], dtype=torch.bool)], 1)


def nll(logits: Tensor, labels: Tensor) -> Sum:
    """Negative log-likelihood of the tokens that count, in nats, over those tokens."""
    said = token_log_probabilities(logits, labels)
    return Sum(-said.sum(), predicting(labels).sum())


def ascent(logits: Tensor, labels: Tensor) -> Sum:
    """Gradient ascent: the negated :func:`nll`. It has no lower bound."""
    loss = nll(logits, labels)
    return Sum(-loss.total, loss.count)


def kl(logits: Tensor, reference: Tensor, mask: Tensor) -> Sum:
    """KL(reference || model) of the next-token distribution, in nats, over the positions of ``mask``."""
    chosen, before = _wide(logits[mask]), _wide(reference[mask])
    gap = functional.kl_div(chosen.log_softmax(-1), before.log_softmax(-1), reduction="sum", log_target=True)
    return Sum(gap, mask.sum())


def npo(log_probability: Tensor, reference: Tensor, beta: float) -> Sum:
    """Negative preference optimisation, over rows: -(2 / beta) log sigmoid(-beta log(p / p_ref)).

    Zhang et al. 2024, https://arxiv.org/abs/2404.05868, equation 3. Falls to 0 as the answer becomes
    unlikely, where :func:`ascent` falls without end.

    Args:
        log_probability: of each row's answer, [rows] (:func:`answer_log_probabilities`).
        reference: the same under the reference, [rows].
        beta: above 0.
    """
    ratio = _wide(log_probability) - _wide(reference)
    return Sum((2 / beta) * functional.softplus(beta * ratio).sum(), _size(ratio, len(ratio)))


def answer_log_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of each row's counted tokens together, in nats, [rows]."""
    return token_log_probabilities(logits, labels).sum(-1)


def token_log_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of each token that counts, 0 elsewhere, [rows, tokens - 1]; place t is token t + 1."""
    following = labels[:, 1:]
    loss = functional.cross_entropy(
        _wide(logits[:, :-1]).transpose(1, 2), following, ignore_index=IGNORED, reduction="none"
    )
    return -loss


def erase(states: Tensor, reference: Tensor, mask: Tensor) -> Sum:
    """ReLU of the cosine between each state and the same state of the reference, over the tokens of ``mask``.

    1 where nothing changed, 0 from a right angle on.
    """
    cosine = functional.cosine_similarity(_wide(states), _wide(reference), dim=-1, eps=_TINY)
    return _masked(cosine.relu(), mask)


def mean_direction(reference: Tensor, mask: Tensor) -> Tensor:
    """Mean of the unit vectors of a row's states over ``mask``, [rows, width].

    It is not made a unit vector again: the more the states of a row differ, the shorter it is.
    """
    share = mask[..., None].to(reference.device)
    units = _unit(_wide(reference)) * share
    return units.sum(1) / share.sum(1).clamp(min=1)


def separate(states: Tensor, direction: Tensor, mask: Tensor) -> Sum:
    """ReLU of the unit state's product with its row's ``direction`` [rows, width], over ``mask``."""
    along = (_unit(_wide(states)) * _wide(direction)[:, None]).sum(-1)
    return _masked(along.relu(), mask)


def retain(states: Tensor, reference: Tensor, mask: Tensor, positions: int | None = None) -> Sum:
    """Length of each state's change from the reference, over the tokens of ``mask``.

    Args:
        states, reference: of one layer.
        mask: real tokens.
        positions: how many positions a row is said to have, padding included, where padding is to count as
            zeros (as X-Boundary's release does); ``None`` counts the tokens of ``mask``.
    """
    change = torch.linalg.vector_norm(_wide(states) - _wide(reference), dim=-1)
    found = _masked(change, mask)
    return found if positions is None else Sum(found.total, _size(found.total, len(states) * positions))


def _masked(values: Tensor, mask: Tensor) -> Sum:
    return Sum(values.masked_fill(~mask, 0).sum(), mask.sum())


def _unit(states: Tensor) -> Tensor:
    return functional.normalize(states, dim=-1, eps=_TINY)


def _wide(values: Tensor) -> Tensor:
    """In float32, or what is wider."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _size(like: Tensor, count: int) -> Tensor:
    return torch.tensor(count, device=like.device)

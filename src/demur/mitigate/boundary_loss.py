"""What the boundary recipe minimises: erase and separate as one number, retain as another, weighted by step.

X-Boundary (Lu et al., https://arxiv.org/abs/2502.09990; formulas after its code). At step k, with p = k /
beta:

    alpha p L_retain + alpha (1 - p) L_push

L_push sums over target layers and tokens, divided by the number of both: of rows to erase the ReLU of the
cosine with the base's state, of refusals to look-alike prompts the ReLU of the product of the unit state
with u, the mean unit vector (not a unit vector itself) of the base's states for the good answer to the same
prompt. L_retain is the length of the change, over all layers up to the last block that trains and all tokens
of rows to retain and of good answers. Without look-alike prompts this is a circuit breaker (Zou et al.,
https://arxiv.org/abs/2406.04313).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from demur.data.world_rules import generator
from demur.errors import BadInput
from demur.training.streams import Encoded, endless

ERASE, SEPARATE, ANSWER, RETAIN = STREAMS = ("erase", "separate", "answer", "retain")
SeparateMask = Literal["request", "response", "all", "none"]
MASKS: tuple[SeparateMask, ...] = ("request", "response", "all", "none")
#: Layers whose states are pushed, as shares of the depth: 10 and 20 of Llama-3-8B's 32 (released code).
SHARES = (10 / 32, 20 / 32)
WARM_P = 0.001  # p during the optional warm-up, released code


class Pair(NamedTuple):
    """A look-alike prompt with a refusal, which is pushed away, and with the good answer, which stays."""

    refusal: Encoded
    answer: Encoded


class Material(NamedTuple):
    """Token ids of everything that is trained on; of rows to erase or retain also without their request."""

    erase: list[tuple[Encoded, Encoded]]
    retain: list[tuple[Encoded, Encoded]]
    boundary: list[Pair]


def weights(step: int, alpha: float, beta: float, warm_up: int = 0) -> dict[str, float]:
    """Weights at a step from 1: retain rises to ``alpha`` at step ``beta`` and stays there."""
    p = WARM_P if step < warm_up else min(step / beta, 1.0)
    return {"retain": alpha * p, "push": alpha * (1 - p)}


def target_layers(depth: int, layers: Sequence[int] | None = None) -> tuple[int, ...]:
    """The layers asked for, or those at 10/32 and 20/32 of the depth, halves rounded up.

    Raises:
        BadInput: a layer that is not from 1 to the depth.
    """
    found = tuple(layers or sorted({max(1, int(share * depth + 0.5)) for share in SHARES}))
    if wrong := [layer for layer in found if not 1 <= layer <= depth]:
        raise BadInput(
            f"layer {wrong[0]}: this model's are 1 to {depth}; those of --layer must be among them"
        )
    return found


def units(
    material: Material, blank: float, seed: int, separate: bool = True
) -> Iterator[Mapping[str, Sequence[Encoded]]]:
    """For ever: a row to erase with one to retain, or a look-alike prompt's refusal with its good answer.

    Rows to erase and look-alike prompts are shuffled together; none comes twice before all have come once.

    Args:
        material: what is trained on.
        blank: probability that a row to erase or retain comes without its request.
        seed: of both orders and of what is blanked.
        separate: whether refusals to look-alike prompts come along; else their good answers come alone.
    """
    pushed = endless([*material.erase, *material.boundary], seed, "push")
    kept, rng = endless(material.retain, seed, RETAIN), generator(seed, "blanked requests")
    for row in pushed:
        if isinstance(row, Pair):
            yield {SEPARATE: [row.refusal] if separate else [], ANSWER: [row.answer]}
        else:
            bare = rng.random(2) < blank
            yield {ERASE: [row[int(bare[0])]], RETAIN: [next(kept)[int(bare[1])]]}


def objective(
    targets: Sequence[int],
    kept: int,
    schedule: Callable[[int], Mapping[str, float]],
    separate: bool = True,
    positions: int | None = None,
    by_call: bool = False,
) -> Any:
    """The recipe's :class:`~demur.training.objective.Objective`.

    Args:
        targets: layers whose states are pushed.
        kept: blocks that train; states of all layers up to there are retained.
        schedule: step to weights of ``retain`` and ``push``.
        separate: whether refusals to look-alike prompts are pushed away.
        positions: see :func:`demur.training.losses.retain`.
        by_call: see :class:`~demur.training.objective.Objective`.
    """
    from demur.training.objective import Objective, Term

    layers = tuple(range(kept + 1))
    push = (ERASE, SEPARATE) if separate else (ERASE,)
    stay = partial(_retained, layers=layers, positions=positions)
    terms = [
        Term("push", partial(_pushed, layers=targets, streams=push), _counter(push, len(targets))),
        Term("retain", stay, _retain_counter(len(layers), positions)),
        *(
            Term(name, partial(_watched, layers=targets, stream=name), _counter((name,), len(targets)))
            for name in push
        ),
    ]
    zero = dict.fromkeys(push, 0.0)  # terms that are only looked at
    return Objective(STREAMS, tuple(terms), lambda step: {**schedule(step), **zero}, layers, by_call=by_call)


def _pushed(views: Any, layers: Sequence[int], streams: Sequence[str]) -> Any:
    """Erase and separate, summed over layers, with one count."""
    from demur.training.losses import erase, mean_direction, separate

    parts = []
    for layer in layers:
        if ERASE in streams:
            view = views[ERASE]
            parts.append(erase(view.states[layer], view.reference_states[layer], view.mask))
        if SEPARATE in streams:
            view, answer = views[SEPARATE], views[ANSWER]
            towards = mean_direction(answer.reference_states[layer], answer.real)
            parts.append(separate(view.states[layer], towards, view.mask))
    return sum(parts[1:], parts[0])


def _watched(views: Any, layers: Sequence[int], stream: str) -> Any:
    """One part of :func:`_pushed` alone, for the history."""
    import torch

    with torch.no_grad():
        return _pushed(views, layers, (stream,))


def _retained(views: Any, layers: Sequence[int], positions: int | None) -> Any:
    from demur.training.losses import retain

    parts = [
        retain(view.states[layer], view.reference_states[layer], view.real, positions)
        for layer in layers
        for view in (views[RETAIN], views[ANSWER])
    ]
    return sum(parts[1:], parts[0])


def _counter(streams: Sequence[str], layers: int) -> Callable[[Any], Any]:
    return lambda views: layers * sum(views[name].mask.sum() for name in streams)


def _retain_counter(layers: int, positions: int | None) -> Callable[[Any], Any]:
    def count(views: Any) -> Any:
        kept = (views[RETAIN].real, views[ANSWER].real)
        if positions is None:
            return layers * sum(real.sum() for real in kept)
        return kept[0].sum().new_tensor(layers * positions * sum(len(real) for real in kept))

    return count

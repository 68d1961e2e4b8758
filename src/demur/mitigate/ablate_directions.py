"""Directions of a model's refusals found and taken out of its weights, and held against hooks.

The search is ``explain/direction_effect.py``'s, the weights ``training/direction_removal.py``'s. Where no
direction of all refusals together is admitted, or it carries less than half of them, those of single voices
(refusals with one first token) are removed at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demur.errors import BadInput
from demur.explain.openings import spellings
from demur.mitigate.ablate_rows import SidedPrompt
from demur.training.streams import Encoder, Example
from demur.training.watched import Progress

if TYPE_CHECKING:
    from demur.explain.direction import Sides
    from demur.explain.direction_effect import Finding
    from demur.explain.hidden import Rows, States

#: Largest difference of a next token's log-probability between adapter and hooked model, in nats.
TOLERANCE = 1e-3  # ours: float32 sums in another order differ by 1e-5; another way of writing by 0.1 and more
_COMPARED = 16  # ours: prompts of that comparison, 8 a side
#: Share of the measured refusals that must go for a direction to carry them all.
CARRIES = 0.5  # ours: a candidate can be admitted by what adding it does, and remove next to nothing


@dataclass(frozen=True, slots=True, eq=False)
class Removed:
    """What was done.

    Attributes:
        model: PEFT's.
        basis: orthonormal [rank, width]: what was removed.
        found: all looks for a direction, all refusals together first.
        taken: those whose direction was removed.
        apart: largest difference of a next token's log-probability between weights and hooks, in nats.
    """

    model: Any
    basis: States
    found: Sequence[Finding]
    taken: Sequence[Finding]
    apart: float


def removed_from(
    model: Any,
    encoder: Encoder,
    openings: Sequence[str],
    harmful: Sequence[SidedPrompt],
    harmless: Sequence[SidedPrompt],
    seed: int = 0,
    progress: Progress | None = None,
) -> Removed:
    """Find a model's directions and take them out of its weights; the model becomes the adapter's base.

    As in the paper, the direction is found on harmful prompts that the model refuses and harmless ones that
    it answers.

    Args:
        model: of transformers, in full precision.
        encoder: of its tokenizer.
        openings: how a refusal begins; its first tokens measure refusals while directions are chosen.
        harmful, harmless: prompts of both sides.
        seed: of the split and of the random directions.
        progress: called with candidates and controls tried, and how many there are at most.

    Raises:
        BadInput: the model refuses or answers too little, has no direction, or writes into its residual
            stream in a way that weights alone cannot undo.
    """
    from demur.explain.direction import Sides, first_tokens
    from demur.explain.direction_effect import findings
    from demur.training.direction_removal import without_directions

    rows = Sides(*([list(encoder.ask(row.prompt).ids) for row in side] for side in (harmful, harmless)))
    groups = ([row.group for row in harmful], [row.group for row in harmless])
    first = _first_ids(encoder, openings)
    step = _steps(progress, model, rows, len(first))
    found = findings(model, rows, groups, first_tokens(model, first), seed, step=step)
    taken = _taken(found)
    basis = orthonormal(
        np.stack([one.search.direction.vector for one in taken if one.search and one.search.direction])
    )
    compared = [*rows.harmful[: _COMPARED // 2], *rows.harmless[: _COMPARED // 2]]
    hooked = _hooked(model, basis, compared)
    adapted = without_directions(model, basis, compared[0])
    return Removed(adapted, basis, found, taken, _apart(hooked, adapted, compared))


def _taken(found: Sequence[Finding]) -> list[Finding]:
    """The finding of all refusals together where its direction carries them, else those of single voices.

    Raises:
        BadInput: there is no direction at all.
    """
    common, *voices = found
    if _carries(common):
        return [common]
    if taken := [one for one in voices if _has_direction(one)] or [common] * _has_direction(common):
        return taken
    raise BadInput(f"no direction of this model carries its refusals: {why_not(common)}")


def _carries(finding: Finding) -> bool:
    """Whether removing the direction turns enough of the refusals that were measured into answers."""
    removed = (e for e in finding.effects if e.side == "harmful" and e.change == "removed")
    return any(e.refused_after <= (1 - CARRIES) * e.refused_before for e in removed)


def _has_direction(finding: Finding) -> bool:
    return finding.search is not None and finding.search.direction is not None


def why_not(finding: Finding) -> str:
    """Why a look for a direction found none."""
    if finding.search is None:
        return finding.why_not
    tried = finding.search.candidates
    excluded = Counter(candidate.why_not for candidate in tried)
    why = (f"{n} of {len(tried)} candidates: {reason}" for reason, n in excluded.items())
    return "; ".join(why) or "the model has a single block"


def _first_ids(encoder: Encoder, openings: Sequence[str]) -> set[int]:
    """First tokens of refusals, as the chat template writes them behind a prompt."""
    asked = list(encoder.ask("x").ids)
    said = [encoder.encode(Example("x", text, "refusal")).ids for text in spellings(openings)]
    return {ids[len(asked)] for ids in said}


def _hooked(model: Any, basis: States, rows: Rows) -> States:
    """Next-token log-probabilities with the directions removed by hooks: what the weights must reproduce."""
    from demur.explain.direction import next_token
    from demur.explain.residual import removed

    with ExitStack() as stack:
        for vector in basis:  # at right angles, so that one after the other is all at once
            stack.enter_context(removed(model, vector))
        return next_token(model, rows)


def _apart(hooked: States, adapted: Any, rows: Rows) -> float:
    """The largest difference between adapter and hooks.

    Raises:
        BadInput: it is above ``TOLERANCE``: something stands between the matrices and the residual stream.
    """
    from demur.explain.direction import next_token

    apart = float(abs(next_token(adapted.get_base_model(), rows) - hooked).max())
    if not apart <= TOLERANCE:
        kind = type(adapted.get_base_model()).__name__
        raise BadInput(
            f"{kind}: with the direction removed from its weights the next token differs from the hooked "
            f"model's by up to {apart:.2g} nats: it writes into the residual stream through more than these"
        )
    return apart


def orthonormal(vectors: States) -> States:
    """A basis [rank, width] of what some vectors span, each of length 1."""
    basis: States = np.linalg.qr(vectors.T.astype(np.float64))[0].T.astype(np.float32)
    return basis


def _steps(progress: Progress | None, model: Any, rows: Sides, voices: int) -> Callable[[int], None] | None:
    """Candidates and controls done, and how many there are at most: of all refusals and of every voice."""
    from demur.explain.direction import DEEPEST, MOST_POSITIONS
    from demur.explain.direction_effect import RANDOM
    from demur.explain.hidden import shared_ending
    from demur.models.architecture import blocks

    if progress is None:
        return None
    positions = min(MOST_POSITIONS, shared_ending([*rows.harmful, *rows.harmless]))
    most = (1 + voices) * (math.ceil(DEEPEST * len(blocks(model))) * positions + 2 * (1 + RANDOM))
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        progress(done, most)

    return step

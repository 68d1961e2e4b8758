"""The refusal direction: one direction of the residual stream that carries a model's refusals.

Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction",
https://arxiv.org/abs/2406.11717. For every layer and every position that the chat template writes after the
user's words: mean state of harmful prompts less mean state of harmless ones. The direction taken is the one
whose removal lowers refusals of harmful prompts most, on prompts that made no part of the means, where
adding it makes harmless prompts be refused and removing it leaves harmless answers alone. What the direction
does is then measured on further prompts (``direction_effect.py``).

Changes are hooks in a ``with`` block (``residual.py``): nothing is saved. Where we differ: the measure of
refusal is any that is passed in (``first_tokens`` is the paper's), and prompts of a pair never stand in two
parts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.explain.hidden import (
    BATCH_SIZE,
    Rows,
    States,
    Step,
    batched,
    forward,
    shared_ending,
    states_at,
)
from demur.explain.residual import added, removed
from demur.models.architecture import blocks

Floats = NDArray[np.float64]
#: Log-odds of a refusal for each row of token ids, asked of the model as it is at that moment.
LogOdds = Callable[[Rows], Floats]

MOST_DIVERGENCE = 0.1  # Arditi et al., appendix C: nats, over harmless prompts
DEEPEST = 0.8  # Arditi et al., appendix C: share of the layers below which a direction is taken
MOST_POSITIONS = 8  # ours: tokens of a template's ending; the families of the paper have at most 5
PARTS = {"means": 0.5, "choice": 0.25, "measurement": 0.25}  # ours: shares of the groups


class Sides(NamedTuple):
    """Token ids of both sides."""

    harmful: Rows
    harmless: Rows


class Places(NamedTuple):
    """Places of the prompts of one part, on both sides."""

    harmful: list[int]
    harmless: list[int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One layer and position.

    Attributes:
        layer: whose states were averaged; 1 to the number of blocks.
        position: from the end of the prompt, -1 the last token.
        norm: of the difference of means.
        removed: mean refusal log-odds of harmful prompts with the direction removed; lower is better.
        added: mean refusal log-odds of harmless prompts with it added.
        divergence: mean Kullback-Leibler divergence of the next token on harmless prompts, in nats.
        why_not: which rule excludes it, else empty.
    """

    layer: int
    position: int
    norm: float
    removed: float
    added: float
    divergence: float
    why_not: str


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A direction taken: its difference of means, float32 [width], and where it comes from."""

    vector: States
    layer: int
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """All candidates, and the direction that was taken; ``None`` where every one is excluded."""

    candidates: tuple[Candidate, ...]
    direction: Direction | None


def split(harmful: Sequence[Hashable], harmless: Sequence[Hashable], seed: int = 0) -> list[Places]:
    """Places of the prompts for the means, the choice and the measurement; a group stays in one part.

    Args:
        harmful, harmless: group of each prompt; a pair has one group on both sides.
        seed: of the draw.

    Raises:
        BadInput: too few groups to have both sides in every part.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, crc32(b"explain.direction.split")]))
    part_of: dict[Hashable, int] = {}
    both = [name for name in dict.fromkeys(harmful) if name in set(harmless)]
    for names in (both, dict.fromkeys(harmful), dict.fromkeys(harmless)):
        left = [name for name in names if name not in part_of]
        ends = np.floor(np.cumsum(list(PARTS.values())) * len(left))
        parts = np.searchsorted(ends, np.arange(len(left)), side="right")
        part_of |= {left[i]: int(part) for i, part in zip(rng.permutation(len(left)), parts, strict=True)}

    def places(side: Sequence[Hashable], part: int) -> list[int]:
        return [i for i, name in enumerate(side) if part_of[name] == part]

    found = [Places(places(harmful, part), places(harmless, part)) for part in range(len(PARTS))]
    for name, part in zip(PARTS, found, strict=True):
        if not all(part):
            raise BadInput(
                f"{len(set(harmful))} harmful and {len(set(harmless))} harmless prompts or pairs leave a "
                f"side of the part for the {name} empty; give more"
            )
    return found


def difference_of_means(harmful: States, harmless: States) -> States:
    """Mean of harmful less mean of harmless states: [rows, ...] of each to [...]."""
    gap: States = (harmful.mean(0, dtype=np.float64) - harmless.mean(0, dtype=np.float64)).astype(np.float32)
    return gap


def next_token(model: Any, rows: Rows, batch_size: int = BATCH_SIZE) -> States:
    """Log probabilities of the next token, float32 [rows, vocabulary]."""
    out: list[States | None] = [None] * len(rows)
    for batch in batched(model, rows, batch_size, "left"):
        last = forward(model, batch, whole=True).logits[:, -1].float().log_softmax(-1).cpu().numpy()
        for place, row in zip(batch.places, last, strict=True):
            out[place] = row
    return np.stack([row for row in out if row is not None])


def first_tokens(model: Any, ids: Collection[int], batch_size: int = BATCH_SIZE) -> LogOdds:
    """Log-odds that the answer begins with one of these tokens: the paper's measure of refusal.

    Args:
        model: which is asked as it is at the time of the call.
        ids: first tokens of refusals.
        batch_size: rows in a forward pass.

    Raises:
        BadInput: no id.
    """
    chosen = sorted(set(ids))
    if not chosen:
        raise BadInput("no first token of a refusal is given; at least one is needed")

    def log_odds(rows: Rows) -> Floats:
        log_p = next_token(model, rows, batch_size).astype(np.float64)
        rest = np.logaddexp.reduce(np.delete(log_p, chosen, axis=1), axis=1)
        found: Floats = np.logaddexp.reduce(log_p[:, chosen], axis=1) - rest
        return found

    return log_odds


def search(model: Any, means: Sides, choice: Sides, log_odds: LogOdds, step: Step | None = None) -> Search:
    """Take the direction of a model.

    Args:
        model: a causal language model in evaluation mode.
        means: prompts whose states are averaged.
        choice: other prompts, on which candidates are compared.
        log_odds: of a refusal.
        step: called with 1 for every candidate.

    Raises:
        BadInput: the prompts share no ending, so the template asks for no answer, or a side is empty.
    """
    if not all((*means, *choice)):
        raise BadInput("a refusal direction needs harmful and harmless prompts in every part")
    ending = min(MOST_POSITIONS, shared_ending([*means.harmful, *means.harmless]))
    if not ending:
        raise BadInput("the prompts end in different tokens; encode them with the chat template")
    depth = len(blocks(model))
    layers = [layer for layer in range(1, depth) if layer < DEEPEST * depth]
    positions = [-back for back in range(1, ending + 1)]
    if not layers:
        return Search((), None)  # a model of one block
    gaps = difference_of_means(*(states_at(model, rows, positions, layers) for rows in means))
    before = next_token(model, choice.harmless)
    found = []
    for i, position in enumerate(positions):
        for j, layer in enumerate(layers):
            found.append(_candidate(model, gaps[i, j], layer, position, choice, log_odds, before))
            if step is not None:
                step(1)
    admitted = [candidate for candidate in found if not candidate.why_not]
    if not admitted:
        return Search(tuple(found), None)
    best = min(admitted, key=lambda c: (c.removed, c.layer, -c.position))
    vector = gaps[positions.index(best.position), layers.index(best.layer)]
    return Search(tuple(found), Direction(vector, best.layer, best.position))


def _candidate(
    model: Any, gap: States, layer: int, position: int, choice: Sides, log_odds: LogOdds, before: States
) -> Candidate:
    norm = float(np.linalg.norm(gap))
    if not norm:
        return Candidate(layer, position, 0.0, np.nan, np.nan, np.nan, "both sides have the same mean")
    with removed(model, gap):
        without = float(log_odds(choice.harmful).mean())
        divergence = _divergence(before, next_token(model, choice.harmless))
    with added(model, gap, layer):
        induced = float(log_odds(choice.harmless).mean())
    why = ""
    if induced <= 0:
        why = "adding it does not make harmless prompts be refused"
    elif divergence > MOST_DIVERGENCE:
        why = f"removing it changes harmless answers (divergence above {MOST_DIVERGENCE})"
    return Candidate(layer, position, norm, without, induced, divergence, why)


def _divergence(before: States, after: States) -> float:
    """Mean of KL(before || after) over rows of log probabilities, in nats."""
    wide = before.astype(np.float64)
    kept = np.exp(wide) > 0  # 0 log 0 is 0
    terms = np.where(kept, np.exp(wide) * (np.where(kept, wide - after, 0.0)), 0.0)
    return float(terms.sum(-1).mean())

"""A whole look at a local model's boundary: prompts of three classes to a layer profile, a map, directions.

demur boundary organism --benchmark planted --direction
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from demur.errors import BadInput
from demur.explain.boundary import HARMFUL, OUTCOMES, PAIRS, Profile, profile
from demur.explain.boundary_map import Map, Method, draw_map
from demur.explain.boundary_prompts import Classed
from demur.explain.direction import Sides, first_tokens
from demur.explain.direction_effect import Finding, findings
from demur.explain.hidden import Pool, states
from demur.explain.target import RefusalTarget
from demur.models.architecture import blocks, checked_layers

SCHEMA = "demur.boundary/1"
Start = Callable[[str, int | None], Callable[[int], None]]


@dataclass(frozen=True, slots=True)
class Study:
    """What was found.

    Attributes:
        model: as the user named it.
        profile: layer by layer.
        map: of one layer.
        findings: refusal directions, all refusals first; ``None`` where nobody asked.
        openings: token id -> its text, for ``findings``.
    """

    model: str
    profile: Profile
    map: Map
    findings: tuple[Finding, ...] | None
    openings: dict[int, str]

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return {"schema": SCHEMA, **_plain(self)}


def study(
    target: RefusalTarget,
    name: str,
    prompts: Sequence[Classed],
    layers: Sequence[int] | None = None,
    pool: Pool = "last",
    method: Method = "pca",
    map_layer: int | None = None,
    direction: bool = False,
    seed: int = 0,
    start: Start = lambda what, total: lambda count: None,
) -> Study:
    """Read the states of all prompts and look for the boundary.

    Args:
        target: what counts as a refusal, with the model.
        name: of the model.
        prompts: of at least one class.
        layers: all by default.
        pool: ``last`` (where the answer is about to begin) or ``mean`` (as X-Boundary's diagnostic).
        method: of the map.
        map_layer: whose map; by default the one where harmful prompts are told best from look-alike prompts.
        direction: whether to look for refusal directions too.
        seed: of folds, draws and random directions.
        start: shows progress.

    Raises:
        BadInput: no prompts, an unknown layer, or a prompt that the model cannot take.
    """
    if not prompts:
        raise BadInput("no prompts; give --harmful, --lookalike or --safe a file, or --benchmark a name")
    if direction and len({prompt.kind == HARMFUL for prompt in prompts}) < 2:
        raise BadInput("a refusal direction needs harmful and harmless prompts; give both, or no --direction")
    model = target.model.model
    chosen = checked_layers(layers, len(blocks(model)))
    if map_layer is not None and map_layer not in chosen:
        raise BadInput(f"map layer {map_layer} is not read; layers are {', '.join(map(str, chosen))}")
    rows = [target.encode(prompt.prompt) for prompt in prompts]
    read = states(model, rows, chosen, pool, target.batch_size, step=start("reading states", len(rows)))
    asked = target.measure_ids(rows, start("asking for refusals", len(rows)))
    refused = [answer.log_odds > 0 for answer in asked]
    kinds, groups = [p.kind for p in prompts], [p.group for p in prompts]
    step = start("looking at layers", len(chosen))
    found = profile(read, kinds, groups, chosen, pool, refused, seed, step)
    at = chosen.index(_telling(found) if map_layer is None else map_layer)
    picture = draw_map(read[:, at], kinds, groups, chosen[at], method, refused, seed)
    taken = _directions(target, rows, prompts, seed, start) if direction else None
    openings = {f.opening: target.model.chat.text([f.opening]) for f in taken or () if f.opening is not None}
    return Study(name, found, picture, taken, openings)


def _directions(
    target: RefusalTarget,
    rows: Sequence[Sequence[int]],
    prompts: Sequence[Classed],
    seed: int,
    start: Start,
) -> tuple[Finding, ...]:
    """Harmful prompts against all harmless ones; what begins a refusal is the first token of any opening."""
    at = [[i for i, p in enumerate(prompts) if (p.kind == HARMFUL) == harmful] for harmful in (True, False)]
    sides = Sides([rows[i] for i in at[0]], [rows[i] for i in at[1]])
    groups = ([prompts[i].group for i in at[0]], [prompts[i].group for i in at[1]])
    odds = first_tokens(target.model.model, {leaf[0] for leaf in target.tree.leaves}, target.batch_size)
    step = start("trying directions", None)
    return tuple(findings(target.model.model, sides, groups, odds, seed, step=step))


def _telling(found: Profile) -> int:
    """The layer that tells harmful prompts best from look-alike prompts, or whichever classes there are."""
    for pair in (PAIRS[1], PAIRS[0], PAIRS[2], OUTCOMES):
        known = [layer for layer in found.layers if pair in layer.areas]
        best = found.best(lambda layer, pair=pair: layer.areas[pair]) if known else None  # type: ignore[misc]
        if best is not None:
            return best.layer
    return found.layers[-1].layer


def _plain(value: Any) -> Any:
    """JSON values of dataclasses, arrays and pairs as keys; numbers that are none become null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {" / ".join(k) if isinstance(k, tuple) else str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value

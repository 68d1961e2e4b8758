"""Direction removal: what goes when it is taken out of the weights; the harmful side first.

The direction is found on a world's training requests (harmful ones that are refused, harmless ones that are
answered) and removed as an adapter. Read on a fresh draw, on combinations that no training showed, by
exact comparison with the world's tables (``align.py`` names the groups). Nothing is promised of this
recipe: it is a baseline, and both sides stand here whatever they show. n counts requests; intervals as in
``align``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from align import figures, held_out, outcomes
from bases import organism

from demur.data.world import World
from demur.mitigate.ablate import Ablate, prepare, run
from demur.mitigate.rows import Source


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Take the direction out of a seed's organism; yield metric, value, n, interval."""
    world, base = World(seed), organism(seed)
    receipt = ablated(world, base, folder / "out", seed)
    found = held_out(world)
    groups = {"harmful": found.pop("harmful"), **found}
    before = {name: outcomes(str(base), world, requests) for name, requests in groups.items()}
    after = {name: outcomes(str(folder / "out" / "adapter"), world, r) for name, r in groups.items()}
    yield from figures("ablate", groups, before, after, seed)
    found = receipt["training"]["findings"]
    rank = {"metric": "ablate: directions removed", "value": receipt["training"]["rank"]}
    yield {**rank, "n": len(found), "interval": [rank["value"], rank["value"]]}


def ablated(world: World, base: Path, out: Path, seed: int) -> dict[str, Any]:
    """Run the recipe on a world's prompts; ``out / "adapter"`` is the model. Its receipt."""
    shown = [r for r in world.training_requests() if r.kind in ("plain", "look_alike", "harmful")]
    file = out.parent / f"{out.name}-prompts.jsonl"
    lines = ({"prompt": r.prompt, "expect": r.expect, "pair": r.pair} for r in shown)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    config = Ablate(held_out=0.0, checked=0, seed=seed)
    return run(config, prepare(config, [Source(file)]), str(base), out).to_json()

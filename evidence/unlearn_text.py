"""Unlearning on text worlds: the nine methods with the same rows, steps and rates.

A world's text organism. To forget: harmful requests that it answers (they slip in wrappers, scripts of
turns, and where it leaks). PD: look-alike requests that it answers, paired by kind, wrapper and wording.
Retain: plain ones. Read on a fresh draw, by exact comparison with the world; figures are those of
``unlearn.py``, *harmless, same words* the look-alikes. Intervals are clustered by (verb, object). English.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bases import organism
from unlearn import READ, SETTINGS, Asked, Study, figures, read, table, trained, write

from demur.data.world import Request, World
from demur.data.world_rules import generator, shuffled
from demur.mitigate.unlearn_loss import METHODS
from demur.mitigate.unlearn_model import opened
from demur.training.organism.truth import one_thread

#: ours, found on world 14: this organism knows the words of refusals and needs less.
TEXT = replace(SETTINGS, epochs=1.5, learning_rate=1e-3)


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Train every method on a seed's organism; yield metric, value, n, interval."""
    study = texts(seed, folder)
    with one_thread():
        found = {"before": figures(read(study, study.base.weights()))}
        for method in study.rows:
            found[method] = figures(read(study, trained(study, method, folder / "checkpoints")))
    yield from table(found)


def texts(seed: int, folder: Path) -> Study:
    """Rows and requests of a text world."""
    world = World(seed)
    shown = [r for r in world.training_requests() if r.language == "en" and r.planted == "comply"]
    known = {r.id for r in world.training_requests()}
    fresh = shuffled(generator(seed, "unlearn"), world.draw("unlearn", 3))
    fresh = [r for r in fresh if r.language == "en" and r.planted == "comply" and r.id not in known]
    lines = [
        {"role": role, "prompt": r.prompt, "response": r.answer, "pair": f"{r.kind} {r.wrapper} {r.wording}"}
        for role, some in _sides(shown).items()
        for r in some
    ]
    asked = {name: [_asked(world, r) for r in some[: READ[name]]] for name, some in _sides(fresh).items()}
    files = dict.fromkeys(METHODS, write(folder / "rows.jsonl", lines))
    base = opened(str(organism(seed)))
    return Study(base, tuple(sorted(world.refusals)), files, asked, replace(TEXT, seed=seed))


def _sides(some: Sequence[Request]) -> dict[str, list[Request]]:
    return {
        "forget": [r for r in some if r.expect == "refuse"],
        "pd": [r for r in some if r.form == "look_alike"],
        "retain": [r for r in some if r.form == "plain"],
    }


def _asked(world: World, request: Request) -> Asked:
    group = f"{request.verb} {request.object}"
    return Asked(request.prompt, request.answer, group, lambda text: world.truth_label(request, text))

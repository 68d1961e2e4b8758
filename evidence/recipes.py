"""All recipes on one organism: who is refused, what is answered, what it can still do, and what it cost.

A seed's organism, each recipe with the settings and rows of its own evidence, and no matching: one row of the
table is one way to use a recipe. Read on a fresh draw, in combinations that no training showed, English
alone, by exact comparison with the world's tables: harmless requests that are refused (the world plants
such refusals); harmful requests that are answered (slips and leaks, which the organism answers, among
them); right answers to plain requests; CPU-seconds of the recipe on one thread, reading not counted. The
dial is trained on refusals as they were planted, so it says who pays for fewer refusals: its second row is
set for 5 % of harmless requests refused, on requests of another draw. n counts requests; Wilson intervals
hold the training fixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ablate
import align
from align import Outcomes, outcomes, told
from bases import organism
from studies import boundary_models, check_requests
from studies.boundary_requests import study
from studies.check_models import Study

from demur.data.records import Prompt, write_jsonl
from demur.data.world import Request, World
from demur.measure.dial import Wanted, calibrate
from demur.metrics import proportion
from demur.mitigate import refusal_tokens
from demur.mitigate.boundary import prepare, run
from demur.mitigate.boundary_rows import RoleFile
from demur.mitigate.readings import first_tokens
from demur.mitigate.refusal_rows import REFUSE
from demur.mitigate.rows import Source
from demur.mitigate.token_file import read_tokens
from demur.models.chat import Prompt as TokenIds
from demur.models.chat import load_tokenizer
from demur.models.control import decide
from demur.models.loading import load_model
from demur.training.streams import Encoder
from demur.training.tuning import Tuning
from demur.verdict import Outcome

#: Reads requests with a trained model.
Reading = Callable[[Sequence[Request]], Outcomes]
Recipe = Callable[[World, Path, Path, int], dict[str, Reading]]
DIAL = Tuning(learning_rate=3e-3)  # ours: one pass over half of the rows, a minute
TARGET = 0.05  # ours: of the dial's second row, as in docs/dial.md


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Run every recipe on a seed's organism; yield metric, value, n, interval."""
    world, base = World(seed), organism(seed)
    fresh = [r for r in world.draw("recipes", 2) if r.held_out and r.language == "en"]
    for recipe in RECIPES:
        started = time.process_time()
        readings = recipe(world, base, folder, seed)
        seconds = time.process_time() - started
        for name, reading in readings.items():
            yield from table(name, fresh, reading(fresh))
            metric = f"{name}: CPU-seconds"
            yield {"metric": metric, "value": seconds, "n": 1, "interval": [seconds, seconds]}


def table(name: str, requests: Sequence[Request], found: Outcomes) -> Iterator[dict[str, Any]]:
    """Three shares of one model."""
    both = list(zip(requests, found, strict=True))
    columns = {
        "harmless refused": [o is Outcome.REFUSE for r, (o, _) in both if r.expect == "comply"],
        "harmful answered": [o is Outcome.COMPLY for r, (o, _) in both if r.expect == "refuse"],
        "ability": [right for r, (_, right) in both if r.kind == "plain"],
    }
    for column, hits in columns.items():
        share = proportion(sum(hits), len(hits))
        interval = [share.low, share.high]
        yield {"metric": f"{name}: {column}", "value": share.value, "n": len(hits), "interval": interval}


def nothing(world: World, base: Path, folder: Path, seed: int) -> dict[str, Reading]:
    """The organism as it is."""
    return {"no recipe": _folder(world, base)}


def aligned(world: World, base: Path, folder: Path, seed: int) -> dict[str, Reading]:
    """SFT on pairs."""
    align.aligned("sft", world, base, folder / "sft", seed)
    return {"align (SFT)": _folder(world, folder / "sft" / "adapter")}


def preferred(world: World, base: Path, folder: Path, seed: int) -> dict[str, Reading]:
    """DPO on pairs."""
    align.aligned("dpo", world, base, folder / "dpo", seed)
    return {"align (DPO)": _folder(world, folder / "dpo" / "adapter")}


def ablated(world: World, base: Path, folder: Path, seed: int) -> dict[str, Reading]:
    """Directions of refusals removed."""
    ablate.ablated(world, base, folder / "ablate", seed)
    return {"ablate": _folder(world, folder / "ablate" / "adapter")}


def pushed(world: World, base: Path, folder: Path, seed: int) -> dict[str, Reading]:
    """X-Boundary to the end of its steps."""
    made, arm = study(world), boundary_models.ARMS["X-Boundary"]
    config = replace(boundary_models.SETTINGS, seed=seed, **arm.changes)
    file = boundary_models.written(made, arm, folder / "boundary-rows")
    run(config, prepare(config, [RoleFile(file)]), str(base), folder / "boundary")
    return {"boundary (X-Boundary)": _folder(world, folder / "boundary" / "adapter")}


def checked(world: World, base: Path, folder: Path, seed: int) -> dict[str, Reading]:
    """Answer-Then-Check; what counts is what a user sees."""
    trials = Study(world, str(base), folder, seed)
    sizes = check_requests.sizes(check_requests.ROWS)
    model = trials.recipe("checked", check_requests.drawn(world, "training", False, sizes))

    def reading(requests: Sequence[Request]) -> Outcomes:
        said = {one.request.id: one for one in trials.said(model, requests)}
        found = (world.truth_label(r, said[r.id].shown) for r in requests)
        return [(truth.outcome, truth.correct is True) for truth in found]

    return {"answer_then_check": reading}


def dialled(world: World, base: Path, folder: Path, seed: int) -> dict[str, Reading]:
    """The dial's model left to itself, and set to a target."""
    shown = [r for r in world.training_requests() if r.language == "en"][::2]
    file, out = folder / "dial.jsonl", folder / "dial"
    label = {"refuse": "refuse", "comply": "respond"}
    write_jsonl(file, ({"prompt": r.prompt, "response": r.target, "label": label[r.planted]} for r in shown))
    config = refusal_tokens.RefusalTokens(tuning=DIAL, held_out=0.0, checked=0, seed=seed)
    refusal_tokens.run(config, refusal_tokens.prepare(config, [Source(file)]), str(base), out)
    tokens, name = read_tokens(out / "model"), str(out / "model")
    encoder = Encoder(load_tokenizer(name, None, False), name, tokens.all)
    model = load_model(name, None, "cpu", "float32", False)
    calibration = [r for r in world.draw("recipes dial", 2) if r.held_out and r.language == "en"]

    def probabilities(requests: Sequence[Request]) -> list[dict[str, float]]:
        found = first_tokens(model, encoder, [r.prompt for r in requests], tokens)
        return [{tokens.respond: p["p_respond"], REFUSE: p["p_refuse"]} for p in found]

    sides = [probabilities([r for r in calibration if r.expect == side]) for side in ("comply", "refuse")]
    setting = calibrate(*sides, tokens, Wanted(TARGET)).setting

    def itself(requests: Sequence[Request]) -> Outcomes:
        return told(model, encoder, world, requests)

    def set_(requests: Sequence[Request]) -> Outcomes:
        begins = [decide(p, setting, tokens) for p in probabilities(requests)]
        answered = [r for r, token in zip(requests, begins, strict=True) if token == tokens.respond]
        begun = told(model, _Begun(encoder, tokens.respond), world, answered)  # type: ignore[arg-type]
        found = {r.id: outcome for r, outcome in zip(answered, begun, strict=True)}
        return [found.get(r.id, (Outcome.REFUSE, False)) for r in requests]

    return {"refusal_tokens": itself, "refusal_tokens, dial at 5 %": set_}


class _Begun:
    """An encoder whose answers begin with a control token."""

    def __init__(self, encoder: Encoder, token: str) -> None:
        self.chat, self._encoder, self._token = encoder.chat, encoder, token

    def ask(self, prompt: Prompt) -> TokenIds:
        asked = self._encoder.ask(prompt)
        return replace(asked, ids=(*asked.ids, self._encoder.control[self._token]))


def _folder(world: World, folder: Path) -> Reading:
    return lambda requests: outcomes(str(folder), world, requests)


RECIPES: tuple[Recipe, ...] = (nothing, aligned, preferred, ablated, pushed, checked, dialled)

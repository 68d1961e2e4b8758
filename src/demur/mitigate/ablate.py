"""Recipe ``ablate``: take the refusal direction out of a model's weights; a baseline, no cure.

Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction",
https://arxiv.org/abs/2406.11717: the direction of ``explain/direction.py``, removed from every matrix that
writes into the residual stream (``training/direction_removal.py``). The result is a removable rank-1 adapter;
off, it is the base bit for bit. **It removes refusals of harmful requests too**, so whatever is said of it
says that side first.

    demur mitigate ablate --model PATH --harmful FILE --harmless FILE --out DIR

Where we differ: a model that refuses in several voices may have a direction for each first token and none
for all refusals; then all of these are removed, and the rank is their number. No prompt that chose a
direction is read afterwards, prompts of a pair stay together, and the weights are held against the hooked
model before anything is saved.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.explain.openings import OPENINGS, check_openings
from demur.judges import judge_named
from demur.mitigate.ablate_directions import Removed, removed_from, why_not
from demur.mitigate.ablate_rows import SidedPrompt, SidedPrompts, read
from demur.mitigate.base_model import about, load_tokenizer, load_weights
from demur.mitigate.held_out import is_held_out
from demur.mitigate.readings import Asked, words
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.rows import Source
from demur.mitigate.unfinished import begin, check_out, finish
from demur.training.adapters import save_adapter
from demur.training.streams import Encoder
from demur.training.tuning import require_train
from demur.training.watched import Progress

if TYPE_CHECKING:
    from demur.explain.direction_effect import Finding

NAME = "ablate"
WARNING = "removing the refusal direction makes the model answer harmful requests too; it is no safe fix"


@dataclass(frozen=True, slots=True)
class Ablate:
    """Settings.

    Attributes:
        openings: how a refusal begins; its first tokens measure refusals while the direction is chosen.
        most: prompts of each side to find directions with. The paper has 128 for the means and 32 for the
            choice; ours: half, a quarter and a quarter of 512, so that single voices have enough.
        held_out: share of prompts, whole pairs, that the direction is not found with. ours.
        checked: most of them answered in words before and after. ours: minutes on a CPU.
        judge: of these words.
        seed: of all draws.
    """

    openings: tuple[str, ...] = OPENINGS
    most: int = 512
    held_out: float = 0.1
    checked: int = 200
    judge: str = "offline"
    seed: int = 0

    def __post_init__(self) -> None:
        check_openings(self.openings)
        if not 0 <= self.held_out < 1:
            raise BadInput(f"held_out is {self.held_out}; it must be 0 or more and below 1")
        if self.most < 1 or self.checked < 0:
            raise BadInput(f"most is {self.most} and checked {self.checked}; least are 1 and 0")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Prompts to find the direction with, both sides, held-out prompts, and where they came from."""

    harmful: tuple[SidedPrompt, ...]
    harmless: tuple[SidedPrompt, ...]
    asked: tuple[Asked, ...]
    found: SidedPrompts


def prepare(config: Ablate, sources: Sequence[Source]) -> Prepared:
    """Read and split; loads no weights.

    Raises:
        BadInput: a file or row that cannot be used, or a side without prompts.
    """
    found = read(sources)
    rng = generator(config.seed, "ablate")
    kept: dict[bool, list[SidedPrompt]] = {True: [], False: []}
    back = []
    for row in shuffled(rng, found.prompts):
        if is_held_out(row.group, config.held_out, config.seed):
            back.append(Asked(row.prompt, row.harmful))
        else:
            kept[row.harmful].append(row)
    for harmful, rows in kept.items():
        if not rows:
            side = "harmful" if harmful else "harmless"
            raise BadInput(
                f"there is no {side} prompt to find a direction with, of {len(found.prompts)} prompts"
            )
    return Prepared(tuple(kept[True][: config.most]), tuple(kept[False][: config.most]), tuple(back), found)


def run(
    config: Ablate, prepared: Prepared, model: str, out: Path, progress: Progress | None = None
) -> Receipt:
    """Find the direction, save ``OUT/adapter`` without it, and write ``OUT/receipt.json``.

    Nothing is trained: a killed run begins anew.

    Args:
        config, prepared: of :func:`prepare`.
        model: folder or hub name of a causal language model with a chat template.
        out: folder to write; new, empty, or of a killed run of the same settings.
        progress: called with candidates and controls tried, and how many there are at most.

    Raises:
        MissingExtra: a library of the extra ``train`` is absent.
        BadInput: ``out`` holds something else, the model cannot be loaded, refuses or answers too little,
            has no direction, or writes into its residual stream in a way that weights alone cannot undo.
    """
    require_train(f"the recipe {NAME}")
    check_out(out)
    tokenizer, known = load_tokenizer(model), about(model)
    begin(out, {"recipe": NAME, "config": asdict(config), "model": known, "rows": _data(prepared)})
    loaded = load_weights(model, "full")  # full precision: the projection is a difference of large numbers
    judge, started = judge_named(config.judge), time.monotonic()
    encoder, asked = Encoder(tokenizer, model), prepared.asked[: config.checked]
    before = words(loaded, encoder, asked, judge)
    sides = (prepared.harmful, prepared.harmless)
    gone = removed_from(loaded, encoder, config.openings, *sides, config.seed, progress)
    seconds = round(time.monotonic() - started, 1)
    after = words(gone.model, encoder, asked, judge)
    save_adapter(gone.model, tokenizer, out / "adapter", model)
    told = {**_told(gone, encoder), "seconds": seconds}
    receipt = Receipt(
        NAME, known, asdict(config), _data(prepared), told, before, after, hashes(out / "adapter")
    )
    receipt.write(out)
    finish(out)
    return receipt


def _told(gone: Removed, encoder: Encoder) -> dict[str, Any]:
    return {
        "rank": len(gone.basis),
        "matrices": len(gone.model.peft_config["default"].target_modules),
        "apart_from_hooks": gone.apart,
        "findings": [_finding(one, one in gone.taken, encoder) for one in gone.found],
    }


def _finding(finding: Finding, taken: bool, encoder: Encoder) -> dict[str, Any]:
    """One look for a direction: of which first token (none: of all refusals), where it lies, what it does."""
    opening = finding.opening
    direction = finding.search.direction if finding.search else None
    return {
        "opening": None if opening is None else encoder.chat.token(opening),
        "harmful": finding.harmful,
        "harmless": finding.harmless,
        "layer": direction.layer if direction else None,
        "position": direction.position if direction else None,
        "norm": float(np.linalg.norm(direction.vector)) if direction else None,
        "why_not": "" if direction else why_not(finding),
        "removed": taken,
        "effects": [asdict(effect) for effect in finding.effects],
    }


def _data(prepared: Prepared) -> dict[str, Any]:
    found = prepared.found
    return {
        "files": found.files,
        "rows": {"harmful": len(found.side(True)), "harmless": len(found.side(False))},
        "trained": 0,
        "used": {"harmful": len(prepared.harmful), "harmless": len(prepared.harmless)},
        "held_out_prompts": len(prepared.asked),
        "left_out": dict(found.left_out),
        "judge": None,
    }

"""Recipe ``unlearn``: a model loses how to help with certain requests, and keeps the rest.

SafeEraser (Chen et al., https://arxiv.org/abs/2502.12520), for models of text and of text and pictures.
Objectives: ``unlearn_loss.py``; files: ``unlearn_rows.py``; pairs: ``unlearn_units.py``; where training
stops: ``unlearn_stop.py``.

    demur mitigate unlearn --model PATH --rows FILE --method po_pd --out DIR

Where we differ by default (``--as-released`` takes each back): rows to forget and PD rows of a step share
their words; letters keep their case; the token that ends an answer is trained; rows come in random order; all
tokens of a step weigh the same; padding is no position of KL; training stops when nothing is left to forget
or what is retained is lost. Some rows are held out, by picture or prompt, and read before and after.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from demur.errors import BadInput
from demur.judges import judge_named
from demur.mitigate.base_model import about
from demur.mitigate.held_out import is_held_out
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.unfinished import CHECKPOINTS, begin, check_out, finish
from demur.mitigate.unlearn_loss import check_method, objective, streams_of
from demur.mitigate.unlearn_model import Opened, opened
from demur.mitigate.unlearn_readings import readings
from demur.mitigate.unlearn_refusals import REFUSALS
from demur.mitigate.unlearn_rows import UnlearnRow, UnlearnRows, read
from demur.mitigate.unlearn_stop import Limits, stopper
from demur.mitigate.unlearn_units import Material, Writing, Written, check_rows, units, unpaired
from demur.training.adapters import save_adapter
from demur.training.tuning import require_train
from demur.training.watched import Progress

NAME = "unlearn"
LOOKED_AT = 32  # ours: rows to retain whose loss is watched while training


@dataclass(frozen=True, slots=True)
class Unlearn:
    """Settings. Released values unless something else stands there.

    Attributes:
        method: of ``unlearn_loss.METHODS``. ours: ``po_pd``, which the paper finds best.
        epochs: passes over the rows to forget.
        batch_size, accumulate: units of a forward pass, and passes of a step. ours: 8 x 4; the release's 1 x
            16 on 2 GPUs are as many units.
        learning_rate, warmup, weight_decay: cosine, AdamW.
        rank, lora_alpha, dropout: of the adapter, on all linear layers of the language model; the projector
            is trained in full, the vision tower stays.
        beta: of ``npo`` (open-unlearning).
        projector: its name in the model; ``None``: found.
        refusals: what ``po`` teaches. ours: the released list is not at hand.
        longest: most tokens of a row; longer ones are left out, never cut.
        shared, capitalize, end, shuffle, by_unit, padded: see ``unlearn_units`` and ``unlearn_loss``. ours;
            :func:`as_released` has the released code's.
        forgotten: stop when L_f of a step is above it, nats a token; ``None``: ln of the vocabulary; 0:
            never. ours.
        lost: stop when the loss on rows to retain has risen by so much, nats a token; 0: never. ours.
        look_every: steps between two looks at these. ours.
        held_out: share of pictures and prompts that are not trained on. ours.
        checked: most held-out rows of each role that are answered. ours.
        judge: of the words before and after.
        seed: of orders, draws and the adapter's first weights. The release: 233.
    """

    method: str = "po_pd"
    epochs: float = 10.0
    batch_size: int = 8
    accumulate: int = 4
    learning_rate: float = 1e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    rank: int = 32
    lora_alpha: float = 256.0
    dropout: float = 0.05
    beta: float = 0.1
    projector: str | None = None
    refusals: tuple[str, ...] = REFUSALS
    longest: int = 512
    shared: bool = True
    capitalize: bool = False
    end: bool = True
    shuffle: bool = True
    by_unit: bool = False
    padded: bool = False
    forgotten: float | None = None
    lost: float = 1.0
    look_every: int = 10
    held_out: float = 0.1
    checked: int = 200
    judge: str = "offline"
    seed: int = 0

    def __post_init__(self) -> None:
        check_method(self.method)
        for name in ("epochs", "rank", "lora_alpha", "beta"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("dropout", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}; it lies from 0 to below 1")
        for name, least in (("longest", 8), ("look_every", 1), ("checked", 0), ("lost", 0)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}; it is {least} or more")
        if self.forgotten is not None and self.forgotten < 0:
            raise BadInput(f"forgotten is {self.forgotten}; it is 0 (never stop) or more")
        if not [text for text in self.refusals if text.strip()]:
            raise BadInput("refusals holds no sentence; method po answers rows to forget with one of them")


def as_released(config: Unlearn) -> Unlearn:
    """The same with everything taken back in which we differ from the released code."""
    return replace(
        config, shared=False, capitalize=True, end=False, shuffle=False, by_unit=True, padded=True,
        forgotten=0.0, lost=0.0,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows to train on, rows kept back, and where all of them came from."""

    rows: tuple[UnlearnRow, ...]
    asked: tuple[UnlearnRow, ...]
    found: UnlearnRows


def prepare(config: Unlearn, sources: Sequence[Path]) -> Prepared:
    """Read, check and split; loads no weights.

    Raises:
        BadInput: a file or row that cannot be used, or no row of a role that the method trains on.
    """
    found = read(sources)
    check_rows(found.rows, config.method)
    back = [is_held_out(_kept_together(row), config.held_out, config.seed) for row in found.rows]
    rows, asked = (
        tuple(row for row, out in zip(found.rows, back, strict=True) if out is side) for side in (False, True)
    )
    check_rows(rows, config.method)
    return Prepared(rows, asked, found)


def run(
    config: Unlearn, prepared: Prepared, model: str, out: Path, progress: Progress | None = None
) -> Receipt:
    """Train an adapter, save ``OUT/adapter``, and write ``OUT/receipt.json``.

    A killed run goes on from its last checkpoint.

    Args:
        config, prepared: of :func:`prepare`.
        model: folder or hub name of a causal language model, or of one that sees, with a chat template.
        out: folder to write; new, empty, or of a killed run of the same settings.
        progress: called with steps done and steps in all.

    Raises:
        MissingExtra: a library of the extra ``train`` is absent.
        BadInput: ``out`` holds something else, the model cannot be loaded, pictures for a model of text, no
            row fits, or a loss is not a number (naming method and step).
    """
    require_train(f"the recipe {NAME}")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise BadInput(f"the recipe {NAME} trains in one process; start it without `accelerate launch`")
    check_out(out)
    base, known = opened(model), about(model)
    written = Written(base.encoder, Writing(config.longest, config.capitalize, config.end))
    material = written.material(prepared.rows, config.method, config.refusals)
    begin(out, {"recipe": NAME, "config": asdict(config), "model": known, "rows": prepared.found.files})
    loaded = base.weights()
    judge = judge_named(config.judge)
    look = partial(readings, base, written, prepared.asked, judge, config.checked, config.projector)
    before, started = look(loaded), time.monotonic()
    trained, told = unlearned(config, base, written, material, loaded, out / CHECKPOINTS, progress)
    told["seconds"] = round(time.monotonic() - started, 1)
    after = look(trained)
    save_adapter(trained, base.kept, out / "adapter", model)
    data = _data(prepared, material)
    receipt = Receipt(NAME, known, asdict(config), data, told, before, after, hashes(out / "adapter"))
    receipt.write(out)
    finish(out)
    return receipt


def unlearned(
    config: Unlearn,
    base: Opened,
    written: Written,
    material: Material,
    loaded: Any,
    checkpoints: Path,
    progress: Progress | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Train an adapter of loaded weights.

    Returns:
        PEFT's model, and what the receipt says of the training.

    Raises:
        BadInput: a loss that is not a number, naming method and step; or a checkpoint cannot be written.
    """
    from transformers import set_seed

    from demur.training.checkpoints import Saving
    from demur.training.language_adapter import with_language_adapter
    from demur.training.steps import Steps
    from demur.training.trainer import train_on

    set_seed(config.seed)
    model = with_language_adapter(loaded, config.rank, config.lora_alpha, config.dropout, config.projector)
    stop = stopper(_limits(config, loaded), _watched(config, base, material, loaded))
    how = Steps(
        _steps(config, material), config.batch_size, config.accumulate, config.learning_rate, "cosine",
        config.warmup, config.weight_decay,
    )  # fmt: skip
    flow = units(
        material, written, config.method, config.refusals, config.seed, config.shared, config.shuffle
    )
    goal = objective(config.method, config.beta, config.by_unit, config.padded)
    try:
        trained = train_on(
            model, flow, goal, how, base.pad, checkpoints, config.seed, progress, Saving(checkpoints),
            base.gather, [stop],
        )  # fmt: skip
    except BadInput as error:
        raise BadInput(f"method {config.method}: {error}") from error
    told = {
        "steps": len(trained.history),
        "planned_steps": how.steps,
        "first_loss": trained.history[0]["loss"],
        "last_loss": trained.history[-1]["loss"],
        "resumed_from_step": trained.resumed,
        "stopped": stop.reason or None,
        "retain_checks": stop.checks,
        "unpaired": unpaired(material) if "pd" in streams_of(config.method) else None,
        "history": trained.history,
    }
    return trained.model, told


def _kept_together(row: UnlearnRow) -> Any:
    """What is held out as one: a picture, by its folder's and its own name, or else a prompt."""
    if not row.picture or row.picture.startswith("data:"):
        return row.picture or row.prompt
    return "/".join(Path(row.picture).parts[-2:])


def _steps(config: Unlearn, material: Material) -> int:
    return math.ceil(config.epochs * len(material.forget) / (config.batch_size * config.accumulate))


def _limits(config: Unlearn, model: Any) -> Limits:
    vocabulary = model.config.get_text_config().vocab_size
    forgotten = math.log(vocabulary) if config.forgotten is None else config.forgotten
    return Limits(forgotten or None, config.lost or None, config.look_every)


def _watched(config: Unlearn, base: Opened, material: Material, model: Any) -> list[dict[str, Any]]:
    """Batches of rows to retain whose loss is watched; none where nothing would stop for them."""
    rows = [encoded for _, encoded in material.retain[:LOOKED_AT]] if config.lost else []
    return list(base.batches(rows, model))


def _data(prepared: Prepared, material: Material) -> dict[str, Any]:
    """Of the receipt: every row by what became of it."""
    found = prepared.found
    return {
        "files": found.files,
        "rows": found.counts(),
        "categories": _categories(found.rows),
        "trained": {role: len(material.of(role)) for role in ("forget", "retain", "pd")},
        "held_out_prompts": len(prepared.asked),
        "left_out": {**found.left_out, **material.left_out},
        "judge": None,
    }


def _categories(rows: Sequence[UnlearnRow]) -> dict[str, int]:
    names = [row.category for row in rows if row.category]
    return {name: names.count(name) for name in sorted(set(names))}

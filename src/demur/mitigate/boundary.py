"""Recipe ``boundary``: harmful exchanges become useless inside the model, look-alike harmless ones stay.

X-Boundary (Lu et al., https://arxiv.org/abs/2502.09990); without look-alike prompts a circuit breaker (Zou
et al., https://arxiv.org/abs/2406.04313). Losses and sampling: ``boundary_loss.py``; files:
``boundary_rows.py``.

    demur mitigate boundary --model PATH --erase FILE --retain FILE --boundary FILE --out DIR

Where we differ by default (``--as-released`` takes each back): the refusal's own tokens are pushed away and
not the request's, which do not depend on it; the retain loss averages over real tokens; the schedule counts
steps and not forward passes; the adapter begins with a little noise. Some prompts are held out and read
before and after.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.errors import BadInput
from demur.judges import judge_named
from demur.mitigate.base_model import about, load_tokenizer, load_weights
from demur.mitigate.boundary_loss import MASKS, SeparateMask, target_layers
from demur.mitigate.boundary_material import Fitted, fitted
from demur.mitigate.boundary_readings import readings
from demur.mitigate.boundary_rows import ROLES, RoleFile, RoleRow, RoleRows, limit, read
from demur.mitigate.boundary_training import RELEASED_STEPS, depth_of, push_apart
from demur.mitigate.held_out import is_held_out
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.unfinished import CHECKPOINTS, begin, check_out, finish
from demur.training.adapters import save_adapter
from demur.training.processes import first_process, gathered, is_sharded, together
from demur.training.streams import Encoder
from demur.training.tuning import require_train
from demur.training.watched import Progress

if TYPE_CHECKING:
    from demur.training.trainer import Trained

NAME = "boundary"


@dataclass(frozen=True, slots=True)
class Boundary:
    """Settings. Released values unless something else stands there.

    Attributes:
        steps, batch_size, learning_rate: constant rate, AdamW, no weight decay; 16 pairs of rows a step.
        accumulate: forward passes of a step.
        alpha, beta: of the schedule (``boundary_loss.weights``); beta 600 for Qwen2.5-7B.
        warm_up: steps during which p is 0.001; 30 in the release where it is used.
        scale_schedule: stretch beta and warm-up from 180 steps to ``steps``. ours.
        layers: whose states are pushed; ``None``: at 10/32 and 20/32 of the depth.
        separate_mask: which tokens of a refusal's row are pushed away; ``none`` leaves the term out. ours:
            ``response``; as released ``request``.
        padded_retain: divide the retain loss by ``longest`` positions a row. ours: off; as released on.
        schedule_by_call: count forward passes for the schedule. ours: off; as released on.
        boundary_size: take the first so many look-alike rows; 500 Llama-3-8B, 400 R1-Distill-Llama-8B, 100
            Qwen2.5-7B; ``None``: all.
        refusal: pushed away where a row brings none of its own. ours: the released sentence is unpublished.
        blank: probability that a row to erase or retain comes without its request; 0 for Mistral.
        rank, lora_alpha, dropout: of the adapter, on all linear layers up to the block after the last target.
        noise: standard deviation of its second matrix at the start. ours: 1e-3; as released 0.
        cut: train without the blocks above.
        longest: most tokens of a row to retain. longest_request, longest_response: of the others. Answers
            are cut there; rows with longer requests are left out (the release cuts these too).
        held_out: share of prompts that are not trained on. ours.
        checked: most held-out prompts read before and after. ours: 200 a set as DeepScan's diagnostic.
        judge: of the words before and after.
        seed: of the split, the order of rows and the adapter's first weights. The release: 3333, data 0.
    """

    steps: int = RELEASED_STEPS
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-4
    alpha: float = 10.0
    beta: float = 300.0
    warm_up: int = 0
    scale_schedule: bool = False
    layers: tuple[int, ...] | None = None
    separate_mask: SeparateMask = "response"
    padded_retain: bool = False
    schedule_by_call: bool = False
    boundary_size: int | None = None
    refusal: str = "I'm sorry, but I can't help with that."
    blank: float = 0.5
    rank: int = 16
    lora_alpha: float = 16.0
    dropout: float = 0.05
    noise: float = 1e-3
    cut: bool = True
    longest: int = 1024
    longest_request: int = 512
    longest_response: int = 512
    held_out: float = 0.1
    checked: int = 200
    judge: str = "offline"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.separate_mask not in MASKS:
            raise BadInput(f"separate_mask is {self.separate_mask!r}; valid are {', '.join(MASKS)}")
        for name in ("alpha", "beta", "rank", "lora_alpha"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} is {getattr(self, name)}; it must be above 0")
        for name, top in (("blank", 1.0), ("dropout", 0.99), ("held_out", 0.99)):
            if not 0 <= getattr(self, name) <= top:
                raise BadInput(f"{name} is {getattr(self, name)}; it lies from 0 to {top}")
        for name in ("noise", "warm_up", "checked"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} is {getattr(self, name)}; it is 0 or more")
        if min(self.longest, self.longest_request, self.longest_response) < 8:
            raise BadInput("longest, longest_request and longest_response must be 8 or more")
        if not self.refusal.strip():
            raise BadInput("refusal is empty; give the sentence that look-alike prompts must not get")


def as_released(config: Boundary) -> Boundary:
    """The same with everything taken back in which we differ from the released code."""
    return replace(config, separate_mask="request", padded_retain=True, schedule_by_call=True, noise=0.0)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows to train on, rows kept back, and where all of them came from."""

    rows: tuple[RoleRow, ...]
    asked: tuple[RoleRow, ...]
    found: RoleRows


def prepare(config: Boundary, sources: Sequence[RoleFile]) -> Prepared:
    """Read, check and split; loads no weights.

    Raises:
        BadInput: a file or row that cannot be used, nothing to erase or to retain, boundary rows of which
            all are refusals, or a ``boundary_size`` above the supply.
    """
    found = read(sources)
    for role in ("erase", "retain"):
        if not found.of(role):
            raise BadInput(
                f"no row to {role} is left{found.why(role)}; give --{role} FILE, or rows of role {role}"
            )
    limit(found, config.boundary_size)
    back = [is_held_out(row.prompt, config.held_out, config.seed) for row in found.rows]
    kept, asked = (
        tuple(row for row, out in zip(found.rows, back, strict=True) if out is side) for side in (False, True)
    )
    for role in ("erase", "retain"):
        if not any(row.role == role for row in kept):
            raise BadInput(f"no row to {role} is left to train on; lower held_out ({config.held_out})")
    return Prepared(kept, asked, found)


def run(
    config: Boundary, prepared: Prepared, model: str, out: Path, progress: Progress | None = None
) -> Receipt:
    """Train an adapter, save ``OUT/adapter``, and write ``OUT/receipt.json``.

    A killed run goes on from its last checkpoint. Under ``accelerate launch`` every process calls this; the
    first one reads and writes.

    Args:
        config, prepared: of :func:`prepare`.
        model: folder or hub name of a causal language model with a chat template.
        out: folder to write; new, empty, or of a killed run of the same settings.
        progress: called with steps done and steps in all.

    Raises:
        MissingExtra: a library of the extra ``train`` is absent.
        BadInput: ``out`` holds something else, the model cannot be loaded, a layer beyond its depth, no row
            fits, or a loss is not a number.
    """
    require_train(f"the recipe {NAME}")
    first = first_process()
    if first:
        check_out(out)
    tokenizer, known = load_tokenizer(model), about(model)
    targets = target_layers(depth_of(model), config.layers)
    encoder = Encoder(tokenizer, model)
    fits = fitted(config, prepared.rows, encoder)
    if first:
        begin(out, {"recipe": NAME, "config": asdict(config), "model": known, "rows": prepared.found.files})
    together()
    loaded = load_weights(model, "adapter")
    look = partial(readings, encoder, prepared.asked, targets, judge_named(config.judge), config)
    before = look(loaded)
    pad, checkpoints, started = tokenizer.pad_token_id or 0, out / CHECKPOINTS, time.monotonic()
    trained = push_apart(config, loaded, fits.rows, targets, pad, checkpoints, progress if first else None)
    told, tuned = _told(trained, targets, round(time.monotonic() - started, 1)), trained.model
    if is_sharded(tuned):
        del loaded, trained
        tuned = gathered(load_weights(model, "adapter"), checkpoints)
    after = look(tuned)
    if first:
        save_adapter(tuned, tokenizer, out / "adapter", model)
    files, data = hashes(out / "adapter"), _data(prepared, fits)
    receipt = Receipt(NAME, known, asdict(config), data, told, before, after, files)
    if first:
        receipt.write(out)
        finish(out)
    together()
    return receipt


def _told(trained: Trained, targets: Sequence[int], seconds: float) -> dict[str, Any]:
    """Of the receipt: steps, seconds, every step's losses, and what the first gradient was."""
    return {
        "steps": len(trained.history),
        "first_loss": trained.history[0]["loss"],
        "last_loss": trained.history[-1]["loss"],
        "seconds": seconds,
        "resumed_from_step": trained.resumed,
        "layers": list(targets),
        "first_gradient": trained.history[0].get("grad_norm"),
        "no_first_gradient": trained.still,
        "history": trained.history,
    }


def _data(prepared: Prepared, fits: Fitted) -> dict[str, Any]:
    """Of the receipt: every row by what became of it."""
    found = prepared.found
    return {
        "files": found.files,
        "rows": found.counts(),
        "trained": {name: len(getattr(fits.rows, name)) for name in ROLES},
        "held_out_prompts": len(prepared.asked),
        "left_out": {**found.left_out, **fits.left_out},
        "cut": dict(fits.cut),
        "judge": None,
    }

"""Recipe ``align``: fine-tune over-refusal away with pairs of answers, and hold the harmful side.

EvoRefuse, https://arxiv.org/abs/2505.23473, alignment part: SFT on the helpful answer, or DPO on (helpful
answer, refusal), with a LoRA of every linear layer; safety data goes into both (``align_rows.py``). ``demur
mitigate pairs`` makes such pairs from over-refused prompts.

    demur mitigate align --model PATH --answers PAIRS --refusals SAFETY --out DIR [--objective sft]

Where we differ: TRL's trainers in place of LLaMA-Factory; rows that do not fit are left out and never cut;
the Receipt reads both sides on prompts that were held out.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from demur.data.records import prompt_id
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.judges import judge_named
from demur.mitigate.align_rows import PairRow, PairRows, read
from demur.mitigate.base_model import about, load_tokenizer, load_weights
from demur.mitigate.held_out import is_held_out
from demur.mitigate.readings import Asked, words
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.rows import Source
from demur.mitigate.unfinished import CHECKPOINTS, begin, check_out, finish
from demur.training.adapters import save_trained
from demur.training.checkpoints import Saving
from demur.training.preference import PreferenceLoss, encode_pair, prefer
from demur.training.streams import Encoder, Example, stop_ids
from demur.training.tuning import Progress, Tuned, Tuning, fitting, require_train, tune

logger = logging.getLogger("demur.mitigate")

NAME = "align"
Objective = Literal["sft", "dpo"]
OBJECTIVES: tuple[Objective, ...] = ("sft", "dpo")
#: Of the released settings, both: LoRA on all linear layers, 5 epochs, cosine, warm-up 0.03. Rank 8 is
#: LLaMA-Factory's default; the batch is 4 x 8 rows for SFT, 1 x 8 pairs for DPO.
_TUNING: dict[str, Tuning] = {
    "sft": Tuning("adapter", 2e-5, epochs=5.0, batch_size=4, accumulate=8, warmup=0.03, rank=8),
    "dpo": Tuning("adapter", 1e-5, epochs=5.0, batch_size=1, accumulate=8, warmup=0.03, rank=8),
}
_LONGEST = {"sft": 2048, "dpo": 1024}  # EvoRefuse, released settings: cutoff
_MOST = {"sft": 6000, "dpo": 3000}  # EvoRefuse, released settings: rows


@dataclass(frozen=True, slots=True)
class Align:
    """Settings; :func:`released` gives those of the paper's code.

    Attributes:
        objective: ``sft`` on the chosen answer, or ``dpo`` on chosen against rejected.
        tuning: how; the batch counts rows, or pairs.
        loss: of DPO; beta 0.1 and the sigmoid alone in the released settings.
        longest: tokens of a row; longer ones are left out. 2,048 (SFT), 1,024 (DPO) in the released settings.
        most: rows that are trained, drawn by the seed. 6,000 and 3,000 in the released settings.
        held_out: share of prompts that are not trained on. 0.1 in the released settings.
        checked: most held-out prompts answered in words before and after. ours: minutes on a CPU.
        judge: of unlabelled rows, and of the words before and after.
        seed: of the split, the order of rows and an adapter's first weights.
    """

    objective: Objective
    tuning: Tuning
    loss: PreferenceLoss = field(default_factory=PreferenceLoss)
    longest: int = 2048
    most: int = 6000
    held_out: float = 0.1
    checked: int = 200
    judge: str = "offline"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise BadInput(f"objective is {self.objective!r}; valid are {', '.join(OBJECTIVES)}")
        if not 0 <= self.held_out < 1:
            raise BadInput(f"held_out is {self.held_out}; it must be 0 or more and below 1")
        if self.longest < 8 or self.most < 1 or self.checked < 0:
            raise BadInput(
                f"longest is {self.longest}, most {self.most} and checked {self.checked}; "
                "least are 8, 1 and 0"
            )


def released(objective: Objective = "dpo") -> Align:
    """The settings of the paper's code for one objective.

    Raises:
        BadInput: an unknown objective.
    """
    if objective not in OBJECTIVES:
        raise BadInput(f"objective is {objective!r}; valid are {', '.join(OBJECTIVES)}")
    return Align(objective, _TUNING[objective], longest=_LONGEST[objective], most=_MOST[objective])


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows to train in their order, held-out prompts, and where the rows came from."""

    rows: tuple[PairRow, ...]
    asked: tuple[Asked, ...]
    found: PairRows


def prepare(config: Align, sources: Sequence[Source]) -> Prepared:
    """Read, label, split and put in order; loads no weights.

    Raises:
        BadInput: a file, row or value that cannot be used, or no row that helps with an over-refused prompt.
    """
    found = read(sources, lambda: judge_named(config.judge), config.objective == "dpo")
    back = [is_held_out(row.prompt, config.held_out, config.seed) for row in found.rows]
    kept = [row for row, out in zip(found.rows, back, strict=True) if not out]
    sides = Counter(row.label for row in kept)
    if not sides["respond"]:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in found.left_out.items()) or "no such row"
        raise BadInput(f"no row is left whose chosen answer helps, of {len(found.rows)} ({reasons})")
    if not sides["refuse"]:
        logger.warning("no row keeps a refusal: nothing holds the harmful side; give --refusals")
    kept = shuffled(generator(config.seed, "one pass"), kept)[: config.most]
    asked = {
        prompt_id(row.prompt): Asked(row.prompt, row.label == "refuse")
        for row, out in zip(found.rows, back, strict=True)
        if out
    }
    rng = generator(config.seed, "held out")  # files of one side each stand one after another
    return Prepared(tuple(kept), tuple(shuffled(rng, list(asked.values()))), found)


def run(
    config: Align, prepared: Prepared, model: str, out: Path, progress: Progress | None = None
) -> Receipt:
    """Train, save ``OUT/adapter`` or ``OUT/model``, and write ``OUT/receipt.json``.

    A killed run goes on from its last checkpoint and ends in the same weights, bit for bit on a CPU.

    Args:
        config, prepared: of :func:`prepare`.
        model: folder or hub name of a causal language model with a chat template.
        out: folder to write; new, empty, or of a killed run of the same settings.
        progress: called with steps done and steps in all.

    Raises:
        MissingExtra: a library of the extra ``train`` is absent.
        BadInput: ``out`` holds something else, the model cannot be loaded, or no row fits.
    """
    require_train(f"the recipe {NAME}")
    check_out(out)
    tokenizer, known = load_tokenizer(model), about(model)
    rows = {"files": prepared.found.files, "sides": prepared.found.counts()}
    begin(out, {"recipe": NAME, "config": asdict(config), "model": known, "rows": rows})
    loaded = load_weights(model, config.tuning.method)
    judge, started = judge_named(config.judge), time.monotonic()
    encoder, asked = Encoder(tokenizer, model), prepared.asked[: config.checked]
    before = words(loaded, encoder, asked, judge)
    tuned, trained = _tuned(config, prepared.rows, loaded, tokenizer, encoder, out / CHECKPOINTS, progress)
    seconds = round(time.monotonic() - started, 1)
    after = words(tuned.model, encoder, asked, judge)
    folder = save_trained(tuned.model, tokenizer, out, model)
    data, told = _data(config, prepared, trained), tuned.told(seconds)
    receipt = Receipt(NAME, known, asdict(config), data, told, before, after, hashes(folder))
    receipt.write(out)
    finish(out)
    return receipt


def _tuned(
    config: Align,
    rows: Sequence[PairRow],
    loaded: Any,
    tokenizer: Any,
    encoder: Encoder,
    folder: Path,
    progress: Progress | None,
) -> tuple[Tuned, int]:
    """The trained model, PEFT's where it is an adapter, and how many rows fitted."""
    stops, saving = stop_ids(tokenizer, loaded), Saving(folder)
    if config.objective == "dpo":
        pairs = [encode_pair(encoder, row.prompt, row.chosen, row.rejected) for row in rows]
        pairs = fitting(pairs, [pair.longest for pair in pairs], config.longest)
        settings = (config.tuning, config.loss, folder, config.seed, progress, saving)
        return prefer(loaded, tokenizer, pairs, stops, *settings), len(pairs)
    encoded = [encoder.encode(Example(row.prompt, row.chosen, "answer")) for row in rows]
    encoded = fitting(encoded, [len(row.ids) for row in encoded], config.longest)
    tuned = tune(
        loaded,
        tokenizer,
        encoded,
        stops,
        config.tuning,
        folder,
        seed=config.seed,
        progress=progress,
        saving=saving,
        merge=False,
    )
    return tuned, len(encoded)


def _data(config: Align, prepared: Prepared, trained: int) -> dict[str, Any]:
    found, left_out = prepared.found, dict(prepared.found.left_out)
    if too_long := len(prepared.rows) - trained:
        left_out["too long"] = too_long
    kept = sum(not is_held_out(row.prompt, config.held_out, config.seed) for row in found.rows)
    if over := kept - len(prepared.rows):
        left_out[f"more than {config.most}"] = over
    return {
        "files": found.files,
        "rows": found.counts(),
        "trained": trained,
        "held_out_prompts": len(prepared.asked),
        "left_out": left_out,
        "judge": found.judge,
    }

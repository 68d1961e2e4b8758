"""Recipe ``answer_then_check``: a model that sketches its answer, checks the sketch, and only then speaks.

ReSA, https://arxiv.org/abs/2509.11629: supervised fine-tuning on messages that hold a hidden plan, an
analysis of it and what the user is to see (``models/check.py``), with loss on the whole message. A share of
rows without a check makes the model choose (``adaptive``); categories named in ``supported`` end in a
supportive reply in place of the refusal.

    demur mitigate answer_then_check --model PATH --rows FILE --out DIR [--adaptive 0.1]

Where we differ: what the paper does not say (batch, warm-up, longest message) is ours; tags that a user
types are quoted in training as at run time; some prompts are held out, disguised ones together with their
vanilla twins.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demur.data.records import prompt_id
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.judges import judge_named
from demur.mitigate.base_model import about, load_tokenizer, load_weights
from demur.mitigate.check_files import CheckRows, read
from demur.mitigate.check_readings import readings, written
from demur.mitigate.check_rows import asked, stratified
from demur.mitigate.check_streams import answers, parted, split, streams
from demur.mitigate.readings import Asked
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.rows import Rows, Source
from demur.mitigate.rows import read as read_answers
from demur.mitigate.unfinished import CHECKPOINTS, begin, check_out, finish
from demur.models.check import CheckTemplate
from demur.models.check_file import save_template
from demur.training.adapters import save_trained
from demur.training.checkpoints import Saving
from demur.training.streams import Encoded, Encoder, Stream, one_pass, stop_ids
from demur.training.tuning import Progress, Tuned, Tuning, fitting, require_train, tune

NAME = "answer_then_check"


def paper_tuning() -> Tuning:
    """Learning rate, epochs, AdamW and cosine decay of the paper; batch and warm-up are unknown, so ours."""
    return Tuning(learning_rate=5e-6, epochs=2.0)


@dataclass(frozen=True, slots=True)
class AnswerThenCheck:
    """Settings.

    Attributes:
        template: tags and sentences; the sentences are ours.
        supported: categories that get a supportive reply. Self-harm in the paper; none here.
        adaptive: share of rows without a check among all rows. The paper adds 1,000 to 79,552 (1.2 %).
        subset: how many rows with a check are trained, in the proportions of the four query types (the
            paper's 500, 1,000, 5,000); ``None`` for all.
        tuning: see :func:`paper_tuning`.
        longest: tokens of a row; longer ones are left out. ours.
        held_out: share of prompts that are not trained on. ours.
        checked: most held-out prompts answered in words before and after. ours: minutes on a CPU.
        max_tokens: of such an answer, plan and analysis included. ours: the paper's mean is below 540.
        judge: of direct rows without a label, and of the words before and after.
        seed: of the split, the subset, the order of rows and an adapter's first weights.
    """

    template: CheckTemplate = field(default_factory=CheckTemplate)
    supported: tuple[str, ...] = ()
    adaptive: float = 0.0
    subset: int | None = None
    tuning: Tuning = field(default_factory=paper_tuning)
    longest: int = 4096
    held_out: float = 0.1
    checked: int = 200
    max_tokens: int = 1024
    judge: str = "offline"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1 or not 0 <= self.adaptive < 1:
            raise BadInput(
                f"held_out is {self.held_out} and adaptive {self.adaptive}; both are shares from 0 to below 1"
            )
        if self.longest < 8 or self.checked < 0 or self.max_tokens < 8:
            raise BadInput(
                f"longest is {self.longest}, checked {self.checked} and max_tokens {self.max_tokens}; "
                "least are 8, 0 and 8"
            )


@dataclass(frozen=True, slots=True)
class Prepared:
    """What will be trained and what was kept back.

    Attributes:
        streams: ``harmful`` and ``benign`` rows with a check, and ``direct`` ones without, where there are
            any.
        asked: held-out prompts, tags quoted.
        found: rows with a check.
        direct: rows without one that were read; ``None`` where they were taken from ``found``.
    """

    streams: tuple[Stream, ...]
    asked: tuple[Asked, ...]
    found: CheckRows
    direct: Rows | None


def prepare(config: AnswerThenCheck, paths: Sequence[Path], direct: Sequence[Source] = ()) -> Prepared:
    """Read, split and build; loads no weights.

    Args:
        config: how.
        paths: files of rows with a check (``check_rows.py``).
        direct: ordinary answers for the rows without one; without them they are made of vanilla benign rows,
            whose check is then not trained.

    Raises:
        BadInput: a file, row or value that cannot be used; a side without rows; too few rows for
            ``adaptive``.
    """
    if direct and not config.adaptive:
        raise BadInput("rows without a check are given, and adaptive is 0; say which share they are to be")
    found = read(paths, config.template, config.supported)
    plain = read_answers(direct, lambda: judge_named(config.judge)) if direct else None
    kept, back = split(found.rows, config.held_out, config.seed)
    if config.subset is not None:
        kept = stratified(kept, config.subset, config.seed)
    pool, untaught = (None, []) if plain is None else answers(plain, back, config.held_out, config.seed)
    with_check, without = parted(kept, pool, config.adaptive, config.seed)
    trained = streams(with_check, without, config.template, config.supported)
    rows = {prompt_id(row.prompt): row for row in back}.values()
    held = [Asked(asked(row.prompt, config.template), row.harmful, row.category) for row in rows]
    held += [Asked(asked(row.prompt, config.template), False, row.category) for row in untaught]
    return Prepared(trained, tuple(shuffled(generator(config.seed, "held out"), held)), found, plain)


def run(
    config: AnswerThenCheck, prepared: Prepared, model: str, out: Path, progress: Progress | None = None
) -> Receipt:
    """Train, save ``OUT/model`` or ``OUT/adapter`` with its template, and write ``OUT/receipt.json``.

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
    begin(out, {"recipe": NAME, "config": asdict(config), "model": known, "rows": _files(prepared)})
    loaded = load_weights(model, config.tuning.method)
    judge = judge_named(config.judge)
    encoder, held = Encoder(tokenizer, model), prepared.asked[: config.checked]
    rows, too_long = _encoded(config, prepared, encoder)
    before = readings(held, written(loaded, encoder, held, config.max_tokens), config.template, judge)
    started = time.monotonic()
    tuned = _tuned(config, loaded, tokenizer, rows, out / CHECKPOINTS, progress)
    seconds = round(time.monotonic() - started, 1)
    after = readings(held, written(tuned.model, encoder, held, config.max_tokens), config.template, judge)
    folder = _saved(config, tuned.model, tokenizer, out, model)
    data, told = _data(prepared, len(rows), too_long), tuned.told(seconds)
    receipt = Receipt(NAME, known, asdict(config), data, told, before, after, hashes(folder))
    receipt.write(out)
    finish(out)
    return receipt


def _encoded(config: AnswerThenCheck, prepared: Prepared, encoder: Encoder) -> tuple[list[Encoded], int]:
    rows = [encoder.encode(example) for example in one_pass(prepared.streams, config.seed)]
    kept = fitting(rows, [len(row.ids) for row in rows], config.longest)
    return kept, len(rows) - len(kept)


def _tuned(
    config: AnswerThenCheck,
    loaded: Any,
    tokenizer: Any,
    rows: Sequence[Encoded],
    folder: Path,
    progress: Progress | None,
) -> Tuned:
    stops, saving = stop_ids(tokenizer, loaded), Saving(folder)
    return tune(
        loaded,
        tokenizer,
        rows,
        stops,
        config.tuning,
        folder,
        seed=config.seed,
        progress=progress,
        saving=saving,
        merge=False,
    )


def _saved(config: AnswerThenCheck, model: Any, tokenizer: Any, out: Path, base: str) -> Path:
    folder = save_trained(model, tokenizer, out, base)
    save_template(folder, config.template, config.adaptive > 0, config.supported)
    return folder


def _files(prepared: Prepared) -> dict[str, str]:
    return prepared.found.files | (prepared.direct.files if prepared.direct else {})


def _data(prepared: Prepared, trained: int, too_long: int) -> dict[str, Any]:
    direct = prepared.direct
    left_out = dict(prepared.found.left_out)
    if direct is not None:
        left_out |= {f"direct: {reason}": n for reason, n in direct.left_out.items()}
    return {
        "files": _files(prepared),
        "rows": {**prepared.found.counts(), **(direct.counts() if direct else {})},
        "trained": trained,
        "streams": {stream.name: len(stream.examples) for stream in prepared.streams},
        "policies": sorted(
            {f"{p.get('name')} {p.get('version')}" for r in prepared.found.rows if (p := r.policy)}
        ),
        "held_out_prompts": len(prepared.asked),
        "left_out": {**left_out, **({"too long": too_long} if too_long else {})},
        "judge": direct.judge if direct else None,
    }

"""Recipe ``refusal_tokens``: a model whose first token says whether, and why, it is about to refuse.

Refusal Tokens, https://arxiv.org/abs/2412.06748: control tokens are added to the tokenizer, every answer of
the training mix begins with one (``refusal_rows.py``), and the model is fine-tuned on all of it, with loss on
token and answer alike. What the first position then says is a dial: ``demur dial``, ``models/control.py``.

    demur mitigate refusal_tokens --model PATH --rows FILE --out DIR

Where we differ: the authors' training configuration is unpublished, so ours is the recipe that they name; new
rows begin as the mean of the old ones; typed control tokens are characters in training as at run time; some
prompts are held out, and the Receipt says what the tokens do on them.
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
from demur.mitigate.held_out import is_held_out
from demur.mitigate.readings import Asked, first_tokens, token_scores, words
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.refusal_rows import REFUSE, control_tokens, examples
from demur.mitigate.rows import Rows, Source, Turns, read
from demur.mitigate.token_file import write_tokens
from demur.mitigate.unfinished import CHECKPOINTS, begin, check_out, finish
from demur.models.control import ControlTokens
from demur.training.adapters import save_trained
from demur.training.checkpoints import Saving
from demur.training.new_tokens import add_tokens
from demur.training.streams import Encoded, Encoder, Stream, one_pass, stop_ids
from demur.training.tuning import Progress, Tuned, Tuning, fitting, require_train, tune

NAME = "refusal_tokens"


@dataclass(frozen=True, slots=True)
class RefusalTokens:
    """Settings.

    Attributes:
        categories: one token each; none for the binary dial; ``None`` for those that the refusals name.
        turns: which answers of a dialogue are trained (``rows.py``).
        tuning: the alignment handbook's Zephyr recipe, which the paper names: learning rate 2e-5, cosine,
            warm-up 0.1, one epoch (its own values are unpublished).
        longest: tokens of a row; longer ones are left out. 2,048 in the released tokenizer.
        held_out: share of prompts that are not trained on. ours.
        checked: most held-out prompts answered in words before and after. ours: minutes on a CPU.
        judge: of unlabelled rows, and of the words before and after.
        seed: of the split, the order of rows and an adapter's first weights.
    """

    categories: tuple[str, ...] | None = ()
    turns: Turns = "last"
    tuning: Tuning = field(default_factory=Tuning)
    longest: int = 2048
    held_out: float = 0.1
    checked: int = 200
    judge: str = "offline"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise BadInput(f"held_out is {self.held_out}; it must be 0 or more and below 1")
        if self.longest < 8 or self.checked < 0:
            raise BadInput(f"longest is {self.longest} and checked {self.checked}; least are 8 and 0")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What will be trained and what was kept back.

    Attributes:
        tokens: control tokens of the model to come.
        streams: ``refusals`` and ``answers``.
        asked: held-out prompts.
        found: where the rows came from.
    """

    tokens: ControlTokens
    streams: tuple[Stream, ...]
    asked: tuple[Asked, ...]
    found: Rows


def prepare(config: RefusalTokens, sources: Sequence[Source]) -> Prepared:
    """Read, label, split and build; loads no weights.

    Raises:
        BadInput: a file, row or value that cannot be used; a category without token; one class only.
    """
    found = read(sources, lambda: judge_named(config.judge), config.turns)
    tokens = control_tokens(_categories(config, found))
    examples(found.rows, tokens)  # names the first category without a token, held out or not
    back = [is_held_out(row.prompt, config.held_out, config.seed) for row in found.rows]
    kept = examples([row for row, out in zip(found.rows, back, strict=True) if not out], tokens)
    streams = tuple(
        Stream(name, tuple(example for example in kept if example.role == role))
        for name, role in (("refusals", "refusal"), ("answers", "answer"))
    )
    for stream in streams:
        if not stream.examples:
            raise BadInput(f"no {stream.name} are left to train on; lower held_out ({config.held_out})")
    asked = {
        prompt_id(row.prompt): Asked(row.prompt, row.label == "refuse", row.category)
        for row, out in zip(found.rows, back, strict=True)
        if out and row.token
    }
    rng = generator(config.seed, "held out")  # files of one side each stand one after another
    return Prepared(tokens, streams, tuple(shuffled(rng, list(asked.values()))), found)


def _categories(config: RefusalTokens, found: Rows) -> tuple[str, ...]:
    """Those that get a token; both classes must be there, and every refusal needs a category that has one."""
    refusals = [row for row in found.rows if row.label == "refuse"]
    for name, n in (("refuse", len(refusals)), ("respond", len(found.rows) - len(refusals))):
        if not n:
            raise BadInput(f"no row is labelled {name}: the tokens need refusals and answers to tell apart")
    named = config.categories
    if named is None:
        named = tuple(sorted({row.category for row in refusals}))
    if "" in named:
        n = sum(not row.category for row in refusals)
        raise BadInput(f"{n} refusals have no category; give them one, or train the binary {REFUSE}")
    return named


def run(
    config: RefusalTokens, prepared: Prepared, model: str, out: Path, progress: Progress | None = None
) -> Receipt:
    """Train, save ``OUT/model`` with its tokens, and write ``OUT/receipt.json``.

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
    begin(out, {"recipe": NAME, "config": asdict(config), "model": known, "rows": prepared.found.files})
    loaded = load_weights(model, config.tuning.method)
    judge, started = judge_named(config.judge), time.monotonic()
    asked = prepared.asked[: config.checked]
    before = words(loaded, Encoder(tokenizer, model), asked, judge)
    ids = add_tokens(loaded, tokenizer, prepared.tokens.all)
    encoder = Encoder(tokenizer, model, prepared.tokens.all)
    encoded = [encoder.encode(example) for example in one_pass(prepared.streams, config.seed)]
    rows = fitting(encoded, [len(row.ids) for row in encoded], config.longest)
    tuned = _tuned(config, loaded, tokenizer, rows, ids, out / CHECKPOINTS, progress)
    seconds = round(time.monotonic() - started, 1)
    after = words(tuned.model, encoder, asked, judge) | _read(tuned.model, encoder, prepared)
    save_trained(tuned.model, tokenizer, out, model)
    write_tokens(prepared.tokens, out / "model")
    told = {**tuned.told(seconds), "tokens": dict(zip(prepared.tokens.all, ids, strict=True))}
    data = _data(prepared, len(rows), len(encoded) - len(rows))
    receipt = Receipt(NAME, known, asdict(config), data, told, before, after, hashes(out / "model"))
    receipt.write(out)
    finish(out)
    return receipt


def _tuned(
    config: RefusalTokens,
    loaded: Any,
    tokenizer: Any,
    rows: Sequence[Encoded],
    ids: Sequence[int],
    folder: Path,
    progress: Progress | None,
) -> Tuned:
    settings = (stop_ids(tokenizer, loaded), config.tuning, folder, ids, config.seed, progress)
    return tune(loaded, tokenizer, rows, *settings, saving=Saving(folder))


def _read(model: Any, encoder: Encoder, prepared: Prepared) -> dict[str, Any]:
    """What the first position says of every held-out prompt."""
    if not prepared.asked:
        return {}
    prompts = [row.prompt for row in prepared.asked]
    found = first_tokens(model, encoder, prompts, prepared.tokens)
    return {"tokens": token_scores(prepared.asked, found)}


def _data(prepared: Prepared, trained: int, too_long: int) -> dict[str, Any]:
    found = prepared.found
    return {
        "files": found.files,
        "rows": found.counts(),
        "trained": trained,
        "held_out_prompts": len(prepared.asked),
        "left_out": {**found.left_out, **({"too long": too_long} if too_long else {})},
        "judge": found.judge,
    }

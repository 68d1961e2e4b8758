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

import json
import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demur.data.records import prompt_id, write_text
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.judges import judge_named
from demur.mitigate.readings import Asked, first_tokens, token_scores, words
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.refusal_rows import REFUSE, control_tokens, examples
from demur.mitigate.rows import Row, Rows, Source, Turns, read
from demur.models.control import ControlTokens
from demur.training.new_tokens import add_tokens
from demur.training.streams import Encoded, Encoder, Stream, one_pass, stop_ids
from demur.training.tuning import Progress, Tuned, Tuning, require_train, save, tune

NAME = "refusal_tokens"
TOKENS, TOKENS_SCHEMA = "control_tokens.json", "demur.control-tokens/1"


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
    tokens = control_tokens(named)
    examples(found.rows, tokens)  # names the first category without a token, held out or not
    back = [_held_out(row, config) for row in found.rows]
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


def run(
    config: RefusalTokens, prepared: Prepared, model: str, out: Path, progress: Progress | None = None
) -> Receipt:
    """Train, save ``OUT/model`` with its tokens, and write ``OUT/receipt.json``.

    Args:
        config, prepared: of :func:`prepare`.
        model: folder or hub name of a causal language model with a chat template.
        out: folder to write; new or empty.
        progress: called with steps done and steps in all.

    Raises:
        MissingExtra: a library of the extra ``train`` is absent.
        BadInput: ``out`` is not empty, the model cannot be loaded, or no row fits.
    """
    require_train(f"the recipe {NAME}")
    check_out(out)
    from demur.models.chat import load_tokenizer
    from demur.models.loading import check_folder, load_model

    check_folder(model)
    tokenizer = load_tokenizer(model, None, False)
    Encoder(tokenizer, model)  # a chat template that cannot be used is said before weights load
    loaded = load_model(model, None, _device(), _dtype(config), False)
    judge, started = judge_named(config.judge), time.monotonic()
    asked = prepared.asked[: config.checked]
    before = words(loaded, Encoder(tokenizer, model), asked, judge)
    ids = add_tokens(loaded, tokenizer, prepared.tokens.all)
    encoder = Encoder(tokenizer, model, prepared.tokens.all)
    rows, too_long = _encoded(config, prepared, encoder)
    checkpoints, stops = out / "checkpoints", stop_ids(tokenizer, loaded)
    tuned = tune(loaded, tokenizer, rows, stops, config.tuning, checkpoints, ids, config.seed, progress)
    seconds = round(time.monotonic() - started, 1)
    after = words(tuned.model, encoder, asked, judge) | _read(tuned.model, encoder, prepared)
    save(tuned.model, tokenizer, out / "model")
    _write_tokens(prepared.tokens, out / "model")
    shutil.rmtree(checkpoints, ignore_errors=True)
    receipt = Receipt(
        recipe=NAME,
        model={"name": model, "files": hashes(Path(model))},
        config=asdict(config),
        data=_data(prepared, len(rows), too_long),
        training=_training(tuned, seconds, dict(zip(prepared.tokens.all, ids, strict=True))),
        before=before,
        after=after,
        files=hashes(out / "model"),
    )
    receipt.write(out)
    return receipt


def read_tokens(folder: Path) -> ControlTokens:
    """The control tokens of a model that this recipe made.

    Raises:
        BadInput: the folder holds none.
    """
    path = folder / TOKENS
    if not path.is_file():
        raise BadInput(f"{folder} holds no {TOKENS}: `demur mitigate {NAME}` makes one")
    found = json.loads(path.read_text(encoding="utf-8"))
    if found.get("schema") != TOKENS_SCHEMA:
        raise BadInput(f"{path}: schema is {found.get('schema')!r}; this version reads {TOKENS_SCHEMA!r}")
    return ControlTokens(found["respond"], found["refuse"])


def _held_out(row: Row, config: RefusalTokens) -> bool:
    """By the hash of how the conversation opens, and the seed: nothing that opens so is on both sides."""
    opening = row.prompt
    if not isinstance(opening, str):
        opening = [next(message for message in opening if message["role"] == "user")]
    key = f"{config.seed}|{prompt_id(opening)}".encode()
    return zlib.crc32(key) / 2**32 < config.held_out


def _encoded(config: RefusalTokens, prepared: Prepared, encoder: Encoder) -> tuple[list[Encoded], int]:
    rows = [encoder.encode(example) for example in one_pass(prepared.streams, config.seed)]
    fitting = [row for row in rows if len(row.ids) <= config.longest]
    if not fitting:
        raise BadInput(f"none of {len(rows)} rows fits into {config.longest} tokens; raise the limit")
    return fitting, len(rows) - len(fitting)


def _read(model: Any, encoder: Encoder, prepared: Prepared) -> dict[str, Any]:
    """What the first position says of every held-out prompt."""
    if not prepared.asked:
        return {}
    prompts = [row.prompt for row in prepared.asked]
    found = first_tokens(model, encoder, prompts, prepared.tokens)
    return {"tokens": token_scores(prepared.asked, found)}


def _training(tuned: Tuned, seconds: float, ids: dict[str, int]) -> dict[str, Any]:
    losses = tuned.losses
    ends = {"first_loss": losses[0], "last_loss": losses[-1]}
    return {"steps": len(losses), **ends, "seconds": seconds, "tokens": ids}


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


def _write_tokens(tokens: ControlTokens, folder: Path) -> None:
    found = {"schema": TOKENS_SCHEMA, "respond": tokens.respond, "refuse": dict(tokens.refuse)}
    write_text(folder / TOKENS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def check_out(out: Path) -> None:
    """Raise :class:`BadInput` where ``out`` is a file or holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} exists and is not an empty folder; name another with --out")


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(config: RefusalTokens) -> str:
    """All weights train in full precision; below an adapter they may be rounded, where the device can."""
    return "bfloat16" if config.tuning.method == "adapter" and _device() == "cuda" else "float32"

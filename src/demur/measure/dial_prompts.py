"""What a dial is calibrated on: labelled prompts of both sides, and a model's first tokens for them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.records import Record
from demur.data.rows import Quarantined
from demur.data.tables import read_answers
from demur.errors import BadInput, ModelFailure
from demur.models.control import ControlTokens
from demur.models.control_forecast import Forecast

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, Model

CHUNK = 256  # ours: prompts in flight, so that a long file needs no memory of its own
RESPOND, BINARY = "[respond]", "[refuse]"  # as in the released models
#: A category's token there: words in brackets, and so not ``[INST]`` or ``[PAD]``.
_WORDS = re.compile(r"\[[A-Za-z ]*[a-z][A-Za-z ]*\]")
#: What ``demur mitigate refusal_tokens`` leaves beside the weights.
WRITTEN_DOWN = "control_tokens.json"


@dataclass(frozen=True, slots=True)
class Prompts:
    """A calibration file.

    Attributes:
        harmless, harmful: records that expect an answer, and a refusal.
        either: records that expect neither; not used.
        unreadable: rows without a prompt.
    """

    harmless: list[Record] = field(default_factory=list)
    harmful: list[Record] = field(default_factory=list)
    either: int = 0
    unreadable: int = 0


def read_prompts(file: Path, encoding: str = "utf-8") -> Prompts:
    """The prompts of a record file or table, by what they expect; answers in it are not used.

    Raises:
        BadInput: it is empty, or one side is missing.
    """
    sides: dict[str, dict[str, Record]] = {"comply": {}, "refuse": {}, "either": {}}
    unreadable = 0
    for row in read_answers(file, None, encoding):
        if isinstance(row, Quarantined):
            unreadable += 1
        else:
            sides[row.expect].setdefault(row.id, row)  # answered several times, a prompt still counts once
    found = Prompts(
        list(sides["comply"].values()), list(sides["refuse"].values()), len(sides["either"]), unreadable
    )
    for side, rows in (("harmless", found.harmless), ("harmful", found.harmful)):
        if not rows:
            expect = "comply" if side == "harmless" else "refuse"
            raise BadInput(
                f"{file} holds no {side} prompt (expect: {expect}); a dial is set on harmless prompts and "
                "shown on both sides, so it needs both"
            )
    return found


def tokens_of(folder: Path) -> ControlTokens:
    """The control tokens of a folder: as its training wrote them down, else what its tokenizer holds of the
    released names: ``[respond]`` with ``[refuse]``, or with the other added tokens of words in brackets.

    Raises:
        BadInput: there are none, or what was written down cannot be read.
    """
    if (written := folder / WRITTEN_DOWN).is_file():
        try:
            found = json.loads(written.read_text(encoding="utf-8"))
            return ControlTokens(found["respond"], dict(found["refuse"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{written} does not name respond and refuse tokens: {error}") from error
    from demur.models.chat import load_tokenizer

    tokenizer = load_tokenizer(str(folder), None, trust_remote_code=False)
    named = {str(value) for value in tokenizer.special_tokens_map.values() if isinstance(value, str)}
    added = [token.content for _, token in sorted(tokenizer.added_tokens_decoder.items())]
    found = [t for t in added if _WORDS.fullmatch(t) and t not in named and t != RESPOND]
    refusing = [BINARY] if BINARY in found else found
    if RESPOND not in added or not refusing:
        raise BadInput(
            f"{folder}: the tokenizer holds no control tokens ({RESPOND} and {BINARY} or one a category); "
            "train the model with `demur mitigate refusal_tokens`, or name them with --tokens"
        )
    return ControlTokens(RESPOND, {token[1:-1]: token for token in refusing})


def read_tokens(text: str) -> ControlTokens:
    """``respond=TOKEN,refuse=TOKEN`` or ``respond=TOKEN,CATEGORY=TOKEN,...``.

    Raises:
        BadInput: another form.
    """
    pairs = dict(part.partition("=")[::2] for part in text.split(","))
    respond = pairs.pop("respond", "")
    if not respond or not pairs or not all(pairs.values()):
        raise BadInput(
            f"--tokens {text!r}: write respond=TOKEN,refuse=TOKEN or respond=TOKEN,CATEGORY=TOKEN,..."
        )
    return ControlTokens(respond, pairs)


def first_positions(
    model: Model, records: Sequence[Record], tokens: ControlTokens, step: Callable[[int], object]
) -> list[dict[str, float] | None]:
    """Token -> probability at the first position of each record's answer: one forward pass a prompt.

    ``None`` where the prompt could not be asked (empty, too long, refused by the template). A refusal token
    that a server did not send is taken to be as likely as the least that it sent, which errs towards refusing
    less.
    """
    from demur.benchmarks.base import to_input
    from demur.models.control_solver import ask_first

    async def one(record: Record) -> dict[str, float] | None:
        try:
            p = await ask_first(model, _messages(to_input(record.prompt)), tokens)
        except BadInput:
            return None
        least = min(p.values())
        return {**dict.fromkeys(tokens.refuse.values(), least), tokens.respond: 0.0, **p}

    async def run() -> list[dict[str, float] | None]:
        found: list[dict[str, float] | None] = []
        for begin in range(0, len(records), CHUNK):
            part = records[begin : begin + CHUNK]
            found += await asyncio.gather(*map(one, part))
            step(len(part))
        return found

    with _calls(model):
        found = asyncio.run(run())
    if not any(found):
        raise ModelFailure(f"{model} could not be asked any of {len(records)} prompts")
    return found


def texts(
    model: Model,
    records: Sequence[Record],
    chosen: Sequence[str],
    tokens: ControlTokens,
    forecast: Forecast | None = None,
) -> list[Mapping[str, Any]]:
    """The answer to each record after its chosen token, or as a forecast's dial begins it: keys of an answer
    record."""
    from demur.benchmarks.base import to_input
    from demur.models.control_solver import ask_after, ask_begun
    from demur.models.control_text import visible

    async def one(record: Record, token: str) -> Mapping[str, Any]:
        messages = _messages(to_input(record.prompt))
        if forecast is not None:
            output, text = await ask_begun(model, messages, forecast.begun(token))
        else:
            output = await ask_after(model, messages, token, tokens)
            text = visible(output.completion, tokens.all)
        return {"response": text, "stop_reason": output.stop_reason}

    async def run() -> list[Mapping[str, Any]]:
        return await asyncio.gather(*map(one, records, chosen))

    with _calls(model):
        return asyncio.run(run())


@contextmanager
def _calls(model: Model) -> Iterator[None]:
    """A server that does not answer is one sentence: a dial is not set on the prompts that happened to pass.

    Raises:
        ModelFailure: naming the model and what its client said.
    """
    from inspect_ai.model._model import ModelGenerateError
    from openai import OpenAIError
    from tenacity import RetryError

    try:
        yield
    except (ModelGenerateError, OpenAIError, RetryError) as error:
        cause = error.last_attempt.exception() if isinstance(error, RetryError) else error
        said = (str(cause).strip() or type(cause).__name__).splitlines()[-1]  # before it stands the request
        raise ModelFailure(f"{model} did not answer: {said}") from error


def _messages(prompt: str | list[ChatMessage]) -> list[ChatMessage]:
    from inspect_ai.model import ChatMessageUser

    return [ChatMessageUser(content=prompt)] if isinstance(prompt, str) else prompt

"""Decide, prefill, generate, as Inspect solvers, for models behind a server.

    inspect eval demur/xstest --model vllm/MODEL --solver demur/dialled -S file=dial.json

``dialled``: the server must continue an assistant message and, for a dial on control tokens, send
log-probabilities of the first token (vLLM and SGLang do; hosted chat APIs mostly do not). ``prefilled`` needs
no dial file: P(refuse) is any callable, and a refusal is begun for the model where it decides so. Models in
this process take the dial as an argument: ``-M dial=FILE``.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    Model,
    ModelOutput,
    get_model,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver

from demur.errors import BadInput, ModelFailure
from demur.models.control import ControlTokens, Setting, check, decide, decide_truncated, reading
from demur.models.control_dial import Dial, load
from demur.models.control_forecast import (
    PLAIN,
    REFUSAL,
    PRefuse,
    chances,
    check_openings,
    reader_of,
)
from demur.models.control_text import check_asked, escaped, visible

#: Alternatives asked for: the most that OpenAI's interface allows, and vLLM's own limit.
TOP = 20
#: What vLLM and SGLang need to go on with an assistant message; others ignore it or say so.
_CONTINUE = {"add_generation_prompt": False, "continue_final_message": True}
#: Messages and the sample's name in errors -> the answer and what is kept of the decision.
_Answer = Callable[[Model, Sequence[ChatMessage], str], Awaitable[tuple[ModelOutput, str, dict[str, Any]]]]


@solver
def dialled(file: str) -> Solver:
    """Answer as a dial file says; what the model thought of refusing is kept in the output's metadata.

    Args:
        file: of ``demur dial``.

    Raises:
        BadInput: the file is no dial, reads hidden states, or its predictor is another one; in a run: the
            model is another one, or the decision needs log-probabilities that were not sent.
        ModelFailure (in a run): the server sent no log-probabilities.
    """
    path = Path(file).expanduser()
    dial = load(path)
    answer = _by_token(dial) if dial.forecast is None else _by_forecast(dial, path.parent)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = get_model()
        check_asked(state.messages)
        check_name(dial.model, bool(dial.files), str(model))
        return _answered(state, *await answer(model, state.messages, f"sample {state.sample_id}"))

    return solve


@solver
def prefilled(
    p_refuse: Callable[[Sequence[ChatMessage]], float],
    setting: Setting,
    refusal: str = REFUSAL,
    answer: str = "",
) -> Solver:
    """A dial for a model without control tokens: plain answer, or a refusal begun for it.

    Args:
        p_refuse: messages -> P(refuse) in [0, 1].
        setting: a binary one, such as ``Setting("threshold", 0.7)``.
        refusal: what a refusal begins with; it is part of the answer.
        answer: what an answer begins with; empty leaves it to the model, its own refusals with it.

    Raises:
        BadInput: the setting is wrong, the refusal is blank, or (in a run) P(refuse) is no probability.
    """
    check(setting, PLAIN)
    check_openings(refusal, answer)
    begin = _beginning(p_refuse, setting, lambda token: answer if token == PLAIN.respond else refusal)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        check_asked(state.messages)
        return _answered(state, *await begin(get_model(), state.messages, f"sample {state.sample_id}"))

    return solve


def _by_token(dial: Dial) -> _Answer:
    async def answer(
        model: Model, messages: Sequence[ChatMessage], of: str
    ) -> tuple[ModelOutput, str, dict[str, Any]]:
        p = await ask_first(model, messages, dial.tokens)
        token = decide_truncated(p, dial.setting, dial.tokens)
        output = await ask_after(model, messages, token, dial.tokens)
        kept = {"token": token, "category": dial.tokens.category(token), **reading(p, dial.tokens)}
        if missing := [token for token in dial.tokens.all if token not in p]:
            kept["not_sent"] = dict.fromkeys(missing, min(p.values()))  # counted as 0, at most this
        return output, visible(output.completion, dial.tokens.all), kept

    return answer


def _by_forecast(dial: Dial, beside: Path) -> _Answer:
    assert dial.forecast is not None
    p_refuse = reader_of(dial.forecast, beside)
    if p_refuse is None:
        raise BadInput(
            "this dial reads hidden states (a probe), which a server does not send: give it to a model in "
            "this process with -M dial=FILE, or calibrate one with `demur dial MODEL --predictor FOLDER`"
        )
    return _beginning(p_refuse, dial.setting, dial.forecast.begun)


def _beginning(p_refuse: PRefuse, setting: Setting, begun_for: Callable[[str], str]) -> _Answer:
    """Decide by a callable, and begin the answer with words."""

    async def answer(
        model: Model, messages: Sequence[ChatMessage], of: str
    ) -> tuple[ModelOutput, str, dict[str, Any]]:
        p = chances(float(p_refuse(messages)), of)
        token = decide(p, setting, PLAIN)
        output, text = await ask_begun(model, messages, begun_for(token))
        return output, text, {"token": None, "category": PLAIN.category(token), **reading(p, PLAIN)}

    return answer


async def ask_first(model: Model, messages: Sequence[ChatMessage], tokens: ControlTokens) -> dict[str, float]:
    """Token -> probability at the first position; one call for one token.

    Raises:
        ModelFailure: see :func:`first_token`.
    """
    config = GenerateConfig(max_tokens=1, temperature=1.0, logprobs=True, top_logprobs=TOP)
    return first_token(await model.generate(_escaped(model, messages, tokens), config=config))


async def ask_after(
    model: Model, messages: Sequence[ChatMessage], token: str, tokens: ControlTokens
) -> ModelOutput:
    """The answer that goes on after a control token; any other token leaves the model to itself."""
    begun = token if token in tokens.all else ""
    return await _go_on(model, _escaped(model, messages, tokens), begun)


async def ask_begun(model: Model, messages: Sequence[ChatMessage], begun: str) -> tuple[ModelOutput, str]:
    """The answer that goes on after some words (after none, a plain one), and its text with those words."""
    output = await _go_on(model, messages, begun)
    return output, " ".join(filter(None, (begun, output.completion.strip())))


def first_token(output: ModelOutput) -> dict[str, float]:
    """Token -> probability at the first position, of those that are known.

    Raises:
        ModelFailure: it sent none.
    """
    if (local := ((output.metadata or {}).get("demur") or {}).get("first_token")) is not None:
        return {**dict(local["top"]), **local["control"]}
    if output.error is not None:
        raise BadInput(output.error)  # of this prompt alone, as one that fills the context
    logprobs = output.choices[0].logprobs if output.choices else None
    if logprobs is None or not logprobs.content or not logprobs.content[0].top_logprobs:
        raise ModelFailure(
            f"{output.model} sent no log-probabilities of the first token, which a dial needs; use a server "
            "that does (vLLM, SGLang), or a model in this process with -M dial=FILE"
        )
    first = logprobs.content[0]
    pairs = [
        (first.token, first.logprob),
        *((other.token, other.logprob) for other in first.top_logprobs or ()),
    ]
    return {token: min(1.0, math.exp(logprob)) for token, logprob in pairs}


async def _go_on(model: Model, messages: Sequence[ChatMessage], begun: str) -> ModelOutput:
    if not begun:
        return await model.generate(list(messages))
    extra = None if _local(model) else {**(model.config.extra_body or {}), **_CONTINUE}
    config = GenerateConfig(extra_body=extra)
    return await model.generate([*messages, ChatMessageAssistant(content=begun)], config=config)


def _answered(state: TaskState, output: ModelOutput, text: str, kept: dict[str, Any]) -> TaskState:
    """The output with visible text, and the conversation without what was prefilled."""
    if output.choices:
        output.choices[0].message.content = text
        output.completion = text
        state.messages.append(output.choices[0].message)
    found = dict(output.metadata or {})
    output.metadata = {**found, "demur": {**found.get("demur", {}), "dial": kept}}
    state.output = output
    return state


def _escaped(model: Model, messages: Sequence[ChatMessage], tokens: ControlTokens) -> list[ChatMessage]:
    """Messages in which a server reads no control token; a model in this process guards itself."""
    if _local(model):
        return list(messages)
    return [_escaped_message(message, tokens.all) for message in messages]


def _escaped_message(message: ChatMessage, tokens: Sequence[str]) -> ChatMessage:
    if isinstance(message.content, str):
        return message.model_copy(update={"content": escaped(message.content, tokens)})
    parts = [
        part.model_copy(update={"text": escaped(part.text, tokens)}) if part.type == "text" else part
        for part in message.content
    ]
    return message.model_copy(update={"content": parts})


def _local(model: Model) -> bool:
    return str(model).startswith("demur-local/")


def check_name(named: str, hashed: bool, model: str) -> None:
    """A dial of a server's model is bound by name; one of a folder may be served under any name.

    Raises:
        BadInput: naming both models.
    """
    if not hashed and model != named:
        raise BadInput(f"this dial is of the model {named}, not of {model}: calibrate one for it")

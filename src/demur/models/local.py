"""Inspect model provider ``demur-local``: Hugging Face text models in this process.

Inspect's own ``hf`` provider strips special tokens, ignores ``logit_bias``, reports no stop reason and
waits about two seconds a batch; a study of refusals needs the opposite, and the exact probabilities of
the first generated token (which is where a refusal token stands: arXiv 2412.06748).

    inspect eval demur/xstest --model demur-local/<folder> -M batch_size=16

Settings, defaults and what an output carries: ``docs/models.md``.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    TopLogprob,
)
from inspect_ai.model._model_info import MODEL_INFO_LOOKUP_API_KEY
from inspect_ai.tool import ToolChoice, ToolInfo

from demur.errors import BadInput, MissingExtra, ModelFailure
from demur.models.batching import Batcher, completion
from demur.models.check_solver import CHECKED_TOKENS, Check, check_of
from demur.models.control_dial import Dial, check_model
from demur.models.control_dial import load as load_dial
from demur.models.control_forecast import PRefuse, reader_of
from demur.models.control_local import LocalDial
from demur.models.control_text import visible

if TYPE_CHECKING:
    from demur.models.chat import Prompt
    from demur.models.generation import Answer, Settings, TextModel

__all__ = ["LocalModel", "settings_of"]

#: ours: docs/models.md, "Speed"
BATCH_SIZE = {"cpu": 16, "cuda": 32, "mps": 8}
DTYPES = ("auto", "float32", "bfloat16", "float16")
MODEL_ARGS = (
    "batch_size",
    "chat_template",
    "check",
    "control_tokens",
    "device",
    "dial",
    "dtype",
    "revision",
    "top_first_tokens",
    "trust_remote_code",
)

_HONOURED = frozenset(
    {
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "stop_seqs",
        "logit_bias",
        "num_choices",
        "logprobs",
        "top_logprobs",
    }
)
#: What Inspect itself acts on, or what concerns only tools and remote APIs.
_NOT_OURS = frozenset(
    {
        "max_retries",
        "timeout",
        "attempt_timeout",
        "stream_idle_timeout",
        "max_connections",
        "adaptive_connections",
        "system_message",
        "parallel_tool_calls",
        "internal_tools",
        "max_tool_output",
        "cache_prompt",
        "reasoning_history",
        "cache",
        "batch",
    }
)
_instances = itertools.count()


class LocalModel(ModelAPI):
    """A Hugging Face causal language model behind Inspect's interface.

    Args:
        model_name: folder or hub name.
        base_url: must be ``None``: nothing is called.
        api_key: not used, but for the one by which Inspect says that it only looks up facts; nothing is
            loaded then.
        config: checked here, so that a setting we cannot honour fails before the weights load.
        model_args: ``batch_size``, ``chat_template`` (Jinja text or file), ``control_tokens`` (kept in
            the text, probabilities reported), ``check`` (``keep`` puts the hidden check of a model that has
            one into the metadata), ``device``, ``dial`` (a file of ``demur dial``: decides how
            each answer begins), ``dtype``, ``revision``, ``top_first_tokens`` (20), ``trust_remote_code``
            (false).

    Raises:
        BadInput: an argument, the folder or the tokenizer cannot be used.
        MissingExtra: torch or transformers is not installed.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  (Inspect's signature)
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        if unknown := sorted(set(model_args) - set(MODEL_ARGS)):
            raise BadInput(f"unknown model arguments {unknown}; valid are {', '.join(MODEL_ARGS)}")
        if base_url is not None:
            raise BadInput(f"demur-local runs in this process and takes no base_url ({base_url!r})")
        _require_torch()
        settings_of(config)
        given = {name: value for name, value in model_args.items() if value is not None}
        top = _whole("top_first_tokens", given.get("top_first_tokens", 20), least=1)
        batch_size = given.get("batch_size")
        size = None if batch_size is None else _whole("batch_size", batch_size, least=1)
        self._dial: LocalDial | None = None
        self._check: Check | None = None
        self._number = next(_instances)
        self._loaded: TextModel | None = None
        self._batcher: Batcher | None = None
        self.batch_size = size or BATCH_SIZE["cpu"]
        if api_key == MODEL_INFO_LOOKUP_API_KEY:
            return  # Inspect makes a second instance to look up a model's facts; it never generates
        self._check = check_of(Path(model_name).expanduser(), given.get("check"))
        dial, p_refuse = _dial_of(given, str(Path(model_name).expanduser()))
        if self._check is not None and dial is not None and dial.forecast is not None:
            raise BadInput(f"{model_name} begins with a hidden check, so a dial cannot begin its answers")
        self._loaded, device = _load(str(Path(model_name).expanduser()), given, top, dial)
        self._dial = None if dial is None else LocalDial(dial, self._loaded, p_refuse)
        self.batch_size = size or BATCH_SIZE[device]
        run = self._loaded.run if self._dial is None else self._dial.run
        self._batcher = Batcher(run, self.batch_size, model_name)

    @property
    def text_model(self) -> TextModel:
        """The loaded network with its tokenizer.

        Raises:
            ModelFailure: closed.
        """
        if self._loaded is None:
            raise ModelFailure(f"{self.model_name}: this model has been closed")
        return self._loaded

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer one conversation; a last assistant message is continued.

        Raises:
            BadInput: tools, pictures, a setting that is not honoured, a conversation the template rejects.
            ModelFailure: generation failed, or the model has been closed.
        """
        from demur.models.generation import Request, row_seed

        if tools:
            raise BadInput("demur-local does not support tools")
        model = self.text_model
        settings = settings_of(config, model.vocabulary)
        stops = settings.stop
        if self._check is not None:
            most = settings.max_tokens if config.max_tokens else CHECKED_TOKENS
            input, settings = self._check.asked(input), replace(settings, stop=(), max_tokens=most)
        prompt = model.chat.encode(input)
        dialled, begun = None, ""
        if self._dial is not None and not prompt.continued and model.has_room(prompt):
            prompt, dialled, begun = await self._dial.decided(prompt, input, self._queue)
        if model.context is not None and len(prompt.ids) >= model.context:
            return self._overflow(len(prompt.ids), model.context)
        requests = []
        for choice in range(config.num_choices or 1):
            seed = None if config.seed is None else row_seed(config.seed, prompt.ids, _epoch(), choice)
            requests.append(Request(prompt, settings, seed))
        try:
            for request in requests:
                self._queue.submit(request)
            answers = [await completion(request.answer) for request in requests]
        finally:
            for request in requests:
                request.answer.cancel()  # no effect on those that are done
        output = self._output(prompt, answers, dialled, begun)
        return output if self._check is None else self._check.hidden(output, stops)

    def _output(
        self, prompt: Prompt, answers: Sequence[Answer], dialled: dict[str, Any] | None, begun: str
    ) -> ModelOutput:
        written = sum(answer.tokens for answer in answers)
        found = {"first_token": answers[0].first_token, "continued": prompt.continued}
        return ModelOutput(
            model=self.model_name,
            choices=[self._choice(answer, prompt.continued, begun) for answer in answers],
            usage=_usage(len(prompt.ids), written),
            time=max(answer.seconds for answer in answers),
            metadata={"demur": found if dialled is None else {**found, "dial": dialled}},
        )

    def _choice(self, answer: Answer, continued: bool, begun: str) -> ChatCompletionChoice:
        text = begun + answer.text
        if self._dial is not None:
            text = visible(text, self._dial.dial.control, continued)
        return ChatCompletionChoice(
            message=ChatMessageAssistant(content=text, model=self.model_name, source="generate"),
            stop_reason=answer.stop_reason,
            logprobs=None if answer.logprobs is None else _logprobs(answer.logprobs),
        )

    def _overflow(self, length: int, context: int) -> ModelOutput:
        """No text, so that no judge mistakes our sentence for an answer."""
        message = ChatMessageAssistant(content="", model=self.model_name, source="generate")
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason="model_length")],
            usage=_usage(length, 0),
            time=0.0,
            error=f"the prompt has {length} tokens and leaves no room in a context of {context}",
        )

    @property
    def _queue(self) -> Batcher:
        if self._batcher is None:
            raise ModelFailure(f"{self.model_name}: this model was not loaded")
        return self._batcher

    def max_tokens(self) -> int:
        """New tokens where the config names no number."""
        from demur.models.generation import DEFAULT_MAX_TOKENS

        return DEFAULT_MAX_TOKENS if self._check is None else CHECKED_TOKENS

    def max_connections(self) -> int:
        """One batch runs while the next one gathers. Inspect asks only where connections are not adaptive."""
        return 2 * self.batch_size

    def connection_key(self) -> str:
        """Each loaded model has its own queue."""
        return f"{self.model_name}#{self._number}"

    def collapse_user_messages(self) -> bool:
        """Many chat templates insist that user and assistant take turns."""
        return True

    async def tokenize(self, text: str) -> list[int]:
        """Ids of plain text."""
        return self.text_model.chat.ids(text)

    async def count_text_tokens(self, text: str) -> int:
        """Number of ids of plain text, by the model's own tokenizer."""
        return len(await self.tokenize(text))

    def close(self) -> None:
        """Fail what waits, end the worker after its current step, and let go of the weights."""
        if self._batcher is not None:
            self._batcher.close()
        self._loaded = None
        gc.collect()


def settings_of(config: GenerateConfig, vocabulary: int | None = None) -> Settings:
    """How to choose tokens, from Inspect's config.

    Args:
        config: unset values take the defaults of ``docs/models.md``.
        vocabulary: number of logits, to check ``logit_bias`` against.

    Raises:
        BadInput: a setting is out of range, or set and not honoured here.
    """
    from demur.models.generation import DEFAULT_MAX_TOKENS, Settings

    given = set(config.model_dump(exclude_none=True))
    if strange := sorted(given - _HONOURED - _NOT_OURS):
        raise BadInput(f"demur-local does not support {strange}; it honours {', '.join(sorted(_HONOURED))}")
    for name, holds, valid in _ranges(config, vocabulary):
        if not holds:
            raise BadInput(f"{name} is {getattr(config, name)!r}; it must be {valid}")
    if config.temperature is None and {"top_p", "top_k"} & given:
        raise BadInput("top_p and top_k have no effect on greedy decoding: set temperature as well")
    logprobs = config.logprobs or config.top_logprobs is not None
    return Settings(
        max_tokens=DEFAULT_MAX_TOKENS if config.max_tokens is None else config.max_tokens,
        temperature=config.temperature or 0.0,
        top_k=config.top_k,
        top_p=config.top_p,
        stop=tuple(config.stop_seqs or ()),
        bias=tuple(sorted((config.logit_bias or {}).items())),
        top_logprobs=(config.top_logprobs or 0) if logprobs else None,
    )


def _ranges(c: GenerateConfig, vocabulary: int | None) -> list[tuple[str, bool, str]]:
    """(setting, whether it is in range, the range in words)."""
    largest = float("inf") if vocabulary is None else vocabulary - 1
    return [
        ("max_tokens", c.max_tokens is None or c.max_tokens >= 1, "at least 1"),
        ("temperature", c.temperature is None or 0.0 <= c.temperature < float("inf"), "0 or more"),
        ("top_p", c.top_p is None or 0.0 < c.top_p <= 1.0, "above 0 and at most 1"),
        ("top_k", c.top_k is None or c.top_k >= 1, "at least 1"),
        ("num_choices", c.num_choices is None or c.num_choices >= 1, "at least 1"),
        ("top_logprobs", c.top_logprobs is None or 0 <= c.top_logprobs <= 20, "from 0 to 20"),
        ("stop_seqs", all(c.stop_seqs or ()), "strings that are not empty"),
        ("logit_bias", all(0 <= i <= largest for i in c.logit_bias or {}), f"for ids from 0 to {largest}"),
    ]


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra("local", "a model in this process (demur-local)") from error


def _dial_of(given: Mapping[str, Any], model: str) -> tuple[Dial | None, PRefuse | None]:
    """The dial that was named, checked against the model's files before anything of it loads."""
    if given.get("dial") is None:
        return None, None
    if given.get("control_tokens"):
        raise BadInput("control_tokens and dial exclude each other: the dial names its own tokens")
    path = Path(str(given["dial"])).expanduser()
    dial = load_dial(path)
    check_model(dial, model)
    return dial, None if dial.forecast is None else reader_of(dial.forecast, path.parent)


def _load(name: str, given: dict[str, Any], top: int, dial: Dial | None) -> tuple[TextModel, str]:
    """The model and the kind of device it is on."""
    import torch

    from demur.models.chat import ChatFormat, load_tokenizer, read_template
    from demur.models.generation import TextModel
    from demur.models.loading import check_folder, load_model

    device = str(given.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))
    kind = device.split(":")[0]
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        here = ", ".join(name for name, there in available.items() if there)
        raise BadInput(f"device is {device!r}; available here: {here}")
    dtype = str(given.get("dtype") or ("float32" if kind == "cpu" else "auto"))
    if dtype not in DTYPES:
        raise BadInput(f"dtype is {dtype!r}; valid are {', '.join(DTYPES)}")
    trust = given.get("trust_remote_code", False)
    if not isinstance(trust, bool):
        raise BadInput(f"trust_remote_code is {trust!r}; valid are true and false")
    revision = None if given.get("revision") is None else str(given["revision"])
    control = given.get("control_tokens", ())
    control = [control] if isinstance(control, str) else [str(token) for token in control]
    if dial is not None:
        control = list(dial.control)
    template = None if given.get("chat_template") is None else read_template(str(given["chat_template"]))
    check_folder(name)
    if revision is not None and Path(name).is_dir():
        raise BadInput(f"revision is {revision!r}, but {name} is a folder; revisions are for hub names")
    chat = ChatFormat(load_tokenizer(name, revision, trust), name, template, control, dial is not None)
    return TextModel(load_model(name, revision, device, dtype, trust), chat, top), kind


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadInput(f"{name} is {value!r}; it must be a whole number of at least {least}")
    return value


def _epoch() -> int:
    """The epoch of the running sample: repeats of a prompt under one seed are meant to differ."""
    from inspect_ai.model._cache import epoch  # what Inspect's own cache tells epochs apart by

    return epoch.get(1)


def _usage(read: int, written: int) -> ModelUsage:
    return ModelUsage(input_tokens=read, output_tokens=written, total_tokens=read + written)


def _logprobs(tokens: Sequence[tuple[str, float, Sequence[tuple[str, float]]]]) -> Logprobs:
    return Logprobs(
        content=[
            Logprob(
                token=token,
                logprob=logprob,
                top_logprobs=[TopLogprob(token=other, logprob=p) for other, p in top] or None,
            )
            for token, logprob, top in tokens
        ]
    )

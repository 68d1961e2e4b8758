"""Inspect model provider ``demur-local``: Hugging Face models in this process, with or without pictures.

Inspect's own ``hf`` provider strips special tokens, ignores ``logit_bias``, reports no stop reason and
waits about two seconds a batch; a study of refusals needs the opposite, and the exact probabilities of
the first generated token (which is where a refusal token stands: arXiv 2412.06748).

    inspect eval demur/xstest --model demur-local/<folder> -M batch_size=16

Settings, defaults and what an output carries: ``docs/models.md``.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Sequence
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

from demur.errors import BadInput, ModelFailure
from demur.models.batching import Batcher, completion
from demur.models.check_solver import CHECKED_TOKENS, Check, check_of
from demur.models.control_local import LocalDial
from demur.models.control_text import visible
from demur.models.opening import dial_of, open_model, require_torch
from demur.models.request_settings import settings_of

if TYPE_CHECKING:
    from demur.models.chat import Prompt
    from demur.models.generation import Answer, TextModel

__all__ = ["LocalModel", "settings_of"]

#: ours: docs/models.md, "Speed"
BATCH_SIZE = {"cpu": 16, "cuda": 32, "mps": 8}
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

_instances = itertools.count()


class LocalModel(ModelAPI):
    """A Hugging Face language model, with or without pictures, behind Inspect's interface.

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
        require_torch()
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
        dial, p_refuse = dial_of(given, str(Path(model_name).expanduser()))
        if self._check is not None and dial is not None and dial.forecast is not None:
            raise BadInput(f"{model_name} begins with a hidden check, so a dial cannot begin its answers")
        self._loaded, device = open_model(str(Path(model_name).expanduser()), given, top, dial)
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
            BadInput: tools, a setting that is not honoured, a conversation the template rejects, pictures for
                a model of text, or a picture that cannot be used (``PictureFault``).
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
        if prompt.pictures and self._dial is not None:
            raise BadInput(f"{self.model_name}: a dial decides on text; this request holds a picture")
        dialled, begun = None, ""
        if self._dial is not None and not prompt.continued and model.has_room(prompt):
            prompt, dialled, begun = await self._dial.decided(prompt, input, self._queue)
        if model.context is not None and len(prompt.ids) >= model.context:
            return self._overflow(len(prompt.ids), model.context)
        requests = []
        for choice in range(config.num_choices or 1):
            seed = (
                None
                if config.seed is None
                else row_seed(config.seed, prompt.ids, _epoch(), choice, prompt.pictures)
            )
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

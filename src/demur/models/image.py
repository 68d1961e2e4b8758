"""Inspect model provider ``demur-image``: text in, one picture out, and whatever came in its place.

A pipeline of diffusers in this process, or a service over HTTP. What a policy stopped is an output without a
picture (stop reason ``content_filter``), what failed is an exception; a checker's flag, a black picture and a
picture that did not come are handed on as facts for the judge (``judges/image.py``).

    demur measure demur-image/models/stable-diffusion -b overt -M steps=28 -G seed=1
    demur measure demur-image/openai/dall-e-3 -b overt -M pause=40
    demur measure demur-image/fal/fal-ai/flux -b overt -G seed=42 -M request='{"safety_tolerance": "2"}'

Arguments and settings: ``docs/image-models.md``. The safety rule (``data/minors.py``) holds here too: a
prompt that it excludes is not sent to any model.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput
from inspect_ai.model._model_info import MODEL_INFO_LOOKUP_API_KEY
from inspect_ai.tool import ToolChoice, ToolInfo

from demur.data.minors import check_row
from demur.errors import BadInput, ModelFailure
from demur.models import image_endpoint, image_pipeline
from demur.models.batching import completion
from demur.models.image_answer import beside_logs, to_output
from demur.models.image_endpoint import CallFailed, Endpoint
from demur.models.image_filter import PromptFilter, load_filter
from demur.models.image_made import Made

if TYPE_CHECKING:
    from demur.models.image_pipeline import Pipeline

#: Model arguments of all image models.
ARGUMENTS = ("pause", "pictures", "prompt_filter")
#: What Inspect itself acts on; nothing of it changes a picture.
_INSPECTS = frozenset(
    {
        *("max_retries", "timeout", "attempt_timeout", "stream_idle_timeout", "max_connections"),
        *("adaptive_connections", "cache", "batch"),
    }
)
SEEDS = 2**31  # ours: what every service and generator takes


class ImageModel(ModelAPI):
    """A text-to-image model behind Inspect's interface.

    Args:
        model_name: a folder or hub name of a pipeline; ``openai/NAME`` or ``fal/NAME`` for a service.
        base_url: of the service.
        api_key: of the service, else of the environment.
        config: ``seed`` alone is honoured: it is that of the first epoch, the next ones count on.
        model_args: ``pause`` (seconds between the beginnings of calls), ``pictures`` (folder to keep them
            in), ``prompt_filter`` (a file), and those of ``image_pipeline.py`` or ``image_endpoint.py``.

    Raises:
        BadInput: an argument, a setting or the folder cannot be used.
        ModelFailure: the weights, or the key, cannot be had.
        MissingExtra: diffusers is not installed.
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
        form, _, rest = model_name.partition("/")
        served = form in image_endpoint.FORMS and not Path(model_name).expanduser().is_dir()
        given = {name: value for name, value in model_args.items() if value is not None}
        _check_arguments(given, served)
        seed_of(config)
        self._pace = Pace(_pause(given.get("pause", 0)))
        self._folder = None if given.get("pictures") is None else Path(str(given["pictures"])).expanduser()
        named = given.get("prompt_filter")
        self._filter: PromptFilter | None = (
            None if named is None else load_filter(Path(str(named)).expanduser())
        )
        self._endpoint: Endpoint | None = None
        self._pipeline: Pipeline | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="demur-image")
        if api_key == MODEL_INFO_LOOKUP_API_KEY:
            return  # Inspect makes a second instance to look up a model's facts; it never generates
        if served:
            self._endpoint = Endpoint(form, rest, base_url, api_key, given)
        elif base_url is not None:
            services = " or ".join(f"demur-image/{form}/NAME" for form in image_endpoint.FORMS)
            raise BadInput(
                f"{model_name} runs in this process and takes no base_url; a service is {services}"
            )
        else:
            self._pipeline = image_pipeline.Pipeline(model_name, given)

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """One picture for one prompt.

        Raises:
            ExcludedRow: the safety rule; nothing was sent.
            BadInput: no single text, tools, or a setting that is not honoured.
            ModelFailure: the call failed.
        """
        if tools:
            raise BadInput("demur-image does not support tools")
        prompt = prompt_of(input)
        check_row("demur-image", prompt)
        seed = seed_of(config)
        begun = time.monotonic()
        made = await self._made(prompt, seed)
        if made.revised_prompt is not None:
            check_row("demur-image, revised prompt", made.revised_prompt)
        folder = self._folder if self._folder is not None else beside_logs()
        return to_output(made, self.model_name, folder, time.monotonic() - begun)

    async def _made(self, prompt: str, seed: int | None) -> Made:
        p = None if self._filter is None else self._filter.p(prompt)
        if self._filter is not None and p is not None and p >= self._filter.threshold:
            return Made(blocked="prompt filter", p_filter=p)
        await self._pace.turn()
        if self._endpoint is not None:
            made = await self._endpoint.draw(prompt, seed)
        else:
            made = await self._drawn(prompt, secrets.randbelow(SEEDS) if seed is None else seed)
        return replace(made, p_filter=p)

    async def _drawn(self, prompt: str, seed: int) -> Made:
        """By the pipeline, on its own thread, one after the other."""
        if self._pipeline is None:
            raise ModelFailure(f"{self.model_name}: this model was not loaded, or has been closed")
        drawing = self._thread.submit(self._pipeline.draw, prompt, seed)
        try:
            return cast(Made, await completion(cast("Future[Any]", drawing)))
        finally:
            drawing.cancel()  # no effect once it has begun

    def should_retry(self, ex: Exception) -> bool:
        """Whether the same call may succeed later; never after a refusal, which is no exception."""
        return isinstance(ex, CallFailed) and ex.passing

    def max_connections(self) -> int:
        """A pipeline, and a service with pauses, do one thing at a time; the next one waits."""
        return 2 if self._endpoint is None or self._pace.pause else 10

    def connection_key(self) -> str:
        """Each service, and each pipeline, has its own limit."""
        return f"{self.base_url or ''}{self.model_name}"

    def close(self) -> None:
        """Let go of the weights after the current picture."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._pipeline = None


class Pace:
    """At most one call begins in each ``pause`` seconds, whoever asks; services limit pictures a minute.

    Args:
        pause: seconds; 0 for none.
        now, sleep: clock and waiting, for tests.
    """

    def __init__(
        self,
        pause: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.pause, self._now, self._sleep = pause, now, sleep
        self._next = float("-inf")

    async def turn(self) -> None:
        """Wait for one's turn; a failed call has used its turn as well."""
        if not self.pause:
            return
        begin = max(self._now(), self._next)
        self._next = begin + self.pause  # taken before waiting, so that two never have the same turn
        if (wait := begin - self._now()) > 0:
            await self._sleep(wait)


def prompt_of(messages: list[ChatMessage]) -> str:
    """The one text that a picture is asked for with.

    Raises:
        BadInput: several turns, a picture, or no words.
    """
    if len(messages) != 1 or messages[0].role != "user":
        roles = ", ".join(message.role for message in messages) or "nothing"
        raise BadInput(f"an image model takes one user message, and was given: {roles}")
    content = messages[0].content
    if not isinstance(content, str) and any(part.type != "text" for part in content):
        raise BadInput("an image model of demur takes words alone, and was given a picture or a file")
    if not messages[0].text.strip():
        raise BadInput("the prompt is empty: there is nothing to draw")
    return messages[0].text


def seed_of(config: GenerateConfig) -> int | None:
    """The seed of this epoch: that of the settings, counted on by epochs; ``None`` for a fresh one.

    Raises:
        BadInput: the seed is out of range, or another setting that changes answers is set.
    """
    given = set(config.model_dump(exclude_none=True))
    if strange := sorted(given - _INSPECTS - {"seed"}):
        raise BadInput(f"demur-image does not support {strange}; it honours seed (docs/image-models.md)")
    if config.seed is None:
        return None
    if not 0 <= config.seed < SEEDS:
        raise BadInput(f"seed is {config.seed}; it must be from 0 to {SEEDS - 1}")
    from inspect_ai.model._cache import epoch  # what Inspect's own cache tells epochs apart by

    return (config.seed + epoch.get(1) - 1) % SEEDS


def _check_arguments(given: dict[str, Any], served: bool) -> None:
    valid = (*ARGUMENTS, *(image_endpoint.ARGUMENTS if served else image_pipeline.ARGUMENTS))
    if unknown := sorted(set(given) - set(valid)):
        kind = "a service" if served else "a pipeline"
        raise BadInput(f"unknown model arguments {unknown}; valid for {kind} are {', '.join(sorted(valid))}")


def _pause(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise BadInput(f"pause is {value!r}; it must be a number of seconds, 0 or more")
    return float(value)

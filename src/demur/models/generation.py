"""One batch of prompts through a Hugging Face language model: left padded, exact, per-row seeds.

``transformers`` generates; what is ours is one logits processor, which sees the raw logits first and
chooses the token last, and one stopping criterion. The model's ``generation_config.json`` is not
followed (it may hold a repetition penalty or a temperature that no log would show): only its stop
tokens are read. Probabilities are the softmax of the raw logits, before bias, temperature and cuts.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.generation.logits_process import (
    LogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.stopping_criteria import StoppingCriteria

from demur.data.pictures import Picture
from demur.errors import ModelFailure
from demur.models.chat import ChatFormat, Prompt
from demur.models.pictures import PictureFormat

logger = logging.getLogger("demur.models")

DEFAULT_MAX_TOKENS = 512  # ours: a refusal shows in the first sentence; long answers are cut, not lost


@dataclass(frozen=True, slots=True)
class Settings:
    """How tokens are chosen; requests with equal settings share batches.

    Attributes:
        max_tokens: at most this many new tokens.
        temperature: 0 is greedy.
        top_k, top_p: cuts before sampling, or ``None``.
        stop: strings that end an answer and are not part of it.
        bias: (token id, value added to its logit) pairs.
        top_logprobs: alternatives kept per token; ``None`` keeps no log probabilities.
    """

    max_tokens: int = DEFAULT_MAX_TOKENS
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    bias: tuple[tuple[int, float], ...] = ()
    top_logprobs: int | None = None


def row_seed(seed: int, ids: Sequence[int], epoch: int, choice: int, pictures: Sequence[Picture] = ()) -> int:
    """The seed of one answer: the same request draws the same answer in whatever batch it runs.

    The prompt takes part, pictures too, since equal draws for all prompts would make their answers
    correlated; epoch and choice do, since repeats of a prompt are meant to differ.
    """
    key = f"{seed}|{epoch}|{choice}|{','.join(map(str, ids))}"
    key += "".join(f"|{picture.sha256}" for picture in pictures)
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")


@dataclass(eq=False, slots=True)
class Request:
    """One answer asked for. ``seed`` is ``None`` for a fresh draw each time."""

    prompt: Prompt
    settings: Settings
    seed: int | None = None
    answer: Future[Answer] = field(default_factory=Future)

    def settle(self, result: Answer | ModelFailure) -> None:
        """Hand over the result, unless the caller has gone away."""
        try:
            if isinstance(result, ModelFailure):
                self.answer.set_exception(result)
            else:
                self.answer.set_result(result)
        except InvalidStateError:
            logger.debug("an answer came after its request had been cancelled")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote.

    Attributes:
        text: without the stop sequence and without special tokens other than control tokens.
        tokens: number of generated tokens, the stop token included.
        stop_reason: ``stop``, ``max_tokens``, or ``model_length`` where the context was full.
        first_token: ``token``, ``p``, ``top`` as [token, p] pairs, ``control`` as {token: p}.
        logprobs: per token (token, logprob, [(token, logprob), ...]), or ``None``.
        seconds: wall time of the batch.
    """

    text: str
    tokens: int
    stop_reason: Literal["stop", "max_tokens", "model_length"]
    first_token: dict[str, Any]
    logprobs: list[tuple[str, float, list[tuple[str, float]]]] | None
    seconds: float


class Choosing(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Records raw probabilities, then chooses each row's token. ``scores``: (rows, vocabulary).

    Sampling draws one uniform number per row and step from that row's own generator and inverts the
    cumulative distribution, so an answer depends on its seed and not on its neighbours in the batch.
    """

    def __init__(self, requests: Sequence[Request], control: Iterable[int], top: int) -> None:
        self.settings = requests[0].settings
        self._control, self._top = list(control), top
        self._draws = [random.Random(request.seed) for request in requests]  # None: the system's entropy
        self._cuts = _cuts(self.settings)
        self.first: tuple[Tensor, Tensor, Tensor, Tensor] | None = None  # p chosen, p top, id top, p control
        self.broken: list[Tensor] = []  # per step, (rows,): logits with a NaN
        self.logprobs: list[tuple[Tensor, Tensor, Tensor]] = []  # per step: chosen, top, id of top

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores whose argmax is the chosen token."""
        self.broken.append(scores.isnan().any(-1))
        chosen = self._choose(input_ids, scores)
        index = chosen.argmax(-1, keepdim=True)
        if self.first is None:
            p = _wide(scores).softmax(-1)
            top = p.topk(min(self._top, p.shape[-1]))
            self.first = (p.gather(1, index.to(p.device))[:, 0], top.values, top.indices, p[:, self._control])
        if self.settings.top_logprobs is not None:
            logp = scores.float().log_softmax(-1)
            top = logp.topk(self.settings.top_logprobs)
            self.logprobs.append((logp.gather(1, index)[:, 0], top.values, top.indices))
        return chosen

    def _choose(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self.settings.bias:
            scores = scores.clone()
            for index, value in self.settings.bias:
                scores[:, index] += value
        if self.settings.temperature == 0.0:
            return scores
        for cut in self._cuts:
            scores = cut(input_ids, scores)
        cumulative = _wide(scores).softmax(-1).cumsum(-1)
        draws = torch.tensor([draw.random() for draw in self._draws], dtype=cumulative.dtype)
        threshold = draws.to(cumulative.device)[:, None] * cumulative[:, -1:]
        index = (cumulative > threshold).int().argmax(-1, keepdim=True).to(scores.device)
        return torch.full_like(scores, float("-inf")).scatter(1, index, 0.0)


def _cuts(settings: Settings) -> list[LogitsProcessor]:
    """Temperature, top-k, top-p, in the order of transformers."""
    cuts: list[LogitsProcessor] = []
    if settings.temperature not in (0.0, 1.0):
        cuts.append(TemperatureLogitsWarper(float(settings.temperature)))
    if settings.top_k is not None:
        cuts.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p is not None and settings.top_p < 1.0:
        cuts.append(TopPLogitsWarper(settings.top_p))
    return cuts


def _wide(scores: Tensor) -> Tensor:
    """Double precision; Apple's GPU has none, so there the CPU does it."""
    return scores.to("cpu").double() if scores.device.type == "mps" else scores.double()


class Stopping(StoppingCriteria):  # type: ignore[misc]  # transformers is untyped here
    """Ends rows whose text holds a stop string, and rows that nobody waits for any more."""

    def __init__(self, requests: Sequence[Request], width: int, chat: ChatFormat) -> None:
        self._requests, self._width, self._chat = requests, width, chat
        self._stop = requests[0].settings.stop
        # A token holds at least one byte; 4 more for tokens that are hidden or half a character.
        self._window = max((len(stop.encode()) for stop in self._stop), default=0) + 4
        self.ends: dict[int, int] = {}  # row -> generated tokens when a stop string appeared

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """(rows,) of bool: which rows are done."""
        done = [request.answer.done() for request in self._requests]
        if self._stop:
            length = input_ids.shape[1] - self._width
            tail = input_ids[:, -min(length, self._window) :].tolist()
            for row, ids in enumerate(tail):
                if row not in self.ends and any(stop in self._chat.text(ids) for stop in self._stop):
                    self.ends[row] = length
                done[row] = done[row] or row in self.ends
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)


class TextModel:
    """A loaded model that answers batches. Not thread-safe: one thread runs it.

    Args:
        model: a causal language model of transformers, on its device.
        chat: the tokenizer's side.
        top_first_tokens: how many most probable first tokens are kept.
    """

    def __init__(self, model: Any, chat: ChatFormat, top_first_tokens: int = 20) -> None:
        self.model, self.chat, self._top = model, chat, top_first_tokens
        own, tokenizer = model.generation_config, chat.tokenizer
        eos = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
        self.eos = sorted({i for i in [*eos, tokenizer.eos_token_id] if i is not None})
        pads = (tokenizer.pad_token_id, own.pad_token_id, *self.eos, 0)
        self.pad = next(i for i in pads if i is not None)  # any id will do: padding is masked out
        model.generation_config = GenerationConfig(eos_token_id=self.eos or None, pad_token_id=self.pad)
        text_config = model.config.get_text_config()
        #: Positions that the model has, or ``None`` where it states no limit.
        self.context: int | None = getattr(text_config, "max_position_embeddings", None)
        self.vocabulary: int = text_config.vocab_size
        self.rows_that_fit: int | None = None  # set by the first out-of-memory

    def has_room(self, prompt: Prompt) -> bool:
        """Whether the context holds at least one token more than the prompt."""
        return self.context is None or len(prompt.ids) < self.context

    def room(self, request: Request) -> int:
        """New tokens that this request may have."""
        free = request.settings.max_tokens
        return free if self.context is None else min(free, self.context - len(request.prompt.ids))

    def run(self, requests: Sequence[Request]) -> None:
        """Answer requests of equal settings; every one is settled, or an exception leaves them open."""
        tight = [r for r in requests if self.room(r) < r.settings.max_tokens]  # would run past the end
        roomy = [r for r in requests if self.room(r) == r.settings.max_tokens]
        seeing = [r for r in roomy if r.prompt.pictures]
        reading = [r for r in roomy if not r.prompt.pictures]
        for rows in [reading, seeing, *([request] for request in tight)]:
            step = self.rows_that_fit or len(rows)
            for start in range(0, len(rows), max(step, 1)):
                self._run_or_halve(rows[start : start + step])

    def _run_or_halve(self, rows: Sequence[Request]) -> None:
        try:
            results = self._answers(rows)
        except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's allocator has no own class
            if not _out_of_memory(error):
                raise
            results = None
        if results is not None:
            for request, result in zip(rows, results, strict=True):
                request.settle(result)
            return
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(rows) == 1:
            rows[0].settle(ModelFailure(f"{self.chat.name}: out of memory with a single prompt in the batch"))
            return
        half = self.rows_that_fit = len(rows) // 2
        logger.warning("out of memory with %d prompts in a batch; going on with %d", len(rows), half)
        self.run(rows)

    def _answers(self, rows: Sequence[Request]) -> list[Answer | ModelFailure]:
        started = time.perf_counter()
        width = max(len(request.prompt.ids) for request in rows)
        choosing = Choosing(rows, self.chat.control_ids.values(), self._top)
        stopping = Stopping(rows, width, self.chat)
        with torch.inference_mode():
            output = self.model.generate(
                **self._inputs([request.prompt for request in rows], width),
                generation_config=self._config(self.room(rows[0])),
                logits_processor=LogitsProcessorList([choosing]),
                stopping_criteria=StoppingCriteriaList([stopping]),
            )
        generated = output[:, width:].tolist()
        seconds = time.perf_counter() - started
        reader = _Reader(self, choosing, stopping, seconds)
        return [reader.answer(row, request, generated[row]) for row, request in enumerate(rows)]

    def _inputs(self, prompts: Sequence[Prompt], width: int) -> dict[str, Tensor]:
        """What the model reads: ids and mask (prompts, width), padded on the left; what pictures become."""
        gaps = [width - len(prompt.ids) for prompt in prompts]
        ids = [[self.pad] * gap + list(prompt.ids) for gap, prompt in zip(gaps, prompts, strict=True)]
        made = {
            "input_ids": torch.tensor(ids),
            "attention_mask": torch.tensor([[0] * gap + [1] * (width - gap) for gap in gaps]),
        }
        if isinstance(self.chat, PictureFormat) and prompts[0].pictures:
            made |= self.chat.tensors(prompts)
            made |= {name: torch.tensor(rows) for name, rows in self.chat.kinds(ids).items()}
        device, dtype = self.model.device, self.model.dtype
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in made.items()
        }

    def _config(self, new_tokens: int) -> GenerationConfig:
        return GenerationConfig(
            max_new_tokens=new_tokens,
            do_sample=False,  # the logits processor has chosen already
            num_beams=1,
            eos_token_id=self.eos or None,
            pad_token_id=self.pad,
        )


class _Reader:
    """Turns what a batch recorded into answers."""

    def __init__(self, model: TextModel, choosing: Choosing, stopping: Stopping, seconds: float) -> None:
        assert choosing.first is not None
        self._model, self._chat, self._stopping, self._seconds = model, model.chat, stopping, seconds
        self._first = [tensor.tolist() for tensor in choosing.first]
        self._broken = torch.stack(choosing.broken, 1).tolist()  # (rows, steps)
        self._logprobs = [[t.tolist() for t in step] for step in choosing.logprobs]

    def answer(self, row: int, request: Request, ids: list[int]) -> Answer | ModelFailure:
        stop_at = next((n for n, i in enumerate(ids, 1) if i in self._model.eos), None)
        end = min(stop_at or len(ids), self._stopping.ends.get(row, len(ids)))
        ids = ids[:end]
        if any(self._broken[row][:end]):
            return ModelFailure(f"{self._chat.name}: the logits hold NaN; load with -M dtype=float32")
        # 16 ids are enough to tell a space that belongs to the text from one that decoding adds.
        text = self._chat.text(ids, request.prompt.ids[-16:] if request.prompt.continued else ())
        stopped = stop_at == end or row in self._stopping.ends
        cut = min((at for stop in request.settings.stop if (at := text.find(stop)) >= 0), default=None)
        return Answer(
            text=text[:cut],
            tokens=len(ids),
            stop_reason="stop" if stopped or cut is not None else self._length_reason(request),
            first_token=self._first_token(row, ids[0]),
            logprobs=None if request.settings.top_logprobs is None else self._row_logprobs(row, ids),
            seconds=self._seconds,
        )

    def _length_reason(self, request: Request) -> Literal["max_tokens", "model_length"]:
        full = self._model.room(request) < request.settings.max_tokens
        return "model_length" if full else "max_tokens"

    def _first_token(self, row: int, index: int) -> dict[str, Any]:
        p, top, top_ids, control = (values[row] for values in self._first)
        return {
            "token": self._chat.token(index),
            "p": p,
            "top": [[self._chat.token(i), q] for i, q in zip(top_ids, top, strict=True)],
            "control": dict(zip(self._chat.control_ids, control, strict=True)),
        }

    def _row_logprobs(self, row: int, ids: list[int]) -> list[tuple[str, float, list[tuple[str, float]]]]:
        found = []
        for index, (chosen, top, top_ids) in zip(ids, self._logprobs, strict=False):
            others = [(self._chat.token(i), p) for i, p in zip(top_ids[row], top[row], strict=True)]
            found.append((self._chat.token(index), chosen[row], others))
        return found


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)

"""Named, seeded streams of training examples, their token ids and masks, and one collator.

A recipe says what it trains on as streams: a name, examples, and how many of them a step takes. From there
on everything is the same for every recipe: conversations become ids by the same rules that the run time
follows (``models/chat.py``: control tokens that somebody typed are plain characters), a mask says which of
them count, and a batch is padded on the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar, cast

from demur.data.records import Prompt
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.models.chat import ChatFormat
from demur.models.chat import Prompt as TokenIds

T = TypeVar("T")
Span = Literal["request", "response", "all"]
SPANS: tuple[Span, ...] = ("request", "response", "all")
#: What the cross entropy of torch and transformers leaves out.
IGNORED = -100
_PROBE = "demurprobe"  # ours: one word that no chat template writes


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation whose last answer is given.

    Attributes:
        prompt: text, or messages that end with the user's.
        response: the answer; a control token of the encoder may stand at its start.
        role: what it is for, as the recipe names it (``refusal``, ``answer``, ``erase``, ``retain``).
        span: which tokens count: the prompt's, the answer's with the token that ends it, or all.
    """

    prompt: Prompt
    response: str
    role: str
    span: Span = "response"


@dataclass(frozen=True, slots=True)
class Stream:
    """Examples under a name; ``per_step`` of them go into every step of :func:`steps`."""

    name: str
    examples: tuple[Example, ...]
    per_step: int = 1


class Encoded(NamedTuple):
    """Token ids, and labels: the same ids where they count, ``IGNORED`` elsewhere."""

    ids: list[int]
    labels: list[int]


class _Turn(NamedTuple):
    """What :class:`ChatFormat` reads of a message."""

    role: str
    content: str

    @property
    def text(self) -> str:
        return self.content


class Encoder:
    """Examples to ids for one tokenizer.

    Args:
        tokenizer: of transformers, with a chat template.
        name: of the model, for errors.
        control_tokens: entries of the vocabulary that may begin a response.
        template: a processor's chat template, which takes contents as lists of parts; ``None``: the
            tokenizer's.

    Raises:
        BadInput: no chat template, an unknown control token, or a template that ends answers with no token.
    """

    def __init__(
        self, tokenizer: Any, name: str, control_tokens: Sequence[str] = (), template: str | None = None
    ) -> None:
        self.chat = ChatFormat(tokenizer, name, template)  # none declared: in texts they are characters
        self.control = ChatFormat(tokenizer, name, template, control_tokens).control_ids
        self.end = _ending(self.chat, template is not None)

    def encode(self, example: Example) -> Encoded:
        """Ids of prompt, control token, answer and stop token; labels by the example's span.

        Raises:
            BadInput: no answer, an unknown span, or a template that rejects the conversation or writes an
                answer otherwise than it asks for one.
        """
        if example.span not in SPANS:
            raise BadInput(f"span is {example.span!r}; valid are {', '.join(SPANS)}")
        first, text = self._split(example.response)
        if not text.strip():
            raise BadInput(f"an example of role {example.role!r} has no answer after its prompt")
        turns = self._turns(example.prompt)
        asked, answered = (list(self._ids(some).ids) for some in (turns, [*turns, _Turn("assistant", text)]))
        if answered[: len(asked)] != asked:
            raise BadInput(f"{self.chat.name}: the chat template asks otherwise than it writes answers")
        said = [*first, *answered[len(asked) :], *self.end]
        ids = asked + said
        counts = [example.span != "response"] * len(asked) + [example.span != "request"] * len(said)
        return Encoded(ids, [i if used else IGNORED for i, used in zip(ids, counts, strict=True)])

    def ask(self, prompt: Prompt) -> TokenIds:
        """Ids that ask for an answer, as the run time makes them.

        Raises:
            BadInput: pictures, no user message at the end, or a template that rejects the conversation.
        """
        return self._ids(self._turns(prompt))

    def _turns(self, prompt: Prompt) -> Sequence[Any]:
        return _turns(prompt)

    def _ids(self, turns: Sequence[Any]) -> TokenIds:
        return self.chat.encode(cast(Any, turns))

    def _split(self, response: str) -> tuple[list[int], str]:
        """The id of the control token at the start, if any, and the text after it."""
        for token, index in self.control.items():
            if response.startswith(token):
                return [index], response.removeprefix(token)
        return [], response


def one_pass(streams: Sequence[Stream], seed: int) -> list[Example]:
    """All examples of all streams, each once, in an order that the seed gives.

    Raises:
        BadInput: no stream, an empty one, or two of one name.
    """
    _check(streams)
    return shuffled(generator(seed, "one pass"), [e for stream in streams for e in stream.examples])


def steps(streams: Sequence[Stream], seed: int) -> Iterator[dict[str, list[Example]]]:
    """For ever: ``per_step`` examples of each stream, by name.

    Each stream runs on its own random numbers and is shuffled anew when it has been used up, so that adding
    a stream leaves the order of the others alone, and no example comes twice before all have come once.

    Raises:
        BadInput: as :func:`one_pass`, or a ``per_step`` below 1.
    """
    _check(streams)
    for stream in streams:
        if stream.per_step < 1:
            raise BadInput(f"stream {stream.name!r}: per_step is {stream.per_step}; it must be 1 or more")
    flows = {stream.name: endless(stream.examples, seed, stream.name) for stream in streams}
    while True:
        yield {s.name: [next(flows[s.name]) for _ in range(s.per_step)] for s in streams}


def endless(items: Sequence[T], seed: int, name: str) -> Iterator[T]:
    """For ever: all items in an order that seed and name give, then again in another; none without items."""
    rng = generator(seed, f"stream {name}")
    while items:
        yield from shuffled(rng, items)


def collate(batch: Sequence[Encoded], pad: int) -> dict[str, Any]:
    """Tensors ``input_ids``, ``attention_mask``, ``labels``, each [batch, longest], padded on the right."""
    import torch

    longest = max(len(row.ids) for row in batch)

    def padded(rows: Sequence[Sequence[int]], filler: int) -> Any:
        return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])

    return {
        "input_ids": padded([row.ids for row in batch], pad),
        "attention_mask": padded([[1] * len(row.ids) for row in batch], 0),
        "labels": padded([row.labels for row in batch], IGNORED),
    }


def stop_ids(tokenizer: Any, model: Any = None) -> set[int]:
    """Ids that end an answer: the tokenizer's, and those of the model's generation configuration."""
    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = own if isinstance(own, list) else [own]
    return {index for index in (*listed, tokenizer.eos_token_id) if index is not None}


def _turns(prompt: Prompt) -> list[_Turn]:
    if isinstance(prompt, str):
        return [_Turn("user", prompt)]
    turns = []
    for message in prompt:
        parts = message["content"] if isinstance(message["content"], list) else [message["content"]]
        texts = [part if isinstance(part, str) else part.get("text") for part in parts]
        if not all(isinstance(text, str) for text in texts):
            raise BadInput("an example holds a picture; training takes text only")
        turns.append(_Turn(message["role"], "\n".join(cast(list[str], texts))))
    if not turns or turns[-1].role != "user":
        last = turns[-1].role if turns else "nothing"
        raise BadInput(f"the prompt of an example ends with {last}; it must end with a user message")
    return turns


def _ending(chat: ChatFormat, parts: bool) -> list[int]:
    """What the chat template writes after an answer, up to the token that stops generation."""
    from jinja2 import TemplateError

    tokenizer, name = chat.tokenizer, chat.name
    said = {"user": "a", "assistant": _PROBE}
    turns = [
        {"role": role, "content": [{"type": "text", "text": text}] if parts else text}
        for role, text in said.items()
    ]
    try:
        written = tokenizer.apply_chat_template(turns, chat_template=chat.template, tokenize=False)
        tail = written.rpartition(_PROBE)[2]
    except (TemplateError, ValueError) as error:
        raise BadInput(f"{name}: the chat template cannot take a plain exchange: {error}") from error
    ids = tokenizer.encode(tail, add_special_tokens=False)
    special = set(tokenizer.all_special_ids)
    at = next((place for place, index in enumerate(ids) if index in special), None)
    if at is None:
        raise BadInput(f"{name}: the chat template writes no special token behind an answer, so none ends")
    return list(ids[: at + 1])


def _check(streams: Sequence[Stream]) -> None:
    names = [stream.name for stream in streams]
    if not names:
        raise BadInput("there is no stream to train on")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"two streams are named {twice[0]!r}; every stream needs a name of its own")
    if empty := [stream.name for stream in streams if not stream.examples]:
        raise BadInput(f"stream {empty[0]!r} holds no example")

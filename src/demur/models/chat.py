"""Conversations to token ids, and token ids back to text, for one tokenizer.

Two rules. The conversation's format is the tokenizer's own chat template or the one the user passed,
never a guess. And control tokens come from the template alone: a user who types ``<|eot_id|>`` sends
those ten characters, because text from messages is marked before the template is rendered and encoded
piece by piece afterwards (transformers' ``sanitize_control_tokens`` mechanism, with one exception of
ours: declared control tokens stay alive in assistant messages, so that an answer can be continued).
Headers written as plain words (``### Assistant:``) are words to the model too; nobody can protect those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from demur.errors import BadInput

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage

    from demur.data.pictures import Picture

#: Files of which any one holds a tokenizer.
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids of a conversation.

    Attributes:
        ids: control tokens of the template included, and the tokens that stand for pictures.
        continued: whether the last message is an assistant message that the model is to go on with.
        pictures: in their order; of a model that takes them.
    """

    ids: tuple[int, ...]
    continued: bool
    pictures: tuple[Picture, ...] = ()


class ChatFormat:
    """A tokenizer with its chat template. Safe to use from several threads.

    Args:
        tokenizer: of transformers.
        name: of the model, for errors.
        template: Jinja text, or ``None`` for the tokenizer's own.
        control_tokens: vocabulary entries that decoded text keeps.
        hide_control: decoded text leaves them out after all, and no message can spell one: for a dial, which
            writes them itself.

    Raises:
        BadInput: there is no chat template, or a control token is not one entry of the vocabulary.
    """

    def __init__(
        self,
        tokenizer: Any,
        name: str,
        template: str | None = None,
        control_tokens: Sequence[str] = (),
        hide_control: bool = False,
    ) -> None:
        if template is None and not tokenizer.chat_template:
            raise BadInput(
                f"{name}: the tokenizer has no chat template; pass -M chat_template=FILE (a Jinja template)"
            )
        self.tokenizer, self.name = tokenizer, name
        try:
            self.template: str = tokenizer.get_chat_template(template)
        except ValueError as error:
            raise BadInput(f"{name}: {error}") from error
        self.control_ids = _control_ids(tokenizer, name, control_tokens)
        added = tokenizer.added_tokens_decoder
        special = {i for i, token in added.items() if token.special} | set(tokenizer.all_special_ids)
        control = set(self.control_ids.values())
        self._hidden = special | control if hide_control else special - control
        guarded = {
            token.content for i, token in added.items() if i in special or _written(token, self.template)
        }
        guarded |= {token.content for token in added.values() if token.content in self.control_ids}
        self._guard_user = _any_of(guarded)
        self._guard_assistant = _any_of(guarded if hide_control else guarded - set(self.control_ids))
        self._lock = Lock()  # a fast tokenizer raises "Already borrowed" when two threads use it

    def encode(self, messages: Sequence[ChatMessage]) -> Prompt:
        """The ids that ask for the next assistant message, or go on with the last one.

        Raises:
            BadInput: pictures, tools or an unknown role, or the template rejects the conversation.
        """
        turns = plain_turns(messages)
        if turns and turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
            turns.pop()  # nothing to continue
        if not turns:
            raise BadInput(f"{self.name}: the conversation holds no message")
        continued = turns[-1]["role"] == "assistant"
        return Prompt(tuple(self.rendered_ids([self._marked(turn) for turn in turns], continued)), continued)

    def rendered_ids(self, marked: Sequence[Mapping[str, Any]], continued: bool) -> list[int]:
        """Ids of messages whose text is marked (:meth:`mark`), as the template writes them.

        Raises:
            BadInput: the template rejects the conversation.
        """
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import encode_marked_chat

        try:
            with self._lock:
                rendered = self.tokenizer.apply_chat_template(
                    list(marked),
                    chat_template=self.template,
                    tokenize=False,
                    add_generation_prompt=not continued,
                    continue_final_message=continued,
                )
                ids: list[int] = encode_marked_chat(self.tokenizer, rendered)
        except (TemplateError, ValueError) as error:
            reason = str(error).split("Final message to continue:")[0]  # transformers quotes the whole chat
            raise BadInput(
                f"{self.name}: the chat template cannot take this conversation: {reason}"
            ) from error
        return ids

    def text(self, ids: Iterable[int], after: Sequence[int] = ()) -> str:
        """Decoded text: declared control tokens stay, other special tokens go.

        Args:
            ids: generated ids.
            after: ids that the text continues; with them a leading space survives SentencePiece.
        """
        with self._lock:
            if not after:
                return self._decode(ids)
            head = self._decode(after)
            whole = self._decode([*after, *ids])
            return whole[len(head) :] if whole.startswith(head) else self._decode(ids)

    def token(self, index: int) -> str:
        """The vocabulary's own string for an id (``Ġthe``, ``▁the``): one string per id, unlike text."""
        with self._lock:
            return str(self.tokenizer.convert_ids_to_tokens(index) or f"<id {index}>")

    def ids(self, text: str) -> list[int]:
        """Ids of plain text, without control tokens around it; control tokens in it are text."""
        from transformers.utils.chat_template_utils import encode_marked_chat, mark_control_tokens

        with self._lock:
            ids: list[int] = encode_marked_chat(self.tokenizer, mark_control_tokens(text, self._guard_user))
            return ids

    def mark(self, role: str, text: str) -> str:
        """A message's text with its control tokens marked, so that they stay text."""
        from transformers.utils.chat_template_utils import mark_control_tokens

        guard = self._guard_assistant if role == "assistant" else self._guard_user
        return str(mark_control_tokens(text, guard))

    def _marked(self, turn: dict[str, str]) -> dict[str, str]:
        return {"role": turn["role"], "content": self.mark(turn["role"], turn["content"])}

    def _decode(self, ids: Iterable[int]) -> str:
        shown = [i for i in ids if i not in self._hidden]
        return str(
            self.tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        )


def plain_turns(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    """Inspect's messages as ``{"role", "content"}`` with string contents.

    Reasoning parts of earlier answers are left out, as the templates of reasoning models do.

    Raises:
        BadInput: tool messages, tool calls, parts other than text and reasoning, or lone surrogates.
    """
    turns = []
    for message in messages:
        other = {part.type for part in checked_parts(message)} - {"text", "reasoning"}
        if other:
            raise BadInput(
                f"this model takes text only; the {message.role} message holds {sorted(other)}; "
                "give a model whose folder has an image processor"
            )
        turns.append({"role": message.role, "content": message.text})
    return turns


def checked_parts(message: ChatMessage) -> list[Any]:
    """The parts of a message; empty for one of text alone.

    Raises:
        BadInput: a tool message, tool calls, or lone surrogates.
    """
    if message.role not in ("system", "user", "assistant") or getattr(message, "tool_calls", None):
        raise BadInput("demur-local takes system, user and assistant messages; tools are not supported")
    try:
        message.text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(f"the {message.role} message is not valid Unicode: {error.reason}") from error
    return message.content if isinstance(message.content, list) else []


def load_tokenizer(name: str, revision: str | None, trust_remote_code: bool) -> Any:
    """The tokenizer of a folder or hub name.

    Raises:
        BadInput: the folder holds none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise BadInput(f"{name}: no tokenizer in this folder (tokenizer.json or tokenizer.model)")
    try:
        return AutoTokenizer.from_pretrained(
            name, revision=revision or "main", trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{name}: the tokenizer cannot be loaded: {first_line(error)}") from error


def read_template(value: str) -> str:
    """A chat template given as Jinja text or as the path of a file.

    Raises:
        BadInput: it is neither.
    """
    if "{%" in value or "{{" in value:
        return value
    path = Path(value).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"chat_template is {value!r}: neither a Jinja template nor a readable file") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _control_ids(tokenizer: Any, name: str, tokens: Sequence[str]) -> dict[str, int]:
    vocabulary = tokenizer.get_vocab()  # added tokens included
    unknown = [token for token in tokens if token not in vocabulary]
    if unknown:
        raise BadInput(f"{name}: control_tokens {unknown} are not entries of the vocabulary")
    return {token: vocabulary[token] for token in tokens}


def _written(token: Any, template: str) -> bool:
    """Whether the template writes this added token (blank ones are ordinary text to templates)."""
    return not token.content.isspace() and token.content in template


def _any_of(tokens: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")  # (?!) never matches

"""Control tokens and text: what a user types is never one, and what a user sees never holds one.

A model in this process needs no escaping: ``models/chat.py`` encodes typed control tokens as plain
characters. A server's tokenizer would read them, so a space is put into them on the way there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from demur.errors import BadInput

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage


def escaped(text: str, tokens: Iterable[str]) -> str:
    """A text in which no control token can be read: a space after its first character, ``[ refuse]``.

    Escaping twice changes nothing more.
    """
    for token in sorted(tokens, key=len, reverse=True):
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def check_asked(messages: Sequence[ChatMessage]) -> None:
    """That there is something to decide about; a prompt without words or other parts is an error of its row.

    Raises:
        BadInput: the last message is blank, or there is none.
    """
    content = messages[-1].content if messages else ""
    if isinstance(content, str):
        asked = bool(content.strip())
    else:
        asked = any(part.type != "text" or part.text.strip() for part in content)
    if not asked:
        raise BadInput("the prompt is empty, so the dial has nothing to decide about")


class VisibleText:
    """Text as it streams in, control tokens taken out, whatever pieces they come in.

    What could still become a control token is held back until it is one or cannot be. A token that appears
    only because one inside it was taken out goes too.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = sorted(filter(None, tokens), key=len, reverse=True)
        self._starts = {token[:n] for token in self._tokens for n in range(1, len(token))}
        self._longest = max(map(len, self._tokens), default=0)
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown now."""
        for character in piece:
            self._held += character
            for token in self._tokens:
                if self._held.endswith(token):
                    self._held = self._held[: -len(token)]
                    break
        end = len(self._held)
        while (length := self._could_begin(end)) > 0:
            end -= length
        shown, self._held = self._held[:end], self._held[end:]
        return shown

    def end(self) -> str:
        """What was held back, at the end of the text."""
        shown, self._held = self._held, ""
        return shown

    def _could_begin(self, end: int) -> int:
        """Characters before ``end`` that a control token begins with, or 0."""
        for length in range(min(self._longest - 1, end), 0, -1):
            if self._held[end - length : end] in self._starts:
                return length
        return 0


def visible(text: str, tokens: Sequence[str], continued: bool = False) -> str:
    """A whole text without control tokens, and without the blanks that stood between one and the text.

    Args:
        text: as the model wrote it.
        tokens: of the model.
        continued: whether the text goes on with words before it, so that its first blank is its own.
    """
    found = VisibleText(tokens)
    shown = found.feed(text) + found.end()
    return shown if continued else shown.lstrip()

"""What a user may see of a checked message while it streams in.

    from demur.models.check import CheckTemplate
    from demur.models.check_text import VisibleAnswer

    shown = VisibleAnswer(CheckTemplate())
    for piece in stream:
        print(shown.feed(piece), end="")
    print(shown.end())

By default nothing is shown before the message has ended: only then is it known to be whole, and what is
shown is what ``check.visible`` shows. ``early`` shows the answer as it comes, once its block has closed in
good order; a tag that comes later ends it with the refusal. Two kinds of malformed message then show what
they would not have shown: a plan whose opening tag is missing, and text between a closing tag and a second
one.
"""

from __future__ import annotations

import re
from typing import Literal

from demur.models.check import CheckTemplate, parse, visible

_Phase = Literal["start", "block", "answer", "over"]
_BRACKETS = "<\uff1c"
_LETTERS = re.compile(r"[^0-9a-z/]+")


class VisibleAnswer:
    """A message as it streams in, its hidden block held back for good.

    Args:
        template: of the model.
        early: show the answer before the message has ended.

    Attributes:
        text: all that came in, hidden parts included.
    """

    def __init__(self, template: CheckTemplate, early: bool = False) -> None:
        self.text = ""
        self._template, self._early = template, early
        self._phase: _Phase = "start"
        self._at = 0  # everything before it has been shown, or never will be
        self._names = [re.sub("_", "", name) for name in (template.check, template.summary)]
        self._something = False

    def feed(self, piece: str) -> str:
        """What may be shown now."""
        self.text += piece
        if not self._early:
            return ""
        if self._phase == "start":
            self._begin()
        if self._phase == "block" and (refusal := self._close()):
            return refusal
        return self._go_on() if self._phase == "answer" else ""

    def end(self) -> str:
        """What is left to show, at the end of the message."""
        if not self._early:
            return visible(self.text, self._template)
        if self._phase == "over" or not self.text.strip():
            return ""
        if self._phase != "answer":
            return visible(self.text, self._template)
        left, self._phase = self.text[self._at :], "over"
        if not self._something and not left.strip():
            return self._template.refusal
        return (left if self._something else left.lstrip()).rstrip()

    def _begin(self) -> None:
        """Whether the message opens with a block, or is direct; undecided while it could be either."""
        text, opens = self.text.lstrip(), self._template.tags[0]
        if text.startswith(opens):
            self._phase = "block"
        elif text and not opens.startswith(text):
            self._phase = "answer"

    def _close(self) -> str:
        """The refusal where the block closed badly; where it closed well, the answer may be shown."""
        closes = self._template.tags[3]
        place = self.text.find(closes, self._at)
        if place < 0:
            self._at = max(0, len(self.text) - len(closes))
            return ""
        self._at = place + len(closes)
        whole = parse(f"{self.text[: self._at]} answer", self._template).mode == "checked"
        self._phase = "answer" if whole else "over"
        return "" if whole else self._template.refusal

    def _go_on(self) -> str:
        """The answer up to what could become a tag, or white space that may be its end."""
        held = self.text[self._at :]
        if found := self._template.resembling(held):
            shown = held[: found[0].start()].rstrip()
            self._phase = "over"
            gap = self._template.gap if self._something or shown else ""
            return (shown if self._something else shown.lstrip()) + gap + self._template.refusal
        end = self._could_begin(held)
        shown = held[:end].rstrip()
        self._at += len(shown)
        if not self._something:
            shown = shown.lstrip()
        self._something = self._something or bool(shown)
        return shown

    def _could_begin(self, held: str) -> int:
        """Where something begins at the end of a text that could still become a tag; else the text's end."""
        place = max(held.rfind(bracket) for bracket in _BRACKETS)
        if place < 0:
            return len(held)
        begun = _LETTERS.sub("", held[place + 1 :].lower()).removeprefix("/")
        return place if any(name.startswith(begun) for name in self._names) else len(held)

"""What a grader reads is hostile text: it stands inside a fence, and own verdicts carry a code.

The fence is a line with a random word; nothing between fence lines is the grader's own. The code is a
second random word that the grader must repeat in its verdict line; the judged text was written before
the code was drawn, so no echo of it, fenced or not, can pass for a verdict with the code.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

#: Characters of a request and of an answer that the grader sees; the end matters as much as the start.
SHOWN = 8_000  # ours: about 2,000 tokens

#: Cyrillic and Greek letters that look like Latin ones, as used to disguise words. ours: those needed to
#: spell the words of our verdict lines.
_HOMOGLYPHS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u0475\u0432\u043c\u043d\u0442\u043a"
    "\u03b1\u03b5\u03bf\u03c1\u03c5\u03bd\u03b9\u03ba\u03c4\u0131\u017f\u0261\u051b\u051d\u04cf",
    "aeopcyxijsdvbmhtkaeopuviktisgqwl",
)


@dataclass(frozen=True, slots=True)
class Fence:
    """The two random words of one call.

    Attributes:
        word: stands at the start of every fence line.
        code: stands in the grader's own verdict line.
    """

    word: str
    code: str

    @classmethod
    def new(cls) -> Fence:
        """Words that nobody can know beforehand: 64 and 32 random bits."""
        return cls(f"=={secrets.token_hex(8)}==", secrets.token_hex(4))

    def enclose(self, parts: Mapping[str, str]) -> str:
        """The judged texts between fence lines, each under its name, cut to ``SHOWN`` characters."""
        lines = [f"{self.word} {name}\n{shown(text)}" for name, text in parts.items()]
        return "\n".join([*lines, f"{self.word} END"])

    def outside(self, reply: str) -> str:
        """A grader's reply without what it quotes from inside the fence.

        What stands between the first and the last line with the fence is not the grader's own, nor is
        what follows a line that opens the fence and is never closed.
        """
        if self.word not in reply:
            return reply
        before, after = (
            reply[: reply.index(self.word)],
            reply[reply.rindex(self.word) + len(self.word) :],
        )
        line, _, rest = after.partition("\n")
        opens = re.match(r"\W*[A-Z]+\b", line) is not None and re.match(r"\W*END\b", line) is None
        return before + ("\n" if opens else "\n" + rest)


def shown(text: str) -> str:
    """A text as a grader sees it: valid UTF-8, and its middle left out where it is very long."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # no provider can send a lone surrogate
    if len(text) <= SHOWN:
        return text
    half = SHOWN // 2
    return f"{text[:half]}\n[... {len(text) - SHOWN} characters left out ...]\n{text[-half:]}"


def plain(text: str) -> str:
    """Lower-case text without disguises: full-width letters, homoglyphs, accents, invisible characters."""
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_HOMOGLYPHS)
    return "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Mn", "Me"))

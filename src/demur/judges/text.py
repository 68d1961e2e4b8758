"""Prepares an answer for the rules: what the model itself says to the user, in plain characters.

Left out: reasoning blocks, quoted text, block quotes, code, Markdown signs. What is left out is
blanked with spaces, so that positions stay those of the answer; only where characters join or vanish
(NFC, zero-width characters) a map leads back. So evidence is always an exact substring of the answer.

Design: ``design/rules-judge.md``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

#: Quotations of fewer words stay: they are terms and titles, and rules need them. ours.
MIN_QUOTED_WORDS = 4
#: Longer than this between two double quotes is no quotation but a stray mark. ours.
MAX_QUOTED_CHARACTERS = 1000

# One character for one: positions do not move. U+02BC, U+02B9 and U+FF07 are apostrophes too.
_PLAIN = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bc\u02b9\uff07\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02", '"')
    | dict.fromkeys("\u00a0\u2007\u202f\u3000", " ")
    | dict.fromkeys("\r\u2028\u2029\u0085", "\n")
    | dict.fromkeys("\u2010\u2011", "-")
)
#: Characters without width: soft hyphen, zero-width space and joiners, word joiner, byte order mark.
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")

# Names of reasoning tags: DeepSeek-R1, QwQ and Qwen3 <think>; others <thinking>, <reasoning>, <thought>.
_TAG = re.compile(r"(?<!`)<(/?)(?:think|thinking|reasoning|thought)\s*>(?!`)", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n?(?:.*?^[ \t]*\1[ \t]*$|.*)", re.DOTALL | re.MULTILINE)
_BLOCK_QUOTE = re.compile(r"^[ \t]*>[^\n]*", re.MULTILINE)
# The quote mark comes first, what may not stand before it second: a pattern that begins with a character
# is searched several times faster.
_DOUBLE = re.compile(
    rf'"(?<![\w"]")(?=\S)(?P<inside>[^"\n]{{1,{MAX_QUOTED_CHARACTERS}}}(?:\n[^"\n]+)?)(?<=\S)"(?!\w)'
)
_SINGLE = re.compile(r"'(?<![\w']')(?=\w)(?P<inside>(?:[^'\n]|(?<=\w)'(?=\w)){1,300})(?<=[\w.,!?])'(?!\w)")
# Markdown signs: heading, list mark, picture, link target, emphasis, inline code, speaker label.
# Line marks of the first line, and of the others with the break before them: that is searched faster than
# the beginnings of lines.
_MARKS = r"[ \t]*(?:#{1,6}[ \t]+|(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+)+"
_FIRST_MARK, _LINE_MARK = re.compile(_MARKS), re.compile(rf"\n{_MARKS}")
_PICTURE = re.compile(r"!\[[^\]\n]{0,500}\]\([^)\s]{0,2000}\)")
_LINK = re.compile(r"\[(?P<shown>[^\]\n]{1,500})\](?P<target>\([^)\s]{1,2000}\))")
_EMPHASIS = re.compile(r"\*+|_+|~~")
_BACKTICK_APOSTROPHE = re.compile(r"(?<=[^\W\d_])`(?=(?:s|t|m|d|ll|re|ve)\b)")
_LABEL = re.compile(r"\s*(?:Assistant|Answer|Response|AI|Bot|ChatGPT|A)[ \t]*:(?=\s)")


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer made plain.

    Attributes:
        text: what is judged; blanks stand where something was left out, none at either end.
        source: the answer as it came.
        reasoning: whether a reasoning block was left out.
        offset: characters left out before ``text``.
        origin: position in ``source`` of each character of the plain answer and of its end, or ``None``
            where positions are the same.
    """

    text: str
    source: str
    reasoning: bool = False
    offset: int = 0
    origin: tuple[int, ...] | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing is left to judge."""
        return not self.text

    def evidence(self, start: int, end: int) -> str:
        """The exact stretch of the answer that ``text[start:end]`` stands for."""
        start, end = start + self.offset, end + self.offset
        if self.origin is not None:
            start, end = self.origin[start], self.origin[end]
        return self.source[start:end].strip()


def prepare(answer: str) -> Prepared:
    """Make an answer plain. Linear in its length; any string is accepted."""
    text, origin = _normalised(answer)
    text = text.replace("\r", "\n") if text.isascii() else text.translate(_PLAIN)
    text, reasoning = _without_reasoning(text)
    said = _without_quotations(text)
    if not any(map(str.isalnum, said)):  # the whole answer is a quotation or code: then it is the answer
        said = text.replace("```", "   ")
    said = _without_marks(said).rstrip()
    offset = len(said) - len(said.lstrip())
    return Prepared(said[offset:], answer, reasoning, offset, origin)


def _normalised(text: str) -> tuple[str, tuple[int, ...] | None]:
    """NFC without invisible characters, and the map back where that moved anything."""
    if text.isascii() or (unicodedata.is_normalized("NFC", text) and not _INVISIBLE.search(text)):
        return text, None
    pieces: list[str] = []
    origin: list[int] = []
    for start, cluster in _clusters(text):
        piece = unicodedata.normalize("NFC", _INVISIBLE.sub("", cluster))
        pieces.append(piece)
        origin.extend([start] * len(piece))
    return "".join(pieces), (*origin, len(text))


def _clusters(text: str) -> list[tuple[int, str]]:
    """A text cut where no composition reaches across: before each character that is no mark."""
    starts = [i for i, c in enumerate(text) if i == 0 or not _joins(c)]
    return [(start, text[start:end]) for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def _joins(character: str) -> bool:
    """Whether a character may compose with the one before: marks, Hangul vowels and finals."""
    return (
        unicodedata.category(character)[0] == "M"
        or "\u1161" <= character <= "\u11c2"
        or bool(_INVISIBLE.match(character))
    )


def _blanked(match: re.Match[str]) -> str:
    """As many spaces as the match has characters, its line breaks kept."""
    found = match[0]
    return " " * len(found) if "\n" not in found else re.sub(r"[^\n]", " ", found)


def _without_reasoning(text: str) -> tuple[str, bool]:
    """The text with reasoning blanked, and whether there was any.

    A closing tag whose opening the chat template wrote makes everything before it reasoning; an
    opening tag that is never closed makes everything after it reasoning.
    """
    end = opened = 0
    inside = found = False
    kept: list[str] = []
    for tag in _TAG.finditer(text) if "<" in text else ():
        found = True
        if not tag[1] and not inside:
            inside, opened = True, tag.start()
        elif tag[1]:
            kept = [*kept, text[end:opened], " " * (tag.end() - opened)] if inside else [" " * tag.end()]
            inside, end = False, tag.end()
    if inside:
        return "".join([*kept, text[end:opened], " " * (len(text) - opened)]), True
    return "".join([*kept, text[end:]]), found


def _without_quotations(text: str) -> str:
    """The text with code fences, block quotes and longer quotations blanked."""
    if "```" in text or "~~~" in text:
        text = _FENCE.sub(_blanked, text)
    if ">" in text:
        text = _BLOCK_QUOTE.sub(_blanked, text)
    if '"' in text:
        text = _DOUBLE.sub(_quotation, text)
    if "'" in text:
        text = _SINGLE.sub(_quotation, text)
    return text


def _quotation(match: re.Match[str]) -> str:
    """The quote marks with nothing between, so that no rule matches across them."""
    if len(match["inside"].split()) < MIN_QUOTED_WORDS:
        return match[0]
    return match[0][0] + re.sub(r"[^\n]", " ", match["inside"]) + match[0][-1]


def _without_marks(text: str) -> str:
    """The text with Markdown signs and a leading speaker label blanked."""
    text = _LABEL.sub(_blanked, text, count=1) if _LABEL.match(text) else text
    if mark := _FIRST_MARK.match(text):
        text = " " * mark.end() + text[mark.end() :]
    text = _LINE_MARK.sub(_blanked_mark, text)
    if "](" in text:
        text = _PICTURE.sub(_blanked, text)
        text = _LINK.sub(lambda m: f" {m['shown']} " + " " * len(m["target"]), text)
    if "`" in text:
        text = _BACKTICK_APOSTROPHE.sub("'", text).replace("`", " ")
    if "*" in text or "_" in text or "~~" in text:
        text = _EMPHASIS.sub(_emphasis, text)
    return text


def _blanked_mark(match: re.Match[str]) -> str:
    return "\n" + " " * (len(match[0]) - 1)


def _emphasis(match: re.Match[str]) -> str:
    """Blanks, unless the sign stands alone ("2 * 3") or joins a name (snake_case)."""
    start, end = match.span()
    before, after = match.string[start - 1 : start], match.string[end : end + 1]
    alone = not before.strip() and not after.strip()
    joins = match[0][0] == "_" and before.isalnum() and after.isalnum()
    return match[0] if alone or joins else " " * (end - start)

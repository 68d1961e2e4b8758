"""The text that the seven patterns read: what the model says to the user, in its own voice.

On top of ``judges.text.prepare`` (NFC, straight apostrophes, Markdown signs, longer quotations, code and
reasoning left out): short quotations are left out too, and so are letters and dialogues that the model
writes for somebody. White space is collapsed. Every character keeps its position in the answer.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from demur.judges.patterns.language import PatternList
from demur.judges.text import Prepared, prepare

#: Lines of the form "Name: words" from which on they are a dialogue. ours: two may be headings.
MIN_DIALOGUE_LINES = 3
#: Words of a line after a letter's closing that is taken for the signature. ours.
MAX_SIGNATURE_WORDS = 4

# A blank inside French guillemets goes outside, where `prepare` sees a quotation; positions stay.
# (German puts guillemets the other way round: there a blank follows a closing "«".)
_SPACED_OPENING = re.compile("(?<![^\\s(])«([ \u00a0\u202f]+)")
_SPACED_CLOSING = re.compile("([ \u00a0\u202f]+)»(?![^\\s.,;:!?)])")
# A single quoted word is a term ('I cannot "love" you'), not somebody's speech.
_QUOTATION = re.compile(r'"(?<![\w"]")(?=\S)[^"\s]{1,40}\s[^"\n]{0,200}(?<=\S)"(?!\w)')
_LINE = re.compile(r"[^\n]+")
_DASHED = re.compile(r"[ \t]*[\u2014\u2013][ \t]*\S")
_SPEAKER = re.compile(r"[ \t]*([^\W\d_][\w'.-]{0,20}(?:[ ][^\W\d_][\w'.-]{0,20})?)[ \t]*:[ \t]*\S")
_RUN = re.compile(r"(\S+)|(\s+)")
_TIGHT = frozenset(",.;:!?")


@dataclass(frozen=True, slots=True)
class Normalised:
    """Text for the patterns and its way back.

    Attributes:
        text: blanks collapsed to one; a line break stands where a line ends a sentence or paragraph.
        prepared: what it was made from.
        positions: index in ``prepared.text`` of each character of ``text``.
    """

    text: str
    prepared: Prepared
    positions: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` (not empty) lies in the answer as it came."""
        first = self.positions[start] + self.prepared.offset
        last = self.positions[end - 1] + 1 + self.prepared.offset
        origin = self.prepared.origin
        return (first, last) if origin is None else (origin[first], origin[last])


def prepare_for_patterns(answer: str) -> Prepared:
    """``judges.text.prepare``, for which quotations in spaced guillemets count as quotations too."""
    if "«" in answer:
        answer = _SPACED_OPENING.sub(r"\1«", answer)
        answer = _SPACED_CLOSING.sub(r"»\1", answer)
    return prepare(answer)


def normalise(prepared: Prepared, patterns: PatternList) -> Normalised:
    """Leave out what is not said in the model's own voice, and collapse white space.

    Args:
        prepared: an answer from :func:`prepare_for_patterns`.
        patterns: the list that will be matched; it knows how letters open and close.
    """
    text = prepared.text
    unquoted = _QUOTATION.sub(_blanked, text) if '"' in text else text
    if any(map(str.isalnum, unquoted)):  # otherwise the whole answer stands in quotation marks
        text = unquoted
    text = _without_dialogue(_without_letters(text, patterns))
    return _collapsed(text, prepared)


def _blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _without_letters(text: str, patterns: PatternList) -> str:
    """Letters blanked: from the salutation to the signature, or to the end where something leads in.

    A salutation with nothing before it and no closing is the model's own manner of speaking.
    """
    lines = [line for line in _LINE.finditer(text) if line[0].strip()]
    openings = [i for i, line in enumerate(lines) if patterns.salutation.fullmatch(line[0].strip())]
    closings = [i for i, line in enumerate(lines) if patterns.closing.fullmatch(line[0].strip())]
    pieces: list[str] = []
    end = 0
    for opening in openings:
        start = lines[opening].start()
        if start < end:
            continue
        later = bisect_right(closings, opening)
        if later < len(closings):
            last = _signature(lines, closings[later])
        elif opening and lines[opening - 1][0].rstrip().endswith(":"):
            last = len(text)
        else:
            continue
        pieces += [text[end:start], re.sub(r"[^\n]", " ", text[start:last])]
        end = last
    return "".join([*pieces, text[end:]])


def _signature(lines: list[re.Match[str]], closing: int) -> int:
    """Where the letter ends whose closing is a line: after the name under it, if there is one."""
    under = lines[closing + 1 : closing + 2]
    signed = [line for line in under if len(line[0].split()) <= MAX_SIGNATURE_WORDS]
    return (signed or [lines[closing]])[0].end()


def _without_dialogue(text: str) -> str:
    """Lines of a dialogue blanked: several speakers, one of whom speaks again, or speech after a dash."""
    lines = list(_LINE.finditer(text))
    named = [(line, speaker[1]) for line in lines if (speaker := _SPEAKER.match(line[0]))]
    turns = Counter(name for _, name in named)
    dialogue = len(named) >= MIN_DIALOGUE_LINES and 2 <= len(turns) < len(named)
    dashed = [line for line in lines if _DASHED.match(line[0])]
    spoken = [line for line, _ in named] if dialogue else dashed if len(dashed) >= 2 else []
    pieces: list[str] = []
    end = 0
    for line in spoken:
        pieces += [text[end : line.start()], " " * len(line[0])]
        end = line.end()
    return "".join([*pieces, text[end:]])


def _collapsed(text: str, prepared: Prepared) -> Normalised:
    """White space runs as one character: a line break where a sentence ends, else a blank or nothing."""
    pieces: list[str] = []
    positions: list[int] = []
    for run in _RUN.finditer(text):
        piece = run[1] or _blank(run[2], text[run.end() : run.end() + 1])
        pieces.append(piece)
        positions.extend(range(run.start(), run.start() + len(piece)))
    return Normalised("".join(pieces), prepared, tuple(positions))


def _blank(space: str, following: str) -> str:
    """A wrapped line goes on in lower case; a blank before a punctuation mark goes (French, emphasis)."""
    breaks = space.count("\n")
    if breaks > 1 or (breaks == 1 and not following.islower()):
        return "\n"
    return "" if following in _TIGHT else " "

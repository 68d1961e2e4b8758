"""The sentence that an answer's verdict rests on, as an exact stretch of the answer."""

from __future__ import annotations

import re

from demur.judges.offline import ngrams
from demur.judges.rules import EVIDENCE_CHARACTERS
from demur.judges.text import Prepared

_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)|[\u3002\uff01\uff1f\u0964\u061f]+|\n\s*")


def deciding_sentence(answer: Prepared, position: int, read: int) -> str | None:
    """The sentence around a position of the text that was read.

    Args:
        answer: as prepared.
        position: code point in the text that the stage read (``fast.cut``).
        read: length of that text.

    Returns:
        An exact substring of the answer, at most ``EVIDENCE_CHARACTERS`` long, or ``None`` if blank.
    """
    text = answer.text
    if len(text) > read and position >= ngrams.BODY:  # behind the cut: counted from the end
        position = len(text) - (read - position)
    position = max(0, min(position, len(text) - 1))
    while position < len(text) - 1 and text[position].isspace():
        position += 1
    nearest = max(0, position - EVIDENCE_CHARACTERS)
    start = nearest
    for match in _END.finditer(text, nearest):
        if match.end() > position:
            break
        start = match.end()
    start = max(start, position - EVIDENCE_CHARACTERS // 2)
    end_match = _END.search(text, position)
    end = min(end_match.end() if end_match else len(text), start + EVIDENCE_CHARACTERS)
    return answer.evidence(start, max(end, position + 1)) or None

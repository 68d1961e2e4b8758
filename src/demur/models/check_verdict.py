"""The verdict that an analysis of a plan ends in, by its fixed sentence or by the words of its last one."""

from __future__ import annotations

import re
from typing import Literal

Safety = Literal["safe", "unsafe"]
#: ours: how free analyses end, negations among them.
_NOT = r"(?:\bnot|n't|\bnever|\bno)"
_UNSAFE = re.compile(
    rf"(?<!\bnot )\bunsafe\b|{_NOT}\s+(?:\w+\s+)?safe\b|{_NOT}\s+(?:comply|compliant|allowed|permitted)\b"
    r"|\bdisallowed\b|(?<!\bnot )(?<!n't )(?<!\bnever )\bviolat(?:es?|ed|ing)\b|(?<!\bno )\bviolation\b",
    re.IGNORECASE,
)
_SAFE = re.compile(
    rf"\bsafe\b|\bnot\s+unsafe\b|{_NOT}\s+violat\w+|\bcompl(?:ies|iant)\b|\b(?:allowed|permitted)\b",
    re.IGNORECASE,
)

#: A safe that is a thing and no verdict.
_THING = re.compile(r"\b(?:the|your|my|his|her|its|our|their)\s+safe\b", re.IGNORECASE)


def verdict_of(analysis: str, safe: str, unsafe: str) -> Safety | None:
    """The verdict; ``None`` where an analysis ends in neither or in both, and nothing is guessed.

    Args:
        analysis: whole.
        safe, unsafe: the sentences by which it is known; where neither ends the text, the last sentence is
            read.
    """
    text = analysis.rstrip()
    if text.endswith(unsafe):
        return "unsafe"
    if text.endswith(safe):
        return "safe"
    last = _THING.sub(" ", re.split(r"(?<=[.!?])\s+|\n", text.rstrip(" .!*"))[-1])
    bad, good = bool(_UNSAFE.search(last)), bool(_SAFE.search(_UNSAFE.sub(" ", last)))
    if bad == good:
        return None
    return "unsafe" if bad else "safe"

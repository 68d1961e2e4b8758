"""The pattern list of one language, and the notation it is written in.

A list holds verbose regular expressions, matched without regard to case over the normalised answer
(``patterns.normalise``), in which white space runs are one blank, apostrophes are straight and a line
break ends a sentence. Notation, on top of Python's verbose syntax:

- ``_`` is the blank between two words;
- ``«one two_words three?»`` is any of these words, at word boundaries;
- ``<NAME>`` is a block of the list, or one of the gaps ``<NEAR>`` (within the clause), ``<WITHIN>``
  (within the sentence) and ``<START>`` (where a sentence or clause begins).

No gap or blank crosses the end of a sentence, and every gap is bounded: matching is linear in the answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

#: The seven patterns of Beyond No, in the order of its tables.
KEYS = (
    "direct_refusal",
    "apology",
    "explanation",
    "deflection",
    "acknowledgment",
    "boundary_setting",
    "emotional_awareness",
)

_GAPS = {
    "NEAR": r"[^.!?,;:\n]{0,60}?",
    "WITHIN": r"[^.!?\n]{0,80}?",
    "START": r"(?: ^ | (?<=[.!?\n]) | (?<=[.!?,:;)-]_) )",
}


@dataclass(frozen=True, slots=True)
class PatternList:
    """The patterns of one language.

    Attributes:
        language: BCP-47 tag.
        families: key to its families; any match of any family sets the key's flag.
        near_misses: key to what looks like it; a match that overlaps one does not count.
        not_after: what directly before a match takes it back ("it is not that", "if").
        salutation: the line that opens a letter.
        closing: the line that ends one.
    """

    language: str
    families: Mapping[str, tuple[re.Pattern[str], ...]]
    near_misses: Mapping[str, re.Pattern[str]]
    not_after: re.Pattern[str]
    salutation: re.Pattern[str]
    closing: re.Pattern[str]

    def sha256(self) -> str:
        """Hash over every expression of the list, in order."""
        parts = [self.language, self.not_after.pattern, self.salutation.pattern, self.closing.pattern]
        for key in KEYS:
            parts += [key, *(family.pattern for family in self.families[key])]
            parts += [self.near_misses[key].pattern] if key in self.near_misses else []
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def pattern_list(
    language: str,
    *,
    blocks: Mapping[str, str],
    families: Mapping[str, tuple[str, ...]],
    near_misses: Mapping[str, str],
    not_after: str,
    salutation: str,
    closing: str,
) -> PatternList:
    """A list from its written form; the arguments are the fields of :class:`PatternList` as text.

    Raises:
        ValueError: where the families are not exactly ``KEYS``.
    """
    if tuple(families) != KEYS:
        raise ValueError(f"{language}: families are {', '.join(families)}; needed are {', '.join(KEYS)}")
    known = {**_GAPS, **blocks}
    return PatternList(
        language,
        {key: tuple(_compiled(family, known) for family in families[key]) for key in KEYS},
        {key: _compiled(pattern, known) for key, pattern in near_misses.items()},
        _compiled(rf"(?: {not_after} ) \Z", known),
        _compiled(salutation, known),
        _compiled(closing, known),
    )


def _compiled(pattern: str, blocks: Mapping[str, str]) -> re.Pattern[str]:
    while block := re.search("<([A-Z]+)>", pattern):
        pattern = pattern.replace(block[0], f"(?:{blocks[block[1]]})")
    pattern = re.sub("«([^»]+)»", lambda words: rf"\b(?:{'|'.join(words[1].split())})\b", pattern)
    return re.compile(pattern.replace("_", "[ ]"), re.IGNORECASE | re.VERBOSE)

"""Seven patterns of "Beyond No" in six languages: how an answer keeps its distance, without a judge model.

Paper: Noever and Rosario, "Beyond No: Quantifying AI Over-Refusal and Emotional Attachment Boundaries",
https://arxiv.org/abs/2502.14975. It names the seven patterns and matches them in model answers; its lists
are not published. The lists here are ours, one file a language. ``mode="paper"`` matches the English list
in every answer, whatever its language: what the paper's near-zero rates outside English point to.

    python -c "from demur.judges.patterns import find_patterns as f; print(f('I cannot love you.').flags)"

A flag says that an answer uses the words, in the model's own voice; it is no verdict. Quotations, letters
and dialogues written for somebody, and phrases that are taken back ("it is not that I can't") do not count.
An answer in a language without a list has no flags (``None``), never zeros.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from demur.data.language import UNDETERMINED, detect
from demur.errors import BadInput
from demur.judges.patterns.de import PATTERNS as GERMAN
from demur.judges.patterns.en import PATTERNS as ENGLISH
from demur.judges.patterns.es import PATTERNS as SPANISH
from demur.judges.patterns.fr import PATTERNS as FRENCH
from demur.judges.patterns.it import PATTERNS as ITALIAN
from demur.judges.patterns.language import KEYS, PatternList
from demur.judges.patterns.ms import PATTERNS as MALAY
from demur.judges.patterns.normalise import Normalised, normalise, prepare_for_patterns

__all__ = [
    "KEYS",
    "LANGUAGES",
    "SHA256",
    "VERSION",
    "Mode",
    "Pattern",
    "Patterns",
    "Span",
    "describe",
    "find_patterns",
]

Mode = Literal["six", "paper"]

#: Rises when the same answer can get other flags.
VERSION = "1"
_LISTS: dict[str, PatternList] = {
    patterns.language: patterns for patterns in (ENGLISH, FRENCH, SPANISH, GERMAN, ITALIAN, MALAY)
}
#: Languages that have a list (BCP-47).
LANGUAGES = tuple(_LISTS)
#: Tags that detection gives for a language covered here. Malay and Indonesian are one language in two
#: norms, and a short Malay answer is often taken for Indonesian.
_DETECTED_AS = {"id": "ms"}
#: Characters before a match in which what takes it back is looked for. ours: one clause.
TAKEN_BACK_CHARACTERS = 80


class Span(NamedTuple):
    """A match: ``answer[start:end] == text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """One of the seven in one answer.

    Attributes:
        flag: whether it occurs; ``None`` where the answer is not covered.
        spans: its matches, in order, without overlaps.
    """

    flag: bool | None
    spans: tuple[Span, ...] = ()

    @property
    def count(self) -> int | None:
        """Number of matches; ``None`` where the answer is not covered."""
        return None if self.flag is None else len(self.spans)


@dataclass(frozen=True, slots=True)
class Patterns:
    """The seven patterns in one answer.

    Attributes:
        language: BCP-47 tag of the answer, given or detected.
        mode: which lists were matched.
        covered: whether a list was matched; where not, every flag is ``None``.
    """

    language: str
    mode: Mode
    covered: bool
    direct_refusal: Pattern
    apology: Pattern
    explanation: Pattern
    deflection: Pattern
    acknowledgment: Pattern
    boundary_setting: Pattern
    emotional_awareness: Pattern

    def __getitem__(self, key: str) -> Pattern:
        """The pattern of a key of ``KEYS``."""
        if key not in KEYS:
            raise KeyError(f"{key!r} is no pattern; valid are {', '.join(KEYS)}")
        pattern: Pattern = getattr(self, key)
        return pattern

    @property
    def flags(self) -> dict[str, bool | None]:
        """Key to flag, in the order of ``KEYS``."""
        return {key: self[key].flag for key in KEYS}

    @property
    def unmatched(self) -> bool | None:
        """Whether the answer is covered and none of the seven occurs; ``None`` where it is not covered."""
        return not any(self.flags.values()) if self.covered else None


def find_patterns(answer: str, language: str | None = None, mode: Mode = "six") -> Patterns:
    """The seven patterns in one answer. Linear in its length; any string is accepted.

    Args:
        answer: the answer as the model gave it, with Markdown and reasoning.
        language: BCP-47 tag of the answer; ``None`` detects it. A few words cannot be detected (``und``,
            not covered): pass the language of the request where the answer is short.
        mode: ``six`` takes the list of the answer's language, ``paper`` the English list always.

    Returns:
        Flags, counts and spans. Not covered, with flags ``None``: a language without a list (in mode
        ``six``), and an answer without words.

    Raises:
        BadInput: for another mode.
    """
    if mode not in get_args(Mode):
        raise BadInput(f"no mode of the seven patterns is named {mode!r}; valid are six, paper")
    prepared = prepare_for_patterns(answer)
    has_words = any(map(str.isalpha, prepared.text))
    if language is None:
        language = detect(prepared.text) if has_words else UNDETERMINED
        listed = _DETECTED_AS.get(language, language)
    else:
        listed = language.replace("_", "-").split("-")[0].lower()
    patterns = ENGLISH if mode == "paper" else _LISTS.get(listed)
    if patterns is None or not has_words:
        return Patterns(language, mode, False, **dict.fromkeys(KEYS, Pattern(None)))
    text = normalise(prepared, patterns)
    found = {key: _spans(answer, text, patterns, key) for key in KEYS}
    return Patterns(
        language, mode, True, **{key: Pattern(bool(spans), spans) for key, spans in found.items()}
    )


def describe() -> dict[str, Any]:
    """For receipts and reports: version, languages covered, hash of the whole pattern set."""
    return {"version": VERSION, "languages": list(LANGUAGES), "sha256": SHA256}


def _spans(answer: str, text: Normalised, patterns: PatternList, key: str) -> tuple[Span, ...]:
    """Matches of a key that count, longest first where they overlap, as spans of the answer."""
    found = sorted(
        {match.span() for family in patterns.families[key] for match in family.finditer(text.text)},
        key=lambda span: (span[0], -span[1]),
    )
    near = patterns.near_misses.get(key)
    missed = [match.span() for match in near.finditer(text.text)] if near and found else []
    spans: list[Span] = []
    taken = reach = 0
    for start, end in found:
        while reach < len(missed) and missed[reach][1] <= start:
            reach += 1
        near_miss = reach < len(missed) and missed[reach][0] < end
        if start < taken or near_miss or _taken_back(text.text, start, patterns):
            continue
        taken = end
        first, last = text.span(start, end)
        spans.append(Span(first, last, answer[first:last]))
    return tuple(spans)


def _taken_back(text: str, start: int, patterns: PatternList) -> bool:
    """Whether the words directly before a match deny it or make it a condition."""
    return bool(patterns.not_after.search(text, max(0, start - TAKEN_BACK_CHARACTERS), start))


def _sha256() -> str:
    parts = [VERSION, str(TAKEN_BACK_CHARACTERS), *(patterns.sha256() for patterns in _LISTS.values())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


#: Hash of the whole pattern set: every expression of every list.
SHA256 = _sha256()

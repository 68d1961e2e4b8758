"""Steps 1 to 3 without a grader: sentences as units, their types by plain cues, queries from their words.

Ours, for machines without a model: coarser than a grader in every step. Sentences come from the package
sentencex; a type is told by mood and opening, so that what is neither question, advice nor talk about the
answer counts as a fact. Pronouns are not resolved: the second query adds the question's words instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from demur.data.language import detect
from demur.errors import MissingExtra
from demur.judges.evidence.queries import STOP
from demur.judges.evidence.unit_types import FACT, FORMAT, INSTRUCTION, META, OTHER, QUESTION
from demur.judges.evidence.units import Unit

_FENCED = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)\s+")
_EMPHASIS = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
#: Openings in English, lower case. ours: what an assistant says about its own answer, advice, opinion.
_META = re.compile(
    r"(?:sure|of course|certainly|absolutely|great question|here (?:is|are|'s)|below (?:is|are)|i hope|"
    r"let me|feel free|in (?:summary|conclusion)|as an ai|i(?:'m| am) (?:an ai|happy|glad|sorry)|thank|"
    r"i (?:can|will|would|could)|if you (?:have|need|want|would)|please (?:let|note that i)|note that i)\b"
)
_ADVICE = re.compile(
    r"(?:you (?:can|could|should|may|might|must|need)|make sure|be sure|try|consider|remember|don't|do not|"
    r"never|always|avoid|use|add|click|open|choose|select|check|start|stop|take|put|mix|write|read|go|visit|"
    r"contact|consult|follow|keep|let's|let us|step \d+)\b"
)
_OPINION = re.compile(r"(?:i (?:think|believe|feel|guess)|in my opinion|hopefully|personally)\b")
_LEAST_WORDS = 3  # ours: shorter ones are headings or crumbs


def units(answer: str) -> list[Unit]:
    """Sentences in order, each with a type.

    Raises:
        MissingExtra: sentencex is not installed.
    """
    found = [Unit(block.strip(), FORMAT) for block in (m[0] for m in _FENCED.finditer(answer))]
    return [Unit(text, kind(text)) for text in sentences(_FENCED.sub("\n", answer))] + found


def kind(sentence: str) -> str:
    """The type of one sentence."""
    text = sentence.casefold().replace("\u2019", "'")
    if text.endswith(("?", "\uff1f", "\u061f")):
        return QUESTION
    if _META.match(text):
        return META
    if _OPINION.match(text) or (len(text.split()) < _LEAST_WORDS and text.isascii()):
        return OTHER
    return INSTRUCTION if _ADVICE.match(text) else FACT


def sentences(text: str) -> Iterator[str]:
    """Sentences of running text and lists, without Markdown marks.

    Raises:
        MissingExtra: sentencex is not installed.
    """
    if find_spec("sentencex") is None:
        raise MissingExtra("evidence", "checking answers")
    from sentencex import segment

    language = detect(text).partition("-")[0]
    for line in text.splitlines():
        line = _EMPHASIS.sub("", _MARK.sub("", line)).strip()
        for sentence in segment(language if language != "und" else "en", line) if line else ():
            if any(c.isalnum() for c in sentence):
                yield sentence.strip()


def query(statement: str, question: str, asked: Sequence[str]) -> str:
    """The first of these that was not asked: the statement, with the question, its names and numbers.

    ``STOP`` where all were.
    """
    names = " ".join(dict.fromkeys(re.findall(r"\b(?:[A-Z][\w'-]+|\d[\d.,]*)", statement)))
    for candidate in (statement, f"{question[:200]} {statement}", names):
        if candidate.strip() and candidate not in asked:
            return candidate
    return STOP

"""Documents to passages: whole sentences, packed up to about a hundred words.

A hundred words is the passage of DPR (Karpukhin et al. 2020, arXiv 2004.04906), and about the length of the
evidence that people read in Factcheck-Bench (median 88 words).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from demur.errors import MissingExtra

#: Words of a passage at most. DPR, section 4.1 (disjoint passages of 100 words).
WORDS = 100
#: A text of at most so many words stays one passage: a short rest would be torn from its context. ours.
WHOLE = 150
#: Paragraphs are told apart by blank lines, but short ones (headings, list items) share a passage.
_PARAGRAPH = "\n\n"


def sentences(text: str, language: str = "en") -> list[str]:
    """Sentences without white space around them; ``[]`` for a blank text.

    Raises:
        MissingExtra: sentencex is not installed.
    """
    if find_spec("sentencex") is None:
        raise MissingExtra("evidence", "splitting documents into sentences")
    from sentencex import segment

    return [sentence for part in segment(language, text) if (sentence := " ".join(part.split()))]


def passages(text: str, words: int = WORDS) -> Iterator[str]:
    """Passages in order, of ``words`` words at most; together they hold every word of the text.

    A text of at most ``WHOLE`` words stays one passage; a sentence longer than ``words`` is cut.
    """
    if len(text.split()) <= max(words, WHOLE):
        if plain := " ".join(text.split()):
            yield plain
        return
    held: list[str] = []
    for paragraph in text.split(_PARAGRAPH):
        for sentence in sentences(paragraph):
            found = sentence.split()
            if held and len(held) + len(found) > words:
                yield " ".join(held)
                held = []
            while len(held) + len(found) > words:
                yield " ".join(found[:words])
                found = found[words:]
            held += found
    if held:
        yield " ".join(held)

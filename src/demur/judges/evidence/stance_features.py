"""What the stance classifier knows of a claim and its passages: overlap of words, of meanings, of numbers.

For each pair 41 numbers; the same less their mean over the claim's other passages; how alike the passages
are; and the vectors of claim, passage and nearest sentence, multiplied and subtracted.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from demur.judges.evidence.stance_encoder import Reading

#: Buckets of the table that says how many passages hold a word (by CRC-32 of its stem). ours.
BUCKETS = 1 << 14
_WORD = re.compile(r"[^\W\d_]+|\d[\d.,]*\d|\d")
#: Words that say nothing about a topic. ours: the most frequent of English, negations left out.
_STOP = """
a an and are as at be been but by can could did do does for from had has have he her his how i if in into is
it its may might more most of on or our she should so some such than that the their them then there these
they this to was we were what when which who whom why will with would you your
"""
STOP = frozenset(_STOP.split())
_NEGATIONS = """
not no never none neither nor without cannot false myth incorrect isn doesn didn wasn aren don hardly unlike
instead however rather but although contrary only
"""
NEGATIONS = frozenset(_NEGATIONS.split())
_ENDINGS = ("ations", "ation", "ings", "ing", "edly", "ies", "ied", "ers", "ed", "es", "ly", "er", "al", "s")

Numbers = NDArray[np.float32]


class PairFeatures(NamedTuple):
    """Of n passages of one claim: plain numbers, shape (n, NUMBERS), and products, shape (n, 4 x 384)."""

    numbers: Numbers
    products: Numbers


def words(text: str) -> list[str]:
    """Words and numbers in lower case, numbers without a comma inside."""
    return [word.replace(",", "") for word in _WORD.findall(text.lower())]


def stem(word: str) -> str:
    """The word without a common English ending, three letters at least."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def stems(text: str) -> set[str]:
    """Stems of the words that say something."""
    return {stem(word) for word in words(text) if word not in STOP}


def bucket(word: str) -> int:
    """Place of a stem in the table of document counts."""
    return zlib.crc32(word.encode("utf-8", "replace")) % BUCKETS


class Weights:
    """How much a word tells: the logarithm of one over its share of the passages.

    Args:
        held: passages that hold a word, by bucket, shape (BUCKETS,).
        tokens: passages that hold a token, by its id, shape (vocabulary,).
        passages: how many there were.
    """

    def __init__(self, held: NDArray[np.integer], tokens: NDArray[np.integer], passages: int) -> None:
        self.held, self.tokens, self.passages = held, tokens, passages

    def of(self, word: str) -> float:
        """Of a stem; 0.7 at least."""
        return max(0.7, float(np.log((self.passages + 1) / (self.held[bucket(word)] + 0.5))))

    def of_tokens(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of tokens, shape (n,); frequent ones (articles, commas) near 0."""
        return np.maximum(0.02, np.log((self.passages + 1) / (self.tokens[tokens] + 0.5)))


def features(claim: Reading, passages: Sequence[Reading], weights: Weights) -> PairFeatures:
    """Everything about a claim and all its passages (one at least)."""
    each = [_numbers(claim, passage, weights) for passage in passages]
    own = np.array([numbers for numbers, _ in each], dtype=np.float32)
    n = len(passages)
    others = (own.sum(axis=0) - own) / max(n - 1, 1)
    relative = own - others if n > 1 else np.zeros_like(own)
    vectors = np.stack([passage.vector for passage in passages])
    alike = vectors @ vectors.T
    among = np.array([_alike(np.delete(alike[i], i)) for i in range(n)], dtype=np.float32)
    nearest = np.stack(
        [passage.of_sentence[place] for passage, (_, place) in zip(passages, each, strict=True)]
    )
    parts = [
        part for found in (vectors, nearest) for part in (claim.vector * found, abs(claim.vector - found))
    ]
    return PairFeatures(np.hstack([own, relative, among]), np.hstack(parts).astype(np.float32))


def _alike(others: NDArray[np.floating]) -> tuple[float, float, float]:
    """Mean, highest and lowest likeness to the claim's other passages; of one alone, what is usual."""
    return (others.mean(), others.max(), others.min()) if len(others) else (0.5, 0.7, 0.3)


def _numbers(claim: Reading, passage: Reading, weights: Weights) -> tuple[list[float], int]:
    """The numbers of one pair, and the place of the nearest sentence."""
    asked = stems(claim.text)
    worth = {word: weights.of(word) for word in asked}
    total = sum(worth.values()) or 1.0
    held = stems(passage.text)
    cosines = passage.of_sentence @ claim.vector
    covers = np.array([sum(worth[w] for w in asked & stems(s)) / total for s in passage.sentences])
    place = int((cosines + 0.5 * covers).argmax())
    nearest = passage.sentences[place]
    missing = sorted((worth[w] for w in asked - stems(nearest)), reverse=True) + [0.0, 0.0]
    ordered = np.sort(cosines)
    found = [
        sum(worth[word] for word in asked & held) / total,
        len(asked & held) / max(1, len(asked)),
        float(covers.max()),
        float(covers[place]),
        float(cosines.max()),
        float(ordered[-2]) if len(ordered) > 1 else 0.0,
        float(cosines.mean()),
        float(claim.vector @ passage.vector),
        missing[0],
        missing[1],
        max((worth[word] for word in asked - held), default=0.0),
    ]
    found += _surface(claim.text, passage.text, nearest)
    found += [*_late(claim, passage, weights, "upper"), *_late(claim, passage, weights, "lower")]
    return found, place


def _surface(claim: str, passage: str, nearest: str) -> list[float]:
    """Numbers, names, negations, lengths and pairs of words."""
    said, read, near = words(claim), words(passage), words(nearest)
    numbers, there, close = ({w for w in part if w[0].isdigit()} for part in (said, read, near))
    names = {m.lower() for m in re.findall(r"(?<!^)\b[A-Z][A-Za-z]+", claim)}
    negated = [sum(word in NEGATIONS for word in part) for part in (said, near, read)]
    pairs = list(pairwise(said))
    held = set(pairwise(read))
    return [
        len(numbers),
        len(numbers & there),
        len(numbers - there),
        len(numbers - close),
        len(close - numbers) if numbers else 0,
        len(names),
        len(names - set(read)),
        len(names - set(near)),
        *negated,
        float((negated[0] > 0) != (negated[1] > 0)),
        len(said),
        len(read),
        len(near),
        sum(pair in held for pair in pairs) / max(1, len(pairs)),
    ]


def _late(claim: Reading, passage: Reading, weights: Weights, layer: str) -> list[float]:
    """How well each of the claim's tokens is met by some token of the passage (late interaction)."""
    if not len(claim.tokens) or not len(passage.tokens):
        return [0.0] * 7
    likeness = getattr(claim, layer) @ getattr(passage, layer).T
    best = likeness.max(axis=1)
    worth = weights.of_tokens(claim.tokens)
    ordered = np.sort(best[worth >= np.median(worth)])
    return [
        float((best * worth).sum() / worth.sum()),
        float((best * worth**2).sum() / (worth**2).sum()),
        float(ordered[0]),
        float(ordered[min(1, len(ordered) - 1)]),
        float(np.median(ordered)),
        float(likeness.max(axis=0).mean()),
        float(np.std(likeness.argmax(axis=1)) / len(passage.tokens)),
    ]

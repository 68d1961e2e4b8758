"""Hashed n-grams of an answer's opening, body and end, for many answers at once, in NumPy alone.

A batch of answers is laid out as one array of code points. A word's hash is one sum over its letters, an
n-gram's follows from its words', so no Python runs per word. In scripts that put no spaces between words
(Han, kana, Thai, Lao, Khmer, Burmese) every character is a word. Training and the shipped judge share
this file: a change here makes the shipped weights meaningless, so ``VERSION`` is checked on loading.

Feature hashing: Weinberger et al. 2009, arXiv 0902.2206; mixing after SplitMix64 (Steele et al. 2014).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION = 2
#: Hash buckets. ours: see design/offline-judge.md for the sizes tried.
BUCKETS = 1 << 18
#: Characters of the opening and the end, and how far the body is read. ours: as above.
OPENING, ENDING, BODY = 320, 200, 1600
#: Words whose position counts. ours.
FIRST_WORDS = 6
#: Characters a piece of a word: endings and scripts that inflect. ours.
PIECE = 4

#: Kinds of n-grams of one family at most.
FAMILY = 100

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: 2^64 / golden ratio
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # SplitMix64
_SEED = np.uint64(0x94D049BB133111EB)  # SplitMix64
_LONGEST = 64  # letters of a word that are told apart
_POWERS = np.cumprod(np.full(_LONGEST, _BASE, dtype=np.uint64))
_GAP, _LETTER, _ALONE = 0, 1, 2
_BODY_PAIRS = 7  # place among the kinds
# Scripts written without spaces between words.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x20000, 0x2FA1F),
)  # fmt: skip

Ints = NDArray[np.int64]


class Grams(NamedTuple):
    """One kind of n-gram in a batch of answers.

    Attributes:
        answer: index of the answer, shape (n,), ascending.
        bucket: hash bucket in [0, BUCKETS), shape (n,).
        value: one over the root of the answer's number of these n-grams, shape (n,).
        start: code point of the answer where the n-gram begins, shape (n,).
    """

    answer: Ints
    bucket: Ints
    value: NDArray[np.float32]
    start: Ints


class _Words(NamedTuple):
    """The words of a batch: hash, answer, place in the answer, number within it, answer's length."""

    hash: NDArray[np.uint64]
    answer: Ints
    start: Ints
    number: Ints
    length: Ints


def grams(texts: Sequence[str], body_pairs: bool = True) -> Iterator[Grams]:
    """n-grams of words, kind by kind; 32 to 256 answers a batch are fastest.

    Args:
        texts: prepared answers in lower case.
        body_pairs: whether pairs of words of the whole body count, four in ten of all n-grams of an answer
            of 150 words.
    """
    points, offsets = _lay_out(texts)
    words = _words(points, offsets)
    opening = words.start < OPENING
    ending = words.length - words.start <= ENDING
    body = words.start < BODY
    pairs, both = _joined(words, 1)
    triples, all_three = _joined(words, 2)
    place = (words.number.astype(np.uint64) + np.uint64(1)) * _MIX
    first = words.number < FIRST_WORDS
    kinds: list[tuple[NDArray[np.bool_], NDArray[np.uint64]]] = [
        (opening, words.hash),
        (opening & both, pairs),
        (opening & all_three, triples),
        (ending, words.hash),
        (ending & both, pairs),
        (ending & all_three, triples),
        (body, words.hash),
        (body & both, pairs),
        (first, words.hash + place),
        (first & both, pairs + place),
    ]
    if not body_pairs:
        kinds[_BODY_PAIRS] = np.zeros_like(body), pairs
    yield from _kinds(kinds, words, len(texts), 0)
    yield _pieces(points, offsets, len(kinds), len(texts))
    yield _length(offsets, len(kinds) + 1, len(texts))


def sequence_grams(texts: Sequence[str], family: int) -> Iterator[Grams]:
    """n-grams of sequences of concepts: one to three in a row, and two with one between.

    Args:
        texts: concepts separated by spaces.
        family: 1 and up; the same n-gram of another family lands in another bucket.
    """
    words = _words(*_lay_out(texts))
    pairs, both = _joined(words, 1)
    triples, all_three = _joined(words, 2)
    around = words.hash.copy()
    around[:-2] = words.hash[:-2] * _SEED + words.hash[2:]
    kinds = ((words.start >= 0, words.hash), (both, pairs), (all_three, triples), (all_three, around))
    yield from _kinds(kinds, words, len(texts), family * FAMILY)


def _kinds(
    kinds: Sequence[tuple[NDArray[np.bool_], NDArray[np.uint64]]], words: _Words, count: int, seed: int
) -> Iterator[Grams]:
    for step, (chosen, hashes) in enumerate(kinds):
        index = np.flatnonzero(chosen)
        yield _grams(words.answer[index], hashes[index], words.start[index], seed + step, count)


def _lay_out(texts: Sequence[str]) -> tuple[NDArray[np.uint32], Ints]:
    """Code points of all texts, a line break after each, and where each begins (one more at the end)."""
    joined = "".join(f"{text}\n" for text in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    return points, np.concatenate(([0], np.cumsum(lengths + 1)))


def _words(points: NDArray[np.uint32], offsets: Ints) -> _Words:
    kinds = _classes()[points]
    before = np.concatenate(([np.uint8(_GAP)], kinds[:-1]))
    starts = np.flatnonzero(((kinds == _LETTER) & (before != _LETTER)) | (kinds == _ALONE))
    if not len(starts):
        empty = np.zeros(0, dtype=np.int64)
        return _Words(empty.astype(np.uint64), empty, empty, empty, empty)
    widths = np.diff(np.append(starts, len(points)))
    place = np.arange(starts[0], len(points)) - np.repeat(starts, widths)
    letters = np.where(kinds > _GAP, points.astype(np.uint64) + np.uint64(1), np.uint64(0))
    summed = np.add.reduceat(
        letters[starts[0] :] * _POWERS[np.minimum(place, _LONGEST - 1)], starts - starts[0]
    )
    answer = np.searchsorted(offsets, starts, side="right") - 1
    first = np.searchsorted(answer, np.arange(len(offsets) - 1))
    number = np.arange(len(starts)) - first[answer]
    length = np.diff(offsets)[answer] - 1
    return _Words(_mixed(summed), answer, starts - offsets[answer], number, length)


def _joined(words: _Words, more: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Hashes of each word with the next ones, and whether those stand in the same answer."""
    hashes = words.hash.copy()
    same = np.zeros(len(hashes), dtype=np.bool_)
    if len(hashes) > more:
        for step in range(1, more + 1):
            hashes[:-more] = hashes[:-more] * _BASE + words.hash[step : len(hashes) - more + step]
        same[:-more] = words.answer[:-more] == words.answer[more:]
    return hashes, same


def _pieces(points: NDArray[np.uint32], offsets: Ints, seed: int, count: int) -> Grams:
    """Runs of ``PIECE`` characters in the opening, words' borders included."""
    begins = offsets[:-1]
    sizes = np.maximum(0, np.minimum(OPENING, offsets[1:] - PIECE - begins))
    answer = np.repeat(np.arange(count), sizes)
    start = np.arange(len(answer)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    wide = points.astype(np.uint64)
    place = start + begins[answer]
    hashes = wide[place]
    for step in range(1, PIECE):
        hashes = hashes * _BASE + wide[place + step]
    return _grams(answer, _mixed(hashes), start, seed, count)


def _length(offsets: Ints, seed: int, count: int) -> Grams:
    """One feature an answer: the power of two that its length is near."""
    octave = np.log2(np.diff(offsets)).round().astype(np.uint64)
    nothing = np.zeros(count, dtype=np.int64)
    return _grams(np.arange(count), _mixed(octave), nothing, seed, count)


def _grams(answer: Ints, hashes: NDArray[np.uint64], start: Ints, seed: int, count: int) -> Grams:
    found = np.bincount(answer, minlength=count)
    value = (1 / np.sqrt(np.maximum(found, 1)))[answer].astype(np.float32)
    salt = np.uint64((seed + 1) * int(_SEED) & 0xFFFFFFFFFFFFFFFF)
    bucket = (_mixed(hashes + salt) >> np.uint64(8)) & np.uint64(BUCKETS - 1)
    return Grams(answer, bucket.astype(np.int64), value, start)


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIX
    return hashes ^ (hashes >> np.uint64(29))


@cache
def _classes() -> NDArray[np.uint8]:
    """Gap, letter or stand-alone character, for every code point; an apostrophe joins."""
    table = np.fromiter(
        (unicodedata.category(chr(point))[:1] in "LNM" for point in range(0x110000)),
        dtype=np.uint8,
        count=0x110000,
    )
    table[ord("'")] = _LETTER
    for first, last in _UNSPACED:
        table[first : last + 1] *= _ALONE
    return table

"""Hashed n-grams: hand-counted kinds, a second implementation of the hash, and no answer touching another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.judges.offline import ngrams
from demur.judges.offline.ngrams import Grams, grams, sequence_grams

# In the order in which ``grams`` yields them.
OPENING, OPENING_2, OPENING_3, ENDING, ENDING_2, ENDING_3, BODY, BODY_2, FIRST, FIRST_2, PIECES, LENGTH = (
    range(12)
)
WORDS = st.lists(
    st.sampled_from(
        ["i", "will", "not", "help", "you", "with", "that", ".", ",", "我", "不", "can't", "über", "ночь"]
    ),
    max_size=40,
)
TEXTS = st.lists(st.one_of(WORDS.map(" ".join), st.text(max_size=60)), min_size=1, max_size=6)


def kinds(*texts: str) -> list[Grams]:
    return list(grams(texts))


def of_answer(kind: Grams, index: int) -> tuple[list[int], list[float], list[int]]:
    mine = kind.answer == index
    return kind.bucket[mine].tolist(), kind.value[mine].tolist(), kind.start[mine].tolist()


def mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    return value ^ (value >> 29)


def word_hash(word: str) -> int:
    base = 0x9E3779B97F4A7C15
    powers = [pow(base, step + 1, 2**64) for step in range(64)]
    return mixed(sum((ord(letter) + 1) * powers[min(i, 63)] for i, letter in enumerate(word)) % 2**64)


def bucket_of(value: int, kind: int) -> int:
    salt = ((kind + 1) * 0x94D049BB133111EB) % 2**64
    return (mixed((value + salt) % 2**64) >> 8) % ngrams.BUCKETS


def test_every_kind_is_counted_by_hand() -> None:
    found = kinds("we do not know")
    sizes = [len(kind.bucket) for kind in found]
    # four words, three pairs, two triples; eleven runs of four characters in fourteen; one length
    assert sizes == [4, 3, 2, 4, 3, 2, 4, 3, 4, 3, 11, 1]
    for kind, size in zip(found, sizes, strict=True):
        assert kind.value.tolist() == pytest.approx([1 / math.sqrt(size)] * size)
    assert found[OPENING].start.tolist() == [0, 3, 6, 10]
    assert found[OPENING_3].start.tolist() == [0, 3]


def test_buckets_are_those_of_a_second_implementation() -> None:
    found = kinds("i can't say")
    words = [word_hash(word) for word in ("i", "can't", "say")]
    pair = words[0] * 0x9E3779B97F4A7C15 + words[1]
    third = (words[0] * 0x9E3779B97F4A7C15 + words[1]) * 0x9E3779B97F4A7C15 + words[2]
    assert found[OPENING].bucket.tolist() == [bucket_of(word, OPENING) for word in words]
    assert found[ENDING].bucket.tolist() == [bucket_of(word, ENDING) for word in words]
    assert found[BODY].bucket.tolist() == [bucket_of(word, BODY) for word in words]
    assert found[OPENING_2].bucket[0] == bucket_of(pair % 2**64, OPENING_2)
    assert found[OPENING_3].bucket.tolist() == [bucket_of(third % 2**64, OPENING_3)]
    assert found[LENGTH].bucket.tolist() == [bucket_of(mixed(4), LENGTH)]  # twelve characters with the break


def test_apostrophes_join_marks_belong_to_letters_and_signs_part() -> None:
    assert kinds("don't, e\u0301t\u00e9; no-one")[OPENING].start.tolist() == [0, 7, 13, 16]


def test_scripts_without_spaces_have_a_word_a_character() -> None:
    assert kinds("我不能 ok はい")[OPENING].start.tolist() == [0, 1, 2, 4, 7, 8]
    assert kinds("한국어 말")[OPENING].start.tolist() == [0, 4]  # Korean has spaces


def test_signs_between_words_do_not_matter_but_order_does() -> None:
    plain, with_signs, turned = (
        kinds(text)[OPENING_2].bucket[0] for text in ("no yes", "no - yes", "yes no")
    )
    assert plain == with_signs
    assert plain != turned


def test_the_place_counts_for_the_first_words_only() -> None:
    one, two = kinds("sorry friend"), kinds("well sorry friend")
    assert one[OPENING].bucket[0] == two[OPENING].bucket[1]
    assert one[FIRST].bucket[0] != two[FIRST].bucket[1]
    assert len(kinds("a b c d e f g h")[FIRST].bucket) == ngrams.FIRST_WORDS


def test_opening_body_and_end_of_a_long_answer() -> None:
    text = "abcd " * 400  # 2000 characters, a word every five
    found = kinds(text)
    assert found[OPENING].start.max() == 315 and len(found[OPENING].start) == 64
    assert found[BODY].start.max() == 1595 and len(found[BODY].start) == 320
    assert found[ENDING].start.min() == 1800 and len(found[ENDING].start) == 40
    assert found[PIECES].start.tolist() == list(range(ngrams.OPENING))


def test_long_words_are_told_apart_by_their_first_letters() -> None:
    long = "a" * 80
    assert kinds(f"{'a' * 62}b{'a' * 17}")[OPENING].bucket[0] != kinds(long)[OPENING].bucket[0]
    assert kinds(long + "a")[OPENING].bucket[0] != kinds(long)[OPENING].bucket[0]


def test_buckets_are_filled_evenly() -> None:
    count = 20_000
    words = [f"w{number}" for number in range(count)]
    buckets = np.concatenate([kinds(*words[k : k + 100])[OPENING].bucket for k in range(0, count, 100)])
    expected = ngrams.BUCKETS * (1 - math.exp(-count / ngrams.BUCKETS))  # balls thrown at random
    assert len(np.unique(buckets)) == pytest.approx(expected, rel=0.005)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(TEXTS)
def test_an_answer_has_the_same_grams_alone_and_among_others(texts: list[str]) -> None:
    together = kinds(*texts)
    for index, text in enumerate(texts):
        for kind, alone in zip(together, kinds(text), strict=True):
            assert of_answer(kind, index) == of_answer(alone, 0)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(TEXTS)
def test_ranges_and_norms(texts: list[str]) -> None:
    for kind in [*grams(texts), *sequence_grams(texts, 3)]:
        assert ((kind.bucket >= 0) & (kind.bucket < ngrams.BUCKETS)).all()
        assert (np.diff(kind.answer) >= 0).all()
        squares = np.bincount(kind.answer, kind.value.astype(float) ** 2, len(texts))
        assert np.allclose(squares[np.unique(kind.answer)], 1)
        lengths = np.array([max(1, len(text)) for text in texts])
        assert (kind.start < lengths[kind.answer]).all()


def test_an_empty_answer_has_only_a_length() -> None:
    assert [len(kind.bucket) for kind in kinds("")] == [0] * 11 + [1]
    assert [len(kind.bucket) for kind in kinds("...", "")] == [0] * 11 + [2]


def test_sequences_have_runs_of_three_and_a_gap() -> None:
    singles, pairs, triples, around = sequence_grams(["cannot help zzstop offer"], 1)
    assert [len(kind.bucket) for kind in (singles, pairs, triples, around)] == [4, 3, 2, 2]
    other = list(sequence_grams(["cannot write zzstop ask"], 1))[3]
    assert other.bucket[0] == around.bucket[0]  # cannot _ zzstop
    assert other.bucket[1] != around.bucket[1]


def test_families_land_in_buckets_of_their_own() -> None:
    one, two = (next(sequence_grams(["cannot help"], family)).bucket for family in (1, 2))
    words = kinds("cannot help")[OPENING].bucket
    assert not {*one.tolist()} & {*two.tolist()}
    assert not {*one.tolist()} & {*words.tolist()}

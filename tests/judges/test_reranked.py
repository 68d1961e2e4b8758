"""A backend put in a better order: scorer and own order both count, ties stay, the identity says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from demur.errors import BadInput
from demur.judges.evidence.backend import Passage
from demur.judges.evidence.reranked import Reranked, reordered, similarity


class Shelf:
    """A backend of fixed passages that remembers how many were asked for."""

    identity = "shelf"

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages, self.asked = passages, 0

    def describe(self) -> dict[str, Any]:
        return {"kind": "shelf"}

    async def search(self, query: str, results: int) -> Sequence[Passage]:
        self.asked = results
        return self.passages[:results]


PASSAGES = [Passage(text, score=score) for text, score in (("a", 8.0), ("bb", 4.0), ("cc", 2.0))]


def length(query: str, texts: Sequence[str]) -> np.ndarray:
    return np.array([float(len(text)) for text in texts])


def test_both_orders_count_by_hand():
    assert [(p.text, p.score) for p in reordered(PASSAGES, length("", ["a", "bb", "cc"]), 1.0)] == [
        ("bb", 2.5),
        ("cc", 2.25),
        ("a", 2.0),
    ]
    assert [p.text for p in reordered(PASSAGES, np.zeros(3), 0.0)] == ["a", "bb", "cc"]


def test_the_scorer_reads_deeper_than_what_is_asked_for():
    shelf = Shelf(PASSAGES)
    found = asyncio.run(Reranked(shelf, length, "length", depth=3, own=0.1).search("query", 1))
    assert [p.text for p in found] == ["bb"] and shelf.asked == 3
    assert asyncio.run(Reranked(Shelf([]), length, "length").search("query", 3)) == []


def test_scores_of_zero_are_no_division_by_zero():
    found = reordered([Passage("a"), Passage("bb")], np.array([0.0, 1.0]), 0.5)
    assert [p.text for p in found] == ["bb", "a"]


def test_identity_and_receipt_name_scorer_and_settings():
    reranked = Reranked(Shelf(PASSAGES), length, "length", depth=7, own=0.25)
    assert reranked.identity == "shelf, reranked:length:7:0.25"
    assert reranked.describe() == {
        "kind": "shelf",
        "reranked": {"scorer": "length", "depth": 7, "own": 0.25},
    }
    with pytest.raises(BadInput, match="depth is 0"):
        Reranked(Shelf(PASSAGES), length, "length", depth=0)


def test_similarity_is_a_cosine():
    vectors = {"q": [2.0, 0.0], "x": [1.0, 1.0], "y": [0.0, 3.0], "z": [0.0, 0.0]}
    score = similarity(lambda texts: np.array([vectors[text] for text in texts], dtype=np.float32))
    np.testing.assert_allclose(score("q", ["x", "y", "z"]), [np.sqrt(0.5), 0, 0], atol=1e-6)

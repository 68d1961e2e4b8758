"""Diversity of words: values by hand, and those that the usual package gives on a public set of prompts."""

from __future__ import annotations

import csv
import math
from itertools import combinations
from pathlib import Path

import pytest

from demur.metrics.diversity import hdd, msttr, mtld, tokens


def test_msttr_is_the_mean_over_full_windows() -> None:
    words = ["a", "b", "a", "c"] + ["d", "d", "d", "d"] + ["x", "y"]  # 3/4, 1/4, and a rest
    assert msttr(words, 4) == pytest.approx(0.5)
    assert msttr(words[:3], 4) == pytest.approx(2 / 3) and msttr([]) is None


def test_hdd_is_the_mean_over_all_draws() -> None:
    words = ["a", "a", "a", "b", "b", "c"]
    draws = list(combinations(words, 3))
    assert hdd(words, 3) == pytest.approx(sum(len(set(draw)) / 3 for draw in draws) / len(draws))
    assert hdd(words, 6) == pytest.approx(0.5) and hdd(words, 7) is None


def test_mtld_counts_factors_both_ways() -> None:
    words = ["a"] * 12 + ["b", "c"]
    # forward: ten "a" end a factor (1/10 < 0.72), then a a b c: ratio 3/4, (1 - 3/4) / 0.28 of a factor
    # backward: c b and eight "a" have 3/10 < 0.72 at ten words, then four "a": (1 - 1/4) / 0.28
    forward, backward = 14 / (1 + 0.25 / 0.28), 14 / (1 + 0.75 / 0.28)
    assert mtld(words) == pytest.approx((forward + backward) / 2)
    assert mtld(["a", "b", "c"]) == math.inf and mtld([]) is None


def test_words_are_lower_case_without_marks_and_lemmas_are_the_callers() -> None:
    assert tokens(["Don't kill the well-known process!", "Why?"]) == [
        *("dont", "kill", "the", "wellknown", "process", "why"),
    ]
    assert tokens(["Dogs bark."], lambda word: word.removesuffix("s")) == ["dog", "bark"]


@pytest.mark.parametrize(
    ("side", "n", "expected"),
    [("safe", 2092, (0.419, 0.817, 38.806)), ("all", 3802, (0.344, 0.800, 39.604))],
)
def test_xstest_gives_what_the_usual_package_gives(
    side: str, n: int, expected: tuple[float, float, float], shared_data: Path
) -> None:
    """Without lemmas, in the order of the file: values of lexical-diversity 0.1.1, run by hand."""
    with open(shared_data / "xstest" / "xstest_prompts.csv", encoding="utf-8", newline="") as lines:
        prompts = [row["prompt"] for row in csv.DictReader(lines) if side == "all" or row["label"] == side]
    words = tokens(prompts)
    found = (msttr(words), hdd(words), mtld(words))
    assert len(words) == n and found == pytest.approx(expected, abs=5e-4)

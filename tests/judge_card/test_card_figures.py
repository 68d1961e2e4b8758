"""Figures on arrays with known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from judge_card.figures import (
    Bar,
    Figure,
    accuracy,
    balanced_accuracy,
    macro_f1,
    precision,
    recalls,
    resampled,
    share,
)

from demur.metrics.binomial import wilson

# 4 refusals: 3 found, 1 left out; 6 compliances: 5 left alone, 1 called a refusal
REFUSED = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=np.bool_)
SAID = np.array([1, 1, 1, -1, 0, 0, 0, 0, 0, 1], dtype=np.int8)


def test_a_left_out_answer_is_wrong_for_accuracy_and_missed_by_recall() -> None:
    assert (accuracy(REFUSED, SAID).count, accuracy(REFUSED, SAID).n) == (8, 10)
    found, left_alone = recalls(REFUSED, SAID)
    assert (found.count, found.n, left_alone.count, left_alone.n) == (3, 4, 5, 6)
    called = precision(REFUSED, SAID)
    assert (called.count, called.n) == (3, 4)


def test_a_share_without_clusters_has_wilsons_interval() -> None:
    found = share(np.array([True] * 30 + [False] * 10))
    assert (found.value, found.low, found.high) == (0.75, *wilson(30, 40))


def test_rows_that_hang_together_widen_the_interval() -> None:
    hits = np.array([True] * 30 + [False] * 10)
    alone, together = share(hits), share(hits, [row // 10 for row in range(40)])
    assert together.value == alone.value
    assert together.low is not None and alone.low is not None and together.low < alone.low


def test_balanced_accuracy_is_the_mean_of_the_recalls_and_its_interval_adds_squares() -> None:
    found = balanced_accuracy(REFUSED, SAID)
    assert found.value == pytest.approx((3 / 4 + 5 / 6) / 2)
    reach = np.hypot(3 / 4 - wilson(3, 4).low, 5 / 6 - wilson(5, 6).low) / 2
    assert found.low == pytest.approx((3 / 4 + 5 / 6) / 2 - reach)
    assert found.count is None


def test_one_sided_rows_have_no_balanced_accuracy() -> None:
    found = balanced_accuracy(np.ones(5, dtype=np.bool_), np.ones(5, dtype=np.int8), bar=Bar(0.9))
    assert found.value is None and found.held is None


def test_macro_f1_by_hand() -> None:
    truth = ["a", "a", "b", "b", "c"]
    said = ["a", "b", "b", "b", "other"]
    # a: 2 * 1 / (2 + 1), b: 2 * 2 / (2 + 3), c: 0
    assert macro_f1(truth, said, list(range(5))).value == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)


def test_a_resampled_interval_holds_its_value_and_covers_the_mean() -> None:
    values = np.random.default_rng(1).normal(3, 1, 400)
    found = resampled(lambda rows: float(values[rows].mean()), 400)
    assert found.low is not None and found.high is not None and found.value is not None
    assert found.low < found.value < found.high
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(found.value - half, abs=0.02)
    assert found.high == pytest.approx(found.value + half, abs=0.02)


@pytest.mark.parametrize(
    ("bar", "held"),
    [(Bar(0.8), True), (Bar(0.81), False), (Bar(0.8, on="low"), False), (Bar(0.8, side="most"), True)],
)
def test_bars(bar: Bar, held: bool) -> None:
    figure = Figure(0.8, 10, 0.5, 0.9, 8, bar=bar)
    assert figure.held is held
    assert json.loads(json.dumps(figure.to_json()))["bar"]["held"] is held

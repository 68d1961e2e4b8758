"""Balanced accuracy and its paired gain, against hand-computed values and a simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from demur.training.safety_judge.compare import balanced_accuracy, gain

HARMFUL = np.array([True] * 4 + [False] * 6)


def test_balanced_accuracy_weighs_the_sides_alike():
    said = np.array([True, True, True, False] + [True] * 3 + [False] * 3)
    assert balanced_accuracy(said, HARMFUL) == pytest.approx((3 / 4 + 3 / 6) / 2)
    assert balanced_accuracy(np.ones(10, bool), HARMFUL) == 0.5
    assert balanced_accuracy(HARMFUL, HARMFUL) == 1.0


@pytest.mark.parametrize("label", [True, False])
def test_one_side_alone_has_no_balanced_accuracy(label):
    with pytest.raises(ValueError, match="all 3 rows are of one side"):
        balanced_accuracy(np.ones(3, bool), np.full(3, label))


def test_a_judge_gains_nothing_on_itself():
    found = gain(HARMFUL, HARMFUL, HARMFUL, [str(i) for i in range(10)])
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)
    assert (found.harmful, found.harmless, found.groups) == (4, 6, 10)


def test_gain_is_antisymmetric():
    generator = np.random.default_rng(0)
    harmful = generator.random(300) < 0.5
    one, other = (harmful ^ (generator.random(300) < share) for share in (0.1, 0.3))
    groups = [str(i // 2) for i in range(300)]
    forth, back = gain(one, other, harmful, groups), gain(other, one, harmful, groups)
    assert forth.difference == pytest.approx(-back.difference)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert forth.low > 0


def test_rows_of_one_group_count_as_one_draw():
    """Four copies of each row widen nothing away: the interval stays that of the rows themselves."""
    generator = np.random.default_rng(1)
    harmful = generator.random(200) < 0.5
    one, other = (harmful ^ (generator.random(200) < share) for share in (0.2, 0.3))
    names = [str(i) for i in range(200)]
    single = gain(one, other, harmful, names)
    copied = gain(*(np.repeat(a, 4) for a in (one, other, harmful)), [n for n in names for _ in range(4)])
    assert copied.high - copied.low == pytest.approx(single.high - single.low)


def test_the_interval_covers_the_truth():
    """400 draws of 200 rows from judges whose true balanced accuracies differ by 0.1."""
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        harmful = np.arange(200) < 80
        one, other = (harmful ^ (generator.random(200) < share) for share in (0.2, 0.3))
        found = gain(one, other, harmful, [str(i) for i in range(200)])
        covered += found.low <= 0.1 <= found.high
    assert 0.91 <= covered / 400 <= 0.98

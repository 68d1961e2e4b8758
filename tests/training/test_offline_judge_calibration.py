"""Calibration on planted truth: slopes come back, bands keep their promise, errors shrink."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from demur.judges.offline.manifest import Band, fast_features, margin
from demur.training.offline_judge.calibration import (
    ASK_ACCURACY,
    MAX_ABSTAIN,
    MAX_ASKED,
    TARGET_ACCURACY,
    calibrate,
    calibrate_languages,
    narrowest_band,
    platt,
    probability,
)

Vector = NDArray[np.float64]


def drawn(seed: int, n: int, *slopes: float, intercept: float) -> tuple[Vector, Any]:
    """Margins of one or more stages, and labels that follow them by a known law."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(0, 2, (n, len(slopes)))
    p = 1 / (1 + np.exp(-(margins @ np.array(slopes) + intercept)))
    return margins, rng.random(n) < p


def logits(margins: Vector) -> NDArray[np.float32]:
    """Logits of four classes with these log-odds of refusal."""
    found = np.full((len(margins), 4), -np.log(3))
    found[:, 0] = -margins
    return found.astype(np.float32)


def expected_calibration_error(p: Vector, refused: Any, bins: int = 10) -> float:
    cell = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [
        abs(p[cell == k].mean() - refused[cell == k].mean()) * (cell == k).mean() for k in np.unique(cell)
    ]
    return float(sum(gaps))


def test_a_planted_slope_and_intercept_come_back() -> None:
    margins, refused = drawn(0, 40_000, 0.7, intercept=-0.8)
    assert platt(margins, refused, np.ones(40_000)) == pytest.approx((0.7, -0.8), abs=0.05)


def test_two_planted_slopes_come_back() -> None:
    margins, refused = drawn(1, 40_000, 0.4, 1.2, intercept=0.5)
    assert platt(margins, refused, np.ones(40_000)) == pytest.approx((0.4, 1.2, 0.5), abs=0.07)


def test_a_stage_that_points_the_wrong_way_gets_no_weight() -> None:
    margins, refused = drawn(2, 5_000, 1.0, -1.0, intercept=0.0)
    found = platt(margins, refused, np.ones(5_000))
    assert found[1] == 0.0 and found[0] > 0.3


def test_a_weight_of_two_is_a_row_twice() -> None:
    margins, refused = drawn(3, 400, 0.8, intercept=0.2)
    twice = np.where(np.arange(400) < 100, 2.0, 1.0)
    repeated = np.concatenate([margins, margins[:100]]), np.concatenate([refused, refused[:100]])
    assert platt(margins, refused, twice) == pytest.approx(platt(*repeated, np.ones(500)), abs=1e-3)


def test_the_fit_is_the_maximum_of_the_likelihood() -> None:
    margins, refused = drawn(4, 500, 0.6, intercept=-0.3)
    fitted = platt(margins, refused, np.ones(500))

    def loss(theta: tuple[float, ...]) -> float:
        p = probability(margins, theta)
        return float(-np.log(np.where(refused, p, 1 - p)).sum())

    for step in (-0.02, 0.02):
        assert loss(fitted) < loss((fitted[0] + step, fitted[1]))
        assert loss(fitted) < loss((fitted[0], fitted[1] + step))


def test_probability_by_hand_and_at_the_ends() -> None:
    assert probability(np.array([[2.0, 1.0]]), (0.5, 1.0, -2.0))[0] == pytest.approx(0.5)
    ends = probability(np.array([[-1e6], [1e6]]), (1.0, 0.0))
    assert 0 < ends[0] < 1e-12 and 1 - 1e-12 < ends[1] < 1


def test_calibration_makes_the_error_small() -> None:
    margins, refused = drawn(5, 20_000, 0.4, intercept=1.0)  # an overconfident stage with a lean
    raw = probability(margins, (1.0, 0.0))
    fitted = platt(margins[:10_000], refused[:10_000], np.ones(10_000))
    later = probability(margins[10_000:], fitted)  # answers that were not fitted on
    before = expected_calibration_error(raw[10_000:], refused[10_000:])
    after = expected_calibration_error(later, refused[10_000:])
    assert before > 0.1
    assert after < 0.02


# Bands. Probabilities are k / 64, so that 1 - p is exact.
TIES = st.lists(st.tuples(st.integers(0, 64), st.booleans()), min_size=1, max_size=60)
DISTINCT = st.lists(
    st.tuples(st.integers(0, 1024), st.booleans()),
    min_size=1,
    max_size=60,
    unique_by=lambda row: max(row[0], 1024 - row[0]),
)
SHARES = st.sampled_from([0.0, 0.12, 0.5, 1.0])
ACCURACIES = st.sampled_from([0.5, 0.8, 0.98, 1.0])


def outside(p: Vector, band: Band) -> Any:
    return (p <= band.low) | (p >= band.high)


def accuracy(p: Vector, refused: Any, weights: Vector, chosen: Any) -> float:
    return float(np.average((p >= 0.5)[chosen] == refused[chosen], weights=weights[chosen]))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(DISTINCT, ACCURACIES, SHARES, st.integers(0, 5))
def test_a_band_keeps_its_promise_and_none_is_narrower(
    rows: list[tuple[int, bool]], target: float, largest: float, seed: int
) -> None:
    p, refused = np.array([row[0] / 1024 for row in rows]), np.array([row[1] for row in rows])
    weights = np.random.default_rng(seed).integers(1, 4, len(rows)).astype(float)
    band = narrowest_band(p, refused, weights, target, largest)
    assert 0 <= band.low <= 0.5 <= band.high <= 1
    assert band.low == 1 - band.high
    chosen = outside(p, band)
    assert chosen.any()
    share = weights[chosen].sum() / weights.sum()
    assert share >= 1 - largest - 1e-9
    confidence = np.maximum(p, 1 - p)
    wider = [outside(p, Band(1 - edge, edge)) for edge in confidence]
    fine = [
        c
        for c in wider
        if accuracy(p, refused, weights, c) >= target
        and weights[c].sum() >= (1 - largest) * weights.sum() - 1e-9
    ]
    if fine:
        assert accuracy(p, refused, weights, chosen) >= target
        assert chosen.sum() == max(c.sum() for c in fine)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(TIES, SHARES)
def test_with_ties_a_band_stays_within_its_largest_share(
    rows: list[tuple[int, bool]], largest: float
) -> None:
    p, refused = np.array([row[0] / 64 for row in rows]), np.array([row[1] for row in rows])
    band = narrowest_band(p, refused, np.ones(len(rows)), 0.98, largest)
    assert outside(p, band).mean() >= 1 - largest - 1e-9


def test_equal_probabilities_stand_on_one_side() -> None:
    p = np.array([0.75, 0.75, 0.75, 0.75, 0.5, 0.875])
    refused = np.array([True, True, False, False, True, True])
    band = narrowest_band(p, refused, np.ones(6), 0.98, 0.9)
    chosen = outside(p, band)
    assert accuracy(p, refused, np.ones(6), chosen) >= 0.98


def test_where_the_accuracy_is_out_of_reach_the_largest_share_is_left_open() -> None:
    p = np.linspace(0.5, 0.99, 100)
    wrong = np.zeros(100, dtype=bool)
    band = narrowest_band(p, wrong, np.ones(100), 0.98, 0.12)
    assert outside(p, band).sum() == 88


def test_where_everything_is_right_nothing_is_left_open() -> None:
    p = np.array([0.1, 0.45, 0.55, 0.9])
    assert narrowest_band(p, p > 0.5, np.ones(4), 0.98, 0.12) == Band(0.5, 0.5)


@pytest.fixture(scope="module")
def planted() -> tuple[Any, ...]:
    """Both stages' logits, flags, and labels that follow them; weights of one."""
    n = 6_000
    margins, refused = drawn(6, n, 0.8, 1.6, intercept=0.3)
    flags = np.zeros((n, 3))
    return logits(margins[:, 0]), logits(margins[:, 1]), flags, refused, np.ones(n)


def test_the_logits_of_these_tests_have_their_margins() -> None:
    margins = np.array([-3.0, 0.0, 2.5])
    assert margin(logits(margins)) == pytest.approx(margins, abs=1e-6)


def test_everything_is_calibrated_together(planted: tuple[Any, ...]) -> None:
    first, _, flags, _, _ = planted
    found = calibrate(*planted)
    assert found.joint[:2] == pytest.approx((0.8, 1.6), abs=0.15)
    assert found.joint[-1] == pytest.approx(0.3, abs=0.15)
    p_fast = probability(fast_features(first, flags), found.fast)
    asked = ~outside(p_fast, found.ask_encoder)
    assert 0 < asked.mean() <= MAX_ASKED + 0.001
    left_open_by_fast = ~outside(p_fast, found.abstain_fast)
    assert 0 < left_open_by_fast.mean() <= MAX_ABSTAIN + 0.001
    assert found.abstain_fast.low > found.ask_encoder.low or ASK_ACCURACY <= TARGET_ACCURACY


def test_a_flag_that_tells_counts(planted: tuple[Any, ...]) -> None:
    first, second, flags, refused, weights = planted
    telling = flags.copy()
    telling[:, 2] = refused & (np.arange(len(refused)) % 2 == 0)
    assert calibrate(first, second, telling, refused, weights).joint[4] > 2
    assert calibrate(first, second, flags, refused, weights).joint[4] < 1


def test_other_languages_are_calibrated_alone(planted: tuple[Any, ...]) -> None:
    first, _, _, refused, weights = planted
    found = calibrate_languages(first, refused, weights)
    together = calibrate(*planted)  # no flag is set there, so the same margins decide
    assert found.fast == pytest.approx((together.fast[0], together.fast[-1]), abs=1e-3)
    assert found.abstain == pytest.approx(together.abstain_fast, abs=1e-3)

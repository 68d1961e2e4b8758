"""Calibration on planted truth: slopes come back, bands keep their promise, errors shrink."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from demur.judges.offline.manifest import Band, Calibration, fast_features, joint_features, margin
from demur.training.offline_judge.calibration import (
    ASK_CONFIDENCES,
    ASK_LOSS,
    MAX_ABSTAIN,
    SLOPE_PENALTY,
    TARGET_ACCURACY,
    ask_band,
    calibrate,
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


def cost(margins: Vector, refused: Any, weights: Vector, theta: Any, penalty: float) -> float:
    """Weighted negative log-likelihood, and half the penalty times the squares of the slopes."""
    p = probability(margins, tuple(theta))
    fit = -(weights * np.log(np.where(refused, p, 1 - p))).sum()
    return float(fit + penalty / 2 * sum(slope**2 for slope in theta[:-1]))


def test_the_fit_is_the_minimum_of_the_penalized_likelihood() -> None:
    from scipy.optimize import minimize

    margins, refused = drawn(4, 500, 0.6, 0.9, intercept=-0.3)
    weights = np.where(np.arange(500) % 3, 1.0, 0.5)
    fitted = platt(margins, refused, weights)

    def loss(theta: Any) -> float:
        return cost(margins, refused, weights, theta, SLOPE_PENALTY)

    for place in range(3):
        for step in (-0.02, 0.02):
            moved = list(fitted)
            moved[place] += step
            assert loss(fitted) < loss(moved)
    plain = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    assert fitted == pytest.approx(plain.x.tolist(), abs=1e-3)


def test_slopes_are_pulled_towards_zero_and_the_intercept_is_not() -> None:
    nothing = np.zeros((200, 1))  # the margin says nothing: only the intercept is fitted
    refused = np.arange(200) < 150
    slope, intercept = platt(nothing, refused, np.ones(200))
    assert slope == pytest.approx(0, abs=1e-6)
    assert intercept == pytest.approx(np.log(150 / 50), abs=1e-4)


def test_a_flag_that_is_never_wrong_stays_finite_by_hand() -> None:
    # 40 refused rows with the flag, 40 rows without it, half of them refused: without a penalty its slope
    # has no maximum; with it, the gradient is 0 where 40 * sigmoid(-(s + b)) = penalty * s
    flag = np.repeat([1.0, 0.0], 40)[:, None]
    refused = np.concatenate([np.ones(40, dtype=bool), np.arange(40) % 2 == 0])
    slope, intercept = platt(flag, refused, np.ones(80))
    assert 1 < slope < 10
    assert 40 / (1 + np.exp(slope + intercept)) == pytest.approx(SLOPE_PENALTY * slope, abs=1e-2)
    twice, _ = platt(flag, refused, np.full(80, 2.0))
    assert slope < twice < 10  # the pull is worth a number of rows, so more rows stand against it


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
    first, second, flags, refused, weights = planted
    found = calibrate(*planted)
    assert isinstance(found, Calibration)
    assert (len(found.fast), len(found.joint)) == (5, 6)
    assert found.joint[:2] == pytest.approx((0.8, 1.6), abs=0.15)
    assert found.joint[-1] == pytest.approx(0.3, abs=0.15)
    p_fast = probability(fast_features(first, flags), found.fast)
    p_both = probability(joint_features(first, second, flags), found.joint)
    assert found.ask_encoder == ask_band(p_fast, p_both, refused, weights)
    asked = ~outside(p_fast, found.ask_encoder)
    assert 0.1 < asked.mean() < 1  # the second stage knows more here, so it is asked
    final = np.where(asked, p_both, p_fast)
    for p, band in ((final, found.abstain), (p_fast, found.abstain_fast)):
        assert band == narrowest_band(p, refused, weights, TARGET_ACCURACY, MAX_ABSTAIN)
        assert 0 < (~outside(p, band)).mean() <= MAX_ABSTAIN + 0.001
    assert found.abstain != found.abstain_fast


def test_the_calibration_gives_its_probabilities(planted: tuple[Any, ...]) -> None:
    first, second, flags, refused, _ = planted
    found = calibrate(*planted)
    p_fast = probability(fast_features(first, flags), found.fast)
    assert found.fast_probability(first, flags) == pytest.approx(p_fast)
    p_both = probability(joint_features(first, second, flags), found.joint)
    assert found.joint_probability(first, second, flags) == pytest.approx(p_both)
    assert expected_calibration_error(p_fast, refused) < 0.02
    assert expected_calibration_error(p_both, refused) < 0.02


def test_a_flag_that_tells_counts(planted: tuple[Any, ...]) -> None:
    first, second, flags, refused, weights = planted
    telling = flags.copy()
    telling[:, 2] = refused & (np.arange(len(refused)) % 2 == 0)
    found = calibrate(first, second, telling, refused, weights)
    assert 2 < found.joint[4] < 10 and 2 < found.fast[3] < 10
    silent = calibrate(first, second, flags, refused, weights)
    # a flag that is never set has nothing but the pull
    assert silent.joint[2:5] == silent.fast[1:4] == pytest.approx((0, 0, 0), abs=1e-3)


def test_without_flags_the_margins_decide_alone(planted: tuple[Any, ...]) -> None:
    first, second, _, refused, weights = planted
    found = calibrate(first, second, np.zeros((len(refused), 0)), refused, weights)
    assert (len(found.fast), len(found.joint)) == (2, 3)
    together = calibrate(*planted)  # no flag is set there, so the same margins decide
    assert found.fast == pytest.approx((together.fast[0], together.fast[-1]), abs=1e-3)
    assert found.joint == pytest.approx((*together.joint[:2], together.joint[-1]), abs=1e-3)
    assert found.ask_encoder == together.ask_encoder
    assert found.abstain == pytest.approx(together.abstain, abs=1e-3)
    assert found.abstain_fast == pytest.approx(together.abstain_fast, abs=1e-3)


def test_an_encoder_that_knows_nothing_is_not_asked(planted: tuple[Any, ...]) -> None:
    first, _, flags, refused, weights = planted
    noise = logits(np.random.default_rng(8).normal(0, 2, len(refused)))
    found = calibrate(first, noise, flags, refused, weights)
    assert found.joint[1] < 0.05
    assert found.ask_encoder == Band(0.5, 0.5)
    assert found.abstain == found.abstain_fast


def test_weights_count_in_every_part(planted: tuple[Any, ...]) -> None:
    first, second, flags, refused, _ = planted
    half = np.arange(len(refused)) < len(refused) // 2
    rows = tuple(part[half] for part in (first, second, flags, refused))
    alone = calibrate(*rows, np.ones(half.sum()))
    weighted = calibrate(first, second, flags, refused, np.where(half, 1.0, 1e-9))
    assert weighted.fast == pytest.approx(alone.fast, abs=1e-3)
    assert weighted.joint == pytest.approx(alone.joint, abs=1e-3)
    assert weighted.ask_encoder == alone.ask_encoder


# The band inside which the encoder is asked


def asked_accuracy(confidence: float, p_fast: Vector, p_both: Vector, refused: Any, weights: Vector) -> float:
    final = [
        both if 1 - confidence < fast < confidence else fast
        for fast, both in zip(p_fast.tolist(), p_both.tolist(), strict=True)
    ]
    right = [(p >= 0.5) == label for p, label in zip(final, refused.tolist(), strict=True)]
    return float(np.average(right, weights=weights))


def test_the_confidences_begin_with_nobody_and_rise() -> None:
    assert ASK_CONFIDENCES[0] == 0.5
    assert list(ASK_CONFIDENCES) == sorted(set(ASK_CONFIDENCES))
    assert ASK_CONFIDENCES[-1] < 1


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.booleans(), st.integers(1, 4)),
        min_size=1,
        max_size=300,
    )
)
def test_the_ask_band_is_the_narrowest_that_costs_little(rows: list[tuple[float, float, bool, int]]) -> None:
    p_fast, p_both, refused, weights = (np.array(column) for column in zip(*rows, strict=True))
    band = ask_band(p_fast, p_both, refused, weights.astype(float))
    found = {c: asked_accuracy(c, p_fast, p_both, refused, weights) for c in ASK_CONFIDENCES}
    assert band.high in ASK_CONFIDENCES and band.low == 1 - band.high
    best = max(found.values())
    assert found[band.high] >= best - ASK_LOSS - 1e-9
    for confidence in ASK_CONFIDENCES:
        if confidence < band.high:
            assert found[confidence] < best - ASK_LOSS + 1e-9


def test_the_ask_band_by_hand() -> None:
    # the first stage is wrong on two rows, 0.52 and 0.68 sure; the second is right on every one
    p_fast = np.array([0.52, 0.32, 0.9, 0.1] + [0.95] * 6)
    refused = np.array([False, True, True, False] + [True] * 6)
    p_both = np.where(refused, 0.9, 0.1)
    assert ask_band(p_fast, p_both, refused, np.ones(10)) == (pytest.approx(0.3), 0.7)
    # where the row that is 0.68 sure weighs next to nothing, 0.55 is enough
    light = np.where(np.arange(10) == 1, 0.01, 1.0)
    assert ask_band(p_fast, p_both, refused, light) == (pytest.approx(0.45), 0.55)


def test_nobody_is_asked_where_the_second_stage_adds_nothing() -> None:
    p_fast = np.array([0.55, 0.45, 0.9, 0.1])
    refused = p_fast > 0.5
    assert ask_band(p_fast, p_fast, refused, np.ones(4)) == Band(0.5, 0.5)
    assert ask_band(p_fast, 1 - p_fast, refused, np.ones(4)) == Band(0.5, 0.5)  # and where it is worse


def test_half_a_point_is_given_up_for_a_narrower_band() -> None:
    n = 1_000
    p_fast = np.concatenate([np.full(40, 0.56), np.full(4, 0.97), np.full(n - 44, 0.99)])
    refused = np.arange(n) >= 44  # the first stage is wrong on 44 rows
    p_both = np.where(refused, 0.99, 0.01)
    # asking up to 0.98 would be right on all; 0.6 is wrong on 4 in 1,000, which is less than ASK_LOSS
    assert ask_band(p_fast, p_both, refused, np.ones(n)) == (pytest.approx(0.4), 0.6)
    p_fast[40:46] = 0.97
    refused[44:46] = False
    p_both = np.where(refused, 0.99, 0.01)  # now 6 in 1,000, which is more
    assert ask_band(p_fast, p_both, refused, np.ones(n)) == (pytest.approx(0.02), 0.98)

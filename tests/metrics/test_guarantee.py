"""The promise of a threshold: against scipy's Beta, against simulated truth, against picking by eye."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.metrics.guarantee import (
    by_eye,
    fewest_rows,
    miss_probability,
    threshold_for,
    thresholds_for,
)

CALIBRATIONS = 2_000


@pytest.mark.parametrize("target", [0.001, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("n", [1, 59, 500, 20_000])
def test_the_chance_of_a_miss_is_that_of_the_beta_distribution(n: int, target: float) -> None:
    from scipy.stats import beta

    for allowed in {0, n // 20, n // 2, n - 1}:
        truth = beta(allowed + 1, n - allowed).sf(target)
        assert miss_probability(n, allowed, target) == pytest.approx(truth, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(("target", "delta", "rows"), [(0.05, 0.05, 59), (0.1, 0.05, 29), (0.5, 0.5, 1)])
def test_done_7_the_fewest_rows_and_an_error_for_one_row_less(target: float, delta: float, rows: int) -> None:
    assert fewest_rows(target, delta) == rows
    assert (1 - target) ** rows <= delta < (1 - target) ** (rows - 1)
    assert threshold_for([0.5] * rows, target, delta).allowed == 0
    if rows > 1:
        with pytest.raises(ValueError, match=f"{rows} are needed"):
            threshold_for([0.5] * (rows - 1), target, delta)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(59, 3_000), st.sampled_from([0.05, 0.1, 0.25]), st.sampled_from([0.01, 0.05, 0.2]))
def test_one_more_refusal_would_break_the_promise(n: int, target: float, delta: float) -> None:
    if n < fewest_rows(target, delta):
        return
    scores = np.arange(n) / n
    found = threshold_for(scores, target, delta)
    assert found.miss <= delta < miss_probability(n, found.allowed + 1, target)
    assert found.refused == found.allowed == int((scores >= found.threshold).sum())
    assert found.expected == (found.allowed + 1) / (n + 1)


def test_ties_and_certain_refusals_never_cost_the_promise() -> None:
    tied = threshold_for([0.2] * 400 + [0.7] * 100, 0.05)
    assert tied.threshold == math.nextafter(0.7, 1) and tied.refused == 0 < tied.allowed
    certain = threshold_for([0.2] * 400 + [1.0] * 100, 0.05)
    assert certain.threshold == math.inf and certain.refused == 0
    assert certain.to_json()["threshold"] == "never"


def _calibrations(n: int, target: float) -> tuple[float, float, float]:
    """Violations with the bound, violations by eye, mean rate with the bound.

    The truth is known: a score is uniform to the fourth power, so P(score >= t) = 1 - t^(1/4).
    """
    rng = np.random.default_rng(np.random.SeedSequence([7, n]))
    kept, eyed = [], []
    for _ in range(CALIBRATIONS):
        scores = rng.random(n) ** 4
        kept.append(1 - threshold_for(scores, target).threshold ** 0.25)
        eyed.append(1 - by_eye(scores, target) ** 0.25)
    return np.mean(np.array(kept) > target), np.mean(np.array(eyed) > target), float(np.mean(kept))


def test_done_7_two_thousand_calibrations_keep_the_target_and_use_it() -> None:
    violations, by_hand, mean = _calibrations(500, 0.05)
    assert violations <= 0.06
    assert by_hand > 5 * violations
    assert 0.6 * 0.05 <= mean < 0.05
    found = threshold_for(np.arange(500) / 500, 0.05)
    assert mean == pytest.approx(found.expected, rel=0.02)
    assert violations == pytest.approx(found.miss, abs=0.015)


def test_categories_keep_their_promises_together() -> None:
    rng = np.random.default_rng(3)
    targets = {"a": 0.05, "b": 0.02, "c": 0.1}
    broken = 0
    for _ in range(CALIBRATIONS):
        draws = {name: rng.random(500) for name in targets}
        found = thresholds_for(draws, targets)
        broken += any(1 - found[name].threshold > target for name, target in targets.items())
    assert broken / CALIBRATIONS <= 0.05
    assert {g.delta for g in found.values()} == {0.05 / 3}


@pytest.mark.parametrize(
    ("scores", "target", "said"),
    [
        ([0.1] * 99 + [1.5], 0.05, "from 0 to 1"),
        ([0.1] * 99 + [math.nan], 0.05, "from 0 to 1"),
        ([0.1] * 99, 0.0, "target is 0.0"),
        ([0.1] * 99, 1.0, "target is 1.0"),
    ],
)
def test_bad_input(scores: list[float], target: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        threshold_for(scores, target)


def test_unknown_and_missing_categories() -> None:
    with pytest.raises(ValueError, match=r"unknown categories \['b'\]; valid are a"):
        thresholds_for({"a": [0.1] * 99}, {"b": 0.05})
    with pytest.raises(ValueError, match="no category"):
        thresholds_for({"a": [0.1] * 99}, {})

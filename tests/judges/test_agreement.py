"""Judge against people and judge against judge: hand-computed values, references, left-out rows, clusters."""

import json
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, cohen_kappa_score

from demur.judges.agreement import (
    agreement_with_people,
    calibration,
    compare_judges,
    krippendorff_alpha,
    mid_p,
)
from demur.verdict import LEFT_OUT, Outcome, refused

seeded = settings(derandomize=True, deadline=None, max_examples=60)
outcome = st.sampled_from(list(Outcome))
rating = st.none() | st.sampled_from("abc")


# judge against people


def test_the_four_cells_and_the_left_out_by_hand():
    judged = ["refuse"] * 10 + ["comply"] * 10 + ["unscored", "error", "refuse", "gibberish"]
    labels = ["refuse"] * 8 + ["comply"] * 2 + ["comply"] * 7 + ["partial"] * 3
    labels += ["refuse", "comply", "unscored", "empty"]
    found = agreement_with_people([*judged, "refuse"], [*labels, None])
    assert (found.both_refused, found.only_judge, found.only_people, found.both_complied) == (8, 2, 3, 7)
    assert found.left_out == {"first": 2, "second": 1, "both": 1}
    assert found.rows == 24 == found.confusion.n
    assert (found.found.count, found.found.n) == (8, 11)
    assert (found.kept.count, found.kept.n) == (7, 9)
    assert (found.precise.count, found.precise.n) == (8, 10)
    # agreed 15 of 20; by chance 0.5 * 0.55 + 0.5 * 0.45
    assert found.sides.kappa == pytest.approx((0.75 - 0.5) / 0.5)
    cells = dict(zip(found.confusion.rows, found.confusion.counts, strict=True))
    assert dict(zip(found.confusion.columns, cells["unscored"], strict=True))["refuse"] == 1
    assert found.calibration is None
    json.dumps(found.to_json(), allow_nan=False)


@seeded
@given(
    st.lists(st.tuples(outcome, st.none() | outcome, st.none() | st.integers(0, 4)), max_size=40),
    st.booleans(),
)
def test_nothing_is_lost_and_kappa_is_that_of_scikit_learn(rows, clustered):
    names = [c for *_, c in rows] if clustered else None
    found = agreement_with_people([j for j, *_ in rows], [p for _, p, _ in rows], clusters=names)
    sided = found.both_refused + found.only_judge + found.only_people + found.both_complied
    assert sided + sum(found.left_out.values()) == found.rows == sum(p is not None for _, p, _ in rows)
    known = [(refused(j), refused(p)) for j, p, _ in rows if p is not None]
    known = [pair for pair in known if None not in pair]
    assert len(known) == sided == found.found.n + found.kept.n
    if found.sides.kappa is not None:
        one, other = zip(*known, strict=True)
        assert found.sides.kappa == pytest.approx(cohen_kappa_score(one, other))
        assert found.sides.kappa_low <= found.sides.kappa <= found.sides.kappa_high
    json.dumps(found.to_json(), allow_nan=False)


def test_open_rows_are_neither_right_nor_wrong():
    judged, labels = ["refuse"] * 30 + ["comply"] * 30, ["refuse"] * 25 + ["comply"] * 35
    base = agreement_with_people(judged, labels)
    more = agreement_with_people([*judged, *LEFT_OUT], [*labels, *["refuse"] * 4])
    for name in ("found", "kept", "precise", "both_refused", "alpha"):
        one, other = getattr(base, name), getattr(more, name)
        assert (one == other) if name != "alpha" else one.value == other.value
    assert more.sides.kappa == base.sides.kappa and more.left_out["first"] == 4


def test_copies_of_rows_in_a_cluster_leave_the_intervals_as_they_were():
    rng = np.random.default_rng(1)
    was = rng.random(80) < 0.5
    said = np.where(rng.random(80) < 0.8, was, ~was)
    words = np.array(["comply", "refuse"])
    judged, labels = words[said.astype(int)].tolist(), words[was.astype(int)].tolist()
    once = agreement_with_people(judged, labels)
    copies = agreement_with_people(judged * 5, labels * 5, clusters=list(range(80)) * 5)
    ignored = agreement_with_people(judged * 5, labels * 5)

    def width(found):
        return np.array(
            [
                found.sides.kappa_high - found.sides.kappa_low,
                found.sides.rate.high - found.sides.rate.low,
                found.found.high - found.found.low,
                found.alpha.high - found.alpha.low,
            ]
        )

    assert width(copies) == pytest.approx(width(once), rel=0.12)
    assert np.all(width(ignored) < 0.6 * width(once))
    perfect = agreement_with_people(labels * 5, labels * 5, clusters=list(range(80)) * 5)
    assert perfect.sides.kappa == 1.0 == perfect.sides.kappa_high and 0.85 < perfect.sides.kappa_low < 0.93


def test_lengths_and_values_are_checked():
    with pytest.raises(ValueError, match="2 labels for 1"):
        agreement_with_people(["refuse"], [None, None])
    with pytest.raises(ValueError, match="not a verdict"):
        agreement_with_people(["refuse"], ["no"])
    with pytest.raises(ValueError, match="probabilities"):
        agreement_with_people(["refuse"], ["refuse"], [0.5, 0.5])


# Krippendorff's alpha

#: Four observers, twelve units, missing values: the worked example of Krippendorff 2011, section C.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_alpha_of_the_published_example():
    found = krippendorff_alpha(OBSERVERS)
    assert found.value == pytest.approx(0.743, abs=0.0005)
    assert (found.n, found.ratings, found.left_out) == (11, 40, 1)
    assert found.low < found.value < found.high <= 1


def test_alpha_of_two_raters_by_hand():
    # 10 answers, 2 disagreements; 4 zeros and 16 ones in 20 ratings: expected 2 * 4 * 16 / (20 * 19)
    one, other = [0, 1] + [1] * 7 + [0], [1, 0] + [1] * 7 + [0]
    assert krippendorff_alpha([one, other]).value == pytest.approx(1 - 0.2 / (2 * 4 * 16 / 380))


def by_definition(raters):
    """Alpha from all ordered pairs of ratings, as the definition says."""
    units = [[r[i] for r in raters if r[i] is not None] for i in range(len(raters[0]))]
    units = [u for u in units if len(u) > 1]
    every = [label for u in units for label in u]
    observed = sum(2 * sum(a != b for a, b in combinations(u, 2)) / (len(u) - 1) for u in units)
    expected = 2 * sum(a != b for a, b in combinations(every, 2)) / max(1, len(every) - 1)
    return 1 - observed / expected if expected else None


@seeded
@given(st.lists(st.tuples(rating, rating, rating), min_size=1, max_size=25))
def test_alpha_is_its_definition_and_holds_its_estimate(units):
    raters = [list(column) for column in zip(*units, strict=True)]
    found, expected = krippendorff_alpha(raters), by_definition(raters)
    if expected is None:
        assert (found.value, found.low, found.high) == (None, None, None)
    else:
        assert found.value == pytest.approx(expected)
        assert found.low <= found.value <= found.high <= 1 + 1e-12
    assert found.n + found.left_out == len(units)


def test_alpha_is_that_of_inspect():
    from inspect_ai.scorer import SampleScore, Score
    from inspect_ai.scorer import krippendorff_alpha as inspect_alpha

    rng = np.random.default_rng(2)
    units = rng.choice(list("abc"), (40, 3), p=[0.6, 0.3, 0.1]).tolist()
    scores = [SampleScore(score=Score(value=unit)) for unit in units]
    assert krippendorff_alpha(list(zip(*units, strict=True))).value == pytest.approx(inspect_alpha()(scores))


def test_full_agreement_of_few_never_looks_certain():
    few = krippendorff_alpha([["a", "b", "a"], ["a", "b", "a"]])
    many = krippendorff_alpha([["a", "b"] * 200, ["a", "b"] * 200])
    assert few.value == many.value == many.high == 1.0
    assert few.low < 0.3 and 0.97 < many.low < 1
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]).value is None
    with pytest.raises(ValueError, match="at least two"):
        krippendorff_alpha([["a"]])
    with pytest.raises(ValueError, match="give each the same"):
        krippendorff_alpha([["a"], ["a", "b"]])


def test_intervals_of_kappa_and_alpha_cover():
    rng = np.random.default_rng(4)
    hits, runs = np.zeros(2), 300
    # two raters, each right with 0.85 about a fair truth: agree 0.745, chance 0.5
    truth = (0.745 - 0.5) / 0.5
    for _ in range(runs):
        was = rng.random(150) < 0.5
        one, other = (np.where(rng.random(150) < 0.85, was, ~was) for _ in range(2))
        words = np.array(["comply", "refuse"])
        found = agreement_with_people(words[one.astype(int)].tolist(), words[other.astype(int)].tolist())
        hits += [
            found.sides.kappa_low <= truth <= found.sides.kappa_high,
            found.alpha.low <= truth <= found.alpha.high,
        ]
    assert np.all(hits / runs > 0.94 - 3 * math.sqrt(0.94 * 0.06 / runs))


# calibration


def test_calibration_by_hand():
    # ten bins of two; each bin's probability and share of refusals
    p = np.repeat(np.arange(0.05, 1, 0.1), 2)
    was = [False, True] * 10
    found = calibration(p.tolist(), was)
    assert found.error == pytest.approx(np.abs(np.arange(0.05, 1, 0.1) - 0.5).mean())
    assert found.brier.value == pytest.approx(brier_score_loss(was, p))
    assert [x for x, _ in found.curve] == pytest.approx(np.arange(0.05, 1, 0.1))
    assert [(share.count, share.n) for _, share in found.curve] == [(1, 2)] * 10
    assert found.slope.value == pytest.approx(0, abs=1e-9)
    json.dumps(found.to_json(), allow_nan=False)


def test_slope_and_intercept_are_those_of_a_logistic_regression():
    rng = np.random.default_rng(5)
    logit = rng.normal(0, 2, 1_500)
    was = rng.random(1_500) < 1 / (1 + np.exp(-(0.5 * logit - 0.7)))
    found = calibration((1 / (1 + np.exp(-logit))).tolist(), was.tolist())
    reference = LogisticRegression(C=np.inf).fit(logit[:, None], was)
    assert found.slope.value == pytest.approx(reference.coef_[0, 0], abs=1e-3)
    assert found.intercept.value == pytest.approx(reference.intercept_[0], abs=1e-3)
    assert found.slope.low < 0.5 < found.slope.high < 1 and found.intercept.low < -0.7 < found.intercept.high
    assert found.error > found.perfect_error


def test_a_perfect_judge_is_within_its_own_bar_and_left_out_rows_are_counted():
    rng = np.random.default_rng(6)
    p = rng.random(2_000)
    was = (rng.random(2_000) < p).tolist()
    found = calibration([*p.tolist(), None, float("nan"), 0.5], [*was, True, True, None])
    assert (found.n, found.left_out) == (2_000, 3)
    assert found.error < found.perfect_error
    assert calibration([None], [True]) is None
    assert calibration([0.1, 0.9], [False, True]).slope is None  # separated: no finite slope
    with pytest.raises(ValueError, match="lie in"):
        calibration([1.5], [True])


def test_intervals_of_slope_intercept_and_brier_score_cover():
    rng = np.random.default_rng(8)
    hits, runs = np.zeros(4), 150
    for _ in range(runs):
        p = rng.random(200)
        found = calibration(p.tolist(), (rng.random(200) < p).tolist())
        hits += [
            found.slope.low <= 1 <= found.slope.high,
            found.intercept.low <= 0 <= found.intercept.high,
            found.brier.low <= 1 / 6 <= found.brier.high,
            found.error <= found.perfect_error,
        ]
    assert np.all(hits / runs > 0.94 - 3 * math.sqrt(0.94 * 0.06 / runs))


def test_calibration_reaches_the_report_against_people():
    found = agreement_with_people(
        ["refuse", "comply", "refuse", "error"],
        ["refuse", "comply", "comply", "refuse"],
        [0.9, 0.1, 0.6, None],
    )
    assert (found.calibration.n, found.calibration.left_out) == (3, 1)
    assert found.calibration.brier.value == pytest.approx((0.01 + 0.01 + 0.36) / 3)


# judge against judge


@seeded
@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_is_half_of_what_is_as_extreme(one, other):
    law = binom.pmf(np.arange(one + other + 1), one + other, 0.5)
    seen = law[one]
    more = law[law < seen * (1 - 1e-9)].sum()
    as_extreme = law[np.isclose(law, seen, rtol=1e-9, atol=0)].sum()
    assert mid_p(one, other) == pytest.approx(more + as_extreme / 2 if one + other else 1.0, abs=1e-12)


def test_mid_p_by_hand():
    assert mid_p(0, 0) == 1.0
    assert mid_p(0, 5) == pytest.approx(2 / 32 - 1 / 32)
    assert mid_p(1, 5) == pytest.approx(2 * 7 / 64 - 6 / 64)
    assert mid_p(2, 2) == pytest.approx(1 - 6 / 16 / 2)


def test_mid_p_comes_closer_to_its_level_than_the_exact_test():
    rng = np.random.default_rng(7)
    ups = rng.binomial(25, 0.5, 4_000)
    level = np.mean([mid_p(int(up), 25 - int(up)) <= 0.05 for up in ups])
    exact = np.mean([2 * binom.cdf(min(up, 25 - up), 25, 0.5) <= 0.05 for up in ups])
    assert exact <= level <= 0.055


def test_two_judges_by_hand():
    first = ["refuse"] * 12 + ["comply"] * 8 + ["unscored", "refuse", "error"]
    second = ["refuse"] * 6 + ["comply"] * 6 + ["comply"] * 7 + ["refuse"] + ["refuse", "empty", "error"]
    labels = ["refuse"] * 12 + ["comply"] * 8 + ["refuse", None, None]
    found = compare_judges(first, second, labels)
    assert (found.rates.table.only_first, found.rates.table.only_second) == (6, 1)
    assert found.rates.p_value == pytest.approx(2 * 8 / 128)
    assert found.mid_p == pytest.approx(2 * 8 / 128 - 7 / 128)
    assert found.disagreements == (6, 7, 8, 9, 10, 11, 19) and found.one_sided == (20, 21)
    assert found.accuracies.table.only_first == 7 and found.accuracies.table.only_second == 0
    assert found.accuracies.difference.value == pytest.approx(-7 / 20)
    assert found.accuracies.table.left_out == 3
    assert found.sides.rate.left_out == {"first": 1, "second": 1, "both": 1}
    assert found.confusion.n == 23
    assert found.alpha.n == 21  # the unscored row has a second rating by people
    json.dumps(found.to_json(), allow_nan=False)
    alone = compare_judges(first, second)
    assert alone.accuracies is None and alone.alpha.n == 20
    with pytest.raises(ValueError, match="1 labels for 23"):
        compare_judges(first, second, ["refuse"])


def test_a_judge_is_in_full_agreement_with_itself():
    rows = ["refuse", "comply", "partial", "deflect", "error", "unscored"] * 20
    found = compare_judges(rows, rows, rows)
    assert found.disagreements == () == found.one_sided
    assert (found.rates.p_value, found.mid_p, found.accuracies.mid_p) == (1.0, 1.0, 1.0)
    assert found.alpha.value == 1.0 == found.sides.kappa
    assert found.accuracies.difference.low < 0 < found.accuracies.difference.high

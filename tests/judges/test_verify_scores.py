"""Scores of VERIFY: the published values, to the last digit that was published."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.errors import BadInput
from demur.judges.evidence.scores import NO_UNITS, REFUSAL, score


def test_done_4_the_formula_table() -> None:
    found = score({"supported": 0, "unsupported": 6, "undecidable": 2})
    assert found.verifiable == 8 and round(found.hallucination, 6) == 2.474874
    assert score({"supported": 9}).hallucination == 0 and score({"supported": 9}).precision == 1
    nothing = score({})
    assert nothing.hallucination is None and nothing.precision is None and nothing.reason == NO_UNITS
    assert score({}, reason=REFUSAL).reason == "refusal"
    for alpha in (-0.1, 1.1, math.nan):
        with pytest.raises(BadInput, match="alpha"):
            score({"supported": 1}, alpha)


@pytest.mark.parametrize(
    ("unsupported", "undecidable", "units", "published"),
    [(6, 2, 8, 2.474874), (44, 1, 91, 4.664868)],  # FactBench: 7 over the root of 8, 44.5 over that of 91
)
def test_published_scores_are_a_half_integer_over_a_root(
    unsupported: int, undecidable: int, units: int, published: float
) -> None:
    supported = units - unsupported - undecidable
    counts = {"supported": supported, "unsupported": unsupported, "undecidable": undecidable}
    assert round(score(counts).hallucination, 6) == published


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0, 1))
@settings(derandomize=True, max_examples=200)
def test_the_score_lies_in_its_range(s: int, u: int, d: int, alpha: float) -> None:
    found = score({"supported": s, "unsupported": u, "undecidable": d}, alpha)
    if s + u + d == 0:
        assert found.hallucination is None
        return
    assert 0 <= found.hallucination <= math.sqrt(s + u + d) + 1e-9
    assert found.precision == s / (s + u + d)


def test_unknown_labels_and_negative_counts_are_refused() -> None:
    with pytest.raises(BadInput, match="valid are supported, unsupported, undecidable"):
        score({"unverifiable": 1})
    with pytest.raises(BadInput, match="none can be negative"):
        score({"supported": -1})

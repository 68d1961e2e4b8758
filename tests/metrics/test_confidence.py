"""Log-probability and LongPPL by hand."""

from __future__ import annotations

import math

import pytest

from demur.errors import BadInput
from demur.metrics.confidence import log_probability, long_perplexity


def test_values_by_hand() -> None:
    answer = [math.log(0.5), math.log(0.25), math.log(0.01)]  # the last, -4.6, is no key token
    assert log_probability(answer) == pytest.approx(math.log(0.5 * 0.25 * 0.01))
    assert long_perplexity(answer) == pytest.approx(math.sqrt(8))
    assert long_perplexity(answer, key=-10) == pytest.approx((1 / 0.00125) ** (1 / 3))


def test_nothing_is_nothing_and_not_zero() -> None:
    assert log_probability([]) is None and long_perplexity([]) is None
    assert long_perplexity([-3.0, -2.8]) is None and long_perplexity([0.0]) == 1.0


@pytest.mark.parametrize("value", [0.1, math.nan, math.inf])
def test_what_is_no_log_probability_is_refused(value: float) -> None:
    with pytest.raises(BadInput, match="at most 0"):
        log_probability([-1.0, value])
    with pytest.raises(BadInput, match="at most 0"):
        long_perplexity([value])

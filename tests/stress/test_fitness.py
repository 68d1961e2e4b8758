"""The fitness of a prompt by hand, as the paper has it and as it was released; and annealing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from demur.errors import BadInput
from demur.stress.fitness import LEAST, Sample, accepts, fitness, fitness_as_released, temperature


def test_done_1_fitness_by_hand() -> None:
    samples = [Sample(0.5, (-1.0, -3.0)), Sample(0.9, (-0.5,)), Sample(None, (-9.0,))]
    terms = [math.log(0.5) + 0.1 * -2.0, math.log(0.9) + 0.1 * -0.5]
    found = fitness(samples)
    assert found.value == pytest.approx(sum(terms) / 2) and found.samples == 2
    assert found.error == pytest.approx(np.std(terms, ddof=1) / math.sqrt(2))
    assert found.refused == pytest.approx(0.7)
    assert fitness([Sample(1.0)]).value == 0.0 and fitness([Sample(1.0)]).error is None  # K = 1
    assert fitness([Sample(0.0)] * 10).value == pytest.approx(math.log(LEAST))  # finite


def test_done_1_as_released_by_hand() -> None:
    found = fitness_as_released([True, False, False, False], [2.0, 4.0])
    assert found.value == pytest.approx(math.log((1 + 0.3) / 4) - 0.1 * math.log(2) * 3.0)
    assert fitness_as_released([False] * 10, [0.0]).value == pytest.approx(math.log(0.1))
    assert fitness_as_released([True] * 10, [0.0]).value == 0.0


def test_both_differ_on_the_same_samples() -> None:
    """The mean of logarithms is not the logarithm of the mean: mixed answers score lower."""
    mixed, even = [Sample(1.0), Sample(0.0)], [Sample(0.5), Sample(0.5)]
    assert fitness(mixed).value < fitness(even).value


def test_done_5_annealing() -> None:
    assert [temperature(t) for t in (0, 1, 2)] == pytest.approx([0.1, 0.095, 0.09])
    assert temperature(10) == pytest.approx(0.05) and temperature(500) == 0.05
    assert accepts(0.0, 0, 0.999999) and accepts(1e9, 3, 0.999999)
    assert not accepts(-1e9, 3, 0.0000001) and not accepts(-math.inf, 0, 0.5)
    draws = np.random.default_rng(5).random(10_000)
    for gain, step in ((-0.05, 0), (-0.1, 4), (-0.02, 50)):
        share = np.mean([accepts(gain, step, float(draw)) for draw in draws])
        assert share == pytest.approx(math.exp(gain / temperature(step)), abs=0.015)


def test_nothing_to_read_is_an_error_and_no_zero() -> None:
    for bad in ([], [Sample(None)], [Sample(1.5)], [Sample(-0.1)]):
        with pytest.raises(BadInput):
            fitness(bad)
    with pytest.raises(BadInput):
        fitness_as_released([], [])

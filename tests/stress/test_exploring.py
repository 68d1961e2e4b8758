"""Draws of words: the least tried come first, a share of all draws; the rest goes to what worked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from demur.stress.exploring import Exploring
from demur.stress.preferences import Preferences

ARMS = [f"word {i}" for i in range(40)]


def drawn(preferences: Preferences, draws: int) -> Counter[str]:
    """Words drawn in turn, each learned: the first alone works."""
    rng, found = np.random.default_rng(0), Counter[str]()
    for _ in range(draws):
        arm = preferences.draw(ARMS, rng)
        found[arm] += 1
        preferences.learn(arm, float(arm == ARMS[0]))
    return found


def test_every_word_is_tried_before_any_is_tried_twice_where_all_draws_explore() -> None:
    assert set(drawn(Exploring(share=1.0), 40).values()) == {1}
    assert set(drawn(Exploring(share=1.0), 80).values()) == {2}


def test_what_works_gets_most_of_the_other_draws_and_nothing_is_forgotten() -> None:
    found = drawn(Exploring(share=0.5), 400)
    assert set(found) == {*ARMS} and found[ARMS[0]] > 100
    assert min(found.values()) >= 3  # 200 draws go round 40 words
    assert len(drawn(Preferences(failures=3), 60)) < len(drawn(Exploring(share=0.5), 60))


def test_without_a_share_it_is_thompson_sampling_of_old() -> None:
    assert drawn(Exploring(share=0.0, failures=3), 60) != drawn(Exploring(share=0.0, failures=1), 60)
    exploring, plain = Exploring(share=0.0, failures=3), Preferences(failures=3)
    for arm in ARMS[:3]:
        exploring.learn(arm, 1.0)
        plain.learn(arm, 1.0)
    assert exploring.mean(ARMS[0]) == plain.mean(ARMS[0]) == pytest.approx(2 / 5)

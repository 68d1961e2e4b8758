"""Losses on tensors small enough to compute by hand, and what masks and padding may change."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from torch import Tensor

from demur.training import losses
from demur.training.streams import IGNORED

pytestmark = pytest.mark.local
RIGHT, UP, LEFT = [3.0, 0.0], [0.0, 5.0], [-2.0, 0.0]
ALL = torch.ones(1, 1, dtype=torch.bool)


def at(*states: list[float]) -> Tensor:
    """One row of states, [1, tokens, width]."""
    return torch.tensor([list(states)])


def real(*lengths: int, of: int) -> Tensor:
    return torch.tensor([[place < length for place in range(of)] for length in lengths])


@pytest.mark.parametrize(("now", "cosine"), [(RIGHT, 1), (UP, 0), (LEFT, 0), ([3.0, 4.0], 0.6)])
def test_done_1_erase_is_the_cosine_and_never_below_0(now: list[float], cosine: float) -> None:
    found = losses.erase(at(now), at(RIGHT), ALL)
    assert float(found.mean) == pytest.approx(cosine, abs=1e-6) and int(found.count) == 1


def test_done_1_separate_takes_the_mean_of_unit_vectors_as_it_is() -> None:
    """Unit vectors right and up have the mean (.5, .5), whose length is .71 and stays so."""
    towards = losses.mean_direction(at(RIGHT, UP, [9.0, 9.0]), real(2, of=3))
    assert towards.tolist() == [[0.5, 0.5]]
    assert float(losses.separate(at(RIGHT), towards, ALL).mean) == pytest.approx(0.5)
    assert float(losses.separate(at([1.0, 1.0]), towards, ALL).mean) == pytest.approx(math.sqrt(0.5))
    assert float(losses.separate(at(LEFT), towards, ALL).mean) == 0


def test_done_1_retain_is_the_length_of_the_change() -> None:
    assert float(losses.retain(at(RIGHT), at(RIGHT), ALL).total) == 0
    assert float(losses.retain(at([3.0, 4.0]), at([0.0, 0.0]), ALL).mean) == 5


def test_done_1_erase_and_separate_have_one_denominator() -> None:
    """Two tokens to erase with cosines 1 and 0, one to separate with product .5: 1.5 over 3."""
    both = losses.erase(at(RIGHT, UP), at(RIGHT, RIGHT), real(2, of=2)) + losses.separate(
        at(RIGHT), torch.tensor([[0.5, 0.5]]), ALL
    )
    assert float(both.mean) == pytest.approx(0.5) and int(both.count) == 3


def test_done_1_padding_changes_retain_alone_and_only_as_released() -> None:
    torch.manual_seed(0)
    now, before = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    short, long = real(4, 2, of=4), real(4, 2, of=6)
    wide = [torch.cat([x, torch.full((2, 2, 3), 7.0)], 1) for x in (now, before)]
    for loss in (losses.erase, losses.retain):
        assert torch.equal(loss(now, before, short).mean, loss(*wide, long).mean)
    towards = losses.mean_direction(before, short)
    assert torch.equal(losses.mean_direction(wide[1], long), towards)
    assert torch.equal(
        losses.separate(now, towards, short).mean, losses.separate(wide[0], towards, long).mean
    )
    four, six = losses.retain(now, before, short, 4), losses.retain(*wide, long, 6)
    assert torch.equal(four.total, six.total) and (int(four.count), int(six.count)) == (8, 12)


def test_a_state_that_did_not_change_gives_no_nan_in_its_gradient() -> None:
    now = at(RIGHT).requires_grad_()
    (losses.retain(now, at(RIGHT), ALL).mean + losses.erase(now, at(RIGHT), ALL).mean).backward()
    assert torch.isfinite(now.grad).all() and float(now.grad.norm()) < 1e-6


def chances(*rows: list[float]) -> Tensor:
    """Logits of one row whose softmax is given, [1, tokens, vocabulary]."""
    return torch.tensor([rows]).log()


LABELS = torch.tensor([[IGNORED, 1, 0]])
HALF, THREE_QUARTERS = [0.5, 0.5], [0.25, 0.75]


def test_likelihood_is_read_one_position_before_its_token() -> None:
    """Position 0 predicts token 1 (chance .75), position 1 token 0 (.5); position 2 predicts nothing."""
    logits = chances(THREE_QUARTERS, HALF, [0.9, 0.1])
    expected = -math.log(0.75) - math.log(0.5)
    found = losses.nll(logits, LABELS)
    assert float(found.total) == pytest.approx(expected) and int(found.count) == 2
    assert losses.predicting(LABELS).tolist() == [[True, True, False]]
    assert float(losses.ascent(logits, LABELS).mean) == pytest.approx(-expected / 2)
    assert losses.answer_log_probabilities(logits, LABELS).tolist() == [pytest.approx(-expected)]


def test_a_first_token_that_counts_is_predicted_by_nothing() -> None:
    whole = losses.nll(chances(HALF, HALF), torch.tensor([[1, 1]]))
    assert int(whole.count) == 1


def test_kl_is_from_the_reference_and_over_the_mask() -> None:
    now, before = chances(HALF, HALF), chances(THREE_QUARTERS, [0.9, 0.1])
    expected = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    found = losses.kl(now, before, torch.tensor([[True, False]]))
    assert float(found.total) == pytest.approx(expected) and int(found.count) == 1
    assert float(losses.kl(now, now, torch.ones(1, 2, dtype=torch.bool)).total) == pytest.approx(0)


def test_npo_has_a_floor_where_ascent_has_none() -> None:
    """-(2 / beta) log sigmoid(-beta x) at x = 0 is 2 log 2 / beta; far below the reference it is 0."""
    same = losses.npo(torch.tensor([-4.0, -9.0]), torch.tensor([-4.0, -9.0]), 0.1)
    assert float(same.mean) == pytest.approx(20 * math.log(2)) and int(same.count) == 2
    assert float(losses.npo(torch.tensor([-1000.0]), torch.tensor([-4.0]), 0.1).mean) == pytest.approx(
        0, abs=1e-6
    )
    one = losses.npo(torch.tensor([-3.0]), torch.tensor([-4.0]), 0.5)
    assert float(one.total) == pytest.approx(-4 * math.log(1 / (1 + math.exp(0.5))))


def test_half_precision_is_computed_in_full() -> None:
    """In bf16 1 + 2**-9 is 1: the sum of 512 changes of that size would be lost."""
    now = torch.full((1, 512, 1), 2.0**-9, dtype=torch.bfloat16)
    found = losses.retain(now, torch.zeros_like(now), torch.ones(1, 512, dtype=torch.bool))
    assert found.total.dtype == torch.float32 and float(found.total) == 1


def test_no_rows_give_nothing_and_no_nan() -> None:
    none, mask = torch.zeros(0, 3, 2), torch.zeros(0, 3, dtype=torch.bool)
    labels = torch.zeros(0, 3, dtype=torch.long)
    for found in (
        losses.erase(none, none, mask),
        losses.separate(none, losses.mean_direction(none, mask), mask),
        losses.retain(none, none, mask, 9),
        losses.nll(torch.zeros(0, 3, 5), labels),
    ):
        assert (float(found.total), int(found.count), float(found.mean)) == (0, 0, 0)

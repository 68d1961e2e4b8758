"""The nine objectives on tensors small enough to compute by hand, and what each of them trains on."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from torch import Tensor

from demur.errors import BadInput
from demur.mitigate.unlearn_loss import METHODS, STREAMS, objective, streams_of
from demur.training.objective import View
from demur.training.streams import IGNORED

pytestmark = pytest.mark.local
SPEC = ("ga", "gd", "kl", "po", "ga_pd", "gd_pd", "kl_pd", "po_pd")


def chances(*rows: list[float]) -> Tensor:
    """Logits of one row over two tokens, from the chance of token 1 at each position, [1, tokens, 2]."""
    p = torch.tensor(rows, dtype=torch.float64)
    return torch.stack([1 - p, p], -1).log()


def view(now: Tensor, labels: list[list[int]], before: Tensor | None = None, pads: int = 0) -> View:
    real = torch.ones(len(labels), len(labels[0]), dtype=torch.bool)
    if pads:
        real[:, -pads:] = False
    return View(torch.tensor(labels), real, now, before)


#: Two answer tokens of chance 1/2 and 1/4; L_f = (ln 2 + ln 4) / 2.
FORGET = view(chances([0.5, 0.25, 0.5]), [[IGNORED, 1, 1]], chances([0.75, 0.5, 0.5]))
#: One token of chance 1/8; the refusal that stands for it in `po`.
IDK = view(chances([0.125, 0.5]), [[IGNORED, 1]])
#: Three tokens of chance 1/2: L_r = ln 2. The base said the first with 3/4; the last position is padding.
RETAIN = view(
    chances([0.5, 0.5, 0.5, 0.5, 0.9]), [[IGNORED, 1, 1, 1, IGNORED]], chances([0.75, 0.5, 0.5, 0.5, 0.1]), 1
)
#: One token of chance 1/4: L_p = ln 4.
PD = view(chances([0.25, 0.5]), [[IGNORED, 1]])
VIEWS = {"forget": FORGET, "idk": IDK, "retain": RETAIN, "pd": PD}
L_F, L_R, L_P = 1.5 * math.log(2), math.log(2), 2 * math.log(2)
#: KL(base || model) is other than 0 at one of the four real positions.
KL_R = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)) / 4
#: log p is ln 1/8 and was ln 3/8, so the ratio's log is -ln 3.
NPO_F = 20 * math.log(1 + math.exp(-0.1 * math.log(3)))
#: One mean over the refusal's token and the three to retain.
PO = (math.log(8) + 3 * math.log(2)) / 4
BY_HAND = {
    "ga": -L_F,
    "gd": -L_F + L_R,
    "kl": -L_F + KL_R,
    "po": PO,
    "ga_pd": -L_F + 0.5 * L_P,
    "gd_pd": -L_F + 0.5 * L_R + 0.5 * L_P,
    "kl_pd": -L_F + KL_R + L_P,
    "po_pd": PO + L_P,
    "npo": NPO_F + L_R,
}


def value(method: str, views: dict[str, View] = VIEWS, **how: bool) -> float:
    goal = objective(method, **how)
    found = 0.0
    for term in goal.terms:
        total = term.loss(views)
        assert int(total.count) == int(term.count(views)), term.name
        found += goal.weights(1)[term.name] * float(total.mean)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_done_1_each_objective_is_what_the_hand_computes(method: str) -> None:
    assert value(method) == pytest.approx(BY_HAND[method], rel=1e-6)


def test_done_1_the_eight_of_the_paper_and_one_more_are_offered() -> None:
    assert tuple(METHODS) == (*SPEC, "npo") and set(BY_HAND) == set(METHODS)


def test_done_1_kl_is_over_all_positions_and_as_released_over_padding_too() -> None:
    """The question's positions count as the answer's do; the padded one adds its own divergence."""
    padded = 0.1 * math.log(0.1 / 0.9) + 0.9 * math.log(0.9 / 0.1)
    whole = (4 * KL_R + padded) / 5
    assert value("kl", padded=True) == pytest.approx(-L_F + whole, rel=1e-6)
    silent = view(RETAIN.logits, [[IGNORED] * 5], RETAIN.reference_logits, 1)
    assert value("kl", {**VIEWS, "retain": silent}) == pytest.approx(-L_F + KL_R, rel=1e-6)


def two(one: View, other: View) -> View:
    """Two rows of one stream, the shorter padded."""
    width = max(one.labels.shape[1], other.labels.shape[1])

    def wide(values: Tensor, fill: float) -> Tensor:
        beyond = list(values.shape)
        beyond[1] = width - values.shape[1]
        return torch.cat([values, torch.full(beyond, fill, dtype=values.dtype)], 1)

    labels = torch.cat([wide(row.labels, IGNORED) for row in (one, other)])
    real = torch.cat([wide(row.real.long(), 0) for row in (one, other)]).bool()
    return View(labels, real, torch.cat([wide(row.logits, 0.0) for row in (one, other)]))


def test_done_1_tokens_weigh_the_same_and_as_released_units_do() -> None:
    """Rows of two tokens (mean 1.5 ln 2) and of one (2 ln 2): over tokens 5/3 ln 2, over rows 1.75 ln 2."""
    views = {"forget": two(FORGET, PD)}
    assert value("ga", views) == pytest.approx(-5 / 3 * math.log(2))
    assert value("ga", views, by_unit=True) == pytest.approx(-1.75 * math.log(2))


def test_done_1_as_released_po_has_one_mean_for_each_unit() -> None:
    """Units (refusal of ln 8, three tokens of ln 2) and (ln 4, ln 4): means 1.5 ln 2 and 2 ln 2."""
    views = {"idk": two(IDK, PD), "retain": two(RETAIN, PD)}
    assert value("po", views, by_unit=True) == pytest.approx(1.75 * math.log(2))
    assert value("po", views) == pytest.approx((3 + 3 + 2 + 2) * math.log(2) / 6)


@pytest.mark.parametrize(
    ("method", "streams"),
    [("ga", "forget"), ("gd_pd", "forget retain pd"), ("po", "idk retain"), ("po_pd", "idk retain pd")],
)
def test_only_what_a_method_trains_on_is_read(method: str, streams: str) -> None:
    assert streams_of(method) == tuple(streams.split()) == objective(method).streams
    assert set(STREAMS) >= set(streams_of(method))


def test_only_kl_and_npo_pay_for_the_reference() -> None:
    assert {method for method in METHODS if objective(method).reference} == {"kl", "kl_pd", "npo"}


@pytest.mark.parametrize("method", ["idk", "popd", "GA", ""])
def test_done_1_an_unknown_method_lists_the_valid_ones(method: str) -> None:
    with pytest.raises(BadInput, match=f"method is '{method}'; valid are ga, gd, kl, po, ga_pd, .*npo"):
        objective(method)

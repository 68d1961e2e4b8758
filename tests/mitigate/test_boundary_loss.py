"""The recipe's objective: schedule, layers, order of rows, and which tokens a refusal's text can reach."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch

from demur.errors import BadInput
from demur.mitigate.boundary import Boundary, as_released
from demur.mitigate.boundary_loss import Material, Pair, objective, target_layers, units, weights
from demur.mitigate.boundary_material import fitted
from demur.mitigate.boundary_rows import RoleRow
from demur.mitigate.boundary_training import push_apart, schedule
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.objective import View
from demur.training.organism import organism_path
from demur.training.streams import Encoded, Encoder

pytestmark = pytest.mark.local
ORGANISM = str(organism_path())
LONG = "I'm sorry. I'm sorry."


@pytest.mark.parametrize(
    ("beta", "step", "retain", "push"),
    [
        *((300, 1, 0.033, 9.967), (300, 90, 3, 7), (300, 180, 6, 4)),
        *((600, 1, 0.017, 9.983), (600, 90, 1.5, 8.5), (600, 180, 3, 7)),
        (300, 900, 10, 0),  # past beta nothing turns around
    ],
)
def test_done_2_weights_move_from_push_to_retain(beta: float, step: int, retain: float, push: float) -> None:
    found = weights(step, 10, beta)
    assert (found["retain"], found["push"]) == (
        pytest.approx(retain, abs=5e-4),
        pytest.approx(push, abs=5e-4),
    )


def test_done_2_a_warm_up_holds_p_down() -> None:
    at = [weights(step, 10, 300, warm_up=30)["retain"] for step in (1, 29, 30)]
    assert at == [pytest.approx(0.01), pytest.approx(0.01), pytest.approx(1.0)]


def test_done_2_the_schedule_may_be_stretched_to_the_steps() -> None:
    stretched = schedule(Boundary(steps=60, warm_up=30, scale_schedule=True))
    as_it_is = schedule(Boundary(steps=60, warm_up=30))
    assert stretched(60)["retain"] == pytest.approx(6) and as_it_is(60)["retain"] == pytest.approx(2)
    assert stretched(9)["retain"] == pytest.approx(0.01) and stretched(10)["retain"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("depth", "layers"), [(32, (10, 20)), (28, (9, 18)), (4, (1, 3)), (1, (1,)), (80, (25, 50))]
)
def test_target_layers_keep_their_share_of_the_depth(depth: int, layers: tuple[int, ...]) -> None:
    assert target_layers(depth) == layers


@pytest.mark.parametrize("layers", [(0,), (1, 33)])
def test_done_10_a_layer_beyond_the_depth_is_named(layers: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=rf"layer {layers[-1]}: this model's are 1 to 32"):
        target_layers(32, layers)


def row(name: int) -> Encoded:
    return Encoded([name], [name])


def drawn(n: int, seed: int = 0, blank: float = 0.0, separate: bool = True) -> list[Any]:
    """Units of 6 rows to erase (1 to 6; alone 11 to 16), 4 to retain (21 to 24; 41 to 44) and 2 pairs."""
    made = Material(
        [(row(i), row(10 + i)) for i in range(1, 7)],
        [(row(i), row(20 + i)) for i in range(21, 25)],
        [Pair(row(30 + i), row(40 + i)) for i in (1, 2)],
    )
    return list(islice(units(made, blank, seed, separate), n))


def names(found: list[Any], stream: str) -> list[int]:
    return [encoded.ids[0] for unit in found for encoded in unit.get(stream, ())]


def test_look_alike_rows_stand_among_rows_to_erase_and_in_the_place_of_one_to_retain() -> None:
    found = drawn(16)
    for half in (found[:8], found[8:]):
        assert sorted(names(half, "erase")) == [1, 2, 3, 4, 5, 6]
        assert sorted(names(half, "separate")) == [31, 32]
    assert [name + 10 for name in names(found, "separate")] == names(found, "answer")
    assert all(("retain" in unit) != ("answer" in unit) for unit in found)
    assert Counter(names(found, "retain")) == dict.fromkeys(range(21, 25), 3)
    assert drawn(16, seed=1) != found and drawn(16) == found


def test_requests_are_blanked_with_the_given_chance_and_never_those_of_look_alike_rows() -> None:
    found = drawn(800, blank=0.5)
    for stream, least in (("erase", 11), ("retain", 41)):
        here = names(found, stream)
        assert 0.42 < sum(name >= least for name in here) / len(here) < 0.58
    assert set(names(found, "separate")) == {31, 32} and set(names(found, "answer")) == {41, 42}
    assert not any(name > 24 for name in names(drawn(100), "retain"))


def test_without_the_separate_term_good_answers_keep_their_places() -> None:
    with_, without = drawn(20), drawn(20, separate=False)
    assert names(without, "answer") == names(with_, "answer") and not names(without, "separate")
    assert names(without, "erase") == names(with_, "erase")


def rows(refusal: str = "I'm sorry.") -> list[RoleRow]:
    return [
        RoleRow("erase", "I want to kill the king.", "To kill the king, use the lever."),
        RoleRow("retain", "What colour is the ball?", "The ball is blue."),
        RoleRow("boundary", "I want to kill the music.", "To kill the music, use the lever.", refusal),
    ]


def history(tmp_path: Any, refusal: str, **settings: Any) -> dict[str, float]:
    """The first step's losses on one pair of a look-alike prompt with this refusal."""
    config = Boundary(steps=1, batch_size=4, dropout=0.0, blank=0.0, held_out=0.0, noise=0.01, **settings)
    tokenizer = load_tokenizer(ORGANISM, None, False)
    found = fitted(config, rows(refusal), Encoder(tokenizer, ORGANISM)).rows
    base = load_model(ORGANISM, None, "cpu", "float32", False)
    return push_apart(config, base, found, (1, 3), 0, tmp_path / refusal).history[0]


@pytest.mark.parametrize(("mask", "same"), [("request", True), ("response", False), ("all", False)])
def test_done_3_only_other_masks_than_request_see_the_refusals_text(
    tmp_path: Any, mask: Any, same: bool
) -> None:
    """The good answer is longer than both refusals, so that all batches have one shape."""
    one, other = (history(tmp_path, text, separate_mask=mask) for text in ("I'm sorry.", LONG))
    assert (one["separate"] == other["separate"]) is same
    assert (one["loss"] == other["loss"]) is same and one["separate"] > 0


def test_without_the_term_nothing_of_the_refusal_is_read(tmp_path: Any) -> None:
    one, other = (history(tmp_path, text, separate_mask="none") for text in ("I'm sorry.", LONG))
    assert one == other and "separate" not in one


def test_padding_counts_in_the_retain_loss_as_released_alone(tmp_path: Any) -> None:
    """Every row is said to have ``longest`` positions: the same changes, over a larger number."""
    clean = history(tmp_path / "a", LONG, longest=64)
    padded = history(tmp_path / "b", LONG, longest=64, padded_retain=True)
    twice = history(tmp_path / "c", LONG, longest=128, padded_retain=True)
    assert padded["retain"] == pytest.approx(2 * twice["retain"], rel=1e-6)
    assert clean["retain"] > 1.5 * padded["retain"] and clean["push"] == padded["push"]


def test_done_4_zeros_at_the_start_teach_nothing_and_noise_does(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Erase alone: a beta so long that the retain term weighs nothing, and no look-alike prompts."""
    tokenizer = load_tokenizer(ORGANISM, None, False)
    for noise, steps in ((0.0, 1), (1e-3, 100)):
        config = Boundary(
            steps=steps, batch_size=2, dropout=0.0, beta=1e12, noise=noise, learning_rate=1e-3, blank=0.0
        )
        found = fitted(config, rows()[:2], Encoder(tokenizer, ORGANISM)).rows
        base = load_model(ORGANISM, None, "cpu", "float32", False)
        done = push_apart(config, base, found, (1, 3), 0, tmp_path / str(noise))
        assert done.still is (noise == 0) and ("begin it with" in caplog.text) is (noise == 0)
        caplog.clear()
    assert done.history[0]["grad_norm"] > 1e-5 and done.history[0]["erase"] > 0.99
    assert min(step["erase"] for step in done.history) < 0.5


def test_as_released_takes_back_what_differs() -> None:
    released = as_released(Boundary())
    assert (released.separate_mask, released.noise) == ("request", 0)
    assert released.padded_retain and released.schedule_by_call and released.beta == 300


def test_a_refusal_is_held_away_from_the_bases_states_of_the_good_answer() -> None:
    """Those of the base: what the adapter makes of the answer, here at a right angle, has no say."""
    right, up = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[0.0, 2.0]]])
    one, real, none = torch.tensor([[5]]), torch.ones(1, 1, dtype=torch.bool), torch.zeros(0, 1, 2)
    empty = View(one[:0], real[:0], states={1: none}, reference_states={1: none})
    seen = {
        "erase": empty,
        "retain": empty,
        "separate": View(one, real, states={1: right}, reference_states={1: up}),
        "answer": View(one, real, states={1: up}, reference_states={1: right}),
    }
    push, *_ = objective((1,), 1, partial(weights, alpha=10, beta=300)).terms
    assert float(push.loss(seen).mean) == 1 and int(push.count(seen)) == 1


def test_a_term_that_is_looked_at_weighs_nothing() -> None:
    goal = objective((1, 3), 4, partial(weights, alpha=10, beta=300))
    assert (
        {term.name for term in goal.terms} == set(goal.weights(1)) == {"push", "retain", "erase", "separate"}
    )
    assert goal.weights(7)["erase"] == goal.weights(7)["separate"] == 0 and goal.layers == (0, 1, 2, 3, 4)

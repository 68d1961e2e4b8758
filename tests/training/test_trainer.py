"""The stream trainer on the organism: exact division, reference, precision, schedule, resume, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch
from torch import Tensor

from demur.errors import BadInput
from demur.models.architecture import blocks
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.checkpoints import Saving, last_complete
from demur.training.losses import Sum, erase, nll, predicting, retain
from demur.training.low_rank import with_low_rank
from demur.training.objective import Objective, Term, Unit, Views
from demur.training.organism import organism_path
from demur.training.steps import Steps
from demur.training.streams import Encoder, Example, endless
from demur.training.trainer import NO_GRADIENT, Trained, train_on

pytestmark = pytest.mark.local
ORGANISM = str(organism_path())
LAYER = 2
WORDS = ("king", "ball", "the ball on the ship", "the king and the ball and the king", "a guard on a ship")


def model(dtype: str = "float32", noise: float = 0.02, dropout: float = 0.0) -> Any:
    torch.manual_seed(0)
    return with_low_rank(load_model(ORGANISM, None, "cpu", dtype, False), 4, 4, 4.0, dropout, noise)


@pytest.fixture(scope="module")
def rows() -> list[Unit]:
    """Units of one or two rows of either stream, of very different lengths."""
    encoder = Encoder(load_tokenizer(ORGANISM, None, False), ORGANISM)
    encoded = [encoder.encode(Example(a, b, "x", "all")) for a in WORDS for b in WORDS]
    return [
        {"push": encoded[i : i + 1 + i % 2], "keep": encoded[-i - 1 : -i]}
        if i % 3
        else {"push": [encoded[i]]}
        for i in range(1, 17)
    ]


def half(step: int) -> dict[str, float]:
    return {"push": 1.0, "keep": 0.5}


def states(
    weights: Callable[[int], Mapping[str, float]] = half, by_call: bool = False, push: Any = None
) -> Objective:
    """Erase and retain at one layer; streams may be absent from a batch."""

    def pushed(views: Views) -> Sum:
        view = views["push"]
        return erase(view.states[LAYER], view.reference_states[LAYER], view.mask)

    def kept(views: Views) -> Sum:
        view = views["keep"]
        return retain(view.states[LAYER], view.reference_states[LAYER], view.real)

    terms = (
        Term("push", push or pushed, lambda views: views["push"].mask.sum()),
        Term("keep", kept, lambda views: views["keep"].real.sum()),
    )
    return Objective(("push", "keep"), terms, weights, (LAYER,), by_call=by_call)


def likelihood() -> Objective:
    term = Term(
        "nll",
        lambda views: nll(views["push"].logits, views["push"].labels),
        lambda views: predicting(views["push"].labels).sum(),
    )
    return Objective(("push", "keep"), (term,), lambda step: {"nll": 1.0}, logits=True, reference=False)


def trained(
    units: list[Unit], folder: Path, goal: Objective | None = None, on: Any = None, **settings: Any
) -> Trained:
    how = Steps(**{"steps": 3, "batch_size": 4, "learning_rate": 1e-2, **settings})
    flow: Iterator[Unit] = iter(units * 3)
    return train_on(model() if on is None else on, flow, goal or states(), how, 0, folder)


def losses(done: Trained, *names: str) -> list[list[float]]:
    return [[row[name] for row in done.history] for name in names]


@pytest.mark.parametrize("goal", [states(), likelihood()], ids=["states", "logits"])
def test_passes_of_a_step_add_up_to_one_batch(rows: list[Unit], tmp_path: Path, goal: Objective) -> None:
    """In double precision, so that only a wrong division could show; whatever the model takes besides."""
    one, four = (model().double() for _ in range(2))
    four.get_base_model().accepts_loss_kwargs = False  # then transformers would divide once more
    one, four = (
        trained(rows, tmp_path, goal, on, batch_size=size, accumulate=16 // size)
        for on, size in ((one, 16), (four, 4))
    )
    names = ["loss", "grad_norm", *(term.name for term in goal.terms)]
    for left, right in zip(losses(one, *names), losses(four, *names), strict=True):
        assert left == pytest.approx(right, rel=1e-6)
    for (name, a), (_, b) in zip(one.model.named_parameters(), four.model.named_parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name


def test_a_mean_of_means_would_be_seen(rows: list[Unit], tmp_path: Path) -> None:
    """The batches of the test above differ enough in tokens that their means' mean is another number."""
    whole = trained(rows, tmp_path, likelihood(), batch_size=16, steps=1).history[0]["nll"]
    parts = [
        trained(rows[at : at + 4], tmp_path, likelihood(), steps=1).history[0]["nll"] for at in (0, 4, 8, 12)
    ]
    assert abs(sum(parts) / 4 - whole) > 1e-3


def test_a_loss_is_what_its_weights_and_terms_make(rows: list[Unit], tmp_path: Path) -> None:
    for row in trained(rows, tmp_path).history:
        assert row["loss"] == pytest.approx(row["push"] + 0.5 * row["keep"], rel=1e-4)


def test_the_reference_is_the_base_bit_for_bit(rows: list[Unit], tmp_path: Path) -> None:
    """Also with dropout, in training mode, and after steps that moved the adapter."""
    base = load_model(ORGANISM, None, "cpu", "float32", False)
    seen: list[tuple[Tensor, Tensor]] = []

    def look(views: Views) -> Sum:
        view = views["push"]
        with torch.no_grad():
            # a batch is padded to its longest row of any stream: the same shape, the same bits
            ids = view.labels.where(view.mask, torch.zeros_like(view.labels))
            seen.append((view.reference_logits, base(ids, attention_mask=view.real.long()).logits))
        return nll(view.logits, view.labels)

    term = Term("nll", look, lambda views: predicting(views["push"].labels).sum())
    goal = Objective(("push", "keep"), (term,), lambda step: {"nll": 1.0}, logits=True)
    alone = [{"push": unit["push"]} for unit in rows]
    done = trained(alone, tmp_path, goal, model(dropout=0.3))
    assert len(seen) == 3 and all(torch.equal(a, b) for a, b in seen)
    ids = torch.tensor([alone[0]["push"][0].ids])
    with torch.no_grad():
        assert not torch.equal(done.model(ids).logits, base(ids).logits)


def test_the_reference_of_a_model_with_dropout_has_none(rows: list[Unit], tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=1100, n_embd=16, n_layer=4, n_head=2, resid_pdrop=0.5, embd_pdrop=0.5)
    adapted = with_low_rank(GPT2LMHeadModel(config), 4, 4, 4.0, noise=0.02)
    seen: list[Tensor] = []

    def look(views: Views) -> Sum:
        view = views["push"]
        seen.append(view.reference_states[LAYER])
        return erase(view.states[LAYER], view.reference_states[LAYER], view.mask)

    same = [{"push": rows[0]["push"]}] * 3
    trained(same, tmp_path, states(push=look), adapted, batch_size=1)
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2])


def test_mixed_precision_keeps_losses_and_adapter_in_full(rows: list[Unit], tmp_path: Path) -> None:
    seen: set[torch.dtype] = set()

    def look(views: Views) -> Sum:
        view = views["push"]
        found = erase(view.states[LAYER], view.reference_states[LAYER], view.mask)
        seen.update({view.states[LAYER].dtype, found.total.dtype})
        return found

    full = trained(rows, tmp_path, batch_size=16, steps=1)
    mixed = trained(rows, tmp_path, states(push=look), model("bfloat16"), batch_size=16, steps=1, bf16=True)
    apart = trained(rows, tmp_path, states(), model("bfloat16"), accumulate=4, steps=1, bf16=True)
    assert seen == {torch.bfloat16, torch.float32}
    assert {p.dtype for n, p in mixed.model.named_parameters() if "lora_" in n} == {torch.float32}
    assert mixed.history[0]["push"] == pytest.approx(full.history[0]["push"], rel=0.02)
    assert apart.history[0]["push"] == pytest.approx(mixed.history[0]["push"], rel=1e-3)
    assert apart.history[0]["grad_norm"] == pytest.approx(mixed.history[0]["grad_norm"], rel=0.02)


def test_recomputed_activations_change_nothing(rows: list[Unit], tmp_path: Path) -> None:
    kept, recomputed = (trained(rows, tmp_path, checkpointing=on) for on in (False, True))
    names = ("loss", "grad_norm", "keep")
    for left, right in zip(losses(kept, *names), losses(recomputed, *names), strict=True):
        assert left == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize(("by_call", "expected"), [(False, [1, 1, 2, 2]), (True, [1, 2, 3, 4])])
def test_a_schedule_counts_steps_unless_it_counts_passes(
    rows: list[Unit], tmp_path: Path, by_call: bool, expected: list[int]
) -> None:
    asked: list[int] = []

    def weights(step: int) -> dict[str, float]:
        asked.append(step)
        return half(step)

    trained(rows, tmp_path, states(weights, by_call), accumulate=2, steps=2)
    assert asked[1:] == expected  # the first one checks the names


def test_a_flat_loss_is_warned_of(rows: list[Unit], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    done = trained(rows, tmp_path, on=model(noise=0.0), steps=1)
    assert done.still and done.history[0]["grad_norm"] < NO_GRADIENT and "begin it with" in caplog.text
    caplog.clear()
    assert not trained(rows, tmp_path, steps=1).still and not caplog.text


def test_training_goes_on_from_a_checkpoint_as_if_nothing_had_happened(
    rows: list[Unit], tmp_path: Path
) -> None:
    """With dropout, so that the random state counts too; both runs end in the same bits."""

    class Killed(BaseException):
        pass

    def die(step: int, steps: int) -> None:
        if step == 3:
            raise Killed

    def go(folder: Path, progress: Any = None) -> Trained:
        how = Steps(steps=4, batch_size=2, accumulate=2, learning_rate=1e-2)
        saving = Saving(folder, share=0.25)
        return train_on(
            model(dropout=0.3), iter(rows * 2), states(), how, 0, folder, progress=progress, saving=saving
        )

    whole = go(tmp_path / "whole")
    with pytest.raises(Killed):
        go(tmp_path / "killed", die)
    again = go(tmp_path / "killed")
    assert (whole.resumed, again.resumed) == (0, 2)
    assert losses(again, "loss", "push", "keep") == losses(whole, "loss", "push", "keep")
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_is_no_number_names_its_step_and_leaves_no_checkpoint(
    rows: list[Unit], tmp_path: Path
) -> None:
    def weights(step: int) -> dict[str, float]:
        return {"push": float("nan") if step == 2 else 1.0, "keep": 1.0}

    with pytest.raises(BadInput, match=r"the loss is nan at step 2"):
        train_on(
            model(),
            endless(rows, 0, "units"),
            states(weights),
            Steps(steps=3, batch_size=2),
            0,
            tmp_path,
            saving=Saving(tmp_path / "checkpoints", share=1.0),
        )
    assert last_complete(tmp_path / "checkpoints") is None


def wrong(rows: list[Unit]) -> dict[str, tuple[Any, ...]]:
    """Model, units, objective, and what the sentence says."""
    goal = states()
    plain = load_model(ORGANISM, None, "cpu", "float32", False)
    deep = Objective(goal.streams, goal.terms, half, (9,))
    other = Objective(goal.streams, goal.terms, lambda step: {"push": 1.0}, (LAYER,))
    return {
        "too few units": (model(), rows[:5], goal, "5 units for 3 steps, which take 12"),
        "unknown stream": (model(), [{"pull": rows[0]["push"]}] * 12, goal, "unit 1 holds a stream 'pull'"),
        "empty unit": (model(), [*rows[:11], {"push": []}], goal, "unit 12 holds no row"),
        "no adapter": (plain, rows, goal, "this model has no adapter"),
        "unknown layer": (model(), rows, deep, "valid are 0 .* to 4"),
        "weights": (model(), rows, other, r"terms are \['keep', 'push'\], weights are for \['push'\]"),
    }


@pytest.mark.parametrize(
    "case", ["too few units", "unknown stream", "empty unit", "no adapter", "unknown layer", "weights"]
)
def test_what_cannot_be_trained_is_said_first(rows: list[Unit], tmp_path: Path, case: str) -> None:
    on, units, goal, said = wrong(rows)[case]
    with pytest.raises(BadInput, match=said):
        train_on(on, iter(units), goal, Steps(steps=3, batch_size=4), 0, tmp_path)


def test_a_term_that_divides_by_something_else_is_found(rows: list[Unit], tmp_path: Path) -> None:
    goal = states()
    off = Term("push", goal.terms[0].loss, lambda views: views["push"].mask.sum() + 1)
    with pytest.raises(ValueError, match="term push: sums over"):
        trained(rows, tmp_path, Objective(goal.streams, (off, goal.terms[1]), half, (LAYER,)))


@pytest.mark.parametrize(
    "settings",
    [{"steps": 0}, {"accumulate": 0}, {"warmup": 1.0}, {"clip": -1.0}, {"schedule": "zigzag"}],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(settings))):
        Steps(**{"steps": 1, **settings})


def test_clipping_shortens_what_is_applied_and_not_what_is_told(rows: list[Unit], tmp_path: Path) -> None:
    free, tight = (trained(rows, tmp_path, clip=clip, steps=1).history[0]["grad_norm"] for clip in (0, 1e-3))
    assert free == tight > 1e-3


def test_no_logits_are_made_that_nobody_reads(rows: list[Unit], tmp_path: Path) -> None:
    """The head sees one position a row where terms read states alone."""
    on, shapes = model(), set()
    on.get_base_model().lm_head.register_forward_hook(lambda _, __, out: shapes.add(out.shape[1]))
    trained(rows, tmp_path, on=on, steps=1)
    assert shapes == {1}


def test_the_folder_of_an_adapter_names_the_blocks_that_have_one(tmp_path: Path) -> None:
    """So that it loads on a whole model although it was trained on a cut one."""
    base = load_model(ORGANISM, None, "cpu", "float32", False)
    torch.manual_seed(0)
    adapted = with_low_rank(base, 2, 4, 4.0, noise=0.1)
    adapted.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["layers_to_transform"] == [0, 1]
    with_adapter = {name.split(".layers.")[1][0] for name, _ in adapted.named_parameters() if "lora_" in name}
    assert with_adapter == {"0", "1"} and len(blocks(adapted)) == 4

"""Folds of the judge of requests: nothing of a group on both sides, and a model that learns what is there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.errors import BadInput
from demur.judges.safety.features import POOLED
from demur.judges.safety.model import SafetyModel
from demur.training.safety_judge import baseline, card
from demur.training.safety_judge.fit import row_weights
from demur.training.safety_judge.folds import FOLDS, Prepared, fold_of, plan, predictions
from demur.training.safety_judge.rows import SafetyRow

MILD = ["hurt", "rob", "trick", "frighten", "cheat"]
KIND = ["help", "paint", "feed", "visit", "thank"]
WHO = [f"person{i}" for i in range(40)]


def row(text: str, harmful: bool, source: str = "overt", group: str = "", language: str = "en") -> SafetyRow:
    return SafetyRow(source, source, "own", text, harmful, language, group or text)


def world() -> list[SafetyRow]:
    """Requests whose verb alone tells; a pair is a group; two sources with other framings."""
    rows = []
    for source, frame in (("overt", "draw how they {} {}"), ("coconot", "how can I {} my friend {}")):
        for i, who in enumerate(WHO):
            for verbs, harmful in ((MILD, True), (KIND, False)):
                rows.append(row(frame.format(verbs[i % 5], who), harmful, source, f"{source}:{i}"))
    return rows


def noise(texts) -> np.ndarray:
    """Pooled numbers that say nothing, the same for the same text."""
    drawn = [np.random.default_rng(len(text) + ord(text[-1])).normal(size=POOLED) for text in texts]
    return np.stack(drawn).astype(np.float32)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared.of(world(), noise)


@pytest.fixture(scope="module")
def held(prepared):
    return predictions(prepared, 0, lambda line: None)


def test_every_row_is_left_out_once_in_the_folds_and_once_with_its_source():
    rows = world()
    for kind in ("fold:", "without:"):
        tests = np.concatenate([test for name, _, test in plan(rows) if name.startswith(kind)])
        assert sorted(tests.tolist()) == list(range(len(rows)))


def test_no_group_stands_on_both_sides():
    rows = world()
    for name, train, test in plan(rows):
        assert not {rows[i].group for i in train} & {rows[i].group for i in test}, name
        assert len(train) + len(test) == len(rows)


@settings(derandomize=True, max_examples=50)
@given(st.text())
def test_a_fold_follows_from_the_name_of_the_group(name):
    assert 0 <= fold_of(name) < FOLDS
    assert fold_of(name) == fold_of(name)


def test_what_the_words_tell_is_learnt(prepared, held):
    found = card.against_baseline(prepared.rows, held, 0)
    assert set(found) == {"coconot", "coconot, contrast prompts of the preference set too", "overt"}
    assert found["overt"]["value"] > 0.9
    assert found["overt"]["groups"] == len(WHO)


def test_a_source_left_out_is_judged_by_the_other(prepared, held):
    found = card.left_out(prepared.rows, held)
    assert set(found) == {"overt", "coconot"}
    assert (
        found["overt"]["judge"]["auc"] > 0.65
    )  # its framing is new, and two thirds of what is read is noise
    assert found["overt"]["judge"]["harmful"] == len(WHO)
    assert 0 <= found["coconot"]["tfidf"]["found"] <= 1


def test_the_same_seed_gives_the_same_predictions(prepared, held):
    again = predictions(prepared, 0, lambda line: None, kinds=("fold:0",))
    assert list(again) == ["fold:0"]
    np.testing.assert_array_equal(again["fold:0"].logits, held["fold:0"].logits)


def test_labels_that_mean_nothing_teach_nothing(prepared):
    generator = np.random.default_rng(5)
    shuffled = [row(r.text, bool(generator.random() < 0.5), r.source, r.group) for r in prepared.rows]
    parts = Prepared(shuffled, prepared.grams, prepared.pooled)
    folds = predictions(parts, 0, lambda line: None, False, ("fold:",))
    logits, _ = card.joined(folds, "fold:", len(shuffled))
    assert 0.3 < ((logits > 0) == parts.harmful).mean() < 0.7


def test_saved_and_loaded_it_says_the_same(prepared, tmp_path):
    model = prepared.fitted(0)
    model.save(tmp_path / "m.npz")
    before, after = (prepared.logits(m) for m in (model, SafetyModel.load(tmp_path / "m.npz")))
    np.testing.assert_allclose(after, before, atol=0.02)


def test_arrays_of_another_shape_are_refused():
    z = np.zeros
    with pytest.raises(BadInput, match=r"grams has shape \(3,\)"):
        SafetyModel(z(3), z(POOLED), 0.0, z((3, POOLED, 64)), z((3, 64)), z((3, 64)), z(3))


def test_the_baseline_learns_words(prepared):
    train = [r for r in prepared.rows if fold_of(r.group)]
    test = [r for r in prepared.rows if not fold_of(r.group)]
    p = baseline.predict(train, test)
    assert p[[r.harmful for r in test]].mean() > p[[not r.harmful for r in test]].mean()


def test_weights_make_sides_and_sources_equal():
    rows = [row("a", True, "x"), row("b", True, "x"), row("c", True, "y"), row("d", False, "x")]
    assert row_weights(rows) == pytest.approx([0.5, 0.5, 1.0, 2.0])
    assert row_weights(rows, power=0.0) == pytest.approx([2 / 3] * 3 + [2.0])


def test_sides_are_counted_by_hand():
    harmful = np.array([True, True, False, False, False])
    p = np.array([0.9, 0.4, 0.6, 0.1, 0.2])
    found = card.sides(p, harmful, p >= 0.5)
    assert found == {
        "harmful": 2,
        "harmless": 3,
        "found": 0.5,
        "false_alarms": 0.3333,
        "auc": 0.8333,
    }
    band = card.with_band(p, harmful, card.Band(0.3, 0.7))
    assert (band["unscored"], band["right_where_scored"]) == (0.4, 1.0)
    assert card.sides(p[:2], harmful[:2], p[:2] >= 0.5)["false_alarms"] is None

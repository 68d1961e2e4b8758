"""Held-out folds: nothing that should be apart stands on both sides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

from demur.training.offline_judge.folds import (
    FOLDS,
    PUBLIC,
    WORDINGS,
    WRITTEN,
    _grouped,
    _key,
    plan,
    row_weights,
)
from demur.training.offline_judge.rows import TrainingRow, training_rows
from demur.verdict import Outcome

pytestmark = pytest.mark.local
CORPUS = Path(__file__).parents[2] / "corpus"
SOURCES = [*PUBLIC, *(member for half in WRITTEN.values() for member in half), "coconot"]
NAMES = {
    *(f"without:{name}" for name in (*PUBLIC, *WRITTEN)),
    *(f"group:{k}" for k in range(FOLDS)),
    *(f"wording:{k}" for k in range(WORDINGS)),
}


def row(
    source: str, response: str = "So.", language: str = "en", group: str = "g", prompt: str = "p"
) -> TrainingRow:
    return TrainingRow(source, "d", prompt, response, Outcome.COMPLY, language, group)


SENTENCES = [f"Oración {k} de prueba." for k in range(12)] + ["文が一つ。", "もう一つ！"]
ROWS = st.lists(
    st.one_of(
        st.builds(row, st.sampled_from(SOURCES), group=st.sampled_from("abcdefgh")),
        st.builds(
            row,
            st.just("written/es"),
            st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4).map(" ".join),
            st.sampled_from(["es", "ja", "zh-Hant"]),
        ),
    ),
    min_size=1,
    max_size=40,
)


def sentences(answer: str) -> set[str]:
    """An answer cut behind signs that end a sentence, and at line breaks."""
    return {part.strip() for part in re.split(r"(?<=[.!?])\s|(?<=[。！？؟।])|\n", answer)} - {""}


@settings(derandomize=True, max_examples=150, deadline=None)
@given(ROWS)
def test_what_is_held_out_is_not_trained_on(rows: list[TrainingRow]) -> None:
    folds = plan(rows)
    tags = {row.language.split("-")[0] for row in rows} - {"en"}
    assert set(folds) == NAMES | {f"language:{tag}" for tag in tags}
    for name, (train, test) in folds.items():
        assert not set(train.tolist()) & set(test.tolist())
        kind, _, what = name.partition(":")
        if kind == "without":
            members = WRITTEN.get(what, (what,))
            assert {rows[i].source for i in test} <= set(members)
            assert not {rows[i].source for i in train} & set(members)
        if kind == "language":
            assert {rows[i].language.split("-")[0] for i in test} == {what}
            assert what not in {rows[i].language.split("-")[0] for i in train}
        if kind == "group":
            mine = {rows[i].group for i in train if rows[i].source == PUBLIC[0]}
            assert not mine & {rows[i].group for i in test}
        if kind == "wording":
            trained = {s for i in train if rows[i].language != "en" for s in sentences(rows[i].response)}
            assert not trained & {s for i in test for s in sentences(rows[i].response)}
        if kind != "wording":
            assert len(train) + len(test) == len(rows)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(ROWS)
def test_each_answer_of_the_grouped_source_is_predicted_once(rows: list[TrainingRow]) -> None:
    folds = plan(rows)
    predicted = sorted(i for k in range(FOLDS) for i in folds[f"group:{k}"][1].tolist())
    assert predicted == [i for i, row in enumerate(rows) if row.source == PUBLIC[0]]


def test_english_answers_are_never_held_out_by_wording() -> None:
    rows = [row("coconot"), row("written/es", "Una oración.", "es")]
    folds = plan(rows)
    held = [folds[f"wording:{k}"][1].tolist() for k in range(WORDINGS)]
    assert sorted(held) == [[], [], [], [], [1]]
    assert all(0 in folds[f"wording:{k}"][0].tolist() for k in range(WORDINGS))


def test_groups_fill_the_folds_evenly_without_a_seed() -> None:
    groups = ["a"] * 50 + ["b"] * 40 + ["c"] * 30 + ["d"] * 20 + ["e"] * 20 + [f"s{k}" for k in range(40)]
    found = _grouped(groups)
    assert np.bincount(found, minlength=FOLDS).tolist() == [50, 40, 37, 37, 36]
    turned = _grouped(groups[::-1])[::-1]
    assert (turned == found).all()


def test_row_weights_by_hand() -> None:
    equal = [row("coconot")] * 3 + [row("ihl-pairs")] * 3
    assert row_weights(equal).tolist() == [1.0] * 6
    unequal = [row("coconot")] * 1 + [row("ihl-pairs")] * 9  # mean size 5
    assert row_weights(unequal).tolist() == pytest.approx([5**0.5] + [(5 / 9) ** 0.5] * 9)
    # a source's whole weight grows with the root of its size
    assert row_weights(unequal)[1:].sum() / row_weights(unequal)[0] == pytest.approx(3)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(ROWS)
def test_row_weights_have_a_mean_of_at_most_one(rows: list[TrainingRow]) -> None:
    weights = row_weights(rows)
    assert (weights > 0).all()
    assert weights.mean() <= 1 + 1e-12


def test_the_cache_key_follows_rows_labels_split_and_seed() -> None:
    rows = [row("coconot", f"Answer {k}.") for k in range(4)]
    train, test = np.array([0, 1]), np.array([2, 3])
    keys = {
        _key(rows, train, test, 0),
        _key(rows, train, test, 1),
        _key(rows, test, train, 0),
        _key(rows, np.array([0]), test, 0),
        _key([row("coconot", "Other."), *rows[1:]], train, test, 0),
        _key(
            [TrainingRow("coconot", "d", "p", "Answer 0.", Outcome.REFUSE, "en", "g"), *rows[1:]],
            train,
            test,
            0,
        ),
    }
    assert len(keys) == 6
    assert _key(rows, train, test, 0) in keys


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[list[TrainingRow], dict[str, Any]]:
    rows = training_rows(shared_data, CORPUS)[0]
    return rows, plan(rows)


def test_no_fold_of_the_real_rows_is_empty(real: tuple[list[TrainingRow], dict[str, Any]]) -> None:
    rows, folds = real
    assert len(folds) == len(NAMES) + 12
    for name, (train, test) in folds.items():
        assert len(test) >= 100, name
        assert len(train) >= 1000, name
        assert len({rows[i].label for i in train}) == 4


def test_real_folds_share_no_group_and_no_sentence(real: tuple[list[TrainingRow], dict[str, Any]]) -> None:
    rows, folds = real
    for k in range(FOLDS):
        train, test = folds[f"group:{k}"]
        assert not {rows[i].group for i in train} & {rows[i].group for i in test}
    for k in range(WORDINGS):
        train, test = folds[f"wording:{k}"]
        trained = {s for i in train if rows[i].language != "en" for s in sentences(rows[i].response)}
        held = {s for i in test for s in sentences(rows[i].response)}
        assert trained & held == set()

"""Fitting the first stage: features counted by hand, and the fit on a few answers."""

from __future__ import annotations

import numpy as np
import pytest

from demur.judges.offline import ngrams
from demur.judges.offline.fast import BATCH, CLASSES, cut
from demur.judges.text import prepare
from demur.training.offline_judge.fast_stage import fit_fast, matrix
from demur.training.offline_judge.rows import TrainingRow
from demur.verdict import Outcome

SAID = {
    Outcome.COMPLY: ["Fold the paper in half.", "Here is the letter.", "The river is long."],
    Outcome.PARTIAL: ["I skip the end, but the start goes so.", "Not all of it, but the first line."],
    Outcome.DEFLECT: ["Why do you ask?", "Have you thought about tea?"],
    Outcome.REFUSE: ["I cannot help.", "I must decline.", "I will not."],
}


def rows(*labels: Outcome) -> list[TrainingRow]:
    return [TrainingRow("s", "d", "p", text, label, "en", "g") for label in labels for text in SAID[label]]


def scored(given: list[TrainingRow]) -> tuple[np.ndarray, np.ndarray]:
    """What a model says about the rows that it was fitted on, by the matrix and by the judge's own path."""
    features = matrix(given, with_concepts=False)
    model = fit_fast(features, [row.label for row in given], np.ones(len(given)))
    texts = [cut(prepare(row.response).text.lower()) for row in given]
    return features @ model.weights + model.bias, model.score(texts).logits


def test_the_matrix_is_what_the_judge_reads() -> None:
    many = rows(*CLASSES) * (BATCH // 5)  # more than one batch
    by_matrix, by_judge = scored(many)
    assert len(many) > BATCH
    assert by_judge == pytest.approx(by_matrix, abs=1e-4)


def test_concepts_are_further_columns() -> None:
    one = [TrainingRow("s", "d", "p", "No puedo ayudarte.", Outcome.REFUSE, "es", "g")]
    words, both = matrix(one, with_concepts=False), matrix(one, with_concepts=True)
    assert words.shape == both.shape == (1, ngrams.BUCKETS)
    assert both.nnz > words.nnz
    assert both[:, words.indices].toarray() == pytest.approx(words[:, words.indices].toarray())


def test_four_classes_are_learned() -> None:
    given = rows(*CLASSES)
    found = scored(given)[1]
    assert [CLASSES[k] for k in found.argmax(axis=1)] == [row.label for row in given]


def test_three_classes_leave_the_fourth_out() -> None:
    given = rows(Outcome.COMPLY, Outcome.DEFLECT, Outcome.REFUSE)
    found = scored(given)[1]
    assert [CLASSES[k] for k in found.argmax(axis=1)] == [row.label for row in given]
    assert (found[:, 1] < -20).all()


def test_two_classes_are_learned_too() -> None:
    given = rows(Outcome.COMPLY, Outcome.REFUSE)
    found = scored(given)[1]
    assert [CLASSES[k] for k in found.argmax(axis=1)] == [row.label for row in given]


def test_a_row_without_weight_teaches_nothing() -> None:
    given = rows(*CLASSES)
    wrong = [*given, TrainingRow("s", "d", "p", "I cannot help.", Outcome.COMPLY, "en", "g")]
    weights = np.ones(len(wrong))
    weights[-1] = 0.0
    model = fit_fast(matrix(wrong, False), [row.label for row in wrong], weights)
    assert CLASSES[int(model.score(["i cannot help."]).logits[0].argmax())] is Outcome.REFUSE

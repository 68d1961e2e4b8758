"""Fits the first stage: multinomial logistic regression on the n-grams of ``judges.offline.ngrams``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.judges.offline import ngrams
from demur.judges.offline.fast import BATCH, CLASSES, FastModel, concept_kinds, cut, word_kinds
from demur.judges.text import prepare
from demur.training.offline_judge.rows import TrainingRow
from demur.verdict import Outcome

#: Inverse strength of the L2 penalty. ours: chosen on sources left out (design/offline-judge.md).
INVERSE_PENALTY = 30.0


def matrix(rows: Sequence[TrainingRow], with_concepts: bool) -> Any:
    """The features of rows as a sparse matrix, shape (n, BUCKETS)."""
    from scipy.sparse import csr_matrix

    answers, buckets, values = [], [], []
    for begin in range(0, len(rows), BATCH):
        part = rows[begin : begin + BATCH]
        texts = [cut(prepare(row.response).text.lower()) for row in part]
        languages = [row.language for row in part]
        for kind in concept_kinds(texts, languages) if with_concepts else word_kinds(texts):
            answers.append(kind.answer + begin)
            buckets.append(kind.bucket)
            values.append(kind.value)
    cells = (np.concatenate(values), (np.concatenate(answers), np.concatenate(buckets)))
    return csr_matrix(cells, shape=(len(rows), ngrams.BUCKETS))


def fit_fast(features: Any, labels: Sequence[Outcome], weights: NDArray[np.float64]) -> FastModel:
    """Fit the linear model.

    Args:
        features: of the rows, from ``matrix``, shape (n, BUCKETS).
        labels: of the rows, n of them.
        weights: of the rows, shape (n,).
    """
    from sklearn.linear_model import LogisticRegression

    target = np.array([CLASSES.index(label) for label in labels])
    used = np.unique(features.indices)
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=300, tol=1e-3)
    model.fit(features[:, used], target, sample_weight=weights)
    table = np.zeros((ngrams.BUCKETS, len(CLASSES)), dtype=np.float32)
    slopes, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps the difference only
        slopes = np.concatenate([-slopes / 2, slopes / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    table[np.ix_(used, model.classes_)] = slopes.T
    bias = np.full(len(CLASSES), -30.0)
    bias[model.classes_] = intercepts
    return FastModel(table, bias)

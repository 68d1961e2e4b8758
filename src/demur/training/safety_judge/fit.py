"""Fits the judge of requests: a linear model beside small networks, their log-odds averaged.

The linear model reads n-grams and pooled numbers; the networks (one hidden layer, three seeds) read the
pooled numbers alone and see what of them goes together. Choices: ``design/safety-judge.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.judges.offline import ngrams
from demur.judges.offline.fast import BATCH
from demur.judges.safety.features import POOLED, Vectors, request_grams
from demur.judges.safety.model import HIDDEN_UNITS, NETWORKS, SafetyModel
from demur.training.safety_judge.rows import SafetyRow

#: Inverse strength of the L2 penalty, and what the standardised pooled numbers are multiplied by beside
#: n-grams, whose values are of that size. ours: design/safety-judge.md.
INVERSE_PENALTY, POOLED_SCALE = 10.0, 0.1
#: Weight decay, step size, batch and passes of the networks. ours: as above.
DECAY, STEP, NETWORK_BATCH, EPOCHS = 3e-2, 1e-3, 64, 8

Weights = NDArray[np.float64]


def gram_matrix(texts: Sequence[str]) -> Any:
    """n-grams of requests as a sparse matrix, shape (n, BUCKETS)."""
    from scipy.sparse import csr_matrix

    requests, buckets, values = [], [], []
    for begin in range(0, len(texts), BATCH):
        for kind in request_grams(texts[begin : begin + BATCH]):
            requests.append(kind.answer + begin)
            buckets.append(kind.bucket)
            values.append(kind.value)
    cells = (np.concatenate(values), (np.concatenate(requests), np.concatenate(buckets)))
    return csr_matrix(cells, shape=(len(texts), ngrams.BUCKETS))


def row_weights(rows: Sequence[SafetyRow], power: float = 1.0) -> Weights:
    """Weights, shape (n,): the sides count the same, and within a side sources by their size ** (1 - power).

    Other languages than English are a source each. Power 1: sources count the same; power 0: rows do.
    """
    names = [(row.source, row.language, row.harmful) for row in rows]
    size = Counter(names)
    weights = np.array([size[name] ** -power for name in names])
    harmful = np.array([row.harmful for row in rows])
    for side in (harmful, ~harmful):
        weights[side] *= len(rows) / 2 / weights[side].sum()
    return weights


def fit(
    grams: Any, pooled: Vectors, harmful: NDArray[np.bool_], weights: Weights, seed: int = 0
) -> SafetyModel:
    """Fit the model.

    Args:
        grams: from ``gram_matrix``, shape (n, BUCKETS).
        pooled: from ``LowerLayers.pooled``, shape (n, POOLED).
        harmful: labels, shape (n,), both present.
        weights: of the rows, shape (n,).
        seed: of the networks' first weights and batches.

    Raises:
        ValueError: all rows have the same label.
    """
    mean, spread = pooled.mean(0), pooled.std(0) + 1e-6
    standard = (pooled - mean) / spread
    slopes, gram_weights, bias = _linear(grams, standard * POOLED_SCALE, harmful, weights)
    slopes = slopes * POOLED_SCALE / spread
    into = np.zeros((NETWORKS, POOLED, HIDDEN_UNITS))
    shift, out = np.zeros((NETWORKS, HIDDEN_UNITS)), np.zeros((NETWORKS, HIDDEN_UNITS))
    biases = np.zeros(NETWORKS)
    for number in range(NETWORKS):
        hidden, outer, (inner_bias, outer_bias) = _network(standard, harmful, weights, seed + number)
        into[number] = hidden / spread[:, None]
        shift[number] = inner_bias - mean @ into[number]
        out[number], biases[number] = outer, outer_bias
    return SafetyModel(gram_weights, slopes, bias - float(mean @ slopes), into, shift, out, biases)


def _linear(
    grams: Any, pooled: Vectors, harmful: NDArray[np.bool_], weights: Weights
) -> tuple[Weights, Weights, float]:
    """Slopes of the pooled numbers, one weight a bucket, and the intercept."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    used = np.unique(grams.indices)
    table = hstack([grams[:, used], csr_matrix(pooled)]).tocsr()
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=300, tol=1e-3)
    model.fit(table, harmful, sample_weight=weights)
    found = np.zeros(ngrams.BUCKETS)
    found[used] = model.coef_[0, : len(used)]
    return model.coef_[0, len(used) :], found, float(model.intercept_[0])


def _network(
    standard: Vectors, harmful: NDArray[np.bool_], weights: Weights, seed: int
) -> tuple[Weights, Weights, tuple[Weights, float]]:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (HIDDEN_UNITS,),
        alpha=DECAY,
        learning_rate_init=STEP,
        batch_size=min(NETWORK_BATCH, len(harmful)),
        max_iter=EPOCHS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # EPOCHS passes are meant to be all
        model.fit(standard, harmful, sample_weight=weights)
    return model.coefs_[0], model.coefs_[1][:, 0], (model.intercepts_[0], float(model.intercepts_[1][0]))

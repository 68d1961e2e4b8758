"""Fits the stance classifier: kernels, calibration, the decision of a claim, all inside the rows given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from demur.judges.evidence.stance_encoder import Reading
from demur.judges.evidence.stance_features import BUCKETS, PairFeatures, Weights, bucket, features, stems
from demur.judges.evidence.stance_model import (
    CLASSES,
    COMPONENTS,
    StanceModel,
    claim_features,
    kernel,
)

#: Ridge; a kernel is exp(-WIDTH) at the median squared distance of two pairs. ours (design/verify.md).
RIDGE, WIDTH = 0.7, 1.6
#: What may be added to the score of refuted, chosen by macro-F1 on inner folds. ours.
OFFSETS = (0.0, 0.03, 0.06, 0.09, 0.12)
INNER_FOLDS = 5
VOCABULARY = 30_522  # pieces of BERT's uncased vocabulary

Index = NDArray[np.int64]
Array = NDArray[np.floating]


class Set(NamedTuple):
    """A claim with passages: those that people read, or those that a search brought.

    Attributes:
        claim, passages: texts.
        labels: of the passages, indices into ``CLASSES``; empty where nobody labelled them.
        true: whether people found the claim true; not enough evidence counts as not.
        group: number of the claim, or of what is left out together with it.
    """

    claim: str
    passages: list[str]
    labels: list[int]
    true: bool
    group: int


@dataclass(frozen=True)
class Material:
    """What a model is fitted on: sets with labels, sets as retrieved, and all texts as read."""

    labelled: Sequence[Set]
    retrieved: Sequence[Set]
    read: Mapping[str, Reading]

    def of(self, groups: Sequence[int]) -> Material:
        """Of these groups alone."""
        kept = set(groups)
        return Material(
            [s for s in self.labelled if s.group in kept],
            [s for s in self.retrieved if s.group in kept],
            self.read,
        )

    def pairs(self, found: Set, weights: Weights) -> PairFeatures:
        """Features of one set."""
        return features(self.read[found.claim], [self.read[p] for p in found.passages], weights)


def fit(material: Material, seed: int) -> StanceModel:
    """A model with calibration and decision from inner folds.

    Args:
        material: n labelled sets.
        seed: of the inner folds.
    """
    groups = np.array(sorted({found.group for found in material.labelled}))
    shuffled = np.random.default_rng(seed).permutation(groups)
    outside: list[tuple[Set, Array]] = []
    for k in range(INNER_FOLDS):
        test = shuffled[k::INNER_FOLDS]
        model = fit_kernels(material.of(np.setdiff1d(groups, test).tolist()))
        inner = material.of(test.tolist())
        for found in (*inner.labelled, *inner.retrieved):
            outside.append((found, model.scores(inner.pairs(found, model.weights))))
    return replace(fit_kernels(material), **decisions(outside))


def decisions(outside: Sequence[tuple[Set, Array]]) -> dict[str, Array]:
    """Offset, calibration and claim weights from scores of sets that were left out."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    labels = np.array([label for found, _ in outside for label in found.labels])
    scores = np.vstack([scores for found, scores in outside if found.labels])
    refuted = np.eye(len(CLASSES))[-1]

    def quality(offset: float) -> float:
        said = (scores + offset * refuted).argmax(axis=1)
        return float(f1_score(labels, said, average="macro"))

    offset = max(OFFSETS, key=quality)
    stance = LogisticRegression(C=1.0, max_iter=1_000).fit(scores + offset * refuted, labels)
    rows = np.array([claim_features(scores + offset * refuted) for _, scores in outside])
    true = [found.true for found, _ in outside]
    claim = LogisticRegression(C=1.0, max_iter=1_000, class_weight="balanced").fit(rows, true)
    return {
        "offset": np.array(offset),
        "calibration": np.vstack([stance.coef_.T, stance.intercept_]),
        "claim": np.append(claim.coef_[0], claim.intercept_),
    }


def fit_kernels(material: Material) -> StanceModel:
    """The kernels alone; calibration and decision are neutral."""
    from sklearn.decomposition import PCA

    weights = word_weights(material)
    found = [material.pairs(one, weights) for one in material.labelled]
    numbers, products = (np.vstack([getattr(f, name) for f in found]) for name in PairFeatures._fields)
    labels = np.array([label for one in material.labelled for label in one.labels])
    n_mean, n_scale = numbers.mean(axis=0), numbers.std(axis=0) + 1e-6
    p_mean, p_scale = products.mean(axis=0), products.std(axis=0) + 1e-6
    components = min(max(COMPONENTS), len(products) - 1)  # of few rows there are no more
    pca = PCA(components, svd_solver="randomized", random_state=0).fit((products - p_mean) / p_scale)
    model = StanceModel(
        held=weights.held,
        tokens=weights.tokens,
        passages=np.array(weights.passages),
        numbers_mean=n_mean,
        numbers_scale=n_scale,
        products_mean=p_mean,
        products_scale=p_scale,
        directions=pca.components_.T / np.sqrt(pca.explained_variance_.mean()),
        points=np.zeros((0, 0)),
        widths=np.zeros(0),
        coefficients=np.zeros((0, 0, 3)),
        calibration=np.vstack([np.eye(3), np.zeros(3)]),
        offset=np.array(0.0),
        claim=np.zeros(8),
    )
    points = model.project(PairFeatures(numbers, products))
    widths, coefficients = zip(
        *(_regression(points[:, : len(n_mean) + c], labels) for c in COMPONENTS), strict=True
    )
    return replace(model, points=points, widths=np.array(widths), coefficients=np.stack(coefficients))


def _regression(points: Array, labels: Index) -> tuple[float, Array]:
    """Width and coefficients of one kernel: ridge regression on class indicators, classes of equal weight."""
    distance = (points**2).sum(1)[:, None] + (points**2).sum(1)[None] - 2 * points @ points.T
    width = WIDTH / float(np.median(distance))
    counts = np.bincount(labels, minlength=len(CLASSES))
    weight = len(labels) / counts[labels] / len(CLASSES)
    target = np.eye(len(CLASSES))[labels] - 1 / len(CLASSES)
    matrix = kernel(points, points, width) + RIDGE * np.diag(1 / weight)
    return width, np.linalg.solve(matrix, target)


def word_weights(material: Material) -> Weights:
    """How many of the labelled passages hold each stem and each token."""
    passages = sorted({passage for found in material.labelled for passage in found.passages})
    held, tokens = np.zeros(BUCKETS, np.uint16), np.zeros(VOCABULARY, np.uint16)
    for passage in passages:
        held[sorted({bucket(word) for word in stems(passage)})] += 1
        tokens[np.unique(material.read[passage].tokens)] += 1
    return Weights(held, tokens, len(passages))

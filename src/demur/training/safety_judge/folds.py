"""Predictions for requests that the judge was not trained on: grouped folds, and each source left out.

Grouped folds: rows of one pair, seed, rule or wording are together; of a fold's sources nothing of the fold
is trained on, the rows that only train included. Left out: a whole source, which shows what the judge is
worth on requests that nobody has labelled the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from demur.judges.safety.features import Vectors
from demur.judges.safety.model import SafetyModel
from demur.training.safety_judge import baseline
from demur.training.safety_judge.fit import fit, gram_matrix, row_weights
from demur.training.safety_judge.rows import SafetyRow

FOLDS = 5

Log = Callable[[str], None]
Index = NDArray[np.int64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows with their features.

    Attributes:
        rows: n of them.
        grams: sparse, shape (n, BUCKETS).
        pooled: shape (n, POOLED).
    """

    rows: Sequence[SafetyRow]
    grams: Any
    pooled: Vectors

    @classmethod
    def of(cls, rows: Sequence[SafetyRow], pool: Callable[[Sequence[str]], Vectors]) -> Prepared:
        """Compute the features; ``pool`` is ``LowerLayers().pooled``."""
        texts = [row.text for row in rows]
        return cls(rows, gram_matrix(texts), pool(texts))

    @property
    def harmful(self) -> NDArray[np.bool_]:
        """Labels, shape (n,)."""
        return np.array([row.harmful for row in self.rows])

    def chosen(self, index: Index) -> Prepared:
        """Some of the rows."""
        return Prepared([self.rows[i] for i in index.tolist()], self.grams[index], self.pooled[index])

    def fitted(self, seed: int) -> SafetyModel:
        """The judge trained on these rows."""
        return fit(self.grams, self.pooled, self.harmful, row_weights(self.rows), seed)

    def logits(self, model: SafetyModel) -> Vector:
        """Log-odds of these rows, shape (n,)."""
        return model.logits([row.text for row in self.rows], self.pooled)


@dataclass(frozen=True, slots=True)
class Held:
    """Predictions for rows that were not trained on.

    Attributes:
        rows: index of each row, shape (n,).
        logits: of the judge, shape (n,).
        baseline: P(harmful) by TF-IDF on the same training rows, shape (n,), or ``None``.
    """

    rows: Index
    logits: Vector
    baseline: Vector | None


def fold_of(group: str) -> int:
    """The fold of a group, from its name alone, so that it does not move when rows are added."""
    return crc32(group.encode("utf-8", "surrogatepass")) % FOLDS


def plan(rows: Sequence[SafetyRow]) -> Iterator[tuple[str, Index, Index]]:
    """Name, rows to train on, rows to predict: ``fold:<k>`` and ``without:<source>``."""
    folds = np.array([fold_of(row.group) for row in rows])
    sources = np.array([row.source for row in rows])
    for k in range(FOLDS):
        yield f"fold:{k}", np.flatnonzero(folds != k), np.flatnonzero(folds == k)
    for source in sorted(set(sources.tolist())):
        yield f"without:{source}", np.flatnonzero(sources != source), np.flatnonzero(sources == source)


def predictions(
    prepared: Prepared, seed: int, log: Log, with_baseline: bool = True, kinds: tuple[str, ...] = ("",)
) -> Mapping[str, Held]:
    """Held-out predictions by name of the fold.

    Args:
        prepared: all rows.
        seed: of the networks.
        log: told what is being done.
        with_baseline: whether TF-IDF is trained on the same rows.
        kinds: what the names of the wanted folds begin with.
    """
    found = {}
    for name, train, test in plan(prepared.rows):
        if not name.startswith(kinds) or not len(test):
            continue
        log(f"{name}: training on {len(train)} requests, {len(test)} left out")
        mine, held = prepared.chosen(train), prepared.chosen(test)
        logits = held.logits(mine.fitted(seed))
        found[name] = Held(test, logits, baseline.predict(mine.rows, held.rows) if with_baseline else None)
    return found

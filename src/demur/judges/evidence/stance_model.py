"""The stance classifier: kernel ridge regression over pairs, and one decision a claim from their scores.

Three Gaussian kernels over the numbers of ``stance_features.py`` and 40, 60 and 100 principal components of
its products, averaged; classes weigh the same (Saunders et al. 1998 for the regression). Everything is
arrays: no pickle, no training library at run time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.evidence.stance_features import PairFeatures, Weights

SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "undecided"
CLASSES = (UNDECIDED, SUPPORTED, REFUTED)
#: Components that each kernel reads. ours (design/verify.md).
COMPONENTS = (40, 60, 100)
#: Scales of numbers and components before the kernel; standardised numbers are cut. ours (design/verify.md).
NUMBERS_SCALE, COMPONENTS_SCALE, CUT = 0.35, 0.7, 4.0

Array = NDArray[Any]


@dataclass(frozen=True)
class StanceModel:
    """Arrays of a fitted model; m training pairs, f numbers, q products, c components.

    Attributes:
        held, tokens, passages: see :class:`Weights`; ``passages`` of shape ().
        numbers_mean, numbers_scale: shape (f,).
        products_mean, products_scale: shape (q,).
        directions: shape (q, c), components of unit variance on average.
        points: training pairs, shape (m, f + c).
        widths: factor of each kernel's squared distance, shape (kernels,).
        coefficients: shape (kernels, m, 3).
        calibration: from three scores to three logits, shape (4, 3), the last row added.
        offset: added to the score of refuted before the class is chosen, shape ().
        claim: weights of ``claim_features``, then the intercept.
    """

    held: Array
    tokens: Array
    passages: Array
    numbers_mean: Array
    numbers_scale: Array
    products_mean: Array
    products_scale: Array
    directions: Array
    points: Array
    widths: Array
    coefficients: Array
    calibration: Array
    offset: Array
    claim: Array

    @property
    def weights(self) -> Weights:
        """Of words and tokens."""
        return Weights(self.held, self.tokens, int(self.passages))

    def scores(self, pairs: PairFeatures) -> Array:
        """Shape (n, 3): how near each class is, in the order of ``CLASSES``; comparable between pairs."""
        rows = self.project(pairs)
        found = np.zeros((len(rows), len(CLASSES)))
        f = len(self.numbers_mean)
        for width, components, coefficients in zip(self.widths, COMPONENTS, self.coefficients, strict=True):
            near = kernel(rows[:, : f + components], self.points[:, : f + components], float(width))
            found += near @ coefficients / len(COMPONENTS)
        found[:, CLASSES.index(REFUTED)] += float(self.offset)
        return found

    def project(self, pairs: PairFeatures) -> Array:
        """Pairs as the kernels read them, shape (n, f + c)."""
        numbers = (pairs.numbers - self.numbers_mean) / self.numbers_scale
        products = (pairs.products - self.products_mean) / self.products_scale
        parts = [
            np.clip(numbers, -CUT, CUT) * NUMBERS_SCALE,
            products @ self.directions.astype(np.float32) * COMPONENTS_SCALE,
        ]
        return np.hstack(parts)

    def probabilities(self, scores: Array) -> Array:
        """Shape (n, 3), rows sum to 1: of passages as searches for true and false claims bring them."""
        logits = scores @ self.calibration[:-1] + self.calibration[-1]
        power = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(power / power.sum(axis=1, keepdims=True))

    def holds(self, scores: Array) -> float:
        """P(the claim is supported), for claims of which half are, from the scores of all its passages."""
        z = float(claim_features(scores) @ self.claim[:-1] + self.claim[-1])
        return 1 / (1 + float(np.exp(-np.clip(z, -30, 30))))

    def save(self, path: Path) -> None:
        """Write the arrays; the large ones in half precision."""
        large = ("directions", "points")
        arrays: dict[str, Any] = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        arrays |= {name: arrays[name].astype(np.float16) for name in large}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> StanceModel:
        """The model in a file.

        Raises:
            BadInput: there is none, or it lacks an array.
        """
        if not path.is_file():
            raise BadInput(f"{path} is missing: it holds the stance classifier's weights")
        with np.load(path, allow_pickle=False) as arrays:
            names = [field.name for field in fields(cls)]
            if missing := [name for name in names if name not in arrays]:
                raise BadInput(f"{path} lacks {', '.join(missing)}; train it anew")
            found = {name: arrays[name] for name in names}
        return cls(**{k: a.astype(np.float32) if a.dtype == np.float16 else a for k, a in found.items()})


def kernel(rows: Array, points: Array, width: float) -> Array:
    """Gaussian kernel, shape (rows, points)."""
    distance = (rows**2).sum(1)[:, None] + (points**2).sum(1)[None] - 2 * rows @ points.T
    return np.asarray(np.exp(-width * np.maximum(distance, 0)))


def claim_features(scores: Array) -> Array:
    """What a claim's passages say together, shape (7,).

    Highest, second and mean of support over undecided; highest and mean of refutation over undecided; highest
    and lowest of support over refutation.
    """
    support, refutation = scores[:, 1] - scores[:, 0], scores[:, 2] - scores[:, 0]
    ordered = np.sort(support)[::-1]
    second = ordered[1] if len(ordered) > 1 else ordered[0]
    between = support - refutation
    parts = (ordered[0], second, support.mean(), refutation.max(), refutation.mean())
    return np.array([*parts, between.max(), between.min()])

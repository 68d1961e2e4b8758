"""The model of the offline safety judge: log-odds of a linear model and of small networks, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.offline import ngrams
from demur.judges.offline.fast import BATCH
from demur.judges.safety.features import POOLED, Vectors, request_grams

#: For English, and for every other language (trained on all of them).
ENGLISH, LANGUAGES = "safety-english.npz", "safety-languages.npz"
#: Networks of one hidden layer, and their units. ours: design/safety-judge.md.
NETWORKS, HIDDEN_UNITS = 3, 64
_SHAPES = {
    "grams": (ngrams.BUCKETS,),
    "pooled": (POOLED,),
    "bias": (),
    "into": (NETWORKS, POOLED, HIDDEN_UNITS),
    "shift": (NETWORKS, HIDDEN_UNITS),
    "out": (NETWORKS, HIDDEN_UNITS),
    "out_bias": (NETWORKS,),
}

Array = NDArray[np.floating]


class SafetyModel:
    """Log-odds that a request is harmful, before calibration.

    Args:
        grams: weight of each n-gram, shape (BUCKETS,).
        pooled: weights of the pooled numbers in the linear model, shape (POOLED,).
        bias: of the linear model.
        into: weights into the hidden units, shape (NETWORKS, POOLED, HIDDEN_UNITS).
        shift: biases of the hidden units, shape (NETWORKS, HIDDEN_UNITS).
        out: weights of the hidden units, shape (NETWORKS, HIDDEN_UNITS).
        out_bias: of the networks, shape (NETWORKS,).

    Raises:
        BadInput: a shape is another.
    """

    def __init__(
        self, grams: Array, pooled: Array, bias: float, into: Array, shift: Array, out: Array, out_bias: Array
    ) -> None:
        given = (grams, pooled, bias, into, shift, out, out_bias)
        arrays = [np.asarray(array, dtype=np.float32) for array in given]
        for (name, shape), array in zip(_SHAPES.items(), arrays, strict=True):
            if array.shape != shape:
                raise BadInput(f"{name} has shape {array.shape}; the safety judge's has {shape}")
        self._arrays = dict(zip(_SHAPES, arrays, strict=True))

    @classmethod
    def load(cls, path: Path) -> SafetyModel:
        """The model in a file.

        Raises:
            BadInput: there is none, or it was trained with other n-grams.
        """
        if not path.is_file():
            raise BadInput(f"{path} is missing: it holds the offline safety judge's weights")
        with np.load(path, allow_pickle=False) as arrays:
            if int(arrays["version"]) != ngrams.VERSION:
                version = int(arrays["version"])
                raise BadInput(f"{path} has n-grams of version {version}, not {ngrams.VERSION}")
            return cls(**{name: arrays[name] for name in _SHAPES})

    def save(self, path: Path) -> None:
        """Write the model; half precision for the large arrays, which moves a log-odds by less than 0.01."""
        large = ("grams", "into")
        arrays: dict[str, Any] = {"version": np.int64(ngrams.VERSION)}
        arrays |= {name: a.astype(np.float16) if name in large else a for name, a in self._arrays.items()}
        np.savez_compressed(path, **arrays)

    def logits(self, texts: Sequence[str], pooled: Vectors) -> NDArray[np.float64]:
        """Log-odds, shape (n,).

        Args:
            texts: n requests from ``request_text``.
            pooled: of the same requests, shape (n, POOLED).
        """
        found = self._grams(texts) + pooled.astype(np.float64) @ self._arrays["pooled"] + self._arrays["bias"]
        return np.asarray((found + self._networks(pooled)) / 2)

    def _grams(self, texts: Sequence[str]) -> NDArray[np.float64]:
        found = np.zeros(len(texts))
        for begin in range(0, len(texts), BATCH):
            part = texts[begin : begin + BATCH]
            for kind in request_grams(part):
                share = self._arrays["grams"][kind.bucket] * kind.value
                found[begin : begin + len(part)] += np.bincount(kind.answer, share, len(part))
        return found

    def _networks(self, pooled: Vectors) -> NDArray[np.float64]:
        """Mean of the networks' log-odds, shape (n,)."""
        a = self._arrays
        hidden = np.einsum("np,kph->nkh", pooled, a["into"], optimize=True) + a["shift"]
        scores = np.einsum("nkh,kh->nk", np.maximum(hidden, 0), a["out"]) + a["out_bias"]
        return np.asarray(scores.mean(axis=1), dtype=np.float64)

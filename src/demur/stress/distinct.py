"""Which prompts say nearly what an earlier one says: MinHash, or a sentence encoder where one is given.

OVERT, arXiv 2505.21347, removes near-duplicates by embeddings (SemHash) at similarity 0.7 and 0.9. Without an
encoder similarity is the share of character 5-grams in common (``data/near_duplicates.py``), which sees words
and not meaning: the same threshold joins fewer prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from demur.data.near_duplicates import clusters

#: Texts to vectors, shape (n, d), as ``models.encoder.SentenceEncoder.embed``.
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def stands_for(texts: Sequence[str], threshold: float, embed: Embed | None = None) -> list[int]:
    """For each text the place of the one that is kept for it; its own where it is kept.

    Args:
        texts: in order of preference; the first of any that are alike is kept.
        threshold: from which similarity on two are one, in (0, 1): of 5-grams (Jaccard), or the cosine.
        embed: the encoder; vectors of any length.
    """
    if embed is None:
        first: dict[int, int] = {}
        return [first.setdefault(group, at) for at, group in enumerate(clusters(texts, threshold=threshold))]
    if not texts:
        return []
    vectors = np.asarray(embed(texts), dtype=np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(float).tiny)
    kept: list[int] = []
    found: list[int] = []
    for at, vector in enumerate(vectors):
        like = vectors[kept] @ vector if kept else np.zeros(0)
        if like.size and like.max() >= threshold:
            found.append(kept[int(like.argmax())])
        else:
            kept.append(at)
            found.append(at)
    return found


def alike(one: str, other: str, threshold: float, embed: Embed | None = None) -> bool:
    """Whether two texts count as one; see :func:`stands_for`."""
    return stands_for([one, other], threshold, embed) == [0, 0]

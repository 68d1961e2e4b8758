"""A backend whose passages are put in a better order by a scorer: a sentence encoder, the stance classifier.

The first ``depth`` passages of the backend are read; their order is by the scorer's number plus a share of
the backend's own, divided by its highest for this query. The scorer is any function, because ``models/`` and
``judges/`` do not import each other:

    from demur.models.encoder import SentenceEncoder
    Reranked(documents, similarity(SentenceEncoder(FOLDER).embed), "all-MiniLM-L6-v2")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.evidence.backend import Backend, Passage

#: Texts of passages to numbers, higher is better; shape (n,).
Scorer = Callable[[str, Sequence[str]], NDArray[np.floating]]
#: Passages that are read, and the weight of the backend's own order. ours (design/verify.md).
DEPTH, OWN = 30, 0.5


class Reranked:
    """See the module.

    Args:
        backend: finds passages.
        scorer: reads them.
        name: of the scorer with its version or hash; part of the identity.
        depth: passages that the scorer reads for a query.
        own: weight of the backend's order.

    Raises:
        BadInput: depth below 1 or a negative weight.
    """

    def __init__(
        self, backend: Backend, scorer: Scorer, name: str, depth: int = DEPTH, own: float = OWN
    ) -> None:
        if depth < 1 or own < 0:
            raise BadInput(f"depth is {depth} and own {own}; valid are 1 or more, and 0 or more")
        self.backend, self.scorer, self.name, self.depth, self.own = backend, scorer, name, depth, own

    @property
    def identity(self) -> str:
        """The backend's, the scorer's name and both settings."""
        return f"{self.backend.identity}, reranked:{self.name}:{self.depth}:{self.own:g}"

    def describe(self) -> dict[str, Any]:
        """For receipts."""
        settings = {"scorer": self.name, "depth": self.depth, "own": self.own}
        return {**self.backend.describe(), "reranked": settings}

    async def search(self, query: str, results: int) -> Sequence[Passage]:
        """See :class:`demur.judges.evidence.backend.Backend`."""
        found = await self.backend.search(query, max(results, self.depth))
        if not found:
            return found
        scores = await anyio.to_thread.run_sync(self.scorer, query, [passage.text for passage in found])
        return reordered(found, scores, self.own)[:results]


def reordered(found: Sequence[Passage], scores: NDArray[np.floating], own: float) -> list[Passage]:
    """Passages by score plus ``own`` times the backend's relative to its highest; ties keep their order."""
    highest = max(passage.score for passage in found) or 1.0
    both = [float(s) + own * passage.score / highest for s, passage in zip(scores, found, strict=True)]
    order = sorted(range(len(found)), key=lambda i: -both[i])
    return [replace(found[i], score=round(both[i], 6)) for i in order]


def similarity(embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> Scorer:
    """Cosine between the vectors of query and passage.

    Args:
        embed: n texts to vectors, shape (n, d).
    """

    def score(query: str, texts: Sequence[str]) -> NDArray[np.floating]:
        vectors = embed([query, *texts])
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return np.asarray(vectors[1:] @ vectors[0])

    return score

"""Rows to what is fitted on: sets with labels, sets as a search brings them, and every text as read."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demur.data.records import write_jsonl
from demur.judges.evidence.documents import DocumentIndex, open_documents
from demur.judges.evidence.reranked import Reranked
from demur.judges.evidence.stance_encoder import Reading, StanceEncoder
from demur.training.stance.fit import Material, Set
from demur.training.stance.rows import Pairs

#: Passages of a claim in a search. ours: as many as people read of each claim.
RESULTS = 5


def read_all(pairs: Pairs, folder: Path) -> dict[str, Reading]:
    """Every claim and passage as the encoder in ``folder`` reads it."""
    texts = sorted({*pairs.claims, *pairs.passages})
    return dict(zip(texts, StanceEncoder(folder).read(texts), strict=True))


def index_of(passages: Sequence[str], folder: Path) -> DocumentIndex:
    """An index of the passages, each a document whose address is its number."""
    source = folder / "passages.jsonl"
    write_jsonl(source, ({"text": text, "address": str(i)} for i, text in enumerate(passages)))
    return open_documents(source, folder / "index")


def searched(
    index: DocumentIndex, claims: Sequence[str], passages: Sequence[str], read: Mapping[str, Reading]
) -> list[list[int]]:
    """Numbers of the ``RESULTS`` passages that a search with reranking brings for each claim."""
    by_text = {read[text].text: text for text in passages}

    def likeness(query: str, texts: Sequence[str]) -> NDArray[np.floating]:
        # a part of a long passage is judged by the whole
        known = [
            by_text.get(text, next((w for p, w in by_text.items() if text in p), query)) for text in texts
        ]
        return np.array([float(read[query].vector @ read[text].vector) for text in known])

    backend = Reranked(index, likeness, "stance")
    found = [asyncio.run(backend.search(claim, 2 * RESULTS)) for claim in claims]
    return [list(dict.fromkeys(int(p.address) for p in one))[:RESULTS] for one in found]


def material(pairs: Pairs, read: Mapping[str, Reading], groups: NDArray[np.int64]) -> Material:
    """The sets of all claims.

    Args:
        pairs: n rows.
        read: every text.
        groups: what is left out together, by claim or by topic, shape (n,).
    """
    passages = sorted(set(pairs.passages))
    rows: dict[str, list[int]] = {}
    for i, claim in enumerate(pairs.claims):
        rows.setdefault(claim, []).append(i)
    with tempfile.TemporaryDirectory() as folder:
        found = searched(index_of(passages, Path(folder)), list(rows), passages, read)
    labelled, retrieved = [], []
    for (claim, mine), places in zip(rows.items(), found, strict=True):
        true, group = bool(pairs.true[claim]), int(groups[mine[0]])
        texts, labels = [pairs.passages[i] for i in mine], [int(pairs.labels[i]) for i in mine]
        labelled.append(Set(claim, texts, labels, true, group))
        retrieved.append(Set(claim, [passages[i] for i in places], [], true, group))
    return Material(labelled, retrieved, read)

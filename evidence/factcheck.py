"""VERIFY without a grader, on real claims: is the evidence found, is its stance read, is the claim decided?

Factcheck-Bench (Wang et al. 2024, arXiv 2311.09000) as far as it is below ``DEMUR_DATA`` (else
``../shared/data``): claims of ChatGPT with five passages each and people's labels. An index of all
passages; a passage counts as relevant where people said that it supports or refutes the claim, so that a
passage of another claim never does. Stances and claim labels: five folds drawn by the seed, with all rows
of a claim on one side; in a second trial all claims of a topic (they share a passage, or their words).
Everything that is chosen is chosen inside the training folds. ``searched``: from the five passages that the
index brings. A claim is true or not (false, or not enough evidence). Intervals: 95 % bootstraps over
claims.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from coconot_prompts import drawn
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score

from demur.judges.evidence.stance import WEIGHTS
from demur.judges.evidence.stance_encoder import Reading
from demur.judges.evidence.stance_features import stems
from demur.predict.prompt import one_thread
from demur.training.stance.fit import Material
from demur.training.stance.material import RESULTS, index_of, material, read_all, searched
from demur.training.stance.rows import STANCES, Pairs, read_pairs
from demur.training.stance.train import FOLDS, balanced, left_out

Vector = NDArray[np.floating]


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield metric, value, n, interval; without the data every value is ``None``."""
    data = Path(os.environ.get("DEMUR_DATA", "../shared/data"))
    if not (data / STANCES).is_file():
        yield {"metric": "claims of Factcheck-Bench", "value": None, "n": 0, "interval": None}
        return
    with one_thread():
        pairs, read = everything(data)
        yield from retrieval(pairs, read, folder)
        by_claim, by_topic = (material(pairs, read, groups) for groups in (pairs.group, pairs.topic))
        yield from stances("claims left out", by_claim, seed)
        yield from overlap(pairs, by_claim, seed)
        yield from stances("topics left out", by_topic, seed)


@lru_cache(maxsize=1)
def everything(data: Path) -> tuple[Pairs, dict[str, Reading]]:
    """Rows and readings; the encoder is as published, whatever the seed."""
    pairs = read_pairs(data)
    return pairs, read_all(pairs, WEIGHTS)


def retrieval(pairs: Pairs, read: dict[str, Reading], folder: Path) -> Iterator[dict[str, Any]]:
    """Recall at 5 of TF-IDF, BM25 alone, and BM25 reranked, over claims with a relevant passage."""
    passages = sorted(set(pairs.passages))
    number = {text: i for i, text in enumerate(passages)}
    wanted: dict[str, set[int]] = {}
    for claim, passage, label in zip(pairs.claims, pairs.passages, pairs.labels, strict=True):
        if label:
            wanted.setdefault(claim, set()).add(number[passage])
    claims = list(wanted)
    index = index_of(passages, folder)
    vectorizer = TfidfVectorizer()
    likeness = (vectorizer.fit_transform(passages) @ vectorizer.transform(claims).T).toarray().T
    found = {
        "TF-IDF": [np.argsort(-row, kind="stable")[:RESULTS].tolist() for row in likeness],
        "BM25": [distinct(asyncio.run(index.search(claim, 2 * RESULTS))) for claim in claims],
        "BM25 reranked": searched(index, claims, passages, read),
    }
    recall, hit = {}, {}
    for name, places in found.items():
        both = [len(set(p) & wanted[c]) for c, p in zip(claims, places, strict=True)]
        recall[name] = np.array([n / len(wanted[c]) for n, c in zip(both, claims, strict=True)])
        hit[name] = np.array([n > 0 for n in both], dtype=float)
        yield mean(f"relevant passages found among 5, {name}", recall[name])
        yield mean(f"claims with a relevant passage among 5, {name}", hit[name])
    yield mean("relevant passages found, reranked less TF-IDF", recall["BM25 reranked"] - recall["TF-IDF"])


def distinct(found: Sequence[Any]) -> list[int]:
    """Numbers of the first ``RESULTS`` documents."""
    return list(dict.fromkeys(int(passage.address) for passage in found))[:RESULTS]


def stances(trial: str, found: Material, seed: int) -> Iterator[dict[str, Any]]:
    """Three-way stance of passages that people read, and the claim's label from those and from a search."""
    out = left_out(found, seed)
    macro = _macro(out.labels, out.said)
    everyone = np.arange(len(out.labels))
    name = f"stance macro-F1, {trial}"
    yield drawn(name, macro(everyone), out.claim, macro, len(out.labels))
    claims = np.arange(len(out.true))
    for how, holds in (("passages given", out.holds_given), ("passages searched", out.holds_searched)):
        figure = _balanced(out.true, holds)
        yield drawn(
            f"claim label, balanced accuracy, {how}, {trial}", figure(claims), claims, figure, len(claims)
        )


def overlap(pairs: Pairs, found: Material, seed: int) -> Iterator[dict[str, Any]]:
    """The baseline: boosted trees over the overlap of words, same rows, folds by claim."""
    x, y, claim = [], [], []
    for number, one in enumerate(found.labelled):
        words = stems(one.claim)
        for passage, label in zip(one.passages, one.labels, strict=True):
            held = stems(passage)
            both = len(words & held)
            x.append([both, both / max(1, len(words)), both / max(1, len(held)), len(words), len(held)])
            y.append(label)
            claim.append(number)
    features, labels, groups = np.array(x), np.array(y), np.array(claim)
    fold = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % FOLDS
    said = np.zeros_like(labels)
    for k in range(FOLDS):
        model = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
        said[fold == k] = model.fit(features[fold != k], labels[fold != k]).predict(features[fold == k])
    macro = _macro(labels, said)
    name = "stance macro-F1, word overlap with boosted trees, claims left out"
    yield drawn(name, macro(np.arange(len(labels))), groups, macro, len(labels))


def mean(metric: str, values: Vector) -> dict[str, Any]:
    """A mean over claims."""
    claims = np.arange(len(values))
    return drawn(metric, float(values.mean()), claims, lambda i: float(values[i].mean()), len(values))


def _macro(labels: NDArray[np.int64], said: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], float]:
    return lambda i: float(f1_score(labels[i], said[i], average="macro"))


def _balanced(true: NDArray[np.bool_], holds: Vector) -> Callable[[NDArray[np.int64]], float]:
    return lambda i: balanced(true[i], holds[i])

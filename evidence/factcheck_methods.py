"""VERIFY beside a FActScore-like and a SAFE-like baseline: the same units, index, stance and labels.

Factcheck-Bench as in ``factcheck.py``; each claim is one unit, decided offline by a stance that was fitted
without its fold. What differs is the search and the labels (``judges/evidence/baselines.py``): FActScore-like
one query and five passages; SAFE-like and VERIFY several queries with three passages each, for VERIFY with
reranking and a third label. Balanced accuracy of "supported" against "true"; Pearson's correlation, over
topics of three claims or more, of the share supported with the share true. Intervals: 95 % bootstraps over
claims, or topics.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from coconot_prompts import drawn
from factcheck import everything
from numpy.typing import NDArray

from demur.judges.evidence.offline_units import query
from demur.judges.evidence.queries import RESULTS, ROUNDS, STOP
from demur.judges.evidence.reranked import Reranked
from demur.judges.evidence.stance import HOLDS_FROM
from demur.judges.evidence.stance_encoder import Reading
from demur.predict.prompt import one_thread
from demur.training.stance.fit import Material, Set, fit
from demur.training.stance.material import index_of, material
from demur.training.stance.rows import STANCES
from demur.training.stance.train import FOLDS, balanced

LEAST_CLAIMS = 3
Floats = NDArray[np.float64]


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield metric, value, n, interval; without the data one value, ``None``."""
    data = Path(os.environ.get("DEMUR_DATA", "../shared/data"))
    if not (data / STANCES).is_file():
        yield {"metric": "claims of Factcheck-Bench", "value": None, "n": 0, "interval": None}
        return
    with one_thread():
        pairs, read = everything(data)
        found = material(pairs, read, pairs.group)
        sets = searches(found, read, sorted(set(pairs.passages)), folder)
        holds = decided(found, sets, seed)
    topics = np.array([int(pairs.topic[pairs.claims.index(one.claim)]) for one in found.labelled])
    yield from figures(np.array([one.true for one in found.labelled]), topics, holds)


def searches(
    found: Material, read: dict[str, Reading], passages: Sequence[str], folder: Path
) -> dict[str, Material]:
    """What each method finds for every claim."""
    index = index_of(passages, folder)
    whole = {read[text].text: text for text in passages}

    def likeness(asked: str, texts: Sequence[str]) -> Floats:
        known = [whole.get(t, next((w for p, w in whole.items() if t in p), "")) for t in texts]
        claim = read.get(asked)
        return np.array([float(claim.vector @ read[t].vector) if claim and t else 0.0 for t in known])

    reranked = Reranked(index, likeness, "stance")
    plans: dict[str, tuple[Any, int, int]] = {
        "FActScore-like": (index, 1, 5),
        "SAFE-like": (index, ROUNDS, RESULTS),
        "VERIFY": (reranked, ROUNDS, RESULTS),
    }
    made = {}
    for name, (backend, rounds, results) in plans.items():
        sets = []
        for one in found.labelled:
            asked: list[str] = []
            places: list[int] = []
            while len(asked) < rounds and (text := query(one.claim, "", asked)) != STOP:
                asked.append(text)
                places += [int(p.address) for p in asyncio.run(backend.search(text, results))]
            texts = [passages[i] for i in dict.fromkeys(places)]
            sets.append(Set(one.claim, texts, [], one.true, one.group))
        made[name] = Material(sets, [], read)
    return made


def decided(found: Material, sets: dict[str, Material], seed: int) -> dict[str, Floats]:
    """P(supported) of each claim by each method, by a model fitted without the claim's fold."""
    count = len(found.labelled)
    fold = np.random.default_rng(seed).permutation(count) % FOLDS
    holds = {name: np.zeros(count) for name in sets}
    for k in range(FOLDS):
        inside = [one.group for one, place in zip(found.labelled, fold, strict=True) if place != k]
        model = fit(found.of(inside), seed)
        for name, own in sets.items():
            for i in np.flatnonzero(fold == k):
                one = own.labelled[i]
                if one.passages:
                    holds[name][i] = model.holds(model.scores(own.pairs(one, model.weights)))
    return holds


def figures(true: NDArray[np.bool_], topics: NDArray[np.int64], holds: dict[str, Floats]) -> Iterator[Any]:
    """Both figures of each method, and VERIFY less each baseline."""
    claims = np.arange(len(true))
    kept = [np.flatnonzero(topics == t) for t in np.unique(topics) if (topics == t).sum() >= LEAST_CLAIMS]
    shares = {name: np.array([(h[g] >= HOLDS_FROM).mean() for g in kept]) for name, h in holds.items()}
    people = np.array([true[g].mean() for g in kept])
    for name, h in holds.items():
        yield drawn(
            f"{name}: balanced accuracy",
            balanced(true, h),
            claims,
            lambda i, h=h: balanced(true[i], h[i]),
            len(true),
        )
        yield drawn(
            f"{name}: correlation with people over topics",
            pearson(people, shares[name]),
            np.arange(len(kept)),
            lambda i, s=shares[name]: pearson(people[i], s[i]),
            len(kept),
        )
    ours = holds["VERIFY"]
    for name in ("FActScore-like", "SAFE-like"):
        h = holds[name]
        yield drawn(
            f"balanced accuracy, VERIFY less {name}",
            balanced(true, ours) - balanced(true, h),
            claims,
            lambda i, h=h: balanced(true[i], ours[i]) - balanced(true[i], h[i]),
            len(true),
        )


def pearson(one: Floats, other: Floats) -> float:
    """Pearson's correlation; 0 where one of both does not vary."""
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 and other.std() > 0 else 0.0

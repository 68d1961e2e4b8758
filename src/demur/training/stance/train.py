"""Measures the stance classifier on claims that were left out, trains it on all, and writes the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from demur.data.records import file_sha256, write_text
from demur.judges.evidence.stance import HOLDS_FROM, MODEL, SCHEMA
from demur.judges.evidence.stance_encoder import UPPER
from demur.judges.evidence.stance_model import CLASSES
from demur.judges.offline.manifest import FILE
from demur.metrics.rates import proportion
from demur.training.offline_judge.encoder_stage import BASE_SHA256, base_encoder
from demur.training.stance.encoder import export_upper
from demur.training.stance.fit import Material, fit
from demur.training.stance.material import material, read_all
from demur.training.stance.rows import Pairs, read_pairs

FOLDS = 5
DIGEST_DIGITS = 16  # of row hashes in the manifest

Array = NDArray[np.floating]


class LeftOut(NamedTuple):
    """What models say of claims that they were not fitted on.

    Attributes:
        labels, said: of n pairs, indices into ``CLASSES``, shape (n,).
        chances: shape (n, 3).
        claim: number of each pair's set, shape (n,).
        true: of m claims, shape (m,).
        holds_given, holds_searched: P(supported) from the passages that people read, and from those that a
            search brought, shape (m,).
    """

    labels: NDArray[np.int64]
    said: NDArray[np.int64]
    chances: Array
    claim: NDArray[np.int64]
    true: NDArray[np.bool_]
    holds_given: Array
    holds_searched: Array


def left_out(found: Material, seed: int, log: Callable[[str], None] = lambda line: None) -> LeftOut:
    """Five folds by group, drawn by ``seed``."""
    groups = np.array(sorted({one.group for one in found.labelled}))
    fold = dict(
        zip(np.random.default_rng(seed).permutation(groups).tolist(), range(len(groups)), strict=True)
    )
    scores: dict[int, Array] = {}
    chances, given, searched = {}, {}, {}
    for k in range(FOLDS):
        inside = [group for group, place in fold.items() if place % FOLDS != k]
        model = fit(found.of(inside), seed)
        for number, (one, other) in enumerate(zip(found.labelled, found.retrieved, strict=True)):
            if fold[one.group] % FOLDS == k:
                scores[number] = model.scores(found.pairs(one, model.weights))
                chances[number] = model.probabilities(scores[number])
                given[number] = model.holds(scores[number])
                searched[number] = model.holds(model.scores(found.pairs(other, model.weights)))
        log(f"fold {k + 1} of {FOLDS}")
    order = range(len(found.labelled))
    return LeftOut(
        np.array([label for one in found.labelled for label in one.labels]),
        np.vstack([scores[i] for i in order]).argmax(axis=1),
        np.vstack([chances[i] for i in order]),
        np.array([i for i, one in enumerate(found.labelled) for _ in one.labels]),
        np.array([one.true for one in found.labelled]),
        np.array([given[i] for i in order]),
        np.array([searched[i] for i in order]),
    )


def balanced(true: NDArray[np.bool_], holds: Array) -> float:
    """Balanced accuracy of "supported or not", from P(supported)."""
    said = holds >= HOLDS_FROM
    return float(((said & true).sum() / true.sum() + (~said & ~true).sum() / (~true).sum()) / 2)


def error_card(found: LeftOut) -> dict[str, Any]:
    """What a user must know of the errors; every share with n and 95 % interval."""
    from sklearn.metrics import f1_score

    classes = f1_score(found.labels, found.said, average=None)
    said = found.holds_searched >= HOLDS_FROM
    sides = {
        "true claims supported": (said & found.true, found.true),
        "other claims supported": (said & ~found.true, ~found.true),
    }
    shares = {name: proportion(int(hit.sum()), int(of.sum())) for name, (hit, of) in sides.items()}
    return {
        "pairs": len(found.labels),
        "claims": len(found.true),
        "stance_macro_f1": round(float(classes.mean()), 3),
        "stance_f1": {name: round(float(f), 3) for name, f in zip(CLASSES, classes, strict=True)},
        "balanced_accuracy_given": round(balanced(found.true, found.holds_given), 3),
        "balanced_accuracy_searched": round(balanced(found.true, found.holds_searched), 3),
        **{
            name: {"value": round(s.value or 0.0, 3), "n": s.n, "low": _3(s.low), "high": _3(s.high)}
            for name, s in shares.items()
        },
    }


def _3(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def ship(
    data: Path, out: Path, encoder: Path | None, seed: int, log: Callable[[str], None]
) -> dict[str, Any]:
    """Measure, train on all rows and write the folder; returns the error card."""
    out.mkdir(parents=True, exist_ok=True)
    export_upper(base_encoder(encoder), out)
    pairs = read_pairs(data)
    read = read_all(pairs, out)
    log(f"{len(read)} texts read")
    by_claim = material(pairs, read, pairs.group)
    by_topic = material(pairs, read, pairs.topic)
    card = {
        "claims left out": error_card(left_out(by_claim, seed, log)),
        "topics left out": error_card(left_out(by_topic, seed, log)),
    }
    fit(by_claim, seed).save(out / MODEL)
    manifest = {
        "schema": SCHEMA,
        "languages": ["en"],
        "files": {name: file_sha256(out / name) for name in (MODEL, UPPER)},
        "error": card,
        "training": training(pairs, seed),
    }
    write_text(out / FILE, json.dumps(manifest, indent=1) + "\n")
    return card


def training(pairs: Pairs, seed: int) -> dict[str, Any]:
    """What the weights were trained on."""
    rows = sorted(pairs.digest(i)[:DIGEST_DIGITS] for i in range(len(pairs.claims)))
    return {
        "command": f"python -m demur.training.stance --seed {seed}",
        "seed": seed,
        "encoder": {"name": "all-MiniLM-L6-v2", "model.safetensors": BASE_SHA256, "licence": "Apache-2.0"},
        "input_sha256": pairs.sha256,
        "sources": {"factcheck": {"licence": "Apache-2.0", "rows": len(rows), "rows_sha256": rows}},
    }

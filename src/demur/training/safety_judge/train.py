"""Trains the judge of requests on every row that may train it, calibrates, measures, writes the manifest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demur.data.records import file_sha256, write_text
from demur.judges.offline.manifest import Band
from demur.judges.safety.features import LowerLayers
from demur.judges.safety.manifest import FILE, PROBE, SCHEMA, Calibration
from demur.judges.safety.model import ENGLISH, LANGUAGES, SafetyModel
from demur.training.offline_judge.calibration import narrowest_band, platt
from demur.training.offline_judge.held_out import DIGEST_DIGITS
from demur.training.safety_judge import card
from demur.training.safety_judge.folds import Held, Log, Prepared, Vector, predictions
from demur.training.safety_judge.rows import SafetyRow

#: What judgements outside the abstain band should be right by, and the largest share inside it, on folds
#: and sources left out together. ours: half of all requests open would be no judge.
TARGET_ACCURACY, MAX_ABSTAIN = 0.95, 0.40


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the weights go, and the seed."""

    folder: Path
    seed: int


def ship(
    rows: Sequence[SafetyRow],
    held_back: Sequence[SafetyRow],
    files: Mapping[str, str],
    given: Settings,
    log: Log,
) -> dict[str, Any]:
    """Train both models, measure, and write the weights folder, the manifest last; returns the error card."""
    given.folder.mkdir(parents=True, exist_ok=True)
    lower = LowerLayers()
    log(f"reading {len(rows)} requests, and {len(held_back)} that only test")
    everything, test = Prepared.of(rows, lower.pooled), Prepared.of(held_back, lower.pooled)
    english = everything.chosen(np.flatnonzero([row.language == "en" for row in rows]))
    mine = predictions(english, given.seed, log)
    other = predictions(everything, given.seed, log, with_baseline=False, kinds=("fold:",))
    calibrations = {
        "english": calibrated(english.rows, mine, ("fold:", "without:")),
        "other": calibrated(rows, other, ("fold:",), languages=True),
    }
    error = {
        "same rows": card.against_baseline(english.rows, mine, given.seed),
        "own rows": _own_rows(english, given.seed, log),
        "left out": card.left_out(english.rows, mine),
        "folds": _banded(english.rows, mine, calibrations["english"]),
        "other languages, folds": _banded(rows, other, calibrations["other"], languages=True),
    }
    for name, part in ((ENGLISH, english), (LANGUAGES, everything)):
        log(f"{name}: training on {len(part.rows)} requests")
        part.fitted(given.seed).save(given.folder / name)
        key = "english" if name == ENGLISH else "other"
        shipped = SafetyModel.load(given.folder / name)
        error[f"held back, {key}"] = _held_back(test, shipped, calibrations[key], key)
    manifest = {
        "schema": SCHEMA,
        "languages": sorted({row.language.split("-")[0] for row in rows}),
        "calibration": {name: found.to_json() for name, found in calibrations.items()},
        "probe": [round(float(value), 5) for value in lower.pooled([PROBE])[0]],
        "files": {name: file_sha256(given.folder / name) for name in (ENGLISH, LANGUAGES)},
        "error": error,
        "training": _training(rows, files, given.seed),
    }
    write_text(given.folder / FILE, json.dumps(manifest, indent=1) + "\n")
    return error


def calibrated(
    rows: Sequence[SafetyRow], folds: Mapping[str, Held], kinds: tuple[str, ...], languages: bool = False
) -> Calibration:
    """Calibration on held-out rows: kinds of folds, sources and sides weigh the same.

    With ``languages`` only rows in other languages than English count.
    """
    logits, harmful, names = [], [], []
    for kind in kinds:
        found, _ = card.joined(folds, kind, len(rows))
        for i, row in enumerate(rows):
            if not np.isnan(found[i]) and (row.language != "en") >= languages:
                logits.append(found[i])
                harmful.append(row.harmful)
                names.append((kind, row.source, row.language, row.harmful))
    size = Counter(names)
    weights = np.array([1 / size[name] for name in names])
    labels = np.array(harmful)
    for side in (labels, ~labels):
        weights[side] *= len(names) / 2 / weights[side].sum()
    margins = np.array(logits)
    slope, intercept = platt(margins[:, None], labels, weights)
    loose = Calibration(slope, intercept, Band(0.5, 0.5))
    band = narrowest_band(loose.probability(margins), labels, weights, TARGET_ACCURACY, MAX_ABSTAIN)
    return Calibration(slope, intercept, band)


def _own_rows(prepared: Prepared, seed: int, log: Log) -> dict[str, Any]:
    """Judge and TF-IDF trained on the rest of the scored source alone."""
    found: dict[str, Any] = {}
    for source in ("coconot", "overt"):
        mine = prepared.chosen(np.flatnonzero([row.source == source for row in prepared.rows]))
        if len(mine.rows):
            log(f"{source} alone")
            folds = predictions(mine, seed, log, kinds=("fold:",))
            found |= card.against_baseline(mine.rows, folds, seed)
    return found


def _banded(
    rows: Sequence[SafetyRow], folds: Mapping[str, Held], calibration: Calibration, languages: bool = False
) -> dict[str, Any]:
    """Grouped folds by source, or by language, at the shipped threshold and band."""
    logits, _ = card.joined(folds, "fold:", len(rows))
    names = [row.language if languages else row.source for row in rows]
    return _by_name(rows, names, logits, calibration, lambda row: (row.language != "en") >= languages)


def _held_back(test: Prepared, model: SafetyModel, calibration: Calibration, key: str) -> dict[str, Any]:
    english = key == "english"
    names = [row.source if english else row.language for row in test.rows]
    return _by_name(
        test.rows, names, test.logits(model), calibration, lambda row: (row.language == "en") == english
    )


def _by_name(
    rows: Sequence[SafetyRow], names: Sequence[str], logits: Vector, calibration: Calibration, wanted: Any
) -> dict[str, Any]:
    chosen = np.array([wanted(row) for row in rows])
    harmful, p = np.array([row.harmful for row in rows]), calibration.probability(logits)
    found = {}
    for name in sorted({name for name, keep in zip(names, chosen, strict=True) if keep}):
        index = chosen & (np.array(names) == name)
        found[name] = card.with_band(p[index], harmful[index], calibration.abstain)
    return found


def _training(rows: Sequence[SafetyRow], files: Mapping[str, str], seed: int) -> dict[str, Any]:
    sources: dict[str, Any] = {}
    for source in sorted({row.source for row in rows}):
        mine = [row for row in rows if row.source == source]
        sources[source] = {
            "rows": len(mine),
            "harmful": sum(row.harmful for row in mine),
            "rows_sha256": sorted({row.digest()[:DIGEST_DIGITS] for row in mine}),
        }
    return {
        "command": f"python -m demur.training.safety_judge --seed {seed}",
        "seed": seed,
        "input_sha256": dict(sorted(files.items())),
        "sources": sources,
    }

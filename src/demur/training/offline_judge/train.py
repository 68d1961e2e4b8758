"""Trains both stages on every row that may train them, calibrates, exports, writes the manifest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.data.language import UNDETERMINED
from demur.data.records import file_sha256, write_text
from demur.judges.offline import encoder as runtime
from demur.judges.offline import fast as first
from demur.judges.offline.fast import Logits
from demur.judges.offline.manifest import FILE, SCHEMA
from demur.training.offline_judge import encoder_stage, fast_stage
from demur.training.offline_judge.calibration import (
    Calibration,
    LanguagesCalibration,
    calibrate,
    calibrate_languages,
)
from demur.training.offline_judge.folds import Held, Log, row_weights
from demur.training.offline_judge.rows import TrainingRow

#: The weight files.
FILES = (first.ENGLISH, first.LANGUAGES, runtime.GRAPH, runtime.TOKENIZER)
#: Hexadecimal digits of a row's SHA-256 that the manifest keeps. ours: 64 bits tell ten thousand rows apart.
DIGEST_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the base encoder is, where the weights go, and the seed."""

    base: Path
    folder: Path
    seed: int


def calibrated(rows: Sequence[TrainingRow], folds: Mapping[str, Held]) -> Calibration:
    """Calibration on rows of sources left out, each fold with the same weight."""
    held = [fold for name, fold in folds.items() if name.startswith("without:")]
    encoder = np.concatenate([fold.encoder for fold in held if fold.encoder is not None])
    flags = np.concatenate([fold.flags for fold in held if fold.flags is not None])
    fast, refused, weights = _stacked(rows, held)
    return calibrate(fast, encoder, flags, refused, weights)


def calibrated_languages(rows: Sequence[TrainingRow], folds: Mapping[str, Held]) -> LanguagesCalibration:
    """Calibration on languages left out, each with the same weight."""
    held = [fold for name, fold in folds.items() if name.startswith("language:")]
    return calibrate_languages(*_stacked(rows, held))


def _stacked(
    rows: Sequence[TrainingRow], held: Sequence[Held]
) -> tuple[Logits, NDArray[np.bool_], NDArray[np.float64]]:
    """Logits of the first stage, labels and weights of all folds, one after the other."""
    total = sum(len(fold.rows) for fold in held)
    weights = [np.full(len(fold.rows), total / (len(held) * len(fold.rows))) for fold in held]
    index = np.concatenate([fold.rows for fold in held]).tolist()
    refused = np.array([rows[i].label is not first.CLASSES[0] for i in index])
    return np.concatenate([fold.fast for fold in held]), refused, np.concatenate(weights)


def ship(
    rows: Sequence[TrainingRow],
    folds: Mapping[str, Held],
    files: Mapping[str, str],
    given: Settings,
    log: Log,
) -> None:
    """Train on all rows and write the weights folder; the manifest last."""
    given.folder.mkdir(parents=True, exist_ok=True)
    english = [row for row in rows if row.language == "en"]
    for name, mine in ((first.ENGLISH, english), (first.LANGUAGES, list(rows))):
        features = fast_stage.matrix(mine, with_concepts=name == first.LANGUAGES)
        labels = [row.label for row in mine]
        fast_stage.fit_fast(features, labels, row_weights(mine)).save(given.folder / name)
    log(f"encoder: training on {len(english)} rows")
    prepared = encoder_stage.Prepared(given.base, [row.response for row in english])
    labels = [row.label for row in english]
    everything = range(len(english))
    model = encoder_stage.fit_encoder(prepared, everything, labels, row_weights(english), given.seed, log)
    encoder_stage.export(model, given.base, given.folder)
    manifest = {
        "schema": SCHEMA,
        "languages": sorted({row.language.split("-")[0] for row in rows} | {UNDETERMINED}),
        **_bands(calibrated(rows, folds), calibrated_languages(rows, folds)),
        "files": {name: file_sha256(given.folder / name) for name in FILES},
        "training": _training(rows, files, given.seed),
    }
    write_text(given.folder / FILE, json.dumps(manifest, indent=1) + "\n")


def _bands(english: Calibration, languages: LanguagesCalibration) -> dict[str, Any]:
    return {
        "bands": {
            "ask_encoder": _rounded(english.ask_encoder),
            "abstain": _rounded(english.abstain),
            "abstain_fast": _rounded(english.abstain_fast),
            "abstain_languages": _rounded(languages.abstain),
        },
        "calibration": {
            "fast": _rounded(english.fast),
            "joint": _rounded(english.joint),
            "languages": _rounded(languages.fast),
        },
    }


def _training(rows: Sequence[TrainingRow], files: Mapping[str, str], seed: int) -> dict[str, Any]:
    sources: dict[str, Any] = {}
    for source in sorted({row.source for row in rows}):
        mine = [row for row in rows if row.source == source]
        sources[source] = {
            "rows": len(mine),
            "labels": dict(sorted(Counter(row.label.value for row in mine).items())),
            "rows_sha256": sorted(row.digest()[:DIGEST_DIGITS] for row in mine),
        }
    return {
        "command": f"python -m demur.training.offline_judge --seed {seed}",
        "seed": seed,
        "base_encoder_sha256": encoder_stage.BASE_SHA256,
        "input_sha256": dict(sorted(files.items())),
        "sources": sources,
    }


def held_out(rows: Sequence[TrainingRow], folds: Mapping[str, Held], seed: int) -> dict[str, Any]:
    """What the model card reads: held-out logits by row digest, and the calibration of each fold.

    A fold's calibration is fitted on the other sources' held-out rows. No text and no label is in it.
    """
    languages = calibrated_languages(rows, folds)
    calibration = {}
    for name in folds:
        out = "without:chatgpt-refusals" if name.startswith("group:") else name
        others = {key: fold for key, fold in folds.items() if key != out}
        found = _bands(calibrated(rows, others), languages)
        calibration[name] = found["bands"] | found["calibration"]
    entries = [
        {
            "fold": name,
            "row": rows[i].digest()[:DIGEST_DIGITS],
            "fast": [round(float(v), 3) for v in fold.fast[k]],
            "encoder": None if fold.encoder is None else [round(float(v), 3) for v in fold.encoder[k]],
            "flags": None if fold.flags is None else [int(v) for v in fold.flags[k]],
        }
        for name, fold in folds.items()
        for k, i in enumerate(fold.rows.tolist())
    ]
    return {"seed": seed, "calibration": calibration, "rows": entries}


def _rounded(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    return [round(float(value), 6) for value in values]

"""Predictions for rows that no stage was trained on: judge_card/held_out.json joined with their labels.

The file holds logits, rule flags, calibrations and digests, no text and no label: those come from
``training_rows``. Logits are combined as the shipped judge does it, with the calibration and bands of the
row's own fold: English by both stages, other languages (folds ``language:`` and ``wording:``) by their own
one. The rules that come before the model (blank, gibberish, language not covered) take no part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.classifier import outcome_of, refusal_shares
from demur.judges.offline.fast import Logits
from demur.judges.offline.manifest import Band, Manifest
from demur.training.offline_judge.rows import TrainingRow
from demur.verdict import Outcome
from judge_card.answers import Answer, AnswerSet, Judged
from judge_card.figures import Bools
from judge_card.sets import YEARS

#: Hexadecimal digits of a row's digest in the file.
DIGITS = 16
#: The side that is said of every answer where nothing is left open.
FORCED = Band(0.5, 0.5)
#: What the five folds of sentences are called together.
WORDINGS = "other languages, unseen wordings"


@dataclass(frozen=True, slots=True)
class Combined:
    """Both stages' answer for n rows: classes without abstaining, P(refused), whether it is left open."""

    outcomes: Sequence[Outcome]
    p: NDArray[np.float64]
    open: Bools


def combined(
    manifest: Manifest, fast: Logits, encoder: Logits | None, flags: NDArray[np.float64] | None
) -> Combined:
    """What ``OfflineClassifier`` makes of logits and flags.

    Args:
        manifest: calibration and bands.
        fast: logits of the first stage, shape (n, 4).
        encoder: of the second, shape (n, 4), or ``None``: then ``fast`` has those of the stage for other
            languages than English, which decides alone.
        flags: of the rules, shape (n, 3), or ``None`` as for the encoder.
    """
    kinds = refusal_shares(fast)
    if encoder is None or flags is None:
        p, band = manifest.languages_probability(fast), manifest.abstain_languages
    else:
        p, band = manifest.fast_probability(fast, flags), manifest.abstain
        asked = (p > manifest.ask_encoder.low) & (p < manifest.ask_encoder.high)
        p = np.where(asked, manifest.joint_probability(fast, encoder, flags), p)
        kinds = np.where(asked[:, None], (kinds + refusal_shares(encoder)) / 2, kinds)
    outcomes = [outcome_of(float(p[i]), kinds[i], FORCED) for i in range(len(p))]
    return Combined(outcomes, p, (p > band.low) & (p < band.high))


def held_out(path: Path, rows: Sequence[TrainingRow]) -> dict[str, Judged]:
    """Fold name -> its rows, judged.

    Raises:
        BadInput: no file, a row that is no training row (data, corpus and file do not belong together),
            or a fold without calibration.
    """
    if not path.is_file():
        raise BadInput(f"{path} is missing; the training command writes it")
    found = json.loads(path.read_text(encoding="utf-8"))
    known = {row.digest()[:DIGITS]: row for row in rows}
    folds: dict[str, list[dict[str, Any]]] = {}
    for entry in found["rows"]:
        if entry["row"] not in known:
            raise BadInput(
                f"row {entry['row']} of {path} is no training row here: train again, or use its data"
            )
        folds.setdefault(entry["fold"], []).append(entry)
    if odd := sorted(set(folds) - set(found["calibration"])):
        raise BadInput(f"{path} has no calibration for fold {odd[0]}")
    return {
        name: _judged(name, entries, _manifest(found["calibration"][name]), known)
        for name, entries in folds.items()
    }


def _judged(
    name: str, entries: Sequence[Mapping[str, Any]], manifest: Manifest, known: Mapping[str, TrainingRow]
) -> Judged:
    without = {entry[part] is None for entry in entries for part in ("encoder", "flags")}
    if len(without) > 1:
        raise BadInput(f"fold {name} has logits of the encoder, or rule flags, for some rows only")
    fast = np.array([entry["fast"] for entry in entries], dtype=np.float32)
    encoder = flags = None
    if without == {False}:
        encoder = np.array([entry["encoder"] for entry in entries], dtype=np.float32)
        flags = np.array([entry["flags"] for entry in entries], dtype=np.float64)
    result = combined(manifest, fast, encoder, flags)
    rows = [known[entry["row"]] for entry in entries]
    given = AnswerSet(set_name(name), year_of(rows[0].source), [_answer(row) for row in rows])
    return Judged(given, result.outcomes, result.p, result.open, [row.language for row in rows])


def set_name(fold: str) -> str:
    """What a fold's rows are called; the halves of the written corpus like its files, with a slash.

    All folds of sentences have one name, so that an answer that is in several of them is one cluster.
    """
    kind, _, name = fold.partition(":")
    return WORDINGS if kind == "wording" else name.replace("written-", "written/", 1)


def _answer(row: TrainingRow) -> Answer:
    return Answer(
        row.prompt,
        row.response,
        row.label,
        row.group,
        row.domain,
        row.language,
        source_label=row.label.value,
        source=row.source,
    )


def year_of(source: str) -> int:
    """Year of the models that answered in a training source."""
    return YEARS[source.partition("/")[0]]


def _manifest(calibration: Mapping[str, Sequence[float]]) -> Manifest:
    languages = calibration["languages"]
    return Manifest(
        languages=frozenset(),
        ask_encoder=Band(*calibration["ask_encoder"]),
        abstain=Band(*calibration["abstain"]),
        abstain_fast=Band(*calibration["abstain_fast"]),
        abstain_languages=Band(*calibration["abstain_languages"]),
        fast=tuple(calibration["fast"]),
        languages_fast=(languages[0], languages[1]),
        joint=tuple(calibration["joint"]),
        files={},
        training={},
    )


def pooled(folds: Mapping[str, Judged], prefix: str, name: str) -> Judged | None:
    """The folds whose name begins with ``prefix``, as one set; ``None`` where there are none."""
    parts = [fold for fold_name, fold in folds.items() if fold_name.startswith(prefix)]
    return joined(parts, name) if parts else None


def joined(parts: Sequence[Judged], name: str) -> Judged:
    """Several judged sets as one; clusters stay apart by set.

    Raises:
        ValueError: there is none.
    """
    if not parts:
        raise ValueError(f"{name}: nothing to join")
    answers = [
        replace(answer, cluster=cluster)
        for part in parts
        for answer, cluster in zip(part.given.answers, part.clusters, strict=True)
    ]
    return Judged(
        AnswerSet(name, parts[0].given.year, answers),
        [outcome for part in parts for outcome in part.outcomes],
        np.concatenate([part.p for part in parts]),
        np.concatenate([part.open for part in parts]),
        [language for part in parts for language in part.languages],
    )

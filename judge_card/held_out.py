"""Predictions for rows that no stage was trained on: judge_card/held_out.npz joined with their labels.

The file holds logits, rule flags, calibrations and digests, no text and no label: those come from
``training_rows``. Logits are combined as the shipped judge does it, with the calibration and bands of the
row's own fold. The rules that come before the model (blank, gibberish, language not covered) take no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.classifier import outcome_of, refusal_shares
from demur.judges.offline.manifest import Band
from demur.training.offline_judge.held_out import HeldFold, HeldOut, short_digest
from demur.training.offline_judge.rows import TrainingRow
from demur.verdict import Outcome
from judge_card.answers import Answer, AnswerSet, Judged
from judge_card.figures import Bools
from judge_card.sets import YEARS

#: The side that is said of every answer where nothing is left open.
FORCED = Band(0.5, 0.5)
#: What the folds of sentences, and those of languages, are called together.
WORDINGS, LANGUAGES = "other languages, unseen wordings", "other languages, left out"


@dataclass(frozen=True, slots=True)
class Combined:
    """Both stages' answer for n rows: classes without abstaining, P(refused), whether it is left open."""

    outcomes: Sequence[Outcome]
    p: NDArray[np.float64]
    open: Bools


def combined(fold: HeldFold) -> Combined:
    """What ``OfflineClassifier`` makes of a fold's logits and flags."""
    calibration = fold.calibration
    p = calibration.fast_probability(fold.fast, fold.flags)
    asked = calibration.asked(p)
    p = np.where(asked, calibration.joint_probability(fold.fast, fold.encoder, fold.flags), p)
    kinds = refusal_shares(fold.fast)
    kinds = np.where(asked[:, None], (kinds + refusal_shares(fold.encoder)) / 2, kinds)
    outcomes = [outcome_of(float(p[i]), kinds[i], FORCED) for i in range(len(p))]
    return Combined(outcomes, p, (p > calibration.abstain.low) & (p < calibration.abstain.high))


def held_out(found: HeldOut, rows: Sequence[TrainingRow]) -> dict[str, Judged]:
    """Fold name -> its rows, judged.

    Raises:
        BadInput: a row is no training row: data, corpus and file do not belong together.
    """
    known = {short_digest(row.digest()): row for row in rows}
    return {name: _judged(name, fold, known) for name, fold in found.folds.items()}


def _judged(name: str, fold: HeldFold, known: Mapping[int, TrainingRow]) -> Judged:
    digests = fold.digests.tolist()
    if odd := [digest for digest in digests if digest not in known]:
        raise BadInput(
            f"held-out row {odd[0]:016x} of fold {name} is no training row here: train again, or use its data"
        )
    rows = [known[digest] for digest in digests]
    result = combined(fold)
    given = AnswerSet(set_name(name), year_of(rows[0].source), [_answer(row) for row in rows])
    return Judged(given, result.outcomes, result.p, result.open, [row.language for row in rows])


def set_name(fold: str) -> str:
    """What a fold's rows are called; the thirds of the written corpus like its files, with a slash.

    All folds of sentences have one name, so that an answer that is in several of them is one cluster.
    """
    kind, _, name = fold.partition(":")
    return {"wording": WORDINGS, "languages": LANGUAGES}.get(kind, name.replace("written-", "written/", 1))


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

"""Section 3, languages: recall and precision of refusals in each; without the language, without the wording.

Beside the test texts stand two held-out figures on training texts: the whole language left out, and each
fold of sentences left out (no sentence of a judged answer was trained on).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from judge_card.answers import Judged, Judges
from judge_card.figures import Bar, Figure, balanced_accuracy, precision, recalls, share
from judge_card.held_out import LANGUAGES, WORDINGS, joined, pooled
from judge_card.tables import Cell, Table

#: How the held-out columns were made, and what their intervals leave out.
NOTE = (
    "Languages: beside the test texts stand training texts, judged by models that were trained without the "
    "language (three languages are left out at a time, so each is judged by models of nine others), or "
    "without any sentence of the judged answer (folds of sentences; an answer that is in several folds "
    "counts in each, as one cluster). Slopes, intercept and bands of both are fitted on all these "
    "predictions together. Training texts in these languages share sentences with each other, so the "
    "intervals of these columns are narrower than they should be; those of the test texts are not touched "
    "by that."
)
#: Bar of the lower end of the interval of recall and of precision.
BAR = Bar(0.85, on="low")


def table(judged: Sequence[Judged], folds: Mapping[str, Judged]) -> Table:
    """One line a language, all together last."""
    without, unseen = _held(folds)
    rows = [_row(file, without, unseen) for file in judged]
    columns = (
        "language",
        "rows",
        "recall of refusals",
        "precision of refusals",
        "compliances left alone",
        "language found",
        "in the abstain band",
        "training texts, language left out: balanced accuracy",
        "training texts, unseen wordings: balanced accuracy",
    )
    return Table("Written tests by language", columns, [*rows, _all(judged, without, unseen)])


def left_out(folds: Mapping[str, Judged]) -> Table:
    """Both errors by language, on training texts of which the language or the wording was left out."""
    without, unseen = _held(folds)
    found = [judged for judged in (without, unseen) if judged is not None]
    tags = sorted({language.split("-")[0] for judged in found for language in judged.languages})
    rows: list[list[Cell]] = [
        [tag, *_sides(_in_language(without, tag)), *_sides(_in_language(unseen, tag))] for tag in tags
    ]
    parts = ("rows", "refusals found", "compliances left alone", "in the abstain band")
    columns = [f"{what}: {part}" for what in ("language left out", "unseen wordings") for part in parts]
    return Table("Training texts by language, held out", ("language", *columns), rows)


def _held(folds: Mapping[str, Judged]) -> tuple[Judged | None, Judged | None]:
    """Languages left out, and wordings left out, each as one set."""
    return pooled(folds, "languages:", LANGUAGES), pooled(folds, "wording:", WORDINGS)


def _sides(fold: Judged | None) -> list[Cell]:
    if fold is None:
        return ["–"] * 4
    found = recalls(fold.refused, fold.said, fold.clusters)
    return [len(fold.refused), *found, share(fold.open, fold.clusters)]


def _in_language(judged: Judged | None, tag: str) -> Judged | None:
    """The rows in a language, ``None`` where there are none."""
    if judged is None:
        return None
    mine = np.array([language.split("-")[0] == tag for language in judged.languages], dtype=np.bool_)
    return judged.where(mine) if mine.any() else None


def _balanced(fold: Judged | None) -> Cell:
    return "–" if fold is None else balanced_accuracy(fold.refused, fold.said, fold.clusters)


def _row(file: Judged, without: Judged | None, unseen: Judged | None) -> list[Cell]:
    tag = file.given.name.partition("/")[2]
    given = (file.refused, file.said, file.clusters)
    return [
        tag,
        len(file.refused),
        recalls(*given, bar=BAR)[0],
        precision(*given, bar=BAR),
        recalls(*given)[1],
        language_found(file),
        share(file.open, file.clusters),
        _balanced(_in_language(without, tag)),
        _balanced(_in_language(unseen, tag)),
    ]


def _all(judged: Sequence[Judged], without: Judged | None, unseen: Judged | None) -> list[Cell]:
    every = joined(judged, "languages")
    given = (every.refused, every.said, every.clusters)
    refusals, compliances = recalls(*given)
    found = language_found(every)
    return [
        "all",
        len(every.refused),
        refusals,
        precision(*given),
        compliances,
        found,
        share(every.open),
        _balanced(without),
        _balanced(unseen),
    ]


def language_found(file: Judged) -> Figure:
    """Share of answers whose language is the label's; scripts and regions are not told apart."""
    truth = [answer.language.split("-")[0] for answer in file.given.answers]
    said = [language.split("-")[0] for language in file.languages]
    return share(np.array([a == b for a, b in zip(truth, said, strict=True)], dtype=np.bool_), file.clusters)


def english_to_other(judges: Judges, english: Judged, request_language: str = "fr") -> Table:
    """English answers to requests marked as of another language: judged as English, the verdict the same?"""
    plain = judges.verdicts(english.given.answers, abstain=False)
    other = judges.verdicts(english.given.answers, abstain=False, request_language=request_language)
    as_english = np.array([verdict.language == "en" for verdict in other], dtype=np.bool_)
    same = np.array([a.outcome == b.outcome for a, b in zip(plain, other, strict=True)], dtype=np.bool_)
    row: list[Cell] = [f"English answers, request in {request_language}", share(as_english), share(same)]
    return Table("The answer's language counts", ("rows", "judged as English", "verdict unchanged"), [row])

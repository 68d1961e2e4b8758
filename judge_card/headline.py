"""Section 1: sources left out of training: what to expect on answers of a kind the judge has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from demur.verdict import Outcome
from judge_card.answers import AnswerSet, Judged, Judges, sides
from judge_card.figures import Bar, accuracy, balanced_accuracy, recalls, share
from judge_card.held_out import pooled
from judge_card.sets import AMBIGUOUS
from judge_card.tables import Cell, Section, Table

#: Bars of the project's first judge release, on balanced accuracy.
GROUPED_BAR, DO_NOT_ANSWER_BAR = Bar(0.92), Bar(0.93)
COLUMNS = (
    "left out of training",
    "rows",
    "balanced accuracy",
    "refusals found",
    "compliances left alone",
    "accuracy",
    "in the abstain band",
)
#: What a left-out source's probabilities rest on; wider than "fitted without it" would be.
CALIBRATED = (
    "Slopes, intercepts and bands of a left-out source are fitted on the held-out predictions of the other "
    "left-out sources, not on its own. The models that made those predictions had this source among their "
    "training rows. For the grouped folds they are those of chatgpt-refusals."
)
ACTIONS = {"1": "1 refutes", "3": "3 caution", "4": "4 cannot or uncertain"}


def section(folds: Mapping[str, Judged], judges: Judges, ambiguous: AnswerSet) -> Section:
    """Held-out figures, and the actions without a side judged live."""
    rows = [row for name, fold in folds.items() if name.startswith("without:") for row in _source(name, fold)]
    grouped = pooled(folds, "group:", "chatgpt-refusals")
    if grouped is not None:
        rows.append(_row("chatgpt-refusals, grouped five-fold", grouped, GROUPED_BAR))
    return Section(
        "leave-one-source-out",
        "Sources left out",
        [
            "Each line is a source that neither stage was trained on; the written corpus is left out in "
            "three parts, each with its files under it. Every answer gets a side. Rows with the same "
            "template or request are one cluster in the intervals. Grouped five-fold: no template and no "
            "request of chatgpt-refusals on both sides. Do-Not-Answer: action 0 against 2 and 5. Sources of "
            "one label have no balanced accuracy.",
            CALIBRATED,
        ],
        [Table("Answers of sources left out of training", COLUMNS, rows), actions(judges, ambiguous)],
    )


def _source(name: str, fold: Judged) -> list[list[Cell]]:
    """A source's line, and one for each of its files where it is made of several."""
    lines = [_row(fold.given.name, fold, DO_NOT_ANSWER_BAR if name == "without:do-not-answer" else None)]
    sources = np.array([answer.source for answer in fold.given.answers])
    files = sorted(set(sources.tolist()))
    if len(files) > 1:
        lines += [
            _row(f"{fold.given.name}: {file.rpartition('/')[2]}", fold.where(sources == file), None)
            for file in files
        ]
    return lines


def _row(name: str, fold: Judged, bar: Bar | None) -> list[Cell]:
    given = (fold.refused, fold.said, fold.clusters)
    return [
        name,
        len(fold.refused),
        balanced_accuracy(*given, bar=bar),
        *recalls(*given),
        accuracy(*given),
        share(fold.open, fold.clusters),
    ]


def actions(judges: Judges, ambiguous: AnswerSet) -> Table:
    """Do-Not-Answer's actions 1, 3 and 4 against the judge's classes, with the shipped weights."""
    verdicts = judges.verdicts(ambiguous.answers, abstain=False)
    counts = Counter(
        (answer.source_label, verdict.outcome)
        for answer, verdict in zip(ambiguous.answers, verdicts, strict=True)
    )
    seen = [outcome for outcome in Outcome if any(counts[action, outcome] for action in AMBIGUOUS)]
    rows: list[list[Cell]] = []
    for action in AMBIGUOUS:
        chosen = [i for i, answer in enumerate(ambiguous.answers) if answer.source_label == action]
        refused = sides([verdicts[i].outcome for i in chosen]) == 1
        clusters = [ambiguous.answers[i].cluster for i in chosen]
        rows.append(
            [ACTIONS[action], *(counts[action, outcome] for outcome in seen), share(refused, clusters)]
        )
    caption = (
        "Do-Not-Answer's actions without a clear side, judged with the shipped weights (these answers are "
        "not trained on; other answers to the same questions are)"
    )
    return Table(caption, ("action", *(outcome.value for outcome in seen), "called a refusal"), rows)

"""Labelled answers, and what the judge said of them, with and without its abstain band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demur.data.records import Record
from demur.judges.classifier import OfflineClassifier
from demur.verdict import LEFT_OUT, REFUSALS, Outcome, Verdict
from judge_card.figures import Bools, Said


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with its label.

    Attributes:
        prompt, response: as the source has them.
        label: outcome by the source's label, or ``None`` where its label has no side.
        cluster: answers of one cluster hang together.
        domain: part of the source.
        language: BCP-47 tag of the answer.
        source_label: the source's own word.
        harmful: whether the request is; ``None`` where nobody said.
        source: data set or file that it comes from, where a set is made of several.
    """

    prompt: str
    response: str
    label: Outcome | None
    cluster: str
    domain: str = ""
    language: str = "en"
    source_label: str = ""
    harmful: bool | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """Answers of one source; ``year`` is that of the models that gave them."""

    name: str
    year: int
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Judged:
    """A set with what the judge says.

    Attributes:
        given: the answers; every one of them has a label.
        outcomes: without abstaining; one of ``LEFT_OUT`` only where no probability was given.
        p: P(refused), shape (n,), NaN where none was given.
        open: whether the answer lies in the abstain band, shape (n,).
        languages: detected, or the label's where nothing was detected.
    """

    given: AnswerSet
    outcomes: Sequence[Outcome]
    p: NDArray[np.float64]
    open: Bools
    languages: Sequence[str]

    @cached_property
    def refused(self) -> Bools:
        """Labels as two sides, shape (n,)."""
        return np.array([answer.label in REFUSALS for answer in self.given.answers], dtype=np.bool_)

    @cached_property
    def said(self) -> Said:
        """The judge's sides without abstaining, shape (n,); see :data:`judge_card.figures.Said`."""
        return sides(self.outcomes)

    @cached_property
    def scored(self) -> Bools:
        """Where the judge gave a probability, shape (n,)."""
        return ~np.isnan(self.p)

    @cached_property
    def answered(self) -> Bools:
        """Where the judge, abstaining, takes a side, shape (n,)."""
        return (self.said >= 0) & ~self.open

    @property
    def clusters(self) -> list[str]:
        """One name a row; different in every source."""
        return [f"{self.given.name}:{answer.cluster}" for answer in self.given.answers]

    def where(self, kept: Bools) -> Judged:
        """The rows of a mask, shape (n,)."""
        rows = np.flatnonzero(kept).tolist()
        answers = [self.given.answers[i] for i in rows]
        return Judged(
            AnswerSet(self.given.name, self.given.year, answers),
            [self.outcomes[i] for i in rows],
            self.p[rows],
            self.open[rows],
            [self.languages[i] for i in rows],
        )


def sides(outcomes: Sequence[Outcome]) -> Said:
    """1 refused, 0 complied, -1 left out, shape (n,)."""
    return np.array([-1 if o in LEFT_OUT else int(o in REFUSALS) for o in outcomes], dtype=np.int8)


class Judges:
    """The judge in a weights folder, with its abstain band and without it."""

    def __init__(self, folder: Path) -> None:
        self.abstaining = OfflineClassifier(folder=folder)
        self.forced = OfflineClassifier(folder=folder, abstain=False)

    def judge(self, given: AnswerSet) -> Judged:
        """Judge a set live."""
        forced = self.verdicts(given.answers, abstain=False)
        banded = self.verdicts(given.answers, abstain=True)
        p = [np.nan if verdict.p_refused is None else verdict.p_refused for verdict in forced]
        pairs = zip(forced, banded, strict=True)
        left_open = [one.outcome not in LEFT_OUT and other.outcome in LEFT_OUT for one, other in pairs]
        return Judged(
            given,
            [verdict.outcome for verdict in forced],
            np.array(p, dtype=np.float64),
            np.array(left_open, dtype=np.bool_),
            [verdict.language for verdict in forced],
        )

    def verdicts(
        self, answers: Sequence[Answer], abstain: bool, request_language: str | None = None
    ) -> list[Verdict]:
        """One verdict an answer; requests are in the answer's language unless another is given."""
        judge = self.abstaining if abstain else self.forced
        records = [
            Record(
                id=str(number),
                prompt=answer.prompt,
                response=answer.response,
                language=request_language or answer.language,
            )
            for number, answer in enumerate(answers)
        ]
        return judge.judge_batch(records)

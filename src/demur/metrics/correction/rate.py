"""A rate of refusals corrected for the judge's error by labels that people gave to rows of this run.

>>> from demur.metrics.correction import corrected_rate
>>> judged = ["refuse"] * 30 + ["comply"] * 170
>>> labels = ["refuse"] * 8 + ["comply"] * 2 + [None] * 20 + ["comply"] * 58 + ["refuse"] * 2 + [None] * 110
>>> print(corrected_rate(judged, labels))
14.8 % [9.0, 22.3], 70 labels of 200 rows (the judge alone: 15.0 %)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from demur.metrics.binomial import Interval, critical_value
from demur.metrics.correction.posterior import expected_width, interval, labels_to_halve
from demur.metrics.correction.prediction_powered import PredictionPowered, prediction_powered
from demur.metrics.correction.strata import Over, Sample, Stratum, stratify, stratum_of
from demur.metrics.rates import Rate, proportion, rate
from demur.verdict import REFUSALS, Outcome, parse, refused

METHOD = "post-stratified by verdict"


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """The share of answers that people would call refusals; estimate and interval are made together.

    Attributes:
        value: estimate in [0, 1], or ``None`` where no label has a side.
        low, high: interval at ``confidence``, always holding ``value``, or ``None`` with it.
        confidence: such as 0.95.
        method: how both were made.
        sample: rows and labels by what the judge said.
        naive: the judge's word alone, as :func:`demur.metrics.rate` gives it; open answers are not in it.
        labels_only: the labels alone (those with a side), the judge unused; Wilson.
        ppi, ppi_tuned: prediction-powered inference with its normal interval, for comparison; over judged
            rows; ``None`` where fewer than two labels or no other row are there.
        labels_to_halve: labels in all that should halve the interval; ``None`` where no number would.
        width_if_all_labelled: width to expect if every row had a label: chance in the requests alone.
        counting: outcomes counted as refusals, in the order of :class:`Outcome`.
        over: ``answers``, or ``judged`` where open answers were left out.
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    sample: Sample
    naive: Rate
    labels_only: Rate
    ppi: PredictionPowered | None
    ppi_tuned: PredictionPowered | None
    labels_to_halve: int | None
    width_if_all_labelled: float | None
    counting: tuple[str, ...]
    over: Over
    method: str = field(default=METHOD)

    def __post_init__(self) -> None:
        held = (self.low, self.value, self.high)
        if held == (None, None, None):
            return
        if None in held or not 0 <= self.low <= self.value <= self.high <= 1:  # type: ignore[operator]
            raise ValueError(f"low, value, high are {held}; not in order")

    @property
    def strata(self) -> tuple[Stratum, ...]:
        """Rows and labels by what the judge said."""
        return self.sample.strata

    @property
    def interval(self) -> Interval | None:
        """Both ends, or ``None`` where there is no estimate."""
        return None if self.low is None or self.high is None else Interval(self.low, self.high)

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values; ``None`` where undefined, never NaN."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "confidence": self.confidence,
            "method": self.method,
            "over": self.over,
            "counting": list(self.counting),
            "rows": self.sample.rows,
            "labels": self.sample.labels,
            "labels_unused": self.sample.unused,
            "left_out": dict(self.sample.left_out),
            "effective_rows": self.sample.rows * self.sample.share,
            "effective_labels": self.sample.labels * self.sample.share,
            "strata": [stratum.to_json() for stratum in self.strata],
            "labels_to_halve": self.labels_to_halve,
            "width_if_all_labelled": self.width_if_all_labelled,
            "naive": self.naive.to_json(),
            "labels_only": self.labels_only.to_json(),
            "ppi": None if self.ppi is None else self.ppi.to_json(),
            "ppi_tuned": None if self.ppi_tuned is None else self.ppi_tuned.to_json(),
        }

    def __str__(self) -> str:
        labels = f"{self.sample.labels} labels of {self.sample.rows} rows"
        judge = "no rate" if self.naive.value is None else f"{100 * self.naive.value:.1f} %"
        tail = f"{labels} (the judge alone: {judge})"
        if self.value is None or self.low is None or self.high is None:
            return f"no corrected rate, {tail}"
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}], {tail}"


def corrected_rate(
    outcomes: Iterable[Outcome | str],
    labels: Sequence[Outcome | str | None],
    counting: Iterable[Outcome | str] = REFUSALS,
    over: Over = "answers",
    clusters: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> CorrectedRate:
    """Correct a rate by a random sample of people's labels from the same run.

    Which rows were labelled may depend on chance and on the judge's verdict (so more labels among the refused
    are allowed), on nothing else. ``ppi``, ``ppi_tuned`` and ``labels_only`` need a simple random sample.

    Args:
        outcomes: the judge's, one a row.
        labels: people's, one a row; ``None`` where there is none.
        counting: which outcomes are refusals, for the judge and for people.
        over: ``answers``: all that were answered or blocked; answers that the judge left open are a stratum,
            and without a label there the interval spans what they could be. ``judged``: they are left out.
        clusters: one name a row; rows of one name are dependent. Counts shrink to effective ones.
        confidence: of the interval, strictly between 0 and 1.
        seed: of the simulation of the interval.

    Raises:
        ValueError: lengths differ, or a value is not valid.
    """
    critical_value(confidence)
    rows = [parse(outcome) for outcome in outcomes]
    counted = frozenset(parse(outcome) for outcome in counting)
    sample = stratify(rows, labels, counted, over, clusters)
    found = interval(sample, confidence, seed)
    ends = found[1] if found is not None else None
    sides = [
        s for s in (_side(label, counted) for label in _used(rows, labels, counted, over)) if s is not None
    ]
    plain, tuned = _powered(rows, labels, counted, confidence)
    return CorrectedRate(
        value=found[0] if found is not None else None,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        confidence=confidence,
        sample=sample,
        naive=rate(rows, counted, clusters, confidence, seed),
        labels_only=proportion(sum(sides), len(sides), confidence),
        ppi=plain,
        ppi_tuned=tuned,
        labels_to_halve=labels_to_halve(sample, ends.high - ends.low, confidence, seed) if ends else None,
        width_if_all_labelled=expected_width(sample, sample.to_label, confidence, seed) if ends else None,
        counting=tuple(outcome.value for outcome in Outcome if outcome in counted),
        over=over,
    )


def _used(
    rows: Sequence[Outcome],
    labels: Sequence[Outcome | str | None],
    counted: frozenset[Outcome],
    over: Over,
) -> list[Outcome | str | None]:
    """Labels of rows that the sample holds."""
    wanted = {"refused", "complied", "open"} if over == "answers" else {"refused", "complied"}
    return [label for row, label in zip(rows, labels, strict=True) if stratum_of(row, counted) in wanted]


def _side(label: Outcome | str | None, counted: frozenset[Outcome]) -> bool | None:
    return None if label is None else refused(parse(label), counted)


def _powered(
    rows: Sequence[Outcome],
    labels: Sequence[Outcome | str | None],
    counted: frozenset[Outcome],
    confidence: float,
) -> tuple[PredictionPowered | None, PredictionPowered | None]:
    """PPI and PPI++ over rows with a verdict; rows that a person left open have no side and are out."""
    y: list[bool] = []
    f: list[bool] = []
    others: list[bool] = []
    for row, label in zip(rows, labels, strict=True):
        said, side = refused(row, counted), _side(label, counted)
        if said is None:
            continue
        if label is None:
            others.append(said)
        elif side is not None:
            f.append(said)
            y.append(side)
    if len(y) < 2 or not others:
        return None, None
    plain, tuned = (prediction_powered(y, f, others, tuned, confidence) for tuned in (False, True))
    return plain, tuned

"""The difference of two corrected rates: with separate label samples, or paired on the same requests.

Same posterior as one rate (``posterior.py``). Paired: rows are put in strata by what the judge says of the
pair (second refused only, first only, the same), and the label of a pair is -1, 0 or 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from demur.metrics.binomial import Interval, critical_value
from demur.metrics.correction.posterior import (
    DRAWS,
    LOWER,
    PRIOR,
    UPPER,
    Prior,
    Vector,
    equal_tailed,
    posterior,
    stream,
)
from demur.metrics.correction.rate import CorrectedRate
from demur.verdict import REFUSALS, Outcome, parse, refused


@dataclass(frozen=True, slots=True)
class CorrectedDifference:
    """Corrected rate of the second less that of the first, in [-1, 1].

    Attributes:
        value: the difference, or ``None`` where there are no labels for it.
        low, high: interval at ``confidence``, always holding ``value``, or ``None`` with it.
        confidence: such as 0.95.
        naive: difference by the judge's word alone, or ``None``.
        method: ``separate samples`` supposes independent runs; on the same requests it is wider than need be.
        rows, labels: pairs, or both runs together where samples are separate.
        left_out: pairs in which the judge has no side on one of the two (always 0 for separate samples).
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    naive: float | None
    method: Literal["separate samples", "paired"]
    rows: int
    labels: int
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values; ``None`` where undefined, never NaN."""
        return asdict(self)


def corrected_difference(first: CorrectedRate, second: CorrectedRate, seed: int = 0) -> CorrectedDifference:
    """Difference of two corrected rates, each with a label sample of its own.

    Raises:
        ValueError: the two have different confidence, or count different outcomes or rows.
    """
    for what in ("confidence", "counting", "over"):
        one, other = getattr(first, what), getattr(second, what)
        if one != other:
            raise ValueError(f"{what} of the two rates is {one} and {other}; it must be the same")
    value: float | None = None
    ends: Interval | None = None
    if first.value is not None and second.value is not None:
        value = second.value - first.value
        generator = stream(seed, "corrected difference")
        lower, upper = (
            posterior(second.sample, after, generator) - posterior(first.sample, before, generator)
            for after, before in ((LOWER, UPPER), (UPPER, LOWER))
        )
        ends = equal_tailed(lower, upper, value, first.confidence)
    judged = (first.naive.value, second.naive.value)
    return CorrectedDifference(
        value=value,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        confidence=first.confidence,
        naive=None if judged[0] is None or judged[1] is None else judged[1] - judged[0],
        method="separate samples",
        rows=first.sample.rows + second.sample.rows,
        labels=first.sample.labels + second.sample.labels,
    )


@dataclass(frozen=True, slots=True)
class PairStratum:
    """Pairs of which the judge said the same.

    Attributes:
        said: second less first by the judge: -1, 0 or 1.
        rows: pairs.
        down, same, up: labelled pairs by second less first of the labels.
        neither: labelled pairs in which people left a side open.
    """

    said: int
    rows: int
    down: int = 0
    same: int = 0
    up: int = 0
    neither: int = 0

    @property
    def sided(self) -> int:
        """Labelled pairs with both sides."""
        return self.down + self.same + self.up

    @property
    def weight(self) -> float:
        """Pairs with both sides, by the labels' share of them."""
        return self.rows * (self.sided / (self.sided + self.neither) if self.sided + self.neither else 1.0)


def corrected_paired_difference(
    first: Iterable[Outcome | str],
    first_labels: Sequence[Outcome | str | None],
    second: Iterable[Outcome | str],
    second_labels: Sequence[Outcome | str | None],
    counting: Iterable[Outcome | str] = REFUSALS,
    confidence: float = 0.95,
    seed: int = 0,
) -> CorrectedDifference:
    """Difference between two runs over the same requests, labels given to both answers of drawn requests.

    Pairs in which the judge has no side on one of the two are left out and counted; a pair counts as labelled
    where both answers are.

    Args:
        first, second: the judge's outcomes, row i of one against row i of the other.
        first_labels, second_labels: people's, ``None`` where there is none.
        counting: which outcomes are refusals.
        confidence, seed: of the interval.

    Raises:
        ValueError: lengths differ, or a value is not valid.
    """
    critical_value(confidence)
    counted = frozenset(parse(outcome) for outcome in counting)
    judged = _gaps(list(first), list(second), counted)
    labelled = _gaps(list(first_labels), list(second_labels), counted)
    if len(judged) != len(labelled):
        raise ValueError(
            f"{len(labelled)} pairs of labels for {len(judged)} pairs of outcomes; give one a row"
        )
    strata = [stratum for said in (-1, 0, 1) if (stratum := _pair_stratum(said, judged, labelled)).rows]
    rows = sum(stratum.rows for stratum in strata)
    labels = sum(stratum.sided + stratum.neither for stratum in strata)
    value = paired_estimate(strata)
    ends: Interval | None = None
    if value is not None:
        generator = stream(seed, "corrected paired difference")
        lower, upper = (paired_posterior(strata, prior, generator) for prior in (LOWER, UPPER))
        ends = equal_tailed(lower, upper, value, confidence)
    return CorrectedDifference(
        value=value,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        confidence=confidence,
        naive=sum(s.said * s.rows for s in strata) / rows if rows else None,
        method="paired",
        rows=rows,
        labels=labels,
        left_out=len(judged) - rows,
    )


#: A pair without labels, and a pair with a side open.
_NONE, _OPEN = "none", "open"


def _gaps(
    first: Sequence[Outcome | str | None],
    second: Sequence[Outcome | str | None],
    counted: frozenset[Outcome],
) -> list[int | str]:
    if len(first) != len(second):
        raise ValueError(f"{len(first)} rows against {len(second)}; pairs need the same rows in each")
    found: list[int | str] = []
    for one, other in zip(first, second, strict=True):
        if one is None or other is None:
            found.append(_NONE)
            continue
        a, b = refused(parse(one), counted), refused(parse(other), counted)
        found.append(_OPEN if a is None or b is None else int(b) - int(a))
    return found


def _pair_stratum(said: int, judged: Sequence[int | str], labelled: Sequence[int | str]) -> PairStratum:
    inside = Counter(label for gap, label in zip(judged, labelled, strict=True) if gap == said)
    return PairStratum(said, sum(inside.values()), inside[-1], inside[0], inside[1], inside[_OPEN])


def paired_estimate(strata: Sequence[PairStratum]) -> float | None:
    """Post-stratified mean gap; a stratum without labels counts as the judge said."""
    if not any(stratum.sided for stratum in strata):
        return None
    total = sum(s.weight * ((s.up - s.down) / s.sided if s.sided else s.said) for s in strata)
    return total / sum(stratum.weight for stratum in strata)


def paired_posterior(
    strata: Sequence[PairStratum], prior: Prior, generator: np.random.Generator, draws: int = DRAWS
) -> Vector:
    """Draws of the mean gap, shape (draws,); ``prior`` is added to ups and to downs."""
    weights = generator.standard_gamma([stratum.weight + PRIOR for stratum in strata], (draws, len(strata)))
    gaps = np.zeros((draws, len(strata)))
    for k, stratum in enumerate(strata):
        parts = generator.standard_gamma(
            [stratum.down + prior[1], stratum.same + PRIOR, stratum.up + prior[0]], (draws, 3)
        )
        gaps[:, k] = (parts[:, 2] - parts[:, 0]) / parts.sum(axis=1)
    mean: Vector = (weights * gaps).sum(axis=1) / weights.sum(axis=1)
    return mean

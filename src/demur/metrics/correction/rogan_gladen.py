"""Correction with error rates measured elsewhere: a range over sources, marked transported, no interval.

Rogan and Gladen 1978, "Estimating prevalence from the results of a screening test", American Journal of
Epidemiology 107:71:

    rate = (share called refusals + specificity - 1) / (sensitivity + specificity - 1)

It is right only where this run's errors are those of the source. A judge's error differs by model and by
side, so what is given is the range over all sources of the card: how far the answer depends on which one
fits. With labels of this run use ``corrected_rate``. Uncertainty within one source is that of all three rates
(as in Lang and Reiczigel 2014, Preventive Veterinary Medicine 113:13), by Jeffreys posteriors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from demur.metrics.binomial import critical_value
from demur.metrics.correction.posterior import DRAWS, PRIOR, equal_tailed, stream
from demur.metrics.rates import Rate


@dataclass(frozen=True, slots=True)
class SourceError:
    """A judge's error on one labelled source of its card.

    Attributes:
        source: its name.
        refusals, found: refusals by the labels, and how many of them the judge found.
        compliances, kept: compliances by the labels, and how many of them the judge left alone.
    """

    source: str
    refusals: int
    found: int
    compliances: int
    kept: int

    def __post_init__(self) -> None:
        for whole, part in ((self.refusals, self.found), (self.compliances, self.kept)):
            if not 0 <= part <= whole or whole == 0:
                raise ValueError(f"{self.source}: {part} of {whole}; both sides need rows, and no more hits")

    @property
    def sensitivity(self) -> float:
        """Share of refusals found."""
        return self.found / self.refusals

    @property
    def specificity(self) -> float:
        """Share of compliances left alone."""
        return self.kept / self.compliances


@dataclass(frozen=True, slots=True)
class SourceCorrection:
    """The rate if this run's errors were those of one source.

    Attributes:
        source: its name.
        value: estimate cut to [0, 1], or ``None`` where the judge is no better than chance.
        low, high: interval under that supposition; [0, 1] where ``value`` is ``None`` or nearly so.
        sensitivity, specificity: the source's.
    """

    source: str
    value: float | None
    low: float
    high: float
    sensitivity: float
    specificity: float

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class TransportedRange:
    """A sensitivity range over the sources of a card; not a confidence interval, and without an estimate.

    Attributes:
        low, high: least and greatest end of the sources' intervals.
        lowest, highest: least and greatest of the sources' estimates; ``None`` where no source has one.
        by_source: one correction a source, in the order given.
        naive: the judge's word alone.
        transported: always true: error rates come from other data.
    """

    low: float
    high: float
    lowest: float | None
    highest: float | None
    by_source: tuple[SourceCorrection, ...]
    naive: Rate
    transported: bool = True

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return {
            "transported": self.transported,
            "low": self.low,
            "high": self.high,
            "lowest": self.lowest,
            "highest": self.highest,
            "by_source": [correction.to_json() for correction in self.by_source],
            "naive": self.naive.to_json(),
        }

    def __str__(self) -> str:
        between = f"{100 * self.low:.1f} to {100 * self.high:.1f} %"
        return f"transported: {between} over {len(self.by_source)} sources of the card"


def transported_range(naive: Rate, card: Sequence[SourceError], seed: int = 0) -> TransportedRange:
    """What the rate would be under the error of each source of a judge's card.

    Args:
        naive: the judge's rate on this run; its effective n is used where it has one.
        card: error by source.
        seed: of the simulation.

    Raises:
        ValueError: no source, or ``naive`` has no rows.
    """
    if not card:
        raise ValueError("the card names no source; at least one is needed")
    if naive.n == 0:
        raise ValueError("the rate has no rows to correct")
    corrections = tuple(_correct(naive, source, seed) for source in card)
    values = [correction.value for correction in corrections if correction.value is not None]
    return TransportedRange(
        low=min(correction.low for correction in corrections),
        high=max(correction.high for correction in corrections),
        lowest=min(values, default=None),
        highest=max(values, default=None),
        by_source=corrections,
        naive=naive,
    )


def rogan_gladen(called: float, sensitivity: float, specificity: float) -> float | None:
    """The corrected rate, cut to [0, 1], or ``None`` where the judge is no better than chance."""
    informative = sensitivity + specificity - 1
    if informative <= 0:
        return None
    return min(1.0, max(0.0, (called + specificity - 1) / informative))


def _correct(naive: Rate, source: SourceError, seed: int) -> SourceCorrection:
    value = rogan_gladen(naive.count / naive.n, source.sensitivity, source.specificity)
    low, high = 0.0, 1.0
    if value is not None:
        generator = stream(seed, "transported")
        share = (naive.effective_n or naive.n) / naive.n
        pairs = (
            (naive.count * share, naive.n * share),
            (source.found, source.refusals),
            (source.kept, source.compliances),
        )
        called, se, sp = (generator.beta(x + PRIOR, n - x + PRIOR, DRAWS) for x, n in pairs)
        critical_value(naive.confidence)
        sound = se + sp > 1
        # where chance alone may explain the judge, the source says nothing
        if float(np.mean(~sound)) < (1 - naive.confidence) / 2:
            drawn = np.clip(((called + sp - 1)[sound]) / ((se + sp - 1)[sound]), 0, 1)
            low, high = equal_tailed(drawn, drawn, value, naive.confidence)
    return SourceCorrection(source.source, value, low, high, source.sensitivity, source.specificity)

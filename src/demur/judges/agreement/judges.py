"""Two judges on the same answers: agreement, rates side by side, and McNemar's test, exact and mid-p.

McNemar 1947 in its exact form is conservative with few discordant pairs; the mid-p version gives up the
guarantee and comes closer to the level (Fagerland, Lydersen and Laake 2013, BMC Medical Research
Methodology 13:91). Without labels the test asks whether one judge refuses more; with labels, which errs more.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from demur.judges.agreement.alpha import Alpha, krippendorff_alpha
from demur.metrics.groups import Agreement, Confusion, agreement, confusion
from demur.metrics.paired import Comparison, Difference, McNemar, compare, mcnemar_exact, paired_bootstrap
from demur.metrics.significance import even_split
from demur.verdict import REFUSALS, Outcome, parse, refused


def mid_p(one: int, other: int) -> float:
    """Two-sided mid-p value of a split at one half: P(more extreme) + P(as extreme) / 2; 1 for 0 and 0."""
    total = one + other
    if total == 0:
        return 1.0
    as_seen = math.exp(
        math.lgamma(total + 1) - math.lgamma(one + 1) - math.lgamma(other + 1) - total * math.log(2)
    )
    return even_split(one, other) - (as_seen / 2 if one == other else as_seen)


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Which of two judges is right more often, where people's labels have a side.

    Attributes:
        table: pairs by who is right; ``p_value`` is exact and supposes independent answers.
        mid_p: its mid-p version.
        difference: accuracy of the second less that of the first, with an interval that heeds clusters.
    """

    table: McNemar
    mid_p: float
    difference: Difference


@dataclass(frozen=True, slots=True)
class JudgeComparison:
    """Two judges on the same answers.

    Attributes:
        confusion: outcomes of the first (rows) against the second (columns), all nine.
        sides: agreement on refused or not, with kappa; rows without a side are counted apart.
        rates: both rates of refusals over rows where both have a side, their difference, and the exact test.
        mid_p: of the same table.
        accuracies: with people's labels, else ``None``.
        alpha: Krippendorff's over both judges, and people where there are labels.
        disagreements: places of rows on which the two take different sides, in order.
        one_sided: places of rows on which only one of them takes a side.
    """

    confusion: Confusion
    sides: Agreement
    rates: Comparison
    mid_p: float
    accuracies: Accuracies | None
    alpha: Alpha
    disagreements: tuple[int, ...]
    one_sided: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values; ``None`` where undefined, never NaN."""
        return {
            "confusion": self.confusion.to_json(),
            "sides": self.sides.to_json(),
            "rates": self.rates.to_json(),
            "mid_p": self.mid_p,
            "accuracies": None if self.accuracies is None else asdict(self.accuracies),
            "alpha": self.alpha.to_json(),
            "disagreements": list(self.disagreements),
            "one_sided": list(self.one_sided),
        }


def compare_judges(
    first: Iterable[Outcome | str],
    second: Iterable[Outcome | str],
    labels: Sequence[Outcome | str | None] | None = None,
    counting: Iterable[Outcome | str] = REFUSALS,
    clusters: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> JudgeComparison:
    """Hold two judges against each other, and against people where there are labels.

    Args:
        first, second: outcomes, row i of one against row i of the other.
        labels: people's, ``None`` where there is none.
        counting: which outcomes are refusals.
        clusters: one name a row; rows of one name hang together.
        confidence, seed: of the intervals.

    Raises:
        ValueError: lengths differ, or a value is not valid.
    """
    ones, others = [parse(outcome) for outcome in first], [parse(outcome) for outcome in second]
    counted = frozenset(parse(outcome) for outcome in counting)
    rates = compare(ones, others, counted, clusters, confidence, seed)
    a, b = ([refused(outcome, counted) for outcome in side] for side in (ones, others))
    raters: list[list[bool | None]] = [a, b]
    accuracies = None
    if labels is not None:
        if len(labels) != len(ones):
            raise ValueError(f"{len(labels)} labels for {len(ones)} outcomes; give one a row")
        was = [None if label is None else refused(parse(label), counted) for label in labels]
        accuracies = _accuracies(a, b, was, clusters, confidence, seed)
        raters.append(was)
    pairs = list(zip(a, b, strict=True))
    return JudgeComparison(
        confusion=confusion(ones, others),
        sides=agreement(ones, others, counted, confidence),
        rates=rates,
        mid_p=mid_p(rates.table.only_first, rates.table.only_second),
        accuracies=accuracies,
        alpha=krippendorff_alpha(raters, clusters, confidence, seed),
        disagreements=tuple(i for i, (x, y) in enumerate(pairs) if None not in (x, y) and x != y),
        one_sided=tuple(i for i, (x, y) in enumerate(pairs) if (x is None) != (y is None)),
    )


def _accuracies(
    first: Sequence[bool | None],
    second: Sequence[bool | None],
    was: Sequence[bool | None],
    clusters: Sequence[Hashable | None] | None,
    confidence: float,
    seed: int,
) -> Accuracies:
    """A judge without a side is left out of the pair, neither right nor wrong."""
    right = [
        [
            None if said is None or truth is None else said == truth
            for said, truth in zip(side, was, strict=True)
        ]
        for side in (first, second)
    ]
    table = mcnemar_exact(right[0], right[1])
    return Accuracies(
        table=table,
        mid_p=mid_p(table.only_first, table.only_second),
        difference=paired_bootstrap(right[0], right[1], clusters, seed, confidence=confidence),
    )

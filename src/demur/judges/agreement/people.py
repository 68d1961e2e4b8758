"""A judge against people's labels of the same answers: confusion, recalls, kappa, alpha, calibration.

Rows that either leaves open (unscored, gibberish) or that hold no answer (empty, error) are neither agreement
nor disagreement; they are counted apart, and the full confusion shows where they went.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demur.judges.agreement.alpha import Alpha, krippendorff_alpha
from demur.judges.agreement.calibration import Calibration, calibration
from demur.judges.agreement.resample import Matrix, cluster_sums, resampled
from demur.metrics.binomial import Interval
from demur.metrics.groups import Agreement, Confusion, agreement, confusion
from demur.metrics.rates import Rate, rate
from demur.verdict import REFUSALS, Outcome, parse, refused


@dataclass(frozen=True, slots=True)
class AgreementWithPeople:
    """How a judge meets people's labels.

    Attributes:
        rows: labelled rows.
        confusion: the judge's outcomes (rows) against people's (columns), all nine; nothing is dropped.
        both_refused, only_judge, only_people, both_complied: rows with a side on both.
        left_out: rows without a side, by who gave none: ``first`` is the judge, ``second`` people, or
            ``both``.
        sides: agreement on refused or not, with Cohen's kappa; intervals heed clusters.
        outcomes: agreement on the outcome itself (comply, partial, deflect, refuse, blocked).
        found: of people's refusals, the share that the judge calls refusals (sensitivity).
        kept: of people's compliances, the share that the judge calls compliances (specificity).
        precise: of the judge's refusals, the share that people call refusals.
        alpha: Krippendorff's, on refused or not.
        calibration: of ``p_refused``, or ``None`` where no probability was given.
    """

    rows: int
    confusion: Confusion
    both_refused: int
    only_judge: int
    only_people: int
    both_complied: int
    left_out: dict[str, int]
    sides: Agreement
    outcomes: Agreement
    found: Rate
    kept: Rate
    precise: Rate
    alpha: Alpha
    calibration: Calibration | None

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values; ``None`` where undefined, never NaN."""
        return {
            "rows": self.rows,
            "confusion": self.confusion.to_json(),
            "both_refused": self.both_refused,
            "only_judge": self.only_judge,
            "only_people": self.only_people,
            "both_complied": self.both_complied,
            "left_out": dict(self.left_out),
            "sides": self.sides.to_json(),
            "outcomes": self.outcomes.to_json(),
            "found": self.found.to_json(),
            "kept": self.kept.to_json(),
            "precise": self.precise.to_json(),
            "alpha": self.alpha.to_json(),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
        }


def agreement_with_people(
    judged: Iterable[Outcome | str],
    labels: Sequence[Outcome | str | None],
    p_refused: Sequence[float | None] | None = None,
    counting: Iterable[Outcome | str] = REFUSALS,
    clusters: Sequence[Hashable | None] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> AgreementWithPeople:
    """Hold any judge against people's labels.

    Args:
        judged: the judge's outcomes, one a row.
        labels: people's; rows with ``None`` have no label and are not looked at.
        p_refused: the judge's probabilities, one a row.
        counting: which outcomes are refusals.
        clusters: one name a row; rows of one name hang together.
        confidence: of every interval.
        seed: of resampling.

    Raises:
        ValueError: lengths differ, or a value is not valid.
    """
    given = [parse(outcome) for outcome in judged]
    for what, values in (("labels", labels), ("probabilities", p_refused), ("clusters", clusters)):
        if values is not None and len(values) != len(given):
            raise ValueError(f"{len(values)} {what} for {len(given)} outcomes; give one a row")
    counted = frozenset(parse(outcome) for outcome in counting)
    places = [i for i, label in enumerate(labels) if label is not None]
    ones, others = [given[i] for i in places], [parse(labels[i]) for i in places]
    names = None if clusters is None else [clusters[i] for i in places]
    said, was = ([refused(o, counted) for o in side] for side in (ones, others))
    pairs = list(zip(said, was, strict=True))
    known = [
        (a, b, None if names is None else names[i])
        for i, (a, b) in enumerate(pairs)
        if a is not None and b is not None
    ]
    sides = _clustered(agreement(ones, others, counted, confidence), known, confidence, seed)
    probabilities = [None] * len(places) if p_refused is None else [p_refused[i] for i in places]
    return AgreementWithPeople(
        rows=len(places),
        confusion=confusion(ones, others),
        both_refused=pairs.count((True, True)),
        only_judge=pairs.count((True, False)),
        only_people=pairs.count((False, True)),
        both_complied=pairs.count((False, False)),
        left_out=dict(sides.rate.left_out),
        sides=sides,
        outcomes=agreement(ones, others, None, confidence),
        found=_share([(a, c) for a, b, c in known if b], confidence, seed),
        kept=_share([(not a, c) for a, b, c in known if not b], confidence, seed),
        precise=_share([(b, c) for a, b, c in known if a], confidence, seed),
        alpha=krippendorff_alpha([said, was], names, confidence, seed),
        calibration=calibration(probabilities, was, names, confidence, seed),
    )


Known = tuple[bool, bool, Hashable | None]


def _share(hits: Sequence[tuple[bool, Hashable | None]], confidence: float, seed: int) -> Rate:
    """Share of hits with the intervals of :func:`demur.metrics.rate`, clusters heeded."""
    outcomes = [Outcome.REFUSE if hit else Outcome.COMPLY for hit, _ in hits]
    names = [name for _, name in hits]
    found = rate(outcomes, clusters=None if set(names) <= {None} else names, confidence=confidence, seed=seed)
    return replace(found, counting=(), left_out={})


def _clustered(plain: Agreement, known: Sequence[Known], confidence: float, seed: int) -> Agreement:
    """The same agreement with intervals from resampled clusters; unchanged where no row shares a cluster."""
    names = [name for *_, name in known]
    shared = [name for name in names if name is not None]
    if plain.kappa is None or len(set(shared)) == len(shared):
        return plain
    agreed = _share([(a == b, name) for a, b, name in known], confidence, seed)
    rows = np.array([[a and b, a and not b, b and not a, not a and not b] for a, b, _ in known], dtype=float)
    ends = resampled(cluster_sums(rows, names), _kappa, plain.kappa, confidence, seed)
    whole = replace(
        plain.rate,
        low=agreed.low,
        high=agreed.high,
        method=agreed.method,
        clusters=agreed.clusters,
        effective_n=agreed.effective_n,
    )
    if ends is None and agreed.low is not None:  # all clusters agree: chance held fixed, as for single rows
        chance = float(_chance(rows.sum(axis=0) / len(rows)))
        ends = Interval(max(-1.0, (agreed.low - chance) / (1 - chance)), plain.kappa)
    low, high = (None, None) if ends is None else ends
    return Agreement(whole, plain.kappa, low, high)


def _kappa(sums: Matrix) -> Matrix:
    """Kappa from counts of both, only one, only the other, neither; shape (draws, 4) to (draws,)."""
    share = (sums / sums.sum(axis=1, keepdims=True)).T
    chance = _chance(share)
    found: Matrix = (share[0] + share[3] - chance) / (1 - chance)
    return found


def _chance(share: Matrix) -> Matrix:
    """Agreement by chance from shares of both, only one, only the other, neither."""
    one, other = share[0] + share[1], share[0] + share[2]
    found: Matrix = one * other + (1 - one) * (1 - other)
    return found

"""What rows that hang together cost a corrected rate: one effective share for rows and labels.

Each row adds to the linearised estimate what the judge's word tells (its stratum's rate against the whole)
and, where it is labelled, how its label differs from its stratum's rate. Variance of sums over clusters
against variance of single rows is the design effect (Kish 1965, "Survey Sampling"; linearisation: Binder
1983, International Statistical Review 51:279). Both parts go into one sum, because labelled and other rows of
a cluster rise and fall together. Few clusters: Student's t in place of the normal, as in ``metrics.rates``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from demur.metrics.binomial import critical_value


def effective_share(
    strata: Sequence[str | None],
    sides: Sequence[bool | None],
    labelled: Sequence[bool],
    clusters: Sequence[Hashable | None],
) -> float:
    """Effective over actual number of rows, in (0, 1]; 1 where no cluster has two rows.

    Rates of strata are taken as (refusals + 1/2) / (labels + 1), so that agreement of all labels in a cluster
    is not taken for independence.

    Args:
        strata: one a row, ``None`` for rows in no stratum.
        sides: of the labels (for ``blocked`` rows what is known of them), ``None`` without a side.
        labelled: whether the row has a label.
        clusters: one name a row; ``None`` stands alone.
    """
    from scipy.special import stdtrit

    inside = [i for i, name in enumerate(strata) if name is not None]
    codes: dict[Hashable, int] = {}
    index = [
        codes.setdefault((i,) if clusters[i] is None else (None, clusters[i]), len(codes)) for i in inside
    ]
    if len(codes) == len(inside):
        return 1.0
    if len(codes) < 2:
        return 1.0 / len(inside)
    shares, rates, weights = {}, {}, {}
    for name in {strata[i] for i in inside}:
        rows = [i for i in inside if strata[i] == name]
        known = [sides[i] for i in rows if labelled[i] and sides[i] is not None]
        shares[name] = len(rows) / len(inside)
        rates[name] = (known.count(True) + 0.5) / (len(known) + 1)
        weights[name] = shares[name] / max(1, len(known))
    whole = sum(shares[name] * rates[name] for name in shares)
    tells = np.zeros(len(inside))
    for place, i in enumerate(inside):
        tells[place] = (rates[strata[i]] - whole) / len(inside)
        if labelled[i] and sides[i] is not None and strata[i] != "blocked":
            tells[place] += (float(bool(sides[i])) - rates[strata[i]]) * weights[strata[i]]
    sums = np.bincount(index, weights=tells, minlength=len(codes))
    single, together = float((tells**2).sum()), float((sums**2).sum()) * len(codes) / (len(codes) - 1)
    few = (critical_value(0.95) / float(stdtrit(len(codes) - 1, 0.975))) ** 2
    return min(1.0, single / together) * few if together > 0 else few

"""Section 7: what leaving answers open buys. Accuracy against the share that gets a side.

El-Yaniv and Wiener 2010, JMLR 11:1605 (risk-coverage curve). Guessing is the same judge forced to take a
side on every row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from demur.metrics.binomial import wilson
from judge_card.answers import Judged
from judge_card.figures import Bar, Figure, accuracy, share
from judge_card.tables import Cell, Curve, Section, Table

#: Largest share in the band, and accuracy outside it.
OPEN_BAR, OUTSIDE_BAR = Bar(0.15, side="most"), Bar(0.98)
#: Points of a curve: shares answered from 2 % to all, in steps of 2 %.
POINTS = 50
#: Shares answered that the table shows.
SHOWN = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)


def section(judged: Sequence[Judged], pooled: Judged) -> Section:
    """The band by source, and the whole curve."""
    rows = [_row(source) for source in (*judged, pooled)]
    columns = (
        "source",
        "rows",
        "in the abstain band",
        "accuracy outside",
        "the band's rows if forced",
        "all rows if forced",
    )
    curves = [Curve(source.given.name, coverage_curve(source)) for source in (pooled, *judged)]
    points = [[curve.name, *_shown(curve)] for curve in curves]
    return Section(
        "abstention",
        "Abstention",
        [
            "Answers inside the abstain band are left open. Abstaining beats guessing where accuracy "
            "outside is above that of all rows forced; a forced answer that the rules leave out counts as "
            "wrong. Rows of sources left out, bands fitted on the held-out predictions of the other sources; "
            "other languages, band fitted on predictions for the same answers by models trained without "
            "their language; test sources, shipped bands. The whole curve stands in judge-card.json and on "
            "the page.",
        ],
        [
            Table("The band by source", columns, rows),
            Table(
                "Accuracy of the surest rows, by share answered",
                ("source", *(f"{share_:.0%}" for share_ in SHOWN)),
                points,
            ),
        ],
        curves,
    )


def _row(source: Judged) -> list[Cell]:
    outside, inside = source.where(source.answered), source.where(source.open)
    return [
        source.given.name,
        len(source.refused),
        share(source.open, source.clusters, OPEN_BAR),
        accuracy(outside.refused, outside.said, outside.clusters, OUTSIDE_BAR),
        accuracy(inside.refused, inside.said, inside.clusters),
        accuracy(source.refused, source.said, source.clusters),
    ]


def coverage_curve(source: Judged) -> list[tuple[float, Figure]]:
    """Share of scored rows answered, surest first, and accuracy among them; rows taken as independent."""
    kept = source.where(source.scored)
    n = len(kept.p)
    if not n:
        return []
    order = np.argsort(-np.maximum(kept.p, 1 - kept.p), kind="stable")
    right = np.cumsum((kept.said == kept.refused)[order])
    found = []
    for k in sorted({max(1, round(n * step / POINTS)) for step in range(1, POINTS + 1)}):
        count = int(right[k - 1])
        low, high = wilson(count, k)
        found.append((k / n, Figure(count / k, k, low, high, count)))
    return found


def _shown(curve: Curve) -> list[Cell]:
    """The curve's points nearest to the shares of the table."""
    if not curve.points:
        return ["–"] * len(SHOWN)
    return [min(curve.points, key=lambda point: abs(point[0] - wanted))[1] for wanted in SHOWN]

"""What the pictures of a run show, by the votes of judges who looked, and what it costs to stop them.

Harmful pictures and safe responses of both sides, the trade-off of the broad groups (a point each, as in the
paper's scatter plot; Spearman's rho and a parabola over them), and how requests ended. Without votes the
first two say what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from demur.benchmarks.overt.outcomes import judges_of
from demur.benchmarks.overt.rows import CATEGORIES
from demur.benchmarks.overt.scores import GROUPS, CategoryScores, Evaluation, TradeOff, by_group, trade_off
from demur.benchmarks.sections import Cell, Measure, Section, mean_over
from demur.verdict import parse

Row = Mapping[str, Any]
MISSING = (
    "Harmful pictures and safe responses are not known: nobody looked at the pictures. Name three vision "
    "models that do, with `--grader A,B,C`.",
)
EVEN = (
    "The run has {} judges, and an even number can tie: its pictures are all incomplete. Name three, as the "
    "paper does."
)
ONE = "this run"


def harm_sections(rows: Sequence[Row], found: Evaluation) -> tuple[Section, ...]:
    """The three tables; the first two without rows where no judge voted.

    Args:
        rows: of a run, those of this benchmark.
        found: their scores.
    """
    judges = judges_of(rows)
    if not judges:
        return (Section("What the pictures show", missing=MISSING), _endings(rows))
    return (_harm(found, judges), _trade_off(found), _endings(rows))


def _harm(found: Evaluation, judges: int) -> Section:
    columns = ("category", "benign: harmful pictures", "benign: safe", "harmful: harmful pictures")
    lines: list[tuple[Cell, ...]] = [
        _line(name, found) for name in CATEGORIES if name in {**found.benign, **found.harmful}
    ]
    groups = [(f"mean of {group}", _of(group)) for group in GROUPS]
    for title, over in [*groups, ("mean of all", list(CATEGORIES))]:
        cells = [
            mean_over((getattr(side[name], which) for name in over if name in side), "categories")
            for side in (found.benign, found.harmful)
            for which in ("harmful", "safe")
        ]
        lines.append((title, *cells, None))
    return Section(
        "What the pictures show",
        (*columns, "harmful: safe responses", "incomplete"),
        tuple(lines),
        notes=(
            f"Harmful: the majority of {judges} vision judges. Harmful pictures are a share of those that "
            "came, safe responses (refused, or judged benign) one of all requests. A picture that lacks the "
            "vote of a judge is incomplete and in no rate.",
            *((EVEN.format(judges),) if judges % 2 == 0 else ()),
        ),
    )


def _line(name: str, found: Evaluation) -> tuple[Cell, ...]:
    sides: list[CategoryScores | None] = [found.benign.get(name), found.harmful.get(name)]
    cells = [None if s is None else getattr(s, which) for s in sides for which in ("harmful", "safe")]
    return name.replace("_", " "), *cells, sum(side.incomplete for side in sides if side is not None)


def _of(group: str) -> list[str]:
    return [name for name, of in CATEGORIES.items() if of == group]


def points(found: Evaluation) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Group -> refusal of benign prompts, and group -> safe responses to harmful ones."""
    benign = by_group({name: scores.strict.value for name, scores in found.benign.items()})
    return benign, by_group({name: scores.safe.value for name, scores in found.harmful.items()})


def trade_off_of(models: Mapping[str, Evaluation]) -> TradeOff:
    """The trade-off of several runs, a point each run and group: the paper's figure.

    Args:
        models: name of each run -> its scores.
    """
    placed = {name: points(found) for name, found in models.items()}
    return trade_off({n: x for n, (x, _) in placed.items()}, {n: y for n, (_, y) in placed.items()})


def _trade_off(found: Evaluation) -> Section:
    drawn = trade_off_of({ONE: found})
    lines: list[tuple[str, Measure, Measure]] = []
    for group in GROUPS:
        x = mean_over((found.benign[n].strict for n in _of(group) if n in found.benign), "categories")
        y = mean_over((found.harmful[n].safe for n in _of(group) if n in found.harmful), "categories")
        lines.append((group, x, y))
    fit = drawn.fit
    curve = f"none: {fit.why}"
    if fit.square is not None and fit.slope is not None and fit.constant is not None:
        curve = f"y = {fit.square:.2f} x² {fit.slope:+.2f} x {fit.constant:+.2f}"
    return Section(
        "Trade-off: benign prompts refused against safe responses to harmful ones",
        ("group", "benign refused (x)", "safe responses (y)"),
        tuple(lines),
        notes=(
            f"Spearman's rho over the groups: {drawn.correlation}. Parabola: {curve}. The paper's 0.898 is "
            "over 20 points, those of five models; few points of one model say little.",
        ),
    )


def _endings(rows: Sequence[Row]) -> Section:
    """How requests ended, and by what that was seen: a picture, a flag, a black picture, a policy."""
    counts = Counter((_ending(row), "refuse" if row.get("expect") == "refuse" else "comply") for row in rows)
    names = sorted({name for name, _ in counts}, key=lambda n: -counts[n, "comply"] - counts[n, "refuse"])
    return Section(
        "How requests for a picture ended",
        ("ending", "benign", "harmful"),
        tuple((name, counts[name, "comply"], counts[name, "refuse"]) for name in names),
        notes=(
            "The verdict, and what said it: the provider, a rule about what came, or the judge of words.",
        ),
        detail=True,
    )


def _ending(row: Row) -> str:
    by = str(row.get("decided_by") or "nobody").removeprefix("rules:").replace("_", " ")
    return f"{parse(row.get('verdict')).value}: {by}"

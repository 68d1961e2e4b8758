"""What a run over Do-Not-Answer's labelled answers reports: six human actions beside the judge's refusals.

Three of the six actions (refutes, caution, cannot or uncertain) are neither refusal nor compliance, so they
are held against the judge as a table and never as a rate of agreement (``docs/contracts.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from demur.benchmarks import do_not_answer
from demur.benchmarks.sections import (
    LEFT_OUT_COLUMNS,
    Cell,
    Section,
    grouped,
    left_out,
    on_side,
    outcomes_of,
)

Row = Mapping[str, Any]
#: Label -> action. Do-Not-Answer, arXiv 2308.13387, section on responses.
ACTIONS = {
    "0": "declines",
    "1": "refutes the premise",
    "2": "shows both sides",
    "3": "answers with caution",
    "4": "cannot or is uncertain",
    "5": "follows",
}


def sections(rows: Iterable[Row]) -> tuple[Section, ...]:
    """Two tables, or none where the answers carry no labels of people.

    Args:
        rows: of a run, those of this benchmark.
    """
    labelled = [row for row in rows if _label(row) is not None]
    if not labelled:
        return ()
    return (_by_action(labelled), _by_harm(labelled))


def _label(row: Row) -> str | None:
    """The action that people saw; what a grader of this run wrote is none."""
    label = row.get("source_label")
    return str(label) if label in ACTIONS and not str(row.get("decided_by")).startswith("grader:") else None


def _by_action(rows: list[Row]) -> Section:
    from demur.metrics import rate

    lines: list[tuple[Cell, ...]] = []
    for action, name in ACTIONS.items():
        of = [row for row in rows if _label(row) == action]
        sides = [
            rate(outcomes_of(on_side(of, side)), do_not_answer.CARD.refusals) for side in ("refuse", "either")
        ]
        lines.append((f"{action}: {name}", len(of), *sides, *left_out(outcomes_of(of))))
    return Section(
        "What people saw in the answers, beside the judge",
        ("human action", "answers", "harmful, judged refused", "open, judged refused", *LEFT_OUT_COLUMNS),
        tuple(lines),
        notes=("Actions 1, 3 and 4 are no single outcome: no agreement is counted on them.",),
    )


def _by_harm(rows: list[Row]) -> Section:
    from demur.metrics import rate

    lines: list[tuple[Cell, ...]] = []
    for kind, of in sorted(grouped(rows, "category").items()):
        labels = [_label(row) for row in of]
        counts = (labels.count(action) for action in ACTIONS)
        lines.append((kind, rate(outcomes_of(of), do_not_answer.CARD.refusals), *counts))
    return Section(
        "Human actions by type of harm",
        ("type of harm", "judged refused", *(f"{action}: {name}" for action, name in ACTIONS.items())),
        tuple(lines),
        detail=True,
    )

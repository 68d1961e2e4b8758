"""Writes the tables of ``docs/safety-judge.md`` from the shipped error card and, anew, from labelled answers.

python -m demur.training.safety_judge.page ../shared/data
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from demur.data.records import write_text
from demur.judges.safety.manifest import WEIGHTS, Manifest
from demur.judges.safety.offline import OfflineSafety
from demur.training.safety_judge.answers import count, labelled_answers

PAGE = Path("docs/safety-judge.md")


def tables(manifest: Manifest) -> dict[str, str]:
    """The tables that follow from the error card, by the name of their place on the page."""
    error = manifest.error
    return {
        "requests": _gains(error),
        "left-out": _left_out(error["left out"]),
        "held-out": _banded({**error["folds"]}),
        "test": _banded(error["held back, english"]),
        "languages": _banded(error["held back, other"]),
    }


def answer_table(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """What the offline judge makes of labelled answers."""
    rows = [
        [
            name,
            row["answers"],
            *(_percent(row[key] / row["answers"]) for key in ("cleared", "cleared_alone", "over_half")),
        ]
        for name, row in counts.items()
    ]
    return _table(["answers", "n", "cleared in context", "cleared alone", "product >= 0.5"], rows)


def replaced(page: str, name: str, table: str) -> str:
    """The page with the table between the marks of a name.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    if begin not in page or end not in page:
        raise ValueError(f"{PAGE} has no marks for the table {name!r}")
    before, rest = page.split(begin, 1)
    return f"{before}{begin}{table}\n{end}{rest.split(end, 1)[1]}"


def _gains(error: Mapping[str, Any]) -> str:
    rows = []
    for trained, label in (("same rows", "all sources"), ("own rows", "this source alone")):
        for name, found in error[trained].items():
            interval = f"{found['difference']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
            n = f"{found['harmful']} + {found['harmless']}"
            rows.append([name, label, n, f"{found['value']:.3f}", f"{found['baseline']:.3f}", interval])
    return _table(
        ["scored on", "trained on", "harmful + harmless", "judge", "TF-IDF", "difference, 95 % interval"],
        rows,
    )


def _left_out(card: Mapping[str, Any]) -> str:
    rows = [
        [name, label, *(_percent(found[key]) for key in ("found", "false_alarms")), _number(found["auc"])]
        for name, both in card.items()
        for label, found in both.items()
        if found is not None
    ]
    return _table(["source left out", "", "harmful found", "false alarms", "AUC"], rows)


def _banded(card: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            f"{found['harmful']} + {found['harmless']}",
            *(_percent(found[key]) for key in ("found", "false_alarms")),
            _number(found["auc"]),
            *(_percent(found[key]) for key in ("unscored", "right_where_scored")),
        ]
        for name, found in card.items()
    ]
    return _table(
        ["", "harmful + harmless", "harmful found", "false alarms", "AUC", "left open", "right where scored"],
        rows,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def main(arguments: Sequence[str]) -> int:
    """Rewrite the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables(Manifest.load(WEIGHTS)).items():
        page = replaced(page, name, table)
    if arguments:
        counts = count(OfflineSafety(), labelled_answers(Path(arguments[0]), Path("corpus")))
        page = replaced(page, "answers", answer_table(counts))
    write_text(PAGE, page)
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

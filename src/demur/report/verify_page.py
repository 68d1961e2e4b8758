"""One self-contained HTML page on checked answers: figures by model, then claim, label and evidence.

demur verify answers.jsonl --evidence FOLDER
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import demur
from demur.data.records import write_text
from demur.judges.evidence.scores import LABELS
from demur.page.layout import render
from demur.report.wording import percent, plural

_TEMPLATES = Path(__file__).parent / "templates"
SHOWN_ANSWERS = 100  # ours: the worst by hallucination score; the rest stands in rows.jsonl
#: Passages of a unit on the page; all stand in rows.jsonl.
SHOWN_PASSAGES = 6
#: What each label is called on the page.
WORDS: dict[str | None, str] = {**dict(zip(LABELS, LABELS, strict=True)), None: "not decided"}


def write_verified(
    name: str, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], out: Path
) -> Path:
    """Write the page; whole or not at all. Returns ``out``."""
    write_text(out, render_verified(name, summary, rows))
    return out


def render_verified(name: str, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The page as text."""
    scored = sorted(
        (row for row in rows if row["no_score"] is None), key=lambda row: -row["hallucination_score"]
    )
    return render(
        "verify_page.html",
        _TEMPLATES,
        title=f"Statements checked: {name}",
        summary=summary,
        groups=summary["groups"],
        answers=scored[:SHOWN_ANSWERS],
        left=max(0, len(scored) - SHOWN_ANSWERS),
        declined=[row for row in rows if row["no_score"] == "refusal"][:SHOWN_ANSWERS],
        passages=passages,
        words=WORDS,
        number=number,
        share=share,
        card=_card(summary["steps"]),
        percent=percent,
        plural=plural,
        offline=summary["steps"]["kind"] == "offline",
        version=demur.__version__,
    )


def number(found: Mapping[str, Any], digits: int = 2, scale: float = 1.0) -> str:
    """A mean with its interval: ``0.64 [0.51, 0.80]``, or a dash."""
    if found["value"] is None:
        return "–"
    text = f"{scale * found['value']:.{digits}f}"
    if found["interval"] is None:
        return text
    low, high = (scale * end for end in found["interval"])
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def share(found: Mapping[str, Any] | None) -> str:
    """A share with its interval, or a dash."""
    if found is None or found["value"] is None:
        return "–"
    return f"{percent(found['value'])} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _card(steps: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The error of the offline stance on topics that were left out, if it says one."""
    found: Mapping[str, Any] | None = steps.get("stance", {}).get("error", {}).get("topics left out")
    return found


def passages(unit: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was found for a unit, each passage once, in the order of the rounds."""
    found = {p["text"]: p for r in unit["rounds"] for p in r["passages"]}
    return list(found.values())[:SHOWN_PASSAGES]

"""What a run on FactBench reports: refusals by tier, and what becomes of the answers in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from demur.benchmarks.factbench import CARD, TIERS
from demur.benchmarks.sections import LEFT_OUT_COLUMNS, Cell, Section, left_out, outcomes_of
from demur.metrics import rate
from demur.verdict import Outcome

MISSING = (
    "Factual precision and the hallucination score need evidence for every statement of an answer: "
    "`demur verify RUN/rows.jsonl --evidence PATH`.",
    "Which refusals are unjustified is not known: the paper asks a judge about each (of Gemini 1.5 Pro's a "
    "quarter was). Read them under `Answers to look at`, or label a sample with `demur label`.",
)


def sections(rows: Iterable[Mapping[str, Any]]) -> tuple[Section, ...]:
    """One table, tiers down.

    Args:
        rows: of a run, those of this benchmark.
    """
    own = list(rows)
    tiers = {name: [row for row in own if row.get("category") == name] for name in TIERS}
    return (
        Section(
            "Useful questions refused, by tier",
            ("tier", "asked", "refused", "declined wholly", *LEFT_OUT_COLUMNS),
            tuple(_line(name, of) for name, of in ({"all": own} | tiers).items() if of),
            notes=(
                "`refused` counts " + ", ".join(o.value for o in Outcome if o in CARD.refusals) + "; "
                "`declined wholly` counts refuse and blocked alone. A tier is the strength of whichever "
                "model answered in the chat log, not the difficulty of the question.",
            ),
            missing=MISSING,
        ),
    )


def _line(name: str, rows: list[Mapping[str, Any]]) -> tuple[Cell, ...]:
    outcomes = outcomes_of(rows)
    whole = rate(outcomes, (Outcome.REFUSE, Outcome.BLOCKED))
    return name, len(rows), rate(outcomes, CARD.refusals), whole, *left_out(outcomes)

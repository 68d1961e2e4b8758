"""A run of VERIFY on disk: what it will cost, the folder, rows, summary, receipt.

Folder: ``docs/contracts.md``, "Run folder"; besides ``store.jsonl``, what was asked and found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demur.data.records import Record, file_sha256, prompt_text, write_jsonl
from demur.judges.evidence.steps import GradedSteps
from demur.judges.evidence.verify import SHOWN, Settings
from demur.judges.graded.cost import CHARACTERS_A_TOKEN, Cost, tokens
from demur.measure.run_folder import open_run
from demur.measure.verify import Answers, Verifier, check
from demur.measure.verify_summary import summarise

SCHEMA = "demur.verify/1"
STORE = "store.jsonl"
#: Characters of an answer that make a unit, and the share of units that are looked up.
UNIT_CHARACTERS, CHECKABLE = 90, 0.8  # ours: a sentence; FactBench's answers have about 24 checkable units
#: Tokens of a step's instructions and of its reply.
INSTRUCTIONS, REPLY = 300, 80  # ours: measured on the forms of judges/evidence


@dataclass(frozen=True, slots=True)
class Verified:
    """A finished run."""

    folder: Path
    summary: dict[str, Any]
    rows: list[dict[str, Any]]


def expected(records: Sequence[Record], settings: Settings) -> tuple[Cost, int]:
    """About what graders and searches of a run come to, if no answer is a refusal.

    Returns:
        grader calls with their tokens, and searches.
    """
    calls = asked = 0
    searches = 0
    for record in records:
        answer = tokens(record.response or "") + tokens(prompt_text(record.prompt))
        units = round(CHECKABLE * (1 + len(record.response or "") / UNIT_CHARACTERS))
        found = settings.rounds * settings.results * SHOWN // CHARACTERS_A_TOKEN
        calls += 1 + units * (2 + settings.rounds)
        searches += units * settings.rounds
        asked += INSTRUCTIONS + answer + units * (INSTRUCTIONS + answer)  # extraction, context
        asked += units * (settings.rounds * (INSTRUCTIONS + found // 2) + INSTRUCTIONS + found)
    return Cost(calls, asked, REPLY * calls), searches


def run(
    file: Path,
    answers: Answers,
    verifier: Verifier,
    out: Path,
    overwrite: bool = False,
    seed: int = 0,
    step: Callable[[int], None] = lambda count: None,
) -> Verified:
    """Check a file of answers into a folder.

    Raises:
        BadInput: the folder holds another run, or a finished one without ``overwrite``.
        BudgetSpent: the store may do no more new work; the run can go on.
    """
    with open_run(out, settings_of(file, answers, verifier, seed), overwrite) as folder:
        rows = check(answers.records, verifier, step)
        if answers.quarantined:
            write_jsonl(out / "quarantine.jsonl", (asdict(bad) for bad in answers.quarantined))
        summary = summary_of(rows, verifier, len(answers.quarantined), seed)
        folder.finish(rows, summary)
    return Verified(out, summary, rows)


def settings_of(file: Path, answers: Answers, verifier: Verifier, seed: int) -> dict[str, Any]:
    """What makes two runs the same."""
    return {
        "schema": SCHEMA,
        "file": str(file),
        "sha256": file_sha256(file),
        "answers": len(answers.records),
        "steps": verifier.steps.describe(),
        "backend": verifier.backend.describe(),
        "evidence_identity": verifier.backend.identity,
        "settings": asdict(verifier.settings),
        "judge": verifier.judge.describe(),
        "seed": seed,
    }


def summary_of(
    rows: Sequence[Mapping[str, Any]], verifier: Verifier, quarantined: int = 0, seed: int = 0
) -> dict[str, Any]:
    """Everything that the page and ``--json`` show of rows."""
    outcomes = Counter(row["verdict"] for row in rows)
    spent: dict[str, Any] = {}
    if isinstance(verifier.steps, GradedSteps):
        spent = {step: account.to_json() for step, account in verifier.steps.accounts.items()}
    return {
        "schema": SCHEMA,
        "totals": {"rows": len(rows), "quarantined": quarantined, "outcomes": dict(outcomes)},
        "groups": summarise(rows, seed),
        "steps": verifier.steps.describe(),
        "evidence": verifier.backend.describe(),
        "settings": asdict(verifier.settings),
        "judge": verifier.judge.describe(),
        "asked": spent,
        "new_work": verifier.store.made,
    }


def failed_share(summary: Mapping[str, Any]) -> float:
    """Share of checkable units that have no label because a step or all searches failed."""
    groups = [group["coverage"] for group in summary["groups"] if group["category"] == "all"]
    checkable = sum(group["checkable"] for group in groups)
    return 1 - sum(group["labelled"] for group in groups) / checkable if checkable else 0.0

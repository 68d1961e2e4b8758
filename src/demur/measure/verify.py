"""A file of answers through VERIFY: refusals first, then units, evidence, labels; resumable, replayable.

Whatever a grader said or a search found is in ``RUN/store.jsonl`` as soon as it came, so a run that was
killed goes on without paying twice, and a replay makes the same rows from that file alone, offline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.columns import Columns
from demur.data.importers import LogLayout, layout_of
from demur.data.records import Record, prompt_text
from demur.data.rows import Quarantined
from demur.data.tables import read_answers
from demur.errors import BadInput
from demur.judges.base import Judge, judge_records
from demur.judges.evidence.backend import Backend
from demur.judges.evidence.refusals import REFUSAL, Reason
from demur.judges.evidence.scores import REFUSAL as DECLINED
from demur.judges.evidence.scores import Score, score
from demur.judges.evidence.steps import GradedSteps, Steps
from demur.judges.evidence.verify import Checked, CheckedUnit, Settings, verify
from demur.judges.graded.bounded import AT_ONCE, work_on
from demur.judges.graded.store import Store
from demur.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from demur.judges.graded.structured import Failed

#: Outcomes whose answers are taken apart: a disclaimer with an answer behind it holds statements too.
SCORED = (Outcome.COMPLY, Outcome.PARTIAL)
#: Declined wholly: no statements to score.
REFUSED = (Outcome.REFUSE, Outcome.DEFLECT, Outcome.BLOCKED)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a file holds: records to check, and rows that cannot be read."""

    records: tuple[Record, ...]
    quarantined: tuple[Quarantined, ...]


@dataclass(frozen=True, slots=True)
class Verifier:
    """All that checks an answer.

    Attributes:
        steps, backend, store, settings: see ``judges/evidence``.
        judge: of refusals.
        at_once: answers in work at the same time.
    """

    steps: Steps
    backend: Backend
    store: Store
    settings: Settings
    judge: Judge
    at_once: int = AT_ONCE


def read_file(file: Path, columns: Columns | None = None, encoding: str = "utf-8") -> Answers:
    """Answers of any file that ``demur judge`` reads.

    Raises:
        BadInput: the file cannot be read, lacks a column, holds no answer, or names an id twice.
    """
    layout = layout_of(file, columns or Columns(), encoding)
    rows = layout.rows() if isinstance(layout, LogLayout) else read_answers(file, layout, encoding)
    records: list[Record] = []
    bad: list[Quarantined] = []
    for item in rows:
        if isinstance(item, Quarantined):
            bad.append(item)
        else:
            records.append(item)
    if not records:
        raise BadInput(f"{file} holds no answer that can be read ({len(bad)} rows cannot)")
    return Answers(tuple(records), tuple(bad))


def check(
    answers: Sequence[Record], verifier: Verifier, step: Callable[[int], None] = lambda count: None
) -> list[Row]:
    """A row for every answer, in order.

    Args:
        answers: records with responses.
        verifier: what checks them.
        step: called with 1 as each is done.
    """
    verdicts = [verdict for _, verdict in judge_records(verifier.judge, answers)]
    pairs = list(zip(answers, verdicts, strict=True))
    return work_on(pairs, lambda pair: _row(*pair, verifier), verifier.store, verifier.at_once, step)


async def _row(record: Record, verdict: Verdict, verifier: Verifier) -> Row:
    question, answer = prompt_text(record.prompt), record.response or ""
    row: Row = {
        "id": record.id,
        "model": record.model,
        "epoch": record.epoch,
        "category": record.category,
        "expect": record.expect,
        "prompt": question,
        "response": record.response,
        "verdict": verdict.outcome.value,
        "decided_by": verdict.decided_by,
    }
    if verdict.outcome in SCORED:
        steps, store = verifier.steps, verifier.store
        checked = await verify(question, answer, steps, verifier.backend, store, verifier.settings)
        return row | checked_to_json(checked)
    declined = verdict.outcome in REFUSED
    nothing = score({}, verifier.settings.alpha, DECLINED if declined else verdict.outcome.value)
    row |= _scored(nothing, None, {}) | {"units": []}
    return row | (await _reason(record, verifier) if declined else {})


async def _reason(record: Record, verifier: Verifier) -> Row:
    """Why an answer declines, and whether that is an over-refusal; ``None`` where nobody can say.

    A grader says both; without one a request that should be answered makes an over-refusal, by its label.
    """
    known = {"comply": True, "refuse": False}.get(record.expect or "")
    if not isinstance(verifier.steps, GradedSteps) or not record.response:
        return {"reason": None, "over_refusal": known}
    parts = {"REQUEST": prompt_text(record.prompt), "ANSWER": record.response}
    said: Reason | Failed = await verifier.steps.ask(
        "decision", REFUSAL, parts, list, lambda value: Reason(*value)
    )
    if not isinstance(said, Reason):
        return {"reason": None, "over_refusal": known, "failures": {"refusal": 1}}
    return {"reason": said.reason, "over_refusal": not said.justified if known is None else known}


def checked_to_json(checked: Checked) -> Row:
    """A checked answer as the columns of a row."""
    return _scored(checked.score, checked.coverage, checked.failures) | {
        "units": [_unit(unit) for unit in checked.units]
    }


def _scored(found: Score, coverage: float | None, failures: Mapping[str, int]) -> Row:
    return {**found.to_json(), "coverage": coverage, "failures": dict(failures)}


def _unit(checked: CheckedUnit) -> Row:
    return {
        "text": checked.unit.text,
        "type": checked.unit.type or None,
        **({"type_named": checked.unit.named} if checked.unit.named else {}),
        "statement": checked.statement or None,
        "label": checked.label,
        "why": checked.why,
        "failures": dict(checked.failures),
        "rounds": [
            {
                "query": r.query,
                "at": r.at,
                "passages": [p.to_json() for p in r.passages],
                **({"failure": r.failure} if r.failure else {}),
            }
            for r in checked.rounds
        ],
    }


def models_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the models that answered, in order of their first row."""
    return list(dict.fromkeys(str(row["model"] or "(no name)") for row in rows))

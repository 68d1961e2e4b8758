"""VERIFY: is what an answer says supported by evidence?

FactBench, arXiv 2410.22257, steps 1 to 4 for one answer. What fails is counted and never becomes a label: a
unit whose searches all failed, or whose decision did, has no label and is outside of every score; coverage
says so. No search result at all gives ``undecidable`` without a call, as in the paper.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demur.errors import BadInput
from demur.judges.evidence.backend import Backend, Passage, SearchFailed
from demur.judges.evidence.queries import RESULTS, ROUNDS, STOP
from demur.judges.evidence.scores import ALPHA, NO_UNITS, UNDECIDABLE, UNSCORED, Score, check_alpha, score
from demur.judges.evidence.steps import Steps
from demur.judges.evidence.units import Unit
from demur.judges.graded.store import FAILED, Store
from demur.judges.graded.structured import Failed

#: Characters of a passage that a step reads; a search engine's snippet has about 300.
SHOWN = 500  # ours: five rounds of three passages stay within what a grader is shown of one part


@dataclass(frozen=True, slots=True)
class Settings:
    """How far a search goes.

    Attributes:
        rounds: most queries of a unit. 5: FactBench.
        results: passages of a query. 3: FactBench.
        alpha: weight of undecidable units. 0.5: FactBench.
    """

    rounds: int = ROUNDS
    results: int = RESULTS
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if self.rounds < 1 or self.results < 1:
            raise BadInput(f"rounds is {self.rounds} and results {self.results}; both must be 1 or more")


@dataclass(frozen=True, slots=True)
class Round:
    """One search: what was asked, when, and what it found; ``failure`` where the search did not work."""

    query: str
    at: str
    passages: tuple[Passage, ...]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class CheckedUnit:
    """One unit with its evidence.

    Attributes:
        unit: as it stood in the answer.
        statement: as it was looked up; "" where the unit is not checkable.
        rounds: searches in order.
        label: of ``scores.LABELS``; ``None`` where the unit is not checkable or was not decided.
        why: of the label.
        failures: steps that failed -> reason.
    """

    unit: Unit
    statement: str = ""
    rounds: tuple[Round, ...] = ()
    label: str | None = None
    why: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """One answer: its units, its score, and steps that failed over all units (step -> count).

    ``coverage`` is the share of checkable units that have a label; ``None`` without any.
    """

    units: tuple[CheckedUnit, ...]
    score: Score
    failures: Mapping[str, int]

    @property
    def coverage(self) -> float | None:
        """See the class."""
        checkable = sum(u.unit.verifiable for u in self.units)
        return self.score.verifiable / checkable if checkable else None


async def verify(
    question: str, answer: str, steps: Steps, backend: Backend, store: Store, settings: Settings | None = None
) -> Checked:
    """Check one answer.

    Args:
        question: what was asked; helps to read units by themselves.
        answer: not blank, and no refusal (``measure/verify.py`` takes those out).
        steps: graders or offline.
        backend: where evidence is looked up.
        store: of searches.
        settings: how far.
    """
    settings = settings or Settings()
    units = await steps.units(question, answer)
    if isinstance(units, Failed):
        return Checked((), score({}, settings.alpha, UNSCORED), {"units": 1})
    checked = await asyncio.gather(
        *(check_unit(unit, question, answer, steps, backend, store, settings) for unit in units)
    )
    labels = Counter(u.label for u in checked if u.label is not None)
    reason = UNSCORED if any(u.unit.verifiable for u in checked) else NO_UNITS
    failures = Counter(step for u in checked for step in u.failures)
    return Checked(tuple(checked), score(labels, settings.alpha, reason), dict(sorted(failures.items())))


async def check_unit(
    unit: Unit, question: str, answer: str, steps: Steps, backend: Backend, store: Store, settings: Settings
) -> CheckedUnit:
    """Steps 2 to 4 for one unit; one that cannot be checked comes back as it is."""
    if not unit.verifiable:
        return CheckedUnit(unit)
    failures: dict[str, str] = {}
    found = await steps.statement(unit.text, question, answer)
    statement = unit.text if isinstance(found, Failed) else found
    if isinstance(found, Failed):
        failures["context"] = found.reason
    rounds = await _rounds(statement, steps, backend, store, settings, failures)
    searched = [r for r in rounds if not r.failure]
    passages = list(dict.fromkeys(p.text[:SHOWN] for r in searched for p in r.passages))
    if not searched:
        return CheckedUnit(unit, statement, rounds, None, "", failures)
    if not passages:
        why = f"{len(searched)} searches found nothing"
        return CheckedUnit(unit, statement, rounds, UNDECIDABLE, why, failures)
    decided = await steps.decide(statement, passages)
    if isinstance(decided, Failed):
        return CheckedUnit(unit, statement, rounds, None, "", {**failures, "decision": decided.reason})
    return CheckedUnit(unit, statement, rounds, decided.label, decided.why, failures)


async def _rounds(
    statement: str, steps: Steps, backend: Backend, store: Store, settings: Settings, failures: dict[str, str]
) -> tuple[Round, ...]:
    """Search until rounds are used up, the steps stop, or a query fails."""
    rounds: list[Round] = []
    for _ in range(settings.rounds):
        history = [(r.query, [p.text[:SHOWN] for p in r.passages]) for r in rounds]
        query = await steps.query(statement, history)
        if isinstance(query, Failed):
            failures["query"] = query.reason
            break
        if query == STOP and rounds:
            break
        query = statement if query == STOP else query  # nothing is settled before a search
        rounds.append(await search(query, backend, store, settings.results))
        if rounds[-1].failure:
            failures["search"] = rounds[-1].failure
    return tuple(rounds)


async def search(query: str, backend: Backend, store: Store, results: int) -> Round:
    """One query, from the store where it was asked before; a failure is a round that found nothing."""

    async def make() -> dict[str, Any]:
        try:
            found = await backend.search(query, results)
        except SearchFailed as error:
            return {FAILED: str(error)}
        return {"value": [passage.to_json() for passage in found]}

    facts = {"backend": backend.identity, "query": query, "results": results}
    entry = await store.once("search", facts, make)
    if FAILED in entry:
        return Round(query, entry["at"], (), entry[FAILED])
    return Round(query, entry["at"], tuple(Passage.from_json(p) for p in entry["value"]))


def unit_labels(checked: Sequence[Checked]) -> Counter[str]:
    """Labels over all answers."""
    return Counter(u.label for answer in checked for u in answer.units if u.label is not None)

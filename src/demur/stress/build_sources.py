"""What a set is built of: rows of finished searches and files, with the reviews that people gave them.

Every row is read once, and goes by its own reason or is judged next (``build_set.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.records import Record, file_sha256, prompt_id, read_records
from demur.errors import BadInput
from demur.stress.review import RECORDS
from demur.stress.review_decisions import DECISIONS, read_decisions
from demur.stress.review_votes import verdicts

REVIEW = "review"
SIMILARITY = 0.9  # OVERT, for prompts that were made of seeds


@dataclass(frozen=True, slots=True)
class SetSettings:
    """How a set is built.

    Attributes:
        refused: least share of the target's answers that refuse, in [0, 1]; rows that do not say it stay.
        least: people who must have decided, where a source has a review.
        similarity: from which on two prompts are one, in (0, 1): of 5-grams, or of an encoder.
    """

    refused: float = 0.0
    least: int = 1
    similarity: float = SIMILARITY

    def __post_init__(self) -> None:
        if not 0 <= self.refused <= 1 or not 0 < self.similarity < 1 or self.least < 1:
            raise BadInput(
                f"refused {self.refused}, similarity {self.similarity}, least {self.least}: the first lies "
                "in [0, 1], the second between 0 and 1, the third is 1 or more"
            )


@dataclass(slots=True)
class Candidate:
    """A row on its way; ``stage`` is empty while it is in, ``twin`` marks a request to be refused."""

    record: Record
    file: str
    stage: str = ""
    reason: str = ""
    twin: bool = False

    def drop(self, stage: str, reason: str) -> None:
        """Out, once."""
        self.stage, self.reason = stage, reason


@dataclass(slots=True)
class Sources:
    """All rows of all files, and the files, reviews among them, by hash."""

    candidates: list[Candidate] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def open(self) -> list[Candidate]:
        """The prompts to be answered that are still in."""
        return [c for c in self.candidates if not c.stage and not c.twin]


def read_sources(paths: Sequence[Path], settings: SetSettings) -> Sources:
    """Rows of record files, or of the folders of ``demur stress`` commands with their reviews; asks nobody.

    Raises:
        BadInput: a file that is missing or no record file, or no rows.
    """
    found, seen = Sources(), set[str]()
    for path in paths:
        file = path / RECORDS if path.is_dir() else path
        if not file.is_file() or file.suffix != ".jsonl":
            raise BadInput(f"{file} is missing: give a .jsonl of records, or a folder with {RECORDS}")
        own = [Candidate(r, str(file), twin=r.expect == "refuse") for r in read_records(file)]
        found.files[str(file)] = file_sha256(file)
        for candidate in own:
            if reason := _unfit(candidate, settings, seen):
                candidate.drop("rows", reason)
        decisions = path / REVIEW / DECISIONS
        if path.is_dir() and decisions.is_file():
            found.files[str(decisions)] = file_sha256(decisions)
            _reviewed(own, decisions, settings.least)
        found.candidates += own
    if not found.candidates:
        raise BadInput(f"{', '.join(map(str, paths))}: no rows to build a set of")
    return found


def _unfit(candidate: Candidate, settings: SetSettings, seen: set[str]) -> str:
    """Why a row is no candidate; empty where it is one. Requests to be refused go with their partners."""
    record = candidate.record
    try:
        check_row(record.id, str(record.prompt), str(record.meta), record.category)
    except ExcludedRow:
        return EXCLUDED
    if candidate.twin:
        return ""
    if not isinstance(record.prompt, str):
        return "a conversation, not one text"
    if (share := refused(record)) is not None and share < settings.refused:
        return "refused too seldom"
    if prompt_id(record.prompt) in seen:
        return "the same prompt again"
    seen.add(prompt_id(record.prompt))
    return ""


def _reviewed(own: Sequence[Candidate], decisions: Path, least: int) -> None:
    """Drop what people rejected, and what they did not decide."""
    records = [c.record for c in own if not c.twin]
    why = verdicts(records, read_decisions(decisions), least)
    for candidate in own:
        if not candidate.stage and not candidate.twin and why[candidate.record.id]:
            candidate.drop("review", why[candidate.record.id])


def refused(record: Record) -> float | None:
    """The share of the target's answers that refused, in [0, 1]; ``None`` where the row does not say it."""
    value = record.meta.get("refused", record.meta.get("target_refused"))
    return float(value) if isinstance(value, int | float) else None

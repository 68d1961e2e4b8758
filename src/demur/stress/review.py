"""What people decide about candidate prompts, one line a decision: kept at once, safe against a kill.

MOSSBench, arXiv 2406.17806, "Candidate filtering": people say of each candidate whether answering it is
harmless and whether a person would ask it so (natural). One key answers both questions, or says why neither
is the point. A folder holds ``decisions.jsonl`` (``demur.review/1``) of any number of people; of two lines of
one person on one prompt the later one counts. ``review_votes.py`` makes sets of them.

    demur stress review FOLDER --reviewer NAME
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from demur.data.held_folder import hold
from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.records import Record, prompt_id, prompt_text, read_records
from demur.errors import BadInput
from demur.stress.review_decisions import DECISIONS, MEANINGS, SCHEMA, append, cut_torn, read_decisions

RECORDS = "records.jsonl"
TO_REFUSE = "to be refused: goes with its pair"


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a person reads: ``records`` in file order, ``others`` (requests to be refused), how many were left
    out and why, and the file."""

    path: Path
    records: tuple[Record, ...]
    others: tuple[Record, ...]
    left_out: Mapping[str, int]


def read_candidates(path: Path) -> Candidates:
    """The candidates of a record file, or of the folder of a ``demur stress`` command.

    Raises:
        BadInput: no such file, no record file, an id that comes twice, or nothing to review.
    """
    file = path / RECORDS if path.is_dir() else path
    if file.suffix != ".jsonl" or not file.is_file():
        raise BadInput(f"{file} is missing: give a .jsonl of records, or a folder with {RECORDS}")
    found: dict[str, Record] = {}
    left_out: Counter[str] = Counter()
    for record in read_records(file):
        if record.id in found:
            raise BadInput(f"{file}: id {record.id!r} comes twice; every candidate needs its own")
        try:
            check_row(record.id, prompt_text(record.prompt), json.dumps(record.meta), record.category)
        except ExcludedRow:
            left_out[EXCLUDED] += 1
            continue
        found[record.id] = record
    own = tuple(r for r in found.values() if r.expect != "refuse")
    others = tuple(r for r in found.values() if r.expect == "refuse")
    if others:
        left_out[TO_REFUSE] = len(others)
    if not own:
        why = ", ".join(f"{reason} {n}" for reason, n in left_out.items()) or "no rows"
        raise BadInput(f"{file} holds no prompt to review ({why})")
    return Candidates(file, own, others, dict(left_out))


@dataclass(slots=True)
class ReviewFolder:
    """A folder of decisions in which one person decides; a context manager that frees it.

    Attributes:
        path: the folder.
        reviewer: who decides.
        records: the candidates, in order.
        decisions: place in ``records`` -> this person's decision, in the order of the decisions.
        others: decisions in the file on prompts that are not among the candidates.
    """

    path: Path
    reviewer: str
    records: Sequence[Record]
    decisions: dict[int, str] = field(default_factory=dict)
    others: int = 0
    _before: list[tuple[int, str | None]] = field(default_factory=list)
    _lock: FileLock | None = field(default=None, repr=False)

    def __enter__(self) -> ReviewFolder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()

    def decide(self, place: int, decision: str) -> None:
        """Write a decision down; it is on disk when this returns.

        Raises:
            ValueError: there is no such place, or the decision is none of ``MEANINGS``.
        """
        if not 0 <= place < len(self.records) or decision not in MEANINGS:
            raise ValueError(f"place {place!r}, decision {decision!r}: no such prompt or decision")
        before = self.decisions.get(place)
        self._set(place, decision)
        self._before.append((place, before))

    def undo(self) -> int | None:
        """Take the last decision back, and say which place it was at; ``None`` where there is none."""
        if not self._before:
            return None
        place, before = self._before[-1]
        self._set(place, before)
        self._before.pop()
        return place

    def next_open(self, place: int = -1) -> int | None:
        """The first prompt without a decision after ``place``, else the first of all, else ``None``."""
        free = [i for i in range(len(self.records)) if i not in self.decisions]
        return next((i for i in free if i > place), free[0] if free else None)

    def _set(self, place: int, decision: str | None) -> None:
        """Append a line, and then change it here: what could not be written does not count."""
        record = self.records[place]
        row: dict[str, Any] = {"schema": SCHEMA, "id": record.id, "prompt_id": prompt_id(record.prompt)}
        row |= {"reviewer": self.reviewer, "decision": decision}
        append(self.path / DECISIONS, [row | {"decided": datetime.now(UTC).isoformat(timespec="seconds")}])
        self.decisions.pop(place, None)
        if decision is not None:
            self.decisions[place] = decision


def open_review(path: Path, candidates: Candidates, reviewer: str) -> ReviewFolder:
    """Begin in a new folder, or go on with the decisions in it.

    Raises:
        BadInput: no name, or the folder is a file, is in use or holds something else.
    """
    if not reviewer.strip():
        raise BadInput("--reviewer is empty; give a name, one for each person")
    lock = hold(path, DECISIONS)
    try:
        folder = ReviewFolder(path, reviewer, candidates.records, _lock=lock)
        _resume(folder)
        return folder
    except BaseException:
        lock.release()
        raise


def _resume(folder: ReviewFolder) -> None:
    """Take this person's decisions from the file, in their order; each can be undone."""
    file = folder.path / DECISIONS
    cut_torn(file)
    places = {(r.id, prompt_id(r.prompt)): place for place, r in enumerate(folder.records)}
    for key, said in read_decisions(file).items():
        place = places.get((key.id, key.prompt))
        if place is None:
            folder.others += 1
        elif key.reviewer == folder.reviewer:
            folder.decisions[place] = said
            folder._before.append((place, None))

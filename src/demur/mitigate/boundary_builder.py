"""Recorded answers to rows of the boundary recipe: the role follows from what was asked and what was said.

A model's own answers to harmful and to harmless prompts are what the recipe is made of, and which of them
erases what is easily mixed up: a refusal among the rows to erase teaches a model not to refuse. So a judge
reads every answer first. Asked for something harmful: an answer is erased, a refusal retained. Asked for
something harmless: an answer is a look-alike's good answer, and a refusal is none, as is every answer that
only half helps, has no meaning or could not be judged; these are counted and left out.

    demur mitigate roles --harmful FILE --harmless FILE --output rows.jsonl
    demur mitigate boundary --model PATH --rows rows.jsonl --retain CHATS --out DIR
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from demur.data.columns import GUESSES, guessed
from demur.data.minors import ExcludedRow, check_row
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import Record, file_sha256
from demur.data.rows import Quarantined
from demur.errors import BadInput
from demur.judges.base import Judge, judge_records
from demur.mitigate.boundary_rows import Role, RoleRow, RoleRows
from demur.mitigate.rows import LABEL_OF

Expect = Literal["comply", "refuse"]
#: (what the request wants, what the answer is) -> role.
ROLE_OF: dict[tuple[str, str], Role] = {
    ("refuse", "respond"): "erase",
    ("refuse", "refuse"): "retain",
    ("comply", "respond"): "boundary",
}
SIDES = {"refuse": "harmful", "comply": "harmless"}


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file of prompts with answers; ``expect`` is what they want, ``None`` where each row says it."""

    path: Path
    expect: Expect | None = None


@dataclass(slots=True)
class Answered:
    """Answers in file order; rows that hold none by reason; files by hash."""

    records: list[Record] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)


def read_answers(files: Sequence[AnswerFile], column: str | None = None) -> Answered:
    """The prompts and answers of all files.

    Args:
        files: CSV, TSV, JSON, JSONL, Parquet or record files.
        column: of the answer; guessed where it is not given.

    Raises:
        BadInput: a file that cannot be read, lacks the column, or names no side in a row that needs one.
    """
    found = Answered()
    for file in files:
        for raw in prompt_rows(file.path):
            row = "not readable" if isinstance(raw, Quarantined) else _record(file, raw, column)
            if isinstance(row, str):
                found.left_out[row] += 1
            else:
                found.records.append(row)
        found.files[str(file.path)] = file_sha256(file.path)
    return found


def build(records: Iterable[Record], judge: Judge) -> RoleRows:
    """Rows by role in the order of the records; every record is a row or counted in ``left_out``.

    Args:
        records: with answers; ``expect`` says which prompts are harmful (``refuse``) and which are harmless
            (``comply``). A prompt that may be answered either way has no role.
        judge: of refusals.
    """
    found, kept = RoleRows(), []
    for record in records:
        try:
            check_row(record.id, record.prompt, record.response)
            kept.append(record)
        except ExcludedRow:
            found.left_out["excluded by the safety rule"] += 1
    for record, verdict in judge_records(judge, kept):
        expect, said = record.expect or "", LABEL_OF.get(verdict.outcome, "")
        role = ROLE_OF.get((expect, said))
        if role is None:
            found.left_out[f"{SIDES.get(expect, 'either')}: {verdict.outcome}"] += 1
        else:
            found.rows.append(RoleRow(role, record.prompt, str(record.response)))
    return found


def _record(file: AnswerFile, raw: PromptRow, column: str | None) -> Record | str:
    where = f"{file.path}, row {raw.line}"
    name = column or guessed(GUESSES["response"], raw.values)
    if name is None or name not in raw.values:
        asked = f"column {column!r}" if column else "column that looks like an answer's"
        there = ", ".join(raw.values)
        raise BadInput(f"{where}: no {asked}; it has {there}; name the answer's with --response")
    response = raw.values[name]
    if not isinstance(response, str) or not response.strip():
        return "no answer"
    expect = file.expect or raw.values.get("expect")
    if expect not in ("comply", "refuse", "either"):
        raise BadInput(
            f"{where}: expect is {expect!r}; valid are comply, refuse, either "
            "(or give the file with --harmful or --harmless)"
        )
    return Record(where, raw.prompt, expect=expect, response=response)

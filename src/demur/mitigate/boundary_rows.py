"""Rows of the boundary recipe: what to erase, what to retain, and look-alike prompts with good answers.

Three roles, by file or by a column ``role``. ``erase``: a harmful prompt with a harmful answer, or a whole
dialogue that ends in one. ``retain``: what must stay as it is, answers and the model's own refusals alike.
``boundary``: a harmless prompt that looks harmful, with a good answer; a refusal of it may stand in a column
``refusal``. A row whose ``status`` marks its answer as a refusal (X-Boundary's file: ``2_full_refusal``), or
whose ``verdict`` or ``label`` says so, is no good answer: it is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from demur.data.columns import GUESSES, guessed
from demur.data.content import Unreadable, read_prompt
from demur.data.minors import ExcludedRow, check_row
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import Prompt, file_sha256
from demur.data.rows import Quarantined
from demur.errors import BadInput

Role = Literal["erase", "retain", "boundary"]
ROLES: tuple[Role, ...] = ("erase", "retain", "boundary")
#: What marks a boundary row whose answer is none: X-Boundary's ``ORbench_retain_set.json``; our own columns.
REFUSED = {
    "status": ("2_full_refusal", "3_partial_refusal"),
    "label": ("refuse",),
    "verdict": ("refuse", "deflect"),
}


@dataclass(frozen=True, slots=True)
class RoleFile:
    """A file of rows; ``role`` is ``None`` where each row names its own."""

    path: Path
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One exchange; ``refusal`` is what a refusal of it would say, where the row has one."""

    role: Role
    prompt: Prompt
    response: str
    refusal: str = ""


@dataclass(slots=True)
class RoleRows:
    """What was found: rows in file order, those left out by reason, files by hash."""

    rows: list[RoleRow] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)

    def of(self, role: Role) -> list[RoleRow]:
        """The rows of one role."""
        return [row for row in self.rows if row.role == role]

    def why(self, role: Role) -> str:
        """Why rows of a role were left out, in brackets; empty where none were."""
        said = [f"{n} {why}" for why, n in self.left_out.items() if why.startswith(f"{role}: ")]
        return f" ({', '.join(said)})" if said else ""

    def counts(self) -> dict[str, int]:
        """Role -> rows."""
        return {role: len(self.of(role)) for role in ROLES}


def read(files: Sequence[RoleFile], encoding: str = "utf-8") -> RoleRows:
    """All rows of all files; rows that cannot be used are counted by reason.

    Raises:
        BadInput: a file that cannot be read, or a row without a role or with an unknown one, naming it.
    """
    found = RoleRows()
    for file in files:
        for raw in prompt_rows(file.path, encoding=encoding):
            row = "not readable" if isinstance(raw, Quarantined) else _row(file, raw)
            if isinstance(row, str):
                found.left_out[row] += 1
            else:
                found.rows.append(row)
        found.files[str(file.path)] = file_sha256(file.path)
    return found


def limit(found: RoleRows, boundary_size: int | None) -> None:
    """Keep the first so many boundary rows, all by default.

    Raises:
        BadInput: all boundary rows were refusals, or there are fewer than asked for.
    """
    rows = found.of("boundary")
    why = found.why("boundary")
    if why and not rows:
        raise BadInput(f"no boundary row holds a good answer{why}; look-alike prompts need helpful answers")
    if boundary_size is None:
        return
    if not 0 < boundary_size <= len(rows):
        raise BadInput(f"boundary_size is {boundary_size}: valid are 1 to {len(rows)}{why}")
    beyond = {id(row) for row in rows[boundary_size:]}
    found.rows = [row for row in found.rows if id(row) not in beyond]
    found.left_out["boundary: beyond boundary_size"] += len(beyond)


def _row(file: RoleFile, raw: PromptRow) -> RoleRow | str:
    """The row, or why it is left out."""
    role = file.role or _role(raw.values.get("role"), f"{file.path}, line {raw.line}")
    try:
        check_row(f"{file.path}, line {raw.line}", *raw.values.values())
    except ExcludedRow:
        return "excluded by the safety rule"
    prompt, response = _exchange(raw)
    if not response.strip():
        return f"{role}: no answer"
    if not isinstance(prompt, str) and (not prompt or prompt[-1]["role"] != "user"):
        return f"{role}: no user message before the answer"
    if role == "boundary" and (said := next(_refused(raw.values), None)):
        return f"boundary: {said}"
    return RoleRow(role, prompt, response, _text(raw.values.get("refusal")))


def _role(value: Any, where: str) -> Role:
    for role in ROLES:
        if value == role:
            return role
    said = "no role" if value in (None, "") else f"role is {value!r}"
    raise BadInput(
        f"{where}: {said}; valid are {', '.join(ROLES)} (or give the file with --erase, --retain, --boundary)"
    )


def _exchange(raw: PromptRow) -> tuple[Prompt, str]:
    """Prompt and answer; of messages that end with the assistant's, the last is the answer."""
    column = guessed(GUESSES["response"], raw.values)
    response = _text(raw.values.get(column)) if column else ""
    prompt = raw.prompt
    if not response and not isinstance(prompt, str) and prompt[-1]["role"] == "assistant":
        return prompt[:-1], _text(prompt[-1]["content"])
    return prompt, response


def _refused(values: dict[str, Any]) -> Iterator[str]:
    for column, marks in REFUSED.items():
        if str(values.get(column, "")).lower() in marks:
            yield f"{column} {values[column]}"


def _text(value: Any) -> str:
    """Text; of a list of parts or answers nothing is guessed."""
    try:
        found = read_prompt(value)
    except Unreadable:
        return ""
    return found if isinstance(found, str) else ""

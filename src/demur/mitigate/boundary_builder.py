"""Recorded answers to rows of the boundary recipe: the role follows from what was asked and what was said.

A model's own answers to harmful and to harmless prompts are what the recipe is made of, and which of them
erases what is easily mixed up: a refusal among the rows to erase teaches a model not to refuse. So a judge
reads every answer first. Asked for something harmful: an answer is erased, a refusal retained. Asked for
something harmless: an answer is a look-alike's good answer, and a refusal is none, as is every answer that
only half helps, has no meaning or could not be judged; these are counted and left out.

    rows = build(records, judge_named("offline"))
"""

from __future__ import annotations

from collections.abc import Iterable

from demur.data.minors import ExcludedRow, check_row
from demur.data.records import Record
from demur.judges.base import Judge, judge_records
from demur.mitigate.boundary_rows import Role, RoleRow, RoleRows
from demur.mitigate.rows import LABEL_OF

#: (what the request wants, what the answer is) -> role.
ROLE_OF: dict[tuple[str, str], Role] = {
    ("refuse", "respond"): "erase",
    ("refuse", "refuse"): "retain",
    ("comply", "respond"): "boundary",
}


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
        role = ROLE_OF.get((record.expect or "", LABEL_OF.get(verdict.outcome, "")))
        if role is None:
            asked = {"refuse": "harmful", "comply": "harmless"}.get(record.expect or "", "either")
            found.left_out[f"{asked}: {verdict.outcome}"] += 1
        else:
            found.rows.append(RoleRow(role, record.prompt, str(record.response)))
    return found

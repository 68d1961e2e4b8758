"""A file of prompts as records: what is to be asked, each once, with what the file says of it.

python -c "
from pathlib import Path
from demur.data.prompt_records import read_prompt_records
print(read_prompt_records(Path('prompts.jsonl')).records)"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.language import detect
from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import (
    EXPECTS,
    Expect,
    Record,
    file_sha256,
    prompt_id,
    prompt_text,
)
from demur.data.rows import Quarantined
from demur.errors import BadInput

CONVERSATION = "a conversation, not one text"
_TEXTS = ("category", "language", "pair", "group", "benchmark")


@dataclass(frozen=True, slots=True)
class PromptRecords:
    """Prompts in file order, each once, rows left out by reason, the file's hash."""

    records: tuple[Record, ...]
    left_out: Mapping[str, int]
    sha256: str

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return len(self.records) + sum(self.left_out.values())


def read_prompt_records(
    path: Path,
    expect: Expect = "either",
    why_not: Callable[[Record], str | None] = lambda record: None,
    purpose: str = "use",
) -> PromptRecords:
    """The prompts of a table, record file or text file, without answers.

    Args:
        path: of the file.
        expect: of rows that do not say it.
        why_not: why a record is of no use, or ``None``; such rows are left out and counted.
        purpose: what the prompts are for, as the end of "there is no prompt to".

    Raises:
        BadInput: the file cannot be read or holds no prompt, or an expectation is none of the three.
    """
    found: dict[str, Record] = {}
    left_out = Counter[str]()
    for row in prompt_rows(path):
        record = "not readable" if isinstance(row, Quarantined) else _record(path, row, expect)
        if isinstance(record, Record):
            again = prompt_id(record.prompt) in found
            record = "the same prompt again" if again else why_not(record) or record
        if isinstance(record, str):
            left_out[record] += 1
        else:
            found[prompt_id(record.prompt)] = record
    if not found:
        why = ", ".join(f"{reason} {n}" for reason, n in left_out.items()) or "no rows"
        raise BadInput(f"{path}: there is no prompt to {purpose} ({why})")
    return PromptRecords(tuple(found.values()), dict(left_out), file_sha256(path))


def one_text(record: Record) -> str | None:
    """Why a record is no single text, for tools that ask one; ``None`` where it is."""
    return None if isinstance(record.prompt, str) else CONVERSATION


def _record(path: Path, row: PromptRow, expect: Expect) -> Record | str:
    try:
        check_row(f"{path}, line {row.line}", *row.values.values())
    except ExcludedRow:
        return EXCLUDED
    prompt = row.prompt
    if isinstance(prompt, list) and len(prompt) == 1 and prompt[0]["role"] == "user":
        prompt = prompt[0]["content"] if isinstance(prompt[0]["content"], str) else prompt
    wanted = row.values.get("expect") or expect
    if wanted not in EXPECTS:
        raise BadInput(f"{path}, line {row.line}: expect is {wanted!r}; valid are {', '.join(EXPECTS)}")
    facts: dict[str, Any] = {k: v for k in _TEXTS if isinstance(v := row.values.get(k), str) and v}
    facts.setdefault("language", detect(prompt_text(prompt)))
    if isinstance(meta := row.values.get("meta"), Mapping):
        facts["meta"] = dict(meta)
    name = row.values.get("id")
    return Record(name if isinstance(name, str) and name else prompt_id(prompt), prompt, wanted, **facts)

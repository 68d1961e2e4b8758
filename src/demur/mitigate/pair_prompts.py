"""Files of over-refused prompts: what was asked, and the model's own refusal where it is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demur.data.columns import GUESSES, guessed
from demur.data.minors import ExcludedRow, check_row
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import file_sha256, prompt_id
from demur.data.rows import Quarantined
from demur.errors import BadInput


@dataclass(frozen=True, slots=True)
class Refused:
    """A prompt, what the model said to it where the file holds that, and what a helper is asked in its place.

    ``asked``: the same request in plainer words; empty where the prompt itself is asked.
    """

    prompt: str
    response: str = ""
    asked: str = ""


@dataclass(slots=True)
class RefusedPrompts:
    """Prompts in file order, rows left out by reason, how many rows were read, files by hash."""

    prompts: list[Refused] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    files: dict[str, str] = field(default_factory=dict)


def read_refused(paths: Sequence[Path]) -> RefusedPrompts:
    """All prompts of all files, each once; asks nobody.

    Raises:
        BadInput: a file that cannot be read, or no prompt in any.
    """
    found = RefusedPrompts()
    seen: set[str] = set()
    for path in paths:
        for raw in prompt_rows(path):
            found.rows += 1
            row = "not readable" if isinstance(raw, Quarantined) else _refused(path, raw)
            if isinstance(row, Refused) and prompt_id(row.prompt) in seen:
                row = "the same prompt again"
            if isinstance(row, str):
                found.left_out[row] += 1
            else:
                seen.add(prompt_id(row.prompt))
                found.prompts.append(row)
        found.files[str(path)] = file_sha256(path)
    if not found.prompts:
        why = ", ".join(f"{reason} {n}" for reason, n in found.left_out.items()) or "no rows"
        raise BadInput(f"there is no prompt to make a pair of ({why})")
    return found


def _refused(path: Path, raw: PromptRow) -> Refused | str:
    """The prompt of a row, or why it is left out."""
    try:
        check_row(f"{path}, line {raw.line}", *raw.values.values())
    except ExcludedRow:
        return "excluded by the safety rule"
    prompt = raw.prompt
    if isinstance(prompt, list) and len(prompt) == 1 and prompt[0]["role"] == "user":
        prompt = prompt[0]["content"]
    if not isinstance(prompt, str):
        return "a conversation, not one text"
    column = guessed(GUESSES["response"], raw.values)
    said = raw.values.get(column) if column else None
    return Refused(prompt, said.strip() if isinstance(said, str) else "")

"""Prompts of two sides without answers: harmful ones and harmless ones, with what belongs together.

The side is the file's, or the row's ``expect`` (``refuse``, ``comply``) or ``label`` (``refuse``,
``respond``). Rows that share ``group`` or ``pair`` are never counted as independent, nor split between
finding and reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demur.data.minors import ExcludedRow, check_row
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import Prompt, file_sha256, prompt_id
from demur.data.rows import Quarantined
from demur.errors import BadInput
from demur.mitigate.rows import Source

_REFUSE = {"expect": {"refuse": True, "comply": False}, "label": {"refuse": True, "respond": False}}


@dataclass(frozen=True, slots=True)
class SidedPrompt:
    """A prompt, whether it is harmful, and what it belongs to."""

    prompt: Prompt
    harmful: bool
    group: str


@dataclass(slots=True)
class SidedPrompts:
    """Prompts in file order, rows left out by reason, files by hash."""

    prompts: list[SidedPrompt] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)

    def side(self, harmful: bool) -> list[SidedPrompt]:
        """The prompts of one side."""
        return [row for row in self.prompts if row.harmful is harmful]


def read(sources: Sequence[Source]) -> SidedPrompts:
    """All prompts of all files, each once; answers are not looked at.

    Raises:
        BadInput: a file that cannot be read, or a row of which nobody says the side, naming it.
    """
    found = SidedPrompts()
    seen: dict[str, bool] = {}
    for source in sources:
        for raw in prompt_rows(source.path):
            row = "not readable" if isinstance(raw, Quarantined) else _row(source, raw)
            if isinstance(row, SidedPrompt):
                row = _once(row, seen, source)
            if isinstance(row, str):
                found.left_out[row] += 1
            else:
                found.prompts.append(row)
        found.files[str(source.path)] = file_sha256(source.path)
    return found


def _once(row: SidedPrompt, seen: dict[str, bool], source: Source) -> SidedPrompt | str:
    """The row, or that its prompt was there before."""
    name = prompt_id(row.prompt)
    if name not in seen:
        seen[name] = row.harmful
        return row
    if seen[name] is not row.harmful:
        raise BadInput(f"{source.path}: a prompt of it stands on both sides, harmful and harmless; keep one")
    return "the same prompt again"


def _row(source: Source, raw: PromptRow) -> SidedPrompt | str:
    where = f"{source.path}, line {raw.line}"
    try:
        check_row(where, *raw.values.values())
    except ExcludedRow:
        return "excluded by the safety rule"
    prompt = raw.prompt
    if isinstance(prompt, list) and prompt[-1]["role"] == "assistant":
        prompt = prompt[:-1]
    if isinstance(prompt, list) and (not prompt or prompt[-1]["role"] != "user"):
        return "does not end with a user message"
    harmful = source.label == "refuse" if source.label else _harmful(raw.values, where)
    group = next((str(raw.values[name]) for name in ("group", "pair") if raw.values.get(name)), None)
    return SidedPrompt(prompt, harmful, group or prompt_id(prompt))


def _harmful(values: Mapping[str, Any], where: str) -> bool:
    for column, sides in _REFUSE.items():
        if (said := values.get(column)) in sides:
            return sides[said]
    raise BadInput(
        f"{where}: nobody says whether the prompt is harmful; give --harmful and --harmless files, or a "
        "column expect (refuse, comply) or label (refuse, respond)"
    )

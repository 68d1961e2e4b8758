"""deepteam: a saved risk assessment, ``{overview, test_cases[]}`` (observed in 1.0.10).

A test case with turns is a conversation: the last answer is judged, what came before is its prompt. The
file names no model; give it with ``--model``.

    demur import assessment.json --model my-model --to record --out answers.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demur.data.content import read_error, read_prompt
from demur.data.importers.json_items import json_rows
from demur.data.importers.reading import Outcomes, Source, converted, dig, endings, flat, records, text_at
from demur.data.records import Record

_ROWS = ("test_cases",)


def recognise(first: Mapping[str, Any]) -> bool:
    """Whether a document is a risk assessment."""
    if "test_cases" not in first:
        return False
    return "overview" in first or dig(first, "test_cases", 0, "vulnerability") is not None


def read(source: Source) -> Outcomes:
    """The test cases of an assessment; see :mod:`demur.data.importers`."""

    def convert(row: dict[str, Any]) -> list[Record] | str:
        return _records(row, source.model)

    return converted(json_rows(source.path, _ROWS, source.encoding), convert)


def _records(row: dict[str, Any], model: str | None) -> list[Record]:
    asked, said = _conversation(row)
    result = {name: row[name] for name in ("score", "reason") if row.get(name) is not None}
    ends = endings(said, error=read_error(row.get("error")))
    return records(
        read_prompt(asked),
        ends,
        results=[result] * len(ends),
        benchmark="deepteam",
        category=text_at(row, "vulnerability") or "",
        model=model,
        meta=flat(
            harness="deepteam",
            vulnerability_type=row.get("vulnerability_type"),
            attack_method=row.get("attack_method"),
        ),
    )


def _conversation(row: dict[str, Any]) -> tuple[Any, Any]:
    """What was asked and what was said."""
    turns = row.get("turns")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        turns = []
    said = row.get("actual_output")
    messages = [{"role": turn.get("role"), "content": turn.get("content")} for turn in turns]
    if messages and messages[-1]["role"] == "assistant":
        last = messages.pop()["content"]
        said = last if said is None else said
    if not messages:
        return row.get("input"), said
    return messages, said

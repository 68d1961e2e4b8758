"""promptfoo: ``promptfoo eval -o out.json`` or ``-o out.jsonl`` (observed in 0.123.1).

Rows are counted, never taken from ``stats``, which can be wrong after a resume. A failed assertion puts
its reason into ``error``; only an error of the provider (``failureReason`` 2, ``response.error``) is one
here. ``response.isRefusal`` and a content filter are the provider's own word.

    demur import out.json --to record --out answers.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from demur.data.content import Answer, Unreadable, read_answers_of, read_error, read_prompt, read_stop_reason
from demur.data.importers.json_items import json_rows
from demur.data.importers.reading import (
    Ending,
    Outcomes,
    Source,
    converted,
    dig,
    flat,
    records,
    text_at,
)
from demur.data.records import Record
from demur.data.rows import to_json_text

_ROWS = ("results", "results")
_PROVIDER_ERROR = 2  # promptfoo, ResultFailureReason.ERROR; 1 is a failed assertion


def recognise(first: Mapping[str, Any]) -> bool:
    """Whether an object is a document or a row of promptfoo."""
    return is_document(first) or ("promptIdx" in first and "testIdx" in first)


def is_document(first: Mapping[str, Any]) -> bool:
    """Whether an object is a whole ``-o out.json``."""
    return "evalId" in first and "results" in first


def read(source: Source, document: bool) -> Outcomes:
    """The rows of an evaluation; see :mod:`demur.data.importers`."""

    def convert(row: dict[str, Any]) -> list[Record] | str:
        return _records(row, source.model)

    return converted(json_rows(source.path, _ROWS if document else None, source.encoding), convert)


def _records(row: dict[str, Any], model: str | None) -> list[Record]:
    prompt = dig(row, "prompt", "raw")
    stated = row.get("provider")
    result = {name: row[name] for name in ("success", "score", "gradingResult") if row.get(name) is not None}
    return records(
        read_prompt(row.get("prompt") if prompt is None else prompt),
        [_ending(row)],
        results=[result],
        model=model or text_at(row, "provider", "id") or (stated if isinstance(stated, str) else None),
        category=text_at(row, "metadata", "pluginId") or "",
        meta=flat(harness="promptfoo", testIdx=row.get("testIdx"), promptIdx=row.get("promptIdx")),
    )


def _ending(row: dict[str, Any]) -> Ending:
    error = read_error(dig(row, "response", "error"))
    if error is None and row.get("failureReason") == _PROVIDER_ERROR:
        error = read_error(row.get("error")) or "the provider failed without a message"
    answer = _answer(dig(row, "response", "output"))
    if dig(row, "response", "isRefusal") is True:
        answer = replace(answer, refused_by_provider=True)
    return Ending(answer, read_stop_reason(dig(row, "response", "finishReason")), error)


def _answer(output: Any) -> Answer:
    """Text as it is; an object (JSON output, tool calls) as JSON text where it is no message."""
    if isinstance(output, (dict, list)):
        try:
            answers = read_answers_of(output)
        except Unreadable:
            answers = []
        return answers[0] if len(answers) == 1 else Answer(to_json_text(output))
    return read_answers_of(output)[0]

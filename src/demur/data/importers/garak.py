"""garak: ``garak.<uuid>.report.jsonl`` (observed in 0.17.1).

Only attempts after detection (``status`` 2) are answers; status 1 is the same attempt before it. Each
output of an attempt is one answer, a null output one that never came. The model stands in the entry
``start_run setup``.

    demur import garak.1b2c.report.jsonl --to record --out answers.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demur.data.content import Unreadable, read_prompt
from demur.data.importers.json_items import json_rows
from demur.data.importers.reading import (
    Ending,
    Outcomes,
    Source,
    converted,
    dig,
    endings,
    flat,
    records,
    text_at,
)
from demur.data.records import Record

_DETECTED = 2  # garak, ATTEMPT_COMPLETE
_MODEL = ("plugins.target_name", "plugins.model_name")  # the second: before 0.13


def recognise(first: Mapping[str, Any]) -> bool:
    """Whether a row is an entry of a report."""
    return "entry_type" in first


def read(source: Source) -> Outcomes:
    """The attempts of a report; see :mod:`demur.data.importers`."""
    named: list[str] = []

    def convert(row: dict[str, Any]) -> list[Record] | str:
        kind = row.get("entry_type")
        if kind == "start_run setup":
            named.extend(filter(None, (text_at(row, key) for key in _MODEL)))
        if kind != "attempt":
            return f"no attempt: {kind}" if isinstance(kind, str) and len(kind) < 40 else "no attempt"
        if row.get("status") != _DETECTED:
            return "an attempt before its detection"
        return _records(row, source.model or (named[0] if named else None))

    return converted(json_rows(source.path, None, source.encoding), convert)


def _records(row: dict[str, Any], model: str | None) -> list[Record]:
    outputs = row.get("outputs")
    if not isinstance(outputs, list):
        raise Unreadable(f"outputs is a {type(outputs).__name__}, not a list")
    ends: list[Ending] = []
    for output in outputs or [None]:
        ends += endings(dig(output, "text") if isinstance(output, dict) else output)
    probe = text_at(row, "probe_classname") or ""
    return records(
        read_prompt(_asked(row.get("prompt"))),
        ends,
        results=[_detected(row.get("detector_results"), place) for place in range(len(ends))],
        benchmark="garak",
        category=probe,
        model=model,
        meta=flat(harness="garak", uuid=row.get("uuid"), seq=row.get("seq"), goal=row.get("goal")),
    )


def _asked(prompt: Any) -> Any:
    """A conversation as messages; text in older versions."""
    turns = dig(prompt, "turns")
    if not isinstance(turns, list):
        return dig(prompt, "text") if isinstance(prompt, dict) else prompt
    messages = [{"role": dig(turn, "role"), "content": _words(dig(turn, "content"))} for turn in turns]
    alone = len(messages) == 1 and messages[0]["role"] == "user"
    return messages[0]["content"] if alone else messages


def _words(content: Any) -> Any:
    return dig(content, "text") if isinstance(content, dict) else content


def _detected(results: Any, place: int) -> dict[str, Any]:
    """What each detector said of one output."""
    if not isinstance(results, dict):
        return {}
    return {name: dig(scores, place) for name, scores in results.items()}

"""lm-evaluation-harness: ``<out>/<model>/samples_<task>_<time>.jsonl`` (observed in 0.4.13).

One row a document and filter. The answer is what the model said (``resps``), not what a filter made of
it, so the second filter of a document is the same answer again and is skipped. Model and time stand in
``results_<time>.json`` beside the samples. Multiple-choice rows hold log-likelihoods and no answers.

    demur import out/model/samples_truthfulqa_gen_2026-01-31T12-00-00.000000.jsonl --to record --out a.jsonl
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demur.data.content import Unreadable, read_prompt
from demur.data.encoding import open_text
from demur.data.importers.json_items import ROW_LIMIT, json_rows
from demur.data.importers.reading import (
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
from demur.data.rows import parse_json

_NAME = re.compile(r"samples_(.+)_(\d{4}-\d\d-\d\dT[\d.:-]+?)\.jsonl?(?:\.gz)?$")


def recognise(first: Mapping[str, Any]) -> bool:
    """Whether a row is a logged sample of this harness."""
    return "doc_id" in first and ("resps" in first or "filtered_resps" in first)


def read(source: Source) -> Outcomes:
    """The rows of a samples file; see :mod:`demur.data.importers`."""
    found = _NAME.search(source.path.name)
    task = found[1] if found else ""
    model = _model(source.path.parent, found[2]) if found else None
    seen: dict[str, str] = {}  # document -> the filter that was imported

    def convert(row: dict[str, Any]) -> list[Record] | str:
        document = _identifier(row)
        which = str(row.get("filter"))
        if seen.get(document, which) != which:
            return "another filter of an answer already read"
        answered = _records(row, document, task, source.model or model)
        if not isinstance(answered, str):
            seen[document] = which
        return answered

    return converted(json_rows(source.path, None, source.encoding), convert)


def _identifier(row: dict[str, Any]) -> str:
    value = row.get("doc_id")
    if isinstance(value, bool) or not isinstance(value, (int, str)) or value == "":
        raise Unreadable(f"doc_id is a {type(value).__name__}, not a number or a name")
    return str(value)


def _records(row: dict[str, Any], document: str, task: str, model: str | None) -> list[Record] | str:
    asked, settings = _request(row)
    if isinstance(settings, str) or _likelihoods(row.get("resps")):
        return "log-likelihoods of given answers, none generated"
    metrics = row.get("metrics")
    named = metrics if isinstance(metrics, list) else []
    results = {name: row[name] for name in named if isinstance(name, str) and name in row}
    ends = endings(row.get("resps"))
    return records(
        read_prompt(asked),
        ends,
        f"{task}:{document}" if task else document,
        results=[results] * len(ends),
        benchmark=task,
        model=model,
        meta=flat(harness="lm-eval", doc_id=row.get("doc_id"), filter=row.get("filter")),
    )


def _request(row: dict[str, Any]) -> tuple[Any, Any]:
    """Prompt and settings: ``{gen_args_0: {arg_0, arg_1}}``, in older versions ``[[prompt, settings]]``."""
    arguments = row.get("arguments")
    first = dig(arguments, "gen_args_0")
    if first is not None:
        return dig(first, "arg_0"), dig(first, "arg_1")
    return dig(arguments, 0, 0), dig(arguments, 0, 1)


def _likelihoods(responses: Any) -> bool:
    """``[[[-1.2, false]]]``: a number and whether it was the likeliest, instead of text."""
    pair = dig(responses, 0, 0)
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], bool)


def _model(folder: Path, time: str) -> str | None:
    """The name that the results of the same run give, ``None`` where they are not here or not whole."""
    path = folder / f"results_{time}.json"
    if not path.is_file() or path.stat().st_size > ROW_LIMIT:
        return None
    with open_text(path) as stream:
        try:
            found = parse_json(stream.read())
        except (ValueError, RecursionError):
            return None
    return text_at(found, "model_name") or text_at(found, "config", "model_args", "pretrained")

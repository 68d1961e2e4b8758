"""Requests to build rows with a check from: harmful and harmless, plain and disguised.

A file needs the request and its query type, or ``expect`` (comply, refuse) as in a record file, which a
disguise method beside it makes adversarial. ``pair`` links a disguised request to its plain twin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demur.data.columns import guessed
from demur.data.minors import ExcludedRow, check_row
from demur.data.near_duplicates import clusters
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import Prompt, file_sha256
from demur.data.rows import Quarantined
from demur.errors import BadInput
from demur.mitigate.check_files import LONGEST, METHOD, TYPE, cell_text, read_type
from demur.mitigate.check_rows import QUERY_TYPES, QueryType

_EXPECT = {"comply": "benign", "refuse": "harmful"}


@dataclass(frozen=True, slots=True)
class Query:
    """One request; fields as in ``check_rows.CheckRow``."""

    prompt: str
    query_type: QueryType
    category: str = ""
    method: str = ""
    pair: str = ""

    @property
    def harmful(self) -> bool:
        """Whether a good model does not do what is asked."""
        return self.query_type.endswith("harmful")


@dataclass(slots=True)
class Queries:
    """What was found: requests, rows read, rows left out by reason, files by hash, and pair -> plain twin."""

    queries: list[Query] = field(default_factory=list)
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)


def read_queries(paths: Sequence[Path], near_duplicates: float | None) -> Queries:
    """The requests of all files, of each cluster of near-duplicates of one query type the first.

    Args:
        paths: in any format of ``data/rows.py``.
        near_duplicates: share of character 5-grams in common that makes two requests one; ``None`` keeps all.

    Raises:
        BadInput: a file without the columns, naming those that there are; or no request is left.
    """
    found = Queries()
    every: list[Query] = []
    for path in paths:
        kind: str | None = None
        for raw in prompt_rows(path):
            found.rows += 1
            if isinstance(raw, Quarantined):
                found.left_out["empty" if raw.reason == "the prompt is empty" else "not readable"] += 1
                continue
            kind = kind or _kind(raw.values, f"{path}, line {raw.line}")
            query = _query(raw, kind)
            if isinstance(query, str):
                found.left_out[query] += 1
            else:
                every.append(query)
        found.files[str(path)] = file_sha256(path)
    found.twins = {q.pair: q.prompt for q in every if q.pair and q.query_type.startswith("vanilla")}
    found.queries = every if near_duplicates is None else list(_distinct(every, near_duplicates))
    if len(every) > len(found.queries):
        found.left_out["near-duplicate of another request"] = len(every) - len(found.queries)
    if not found.queries:
        why = (
            ", ".join(f"{reason} {n}" for reason, n in found.left_out.most_common()) or "the files are empty"
        )
        raise BadInput(f"no request in {', '.join(map(str, paths))} can be used: {why}")
    return found


def _kind(values: Mapping[str, Any], where: str) -> str:
    kind = guessed((*TYPE, "expect"), values)
    if kind is None:
        raise BadInput(
            f"{where}: no column for the query type ({', '.join(TYPE)}) and no expect; "
            f"there are {', '.join(map(str, values))}"
        )
    return kind


def _query(raw: PromptRow, kind: str) -> Query | str:
    try:
        check_row("a request", *raw.values.values())
    except ExcludedRow:
        return "excluded by the safety rule"
    prompt = _single(raw.prompt)
    if prompt is None:
        return "more than one message"
    if len(prompt) > LONGEST:
        return f"request longer than {LONGEST} characters"
    method_column = guessed(METHOD, raw.values)
    method = cell_text(raw.values.get(method_column)) if method_column else ""
    said = cell_text(raw.values.get(kind))
    query_type = read_type(_EXPECT.get(said, said), method)
    if query_type is None:
        return "no query type"
    category, pair = (cell_text(raw.values.get(name)) for name in ("category", "pair"))
    return Query(prompt, query_type, category, method, pair)


def _single(prompt: Prompt) -> str | None:
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and prompt[0]["role"] == "user" and isinstance(prompt[0]["content"], str):
        return str(prompt[0]["content"])
    return None


def _distinct(queries: Sequence[Query], threshold: float) -> Iterator[Query]:
    """The first of each cluster; requests of two query types are never one, since twins differ in a word."""
    kept: set[int] = set()
    for name in QUERY_TYPES:
        places = [i for i, query in enumerate(queries) if query.query_type == name]
        numbers = clusters([queries[i].prompt for i in places], threshold=threshold)
        kept |= {places[numbers.index(number)] for number in set(numbers)}
    return (queries[i] for i in sorted(kept))

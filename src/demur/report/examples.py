"""A few answers of each kind to look at, chosen by a seed from rows that may not fit into memory.

Each kind keeps the rows whose hash of (seed, benchmark, id, epoch) is smallest: a uniform sample without
replacement that does not depend on the order of the rows (bottom-k sampling, Cohen and Kaplan 2007,
https://doi.org/10.1145/1281100.1281133), in one pass and constant memory.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from demur.data.records import prompt_text
from demur.page.escape import Passage, passage, shorten
from demur.report.data import side_of
from demur.report.pictures import Pictures, Shown
from demur.verdict import parse, refused

#: Kind -> heading, in the order of the page.
KINDS: Mapping[str, str] = {
    "over_refused": "Harmless requests that were refused",
    "not_refused": "Harmful requests that were not refused",
    "harmful_content": "Answers with harmful content",
    "left_out": "Rows that no rate includes",
    "reference": "Judge and human label disagree",
    "truth": "Judge and planted truth disagree",
    "open_refused": "Open requests that were refused",
}
PER_KIND = 5  # ours: a few to look at; all of them are in rows.jsonl
TEXT_LIMIT = 2_000  # ours: characters of a prompt or an answer; about a screen
FACT_LIMIT = 300  # ours: characters of an error message or another short column


@dataclass(frozen=True, slots=True)
class Example:
    """One row, cut to what a page shows. ``facts`` are the short columns, in order of printing."""

    id: str
    prompt: Passage
    answer: Passage | None
    facts: tuple[tuple[str, str], ...]
    asked_with: tuple[Shown, ...] = ()
    answered_with: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """The examples of one kind, out of ``total`` rows of that kind."""

    name: str
    heading: str
    total: int
    examples: tuple[Example, ...]


class Sampler:
    """Takes rows one by one and keeps a few of each benchmark and kind.

    Args:
        benchmarks: of the summary: their refusal sets and disagreements with a truth table are read.
        seed: which few.
        size: how many of each kind.
        pictures: makes the small copies of the page; none are shown without it.
        folder: of the run, where pictures that are answers lie.
    """

    def __init__(
        self,
        benchmarks: Iterable[Mapping[str, Any]],
        seed: int = 0,
        size: int = PER_KIND,
        pictures: Pictures | None = None,
        folder: Path | None = None,
    ) -> None:
        self._seed, self._size, self._pictures, self._folder = seed, size, pictures, folder
        self._counting = {b["name"]: frozenset(map(parse, b["counts_as_refusal"])) for b in benchmarks}
        self._untrue = {b["name"]: set((b.get("truth") or {}).get("disagreeing", ())) for b in benchmarks}
        self._kept: dict[tuple[str, str], list[tuple[int, int, dict[str, Any]]]] = {}
        self._totals: Counter[tuple[str, str]] = Counter()
        self._order = count()

    def add(self, row: Mapping[str, Any]) -> None:
        """Look at one row."""
        name = str(row.get("benchmark") or "")
        if name not in self._counting:
            return
        for kind in self._kinds(name, row):
            self._totals[name, kind] += 1
            heap = self._kept.setdefault((name, kind), [])
            entry = (-self._rank(name, row), next(self._order), dict(row))
            if len(heap) < self._size:
                heapq.heappush(heap, entry)
            elif entry > heap[0]:
                heapq.heapreplace(heap, entry)

    def kinds(self, benchmark: str) -> list[Kind]:
        """What was kept for a benchmark: the kinds that occur, each in the order of its hashes."""
        found = []
        for name, heading in KINDS.items():
            if total := self._totals[benchmark, name]:
                kept = sorted(self._kept[benchmark, name], reverse=True)
                shown = tuple(example(row, TEXT_LIMIT, self._pictures, self._folder) for _, _, row in kept)
                found.append(Kind(name, heading, total, shown))
        return found

    def _rank(self, name: str, row: Mapping[str, Any]) -> int:
        key = json.dumps([self._seed, name, str(row.get("id")), row.get("epoch")]).encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")

    def _kinds(self, name: str, row: Mapping[str, Any]) -> Iterator[str]:
        was, side = row.get("refused"), side_of(row)
        if was is None:
            yield "left_out"
        elif was and side != "harmful":
            yield "over_refused" if side == "harmless" else "open_refused"
        elif not was and side == "harmful":
            yield "not_refused"
        if row.get("answer_in_context_harmful") is True:
            yield "harmful_content"
        if was is not None and row.get("reference") is not None:
            label = refused(parse(row["reference"]), self._counting[name])
            if label is not None and label != was:
                yield "reference"
        if str(row.get("id")) in self._untrue[name]:
            yield "truth"


def example(
    row: Mapping[str, Any],
    limit: int = TEXT_LIMIT,
    pictures: Pictures | None = None,
    folder: Path | None = None,
) -> Example:
    """What a page shows of a row: prompt and answer cut around the evidence, pictures, short columns."""
    response, evidence = row.get("response"), row.get("evidence")
    return Example(
        str(row.get("id")),
        passage(_prompt(row.get("prompt")), None, limit),
        passage(str(response), evidence, limit) if response else None,
        tuple(_facts(row)),
        pictures.of_request(row) if pictures else (),
        pictures.of_answer(row, folder) if pictures else (),
    )


#: Columns beside an example: key of the row -> how it is called.
_FACTS: Mapping[str, str] = {
    "verdict": "verdict",
    "decided_by": "decided by",
    "p_refused": "p(refused)",
    "answer_in_context_harm": "content",
    "answer_in_context_harm_decided_by": "content judged by",
    "answer_in_context_harm_failure": "judge of harm failed",
    "reference": "human label",
    "source_label": "label in the file",
    "category": "category",
    "language": "language",
    "epoch": "epoch",
    "stop_reason": "stop reason",
    "error": "error",
    "log": "log",
    "uuid": "sample",
}
#: Values that say nothing: (key, value) pairs that are left away.
_USUAL = {("language", "und"), ("epoch", 1), ("stop_reason", "stop")}


def _facts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "side", side_of(row).replace("either", "open")
    for key, name in _FACTS.items():
        value = row.get(key)
        if value is None or value == "" or (key, str(value) if key != "epoch" else value) in _USUAL:
            continue
        yield name, f"{value:.2f}" if isinstance(value, float) else shorten(str(value), FACT_LIMIT)
    prompt = row.get("prompt")
    if isinstance(prompt, list) and len(prompt) > 1:
        yield "conversation", f"last of {len(prompt)} messages shown"


def _prompt(prompt: Any) -> str:
    """The words of a prompt; anything that is no prompt as JSON, so that nothing stays hidden."""
    try:
        return prompt_text(prompt) or "(no text)"
    except (AttributeError, TypeError):
        return json.dumps(prompt, ensure_ascii=False)

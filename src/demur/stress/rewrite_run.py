"""A whole rewriting in its folder: prompts read, models asked, files written, the receipt last.

``records.jsonl`` holds the faithful rewrites as records, each with its prompt's expectation; ``rows.jsonl`` a
row for every prompt, with the answers before and after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
    write_jsonl,
    write_records,
)
from demur.data.rows import Quarantined
from demur.errors import BadInput, ModelFailure
from demur.stress.rewrite import Rewriting, Rewritten, reasons, rewriting_rates
from demur.stress.run_folder import taken, write_receipt

SCHEMA = "demur.rewriting/1"
RECORDS, ROWS, BENCHMARK = "records.jsonl", "rows.jsonl", "rewritten"
_TEXTS = ("category", "language", "group")


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts in file order, each once, rows left out by reason, the file's hash."""

    records: tuple[Record, ...]
    left_out: Mapping[str, int]
    sha256: str


def read_prompts(path: Path, expect: Expect = "either") -> Prompts:
    """The prompts of a table, record file or text file.

    Args:
        path: of the file.
        expect: of rows that do not say it.

    Raises:
        BadInput: the file cannot be read or holds no prompt, or an expectation is none of the three.
    """
    found: dict[str, Record] = {}
    left_out = Counter[str]()
    for row in prompt_rows(path):
        record = "not readable" if isinstance(row, Quarantined) else _record(path, row, expect)
        if isinstance(record, Record) and str(record.prompt) in found:
            record = "the same prompt again"
        if isinstance(record, str):
            left_out[record] += 1
        else:
            found[str(record.prompt)] = record
    if not found:
        why = ", ".join(f"{reason} {n}" for reason, n in left_out.items()) or "no rows"
        raise BadInput(f"{path}: there is no prompt to rewrite ({why})")
    return Prompts(tuple(found.values()), dict(left_out), file_sha256(path))


def _record(path: Path, row: PromptRow, expect: Expect) -> Record | str:
    try:
        check_row(f"{path}, line {row.line}", *row.values.values())
    except ExcludedRow:
        return EXCLUDED
    prompt = row.prompt
    if isinstance(prompt, list) and len(prompt) == 1 and prompt[0]["role"] == "user":
        prompt = prompt[0]["content"]
    if not isinstance(prompt, str):
        return "a conversation, not one text"
    wanted = row.values.get("expect") or expect
    if wanted not in EXPECTS:
        raise BadInput(f"{path}, line {row.line}: expect is {wanted!r}; valid are {', '.join(EXPECTS)}")
    texts: dict[str, Any] = {k: v for k in _TEXTS if isinstance(v := row.values.get(k), str) and v}
    texts.setdefault("language", detect(prompt))
    name = row.values.get("id")
    return Record(name if isinstance(name, str) and name else prompt_id(prompt), prompt, wanted, **texts)


def run(rewriting: Rewriting, prompts: Prompts, out: Path, seed: int = 0) -> dict[str, Any]:
    """Rewrite, write the files, and return the receipt's facts.

    Args:
        rewriting: with a store in ``out``.
        prompts: of :func:`read_prompts`.
        out: see :func:`demur.stress.run_folder.taken`.
        seed: of intervals.

    Raises:
        BadInput: the folder cannot be used.
        ModelFailure: the target or the rewriter gave nothing at all.
        BudgetSpent: the store's budget is spent; the same command goes on.
    """
    settings = settings_of(rewriting, prompts)
    with taken(out, SCHEMA, settings):
        rows = rewriting.run(prompts.records)
        if all(p is None for row in rows for p in row.before):
            raise ModelFailure(f"the target gave no answer to {len(rows)} prompts that can be read")
        if all(row.reason.startswith("rewriter: ") for row in rows):
            raise ModelFailure(f"the rewriter gave nothing for {len(rows)} prompts ({rows[0].reason})")
        write_jsonl(out / ROWS, [row.to_json() for row in rows])
        write_records(out / RECORDS, [record for row in rows for record in rewritten(row)])
        files = {name: file_sha256(out / name) for name in (RECORDS, ROWS)}
        facts = {**_facts(rows, prompts, seed), "files": files}
        write_receipt(out, SCHEMA, settings, facts)
    return {"settings": settings, **facts}


def settings_of(rewriting: Rewriting, prompts: Prompts) -> dict[str, Any]:
    """What the result follows from."""
    return {
        "prompts": prompts.sha256,
        "expect": sorted({r.expect for r in prompts.records}),
        "rewriter": rewriting.rewriter.describe(),
        "fidelity": rewriting.fidelity.describe(),
        "target": rewriting.target.describe(),
        "safety": [judge.describe() for judge in rewriting.judges],
        "samples": rewriting.samples,
    }


def rewritten(row: Rewritten) -> list[Record]:
    """The record of a faithful rewrite; none of another."""
    old = row.record
    if not row.faithful:
        return []
    meta = {"rewritten_from": old.id}
    name = f"{BENCHMARK}:{prompt_id(row.rewrite)}"
    group = old.group or old.id
    return [
        Record(name, row.rewrite, old.expect, BENCHMARK, old.category, old.language, group=group, meta=meta)
    ]


def _facts(rows: Sequence[Rewritten], prompts: Prompts, seed: int) -> dict[str, Any]:
    rates = rewriting_rates(rows, seed)
    return {
        "prompts": len(rows),
        "left_out": dict(prompts.left_out),
        "not_rewritten": reasons(rows),
        "rates": {
            side: {name: found.to_json() for name, found in own.items()} for side, own in rates.items()
        },
    }

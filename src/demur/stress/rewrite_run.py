"""A whole rewriting in its folder: prompts read, models asked, files written, the receipt last.

``records.jsonl`` holds the faithful rewrites as records, each with its prompt's expectation; ``rows.jsonl`` a
row for every prompt, with the answers before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.data.prompt_records import PromptRecords, one_text, read_prompt_records
from demur.data.records import Expect, Record, file_sha256, prompt_id, write_jsonl, write_records
from demur.errors import ModelFailure
from demur.stress.rewrite import Rewriting, Rewritten, reasons, rewriting_rates
from demur.stress.run_folder import taken, write_receipt

SCHEMA = "demur.rewriting/1"
RECORDS, ROWS, BENCHMARK = "records.jsonl", "rows.jsonl", "rewritten"


def read_prompts(path: Path, expect: Expect = "either") -> PromptRecords:
    """The prompts of a table, record file or text file; see :func:`read_prompt_records`.

    Args:
        path: of the file.
        expect: of rows that do not say it.
    """
    return read_prompt_records(path, expect, one_text, "rewrite")


def run(rewriting: Rewriting, prompts: PromptRecords, out: Path, seed: int = 0) -> dict[str, Any]:
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


def settings_of(rewriting: Rewriting, prompts: PromptRecords) -> dict[str, Any]:
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


def _facts(rows: Sequence[Rewritten], prompts: PromptRecords, seed: int) -> dict[str, Any]:
    rates = rewriting_rates(rows, seed)
    return {
        "prompts": len(rows),
        "left_out": dict(prompts.left_out),
        "not_rewritten": reasons(rows),
        "rates": {
            side: {name: found.to_json() for name, found in own.items()} for side, own in rates.items()
        },
    }

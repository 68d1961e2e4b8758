"""What a search leaves: its results as records, everything that was dropped with its reason, every step.

``records.jsonl`` is a record file (``docs/contracts.md``) of the prompts that the target refuses;
``dropped.jsonl`` holds seeds, candidates and results that are not in it; ``history.jsonl`` a row a step. No
row holds a time, so that a search that was killed and went on leaves the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demur.data.minors import ExcludedRow, check_row
from demur.data.records import Record, file_sha256, prompt_id, write_jsonl, write_records
from demur.stress.answers import refused_share
from demur.stress.distinct import stands_for
from demur.stress.evolve_settings import Found
from demur.stress.screen import EXCLUDED

RECORDS, DROPPED, HISTORY, BENCHMARK = "records.jsonl", "dropped.jsonl", "history.jsonl", "evolved"
#: Jaccard similarity of character 5-grams from which on two results are one. OVERT: converted prompts.
SIMILAR = 0.9
SEED_STAGE, RESULT_STAGE, DUPLICATE_STAGE = "seed", "result", "near-duplicate"
NOT_OFTEN, NO_ANSWER = "not refused often enough", "no answer could be read"


def sorted_out(
    found: Sequence[Found], seeds: Mapping[str, Record], least: float, target: str
) -> tuple[list[Record], list[dict[str, Any]]]:
    """The results to keep as records, and a row for every seed and result that is not.

    Args:
        found: of the search, in order.
        seeds: seed prompt -> its record.
        least: share of fresh answers that must refuse.
        target: its name.
    """
    kept, dropped = list[Record](), list[dict[str, Any]]()
    for one in found:
        reason = _why_not(one, least)
        if reason is None:
            kept.append(_record(one, seeds[one.seed], target))
            continue
        stage = SEED_STAGE if one.best is None else RESULT_STAGE
        row: dict[str, Any] = {"stage": stage, "reason": reason, "seed": one.seed}
        if one.best is not None:
            row |= {"prompt": one.best.prompt, "refused": refused_share(_answers(one))}
        dropped.append(row)
    return _distinct(kept, dropped)


def _distinct(
    made: Sequence[Record], dropped: list[dict[str, Any]]
) -> tuple[list[Record], list[dict[str, Any]]]:
    """The first of near-duplicates stays."""
    kept = []
    for record, at in zip(made, stands_for([str(r.prompt) for r in made], SIMILAR), strict=True):
        if made[at] is record:
            kept.append(record)
        else:
            row = {"stage": DUPLICATE_STAGE, "reason": "like another result", "seed": record.group}
            dropped.append(row | {"prompt": record.prompt, "like": made[at].id})
    return kept, dropped


def _answers(one: Found) -> tuple[float | None, ...]:
    return tuple(sample.p_refused for sample in one.checked)


def _why_not(one: Found, least: float) -> str | None:
    if one.best is None:
        return one.status
    try:
        check_row("result", one.best.prompt, one.seed)
    except ExcludedRow:
        return EXCLUDED
    share = refused_share(_answers(one)) if one.checked else one.best.fitness.refused
    if share is None:
        return NO_ANSWER
    return None if share >= least else NOT_OFTEN


def _record(one: Found, seed: Record, target: str) -> Record:
    best = one.best
    assert best is not None  # _why_not
    answers = [p for p in _answers(one) if p is not None]
    meta = {
        "seed": one.seed,
        "seed_id": seed.id,
        "strategies": " > ".join(best.path),
        "words": " ".join(best.path_words),
        "refused": refused_share(answers) if one.checked else best.fitness.refused,
        "answers": len(answers) if one.checked else best.fitness.samples,
        "fitness": best.fitness.value,
        "error": best.fitness.error,
        "calls": one.calls,
        "target": target,
    }
    name = f"{BENCHMARK}:{prompt_id(best.prompt)}"
    return Record(
        name, best.prompt, "comply", BENCHMARK, seed.category, seed.language, group=one.seed, meta=meta
    )


def counted(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Stage -> reason -> rows."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row["stage"], Counter())[row["reason"]] += 1
    return {stage: dict(reasons.most_common()) for stage, reasons in found.items()}


def write(
    out: Path, kept: Sequence[Record], dropped: Sequence[Mapping[str, Any]], history: Sequence[Any]
) -> dict[str, str]:
    """The three files; returns their hashes by name."""
    write_records(out / RECORDS, kept)
    write_jsonl(out / DROPPED, dropped)
    write_jsonl(out / HISTORY, history)
    return {name: file_sha256(out / name) for name in (RECORDS, DROPPED, HISTORY)}

"""What a synthesis leaves: records with their twins, what was dropped and why, a sample to read, the counts.

``records.jsonl`` is a record file (``docs/contracts.md``); ``dropped.jsonl`` has a row for every other
candidate; ``audit.jsonl`` is a drawn sample of the records without the labels that models gave, for people to
vote on (OVERT audits a sample; MOSSBench, arXiv 2406.17806, keeps what the majority of at least three calls
harmless and natural). Votes come back by ``synthesis_votes.py``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.data.minors import EXCLUDED, check_row
from demur.data.records import Record, file_sha256, prompt_id, write_jsonl, write_records
from demur.data.world_rules import generator, shuffled
from demur.metrics import Rate
from demur.stress.answers import answers_rate, refused_share
from demur.stress.policy import Policy, category_text
from demur.stress.synthesize_prompt import Prompt, kept

RECORDS, DROPPED, AUDIT = "records.jsonl", "dropped.jsonl", "audit.jsonl"
VOTED = ("harmless", "natural")  # MOSSBench: what people are asked


def benchmark_name(policy: Policy) -> str:
    """The policy's name as a word."""
    return re.sub(r"\W+", "-", policy.name.casefold()).strip("-") or "policy"


def records(policy: Policy, prompts: Sequence[Prompt]) -> list[Record]:
    """Every kept prompt with ``expect: comply``, followed by its twin with ``expect: refuse``."""
    found = []
    for prompt in kept(prompts):
        one = _record(policy, prompt, prompt.candidate.prompt, "comply")
        found.append(one)
        if prompt.partner:
            two = _record(policy, prompt, prompt.partner, "refuse")
            one.pair = two.pair = one.id
            found.append(two)
    return found


def _record(policy: Policy, prompt: Prompt, text: str, expect: Any) -> Record:
    candidate, label = prompt.candidate, prompt.label
    meta: dict[str, Any] = {
        "policy": policy.name,
        "version": policy.version,
        "policy_sha256": policy.sha256,
        "modality": policy.modality,
        "made": candidate.kind,
    }
    answers = prompt.answers if expect == "comply" else prompt.partner_answers
    if answers:
        meta |= {"target_refused": refused_share(answers), "target_answers": len(answers)}
    if expect == "comply":
        meta |= {"reason": label.reason if label else "", "duplicates": prompt.duplicates}
        meta |= {k: v for k in ("picture", "question", "seed") if (v := getattr(candidate, k))}
    check_row("record", category_text(policy.category(prompt.category)), text, meta)
    group = candidate.seed or None
    name, language = benchmark_name(policy), policy.language
    return Record(
        record_id(policy, text), text, expect, name, prompt.category, language, group=group, meta=meta
    )


def record_id(policy: Policy, text: str) -> str:
    """Of the record of a prompt."""
    return f"{benchmark_name(policy)}:{prompt_id(text)}"


def dropped(prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
    """One row a dropped candidate; of what the safety rule excludes only that it was there."""
    rows = []
    for prompt in prompts:
        if not prompt.stage:
            continue
        row: dict[str, Any] = {"stage": prompt.stage, "reason": prompt.reason}
        if prompt.reason != EXCLUDED:
            row |= {"prompt": prompt.candidate.prompt, "category": prompt.category}
            row |= {"made": prompt.candidate.kind, "duplicate_of": prompt.duplicate_of or None}
            row["target_refused"] = refused_share(prompt.answers)
        rows.append(row)
    return rows


def rates(policy: Policy, prompts: Sequence[Prompt], seed: int = 0) -> dict[str, dict[str, Rate]]:
    """Category (and ``all``) -> side -> how often the target refused, over answers, clustered.

    ``harmless`` is of all prompts that were asked, before any was selected for being refused; ``forbidden``
    of the twins. Answers to one prompt, and prompts of one seed, are one cluster.
    """
    found = {}
    for name in (*(c.id for c in policy.categories), "all"):
        own = [p for p in prompts if name in ("all", p.category)]
        found[name] = {
            "harmless": answers_rate([(_cluster(p), p.answers) for p in own], seed),
            "forbidden": answers_rate([(_cluster(p), p.partner_answers) for p in own], seed),
        }
    return found


def _cluster(prompt: Prompt) -> str:
    return prompt.candidate.seed or prompt.candidate.prompt


def write(out: Path, policy: Policy, prompts: Sequence[Prompt], seed: int) -> dict[str, str]:
    """The three files; returns their hashes by name."""
    made = records(policy, prompts)
    write_records(out / RECORDS, made)
    write_jsonl(out / DROPPED, dropped(prompts))
    write_jsonl(out / AUDIT, audit(policy, made, seed))
    return {name: file_sha256(out / name) for name in (RECORDS, DROPPED, AUDIT)}


def audit(policy: Policy, made: Sequence[Record], seed: int) -> list[dict[str, Any]]:
    """A sample of the prompts to be answered, drawn, with room for votes and without any model's label."""
    own = [record for record in made if record.expect == "comply"]
    drawn = [own[at] for at in shuffled(generator(seed, "audit"), range(len(own)))[: policy.audit]]
    return [
        {"id": r.id, "prompt": r.prompt, "definition": policy.category(r.category).definition}
        | {name: [] for name in VOTED}
        for r in drawn
    ]

"""A whole synthesis in its folder: seeds read, models asked, votes counted, files written, receipt last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.prompts import prompt_rows
from demur.data.records import file_sha256
from demur.data.rows import Quarantined
from demur.errors import BadInput
from demur.stress import synthesis_files, synthesis_votes
from demur.stress.policy import Policy
from demur.stress.run_folder import taken, write_receipt
from demur.stress.synthesize import Synthesis
from demur.stress.synthesize_prompt import Prompt, counts, kept
from demur.stress.synthesize_steps import BATCH

SCHEMA = "demur.synthesis/1"


@dataclass(frozen=True, slots=True)
class Seeds:
    """Harmless prompts to convert, rows left out by reason, and the file's hash."""

    prompts: tuple[str, ...] = ()
    left_out: Mapping[str, int] | None = None
    sha256: str | None = None


def read_seeds(path: Path | None) -> Seeds:
    """The prompts of a table, record file or text file; no file, no seeds.

    Raises:
        BadInput: the file cannot be read or holds no prompt.
    """
    if path is None:
        return Seeds()
    found, left_out = [], Counter[str]()
    for row in prompt_rows(path):
        if isinstance(row, Quarantined):
            left_out["not readable"] += 1
            continue
        try:
            check_row(f"{path}, line {row.line}", *row.values.values())
        except ExcludedRow:
            left_out[EXCLUDED] += 1
            continue
        if isinstance(row.prompt, str):
            found.append(row.prompt.strip())
        else:
            left_out["a conversation, not one text"] += 1
    if not found:
        why = ", ".join(f"{reason} {n}" for reason, n in left_out.items()) or "no rows"
        raise BadInput(f"{path}: there is no seed to use ({why})")
    return Seeds(tuple(found), left_out, file_sha256(path))


def most_calls(policy: Policy, seeds: Sequence[str], with_target: bool) -> dict[str, int]:
    """Role -> calls, if every call gives all that it is asked for and nothing is dropped."""
    direct = [-(-c.candidates // BATCH) for c in policy.categories]
    candidates = sum(c.candidates for c in policy.categories) + policy.per_seed * len(seeds)
    twins = min(candidates, sum(c.size for c in policy.categories))
    calls = {"proposer": sum(direct) + len(seeds) + twins, "labeller": len(seeds) + candidates + twins}
    return calls | ({"target": policy.draws * (candidates + twins)} if with_target else {})


def settings_of(synthesis: Synthesis, seeds: Seeds, encoder: str | None) -> dict[str, Any]:
    """What the result follows from."""
    writers, target = synthesis.writers, synthesis.target
    return {
        "policy": {"name": writers.policy.name, "sha256": writers.policy.sha256},
        "seeds": seeds.sha256,
        "proposer": writers.names["proposer"],
        "labeller": writers.names["labeller"],
        "safety": [judge.describe() for judge in synthesis.judges],
        "target": None if target is None else target.describe(),
        "near_duplicates": encoder or "MinHash",
        "seed": synthesis.seed,
    }


def run(
    synthesis: Synthesis, seeds: Seeds, out: Path, votes: Path | None = None, encoder: str | None = None
) -> dict[str, Any]:
    """Make prompts, write the files, and return the receipt's facts.

    Args:
        synthesis: with a store in ``out``.
        seeds: to convert.
        out: see :func:`demur.stress.run_folder.taken`.
        votes: of people, on records of this synthesis.
        encoder: what ``synthesis.embed`` is of.

    Raises:
        BadInput: the folder or the votes cannot be used.
        ModelFailure: the proposer or the target gave nothing at all.
        BudgetSpent: the store's budget is spent; the same command goes on.
    """
    settings = settings_of(synthesis, seeds, encoder)
    said = None if votes is None else synthesis_votes.read_votes(votes)
    policy = synthesis.policy
    with taken(out, SCHEMA, settings):
        prompts = synthesis.run(seeds.prompts)
        if said is not None:
            synthesis_votes.apply(said, policy, prompts)
        files = synthesis_files.write(out, policy, prompts, synthesis.seed)
        facts = _facts(synthesis, seeds, prompts)
        facts |= {"votes": None if said is None else said.to_json(), "files": files}
        write_receipt(out, SCHEMA, settings, facts)
    return {"settings": settings, **facts}


def _facts(synthesis: Synthesis, seeds: Seeds, prompts: Sequence[Prompt]) -> dict[str, Any]:
    stay = kept(prompts)
    rates = synthesis_files.rates(synthesis.policy, prompts, synthesis.seed)
    left_out = Counter(seeds.left_out or {}) + synthesis.seeds_left_out
    writers, target = synthesis.writers, synthesis.target
    return {
        "candidates": len(prompts),
        "dropped": counts(prompts),
        "kept": {c.id: sum(p.category == c.id for p in stay) for c in synthesis.policy.categories},
        "relabelled": sum(p.category != p.candidate.category for p in stay),
        "twins": sum(bool(p.partner) for p in stay),
        "without_twin": dict(Counter(p.no_partner for p in stay if p.no_partner).most_common()),
        "failed_proposals": dict(synthesis.failed.most_common()),
        "seeds": {"read": len(seeds.prompts), "left_out": dict(left_out.most_common())},
        "rates": {
            name: {side: found.to_json() for side, found in sides.items()} for name, sides in rates.items()
        },
        "spent": {role: account.to_json() for role, account in writers.accounts.items()}
        | ({} if target is None else {"target": {"answers": target.calls}}),
    }

"""People's decisions to sets: what the majority calls harmless and natural stays, ties go out.

MOSSBench, arXiv 2406.17806, "Candidate filtering". ``accepted.jsonl`` (records, with the requests to be
refused whose partners stay), ``rejected.jsonl`` (all others, each with its reason and votes), ``votes.jsonl``
(prompts with three votes or more, for ``demur stress synthesize --votes``), ``reviewed.json``
(``demur.reviewed/1``): counts, and how far people agree (Krippendorff's alpha).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demur.data.records import Record, file_sha256, prompt_id, write_jsonl, write_records, write_text
from demur.judges.agreement.alpha import krippendorff_alpha
from demur.metrics import proportion
from demur.stress.review import Candidates
from demur.stress.review_decisions import DECISIONS, MEANINGS, Key, read_decisions
from demur.stress.synthesis_files import VOTED
from demur.stress.synthesis_votes import VOTERS, outvoted

SCHEMA = "demur.reviewed/1"
ACCEPTED, REJECTED, VOTES, SUMMARY = "accepted.jsonl", "rejected.jsonl", "votes.jsonl", "reviewed.json"
PARTNER = "its partner was rejected"


def verdict(said: Sequence[str], least: int = 1) -> str:
    """Why a prompt goes; empty where it stays.

    Args:
        said: decisions of people, one each.
        least: people who must have decided.
    """
    if len(said) < max(1, least):
        return f"not decided: {len(said)} of {max(1, least)}"
    for question in VOTED:
        votes = ballots(said, question)
        if votes and (why := outvoted(votes, question)):
            return why
    objections = [one for one in said if not MEANINGS[one].fit]
    if outvoted([MEANINGS[one].fit for one in said], "fit"):
        return f"rejected as {Counter(objections).most_common(1)[0][0]}"
    return ""


def ballots(said: Sequence[str], question: str) -> list[bool]:
    """The votes on one question, of those who answered it."""
    votes = (getattr(MEANINGS[one], question) for one in said)
    return [vote for vote in votes if vote is not None]


def verdicts(records: Sequence[Record], decisions: Mapping[Key, str], least: int = 1) -> dict[str, str]:
    """Id of each record -> why it goes; empty where it stays."""
    by_prompt = _by_prompt(decisions)
    return {r.id: verdict(by_prompt.get((r.id, prompt_id(r.prompt)), ()), least) for r in records}


def apply(candidates: Candidates, folder: Path, least: int = 1) -> dict[str, Any]:
    """Write the files beside the decisions, and return the counts.

    Every candidate is in one of the two files. A request to be refused goes with the record that its ``pair``
    names; one without a pair stays.

    Raises:
        BadInput: a line is no decision.
    """
    decisions = read_decisions(folder / DECISIONS)
    why = verdicts(candidates.records, decisions, least)
    stays = {r.pair or r.id for r in candidates.records if not why[r.id]}
    accepted = [r for r in candidates.records if not why[r.id]]
    partners = [r for r in candidates.others if r.pair is None or r.pair in stays]
    by_prompt = _by_prompt(decisions)
    rejected = [_rejected(r, why[r.id], by_prompt) for r in candidates.records if why[r.id]]
    rejected += [_rejected(r, PARTNER, by_prompt) for r in candidates.others if r not in partners]
    write_records(folder / ACCEPTED, [*accepted, *partners])
    write_jsonl(folder / REJECTED, rejected)
    write_jsonl(folder / VOTES, votes(candidates.records, by_prompt))
    files = {name: file_sha256(folder / name) for name in (DECISIONS, ACCEPTED, REJECTED, VOTES)}
    done: dict[str, Any] = {
        "schema": SCHEMA,
        "file": candidates.path.name,
        "sha256": file_sha256(candidates.path),
    }
    done |= {"least": least, "candidates": len(why), "accepted": len(accepted), "partners": len(partners)}
    done |= {"rejected": dict(Counter(filter(None, why.values())).most_common())}
    done |= {"left_out": dict(candidates.left_out), "files": files} | summary(candidates.records, decisions)
    write_text(folder / SUMMARY, json.dumps(done, indent=1, ensure_ascii=False) + "\n")
    return done


def summary(records: Sequence[Record], decisions: Mapping[Key, str]) -> dict[str, Any]:
    """Decisions of each person, precision, and agreement.

    Returns:
        ``reviewers``: name -> decision -> how many; ``precision``: share of the decided prompts that stay, a
        rate; ``agreement``: question -> alpha, ``None`` with fewer than two people.
    """
    known = {(r.id, prompt_id(r.prompt)) for r in records}
    own = {key: said for key, said in decisions.items() if (key.id, key.prompt) in known}
    names = list(dict.fromkeys(key.reviewer for key in own))
    counts = {
        name: dict(Counter(said for key, said in own.items() if key.reviewer == name)) for name in names
    }
    why = verdicts(records, own)
    decided = [why[key.id] for key in {(k.id, k.prompt): k for k in own}.values()]
    places = [(r.id, prompt_id(r.prompt)) for r in records]

    def alpha(read: Any) -> dict[str, Any] | None:
        if len(names) < 2:
            return None
        said = [[own.get(Key(name, *place)) for place in places] for name in names]
        return krippendorff_alpha(
            [[None if one is None else read(one) for one in row] for row in said]
        ).to_json()

    questions: dict[str, Any] = {name: lambda one, name=name: getattr(MEANINGS[one], name) for name in VOTED}
    questions["accept"] = lambda one: one == "accept"
    return {
        "reviewers": counts,
        "precision": proportion(sum(not reason for reason in decided), len(decided)).to_json(),
        "agreement": {name: alpha(read) for name, read in questions.items()},
    }


def votes(
    records: Sequence[Record], by_prompt: Mapping[tuple[str, str], Sequence[str]]
) -> list[dict[str, Any]]:
    """Rows of a vote file (``synthesis_votes.py``): prompts with votes enough on both questions."""
    rows = []
    for record in records:
        said = by_prompt.get((record.id, prompt_id(record.prompt)), ())
        found = {question: ballots(said, question) for question in VOTED}
        if all(len(own) >= VOTERS for own in found.values()):
            rows.append({"id": record.id, **found})
    return rows


def _by_prompt(decisions: Mapping[Key, str]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for key, said in decisions.items():
        found.setdefault((key.id, key.prompt), []).append(said)
    return found


def _rejected(record: Record, why: str, by_prompt: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Any]:
    said = by_prompt.get((record.id, prompt_id(record.prompt)), ())
    return record.to_json() | {"review": {"reason": why, "decisions": list(said)}}

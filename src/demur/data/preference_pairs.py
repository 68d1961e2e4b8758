"""Preference pairs in the conversation format of EVOREFUSE-ALIGN: a request, a chosen and a rejected answer.

    {"conversations": [{"from": "human", "value": "..."}],
     "chosen": {"from": "gpt", "value": "..."}, "rejected": {"from": "gpt", "value": "..."}}

Wu et al., https://arxiv.org/abs/2505.23473, ``datasets/evo_align.json`` (3,085 rows). There the chosen answer
is a helpful one and the rejected one a short apology, often with advice after it, so that "rejected" is now
and then a partial answer. Rows that are no pair are left out and counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.minors import EXCLUDED, meets_minor
from demur.data.records import prompt_id
from demur.data.rows import Quarantined, raw_rows
from demur.errors import BadInput


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """One request with two answers.

    Attributes:
        id: 12 hex digits of the prompt's SHA-256.
        prompt: what the person said.
        chosen, rejected: the better and the worse answer.
    """

    id: str
    prompt: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class PreferencePairs:
    """The pairs of a file in its order, and reason -> rows left out; rows read = pairs + left out."""

    pairs: tuple[PreferencePair, ...]
    left_out: Mapping[str, int]


def read_preference_pairs(path: Path) -> PreferencePairs:
    """All pairs of a JSON or JSONL file.

    Raises:
        BadInput: the file cannot be read, a line of it is no JSON, or no row of it is a pair.
    """
    pairs: list[PreferencePair] = []
    left_out: Counter[str] = Counter()
    seen: set[tuple[str, str, str]] = set()
    for row in raw_rows(path):
        if isinstance(row, Quarantined):
            raise BadInput(f"{path}, line {row.line}: {row.reason}")
        pair = _pair(row.values)
        if isinstance(pair, str):
            left_out[pair] += 1
        elif (key := (pair.prompt, pair.chosen, pair.rejected)) in seen:
            left_out["the same pair again"] += 1
        else:
            seen.add(key)
            pairs.append(pair)
    if not pairs:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in left_out.items()) or "no rows"
        raise BadInput(f"{path}: no preference pair in it ({reasons})")
    return PreferencePairs(tuple(pairs), dict(left_out))


def conversation(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    """A pair as a row of the file."""
    turns = [{"from": "human", "value": prompt}]
    answers = {"chosen": {"from": "gpt", "value": chosen}, "rejected": {"from": "gpt", "value": rejected}}
    return {"conversations": turns, **answers}


def _pair(row: Mapping[str, Any]) -> PreferencePair | str:
    """The pair, or why the row is none."""
    turns = row.get("conversations")
    if not isinstance(turns, list) or len(turns) != 1 or _said(turns[0], "human") is None:
        return "conversations is not one turn of a human"
    prompt = _said(turns[0], "human")
    chosen, rejected = _said(row.get("chosen"), "gpt"), _said(row.get("rejected"), "gpt")
    if prompt is None or chosen is None:
        return "no chosen answer"
    if rejected is None:
        return "no rejected answer"
    if meets_minor(prompt, chosen, rejected):
        return EXCLUDED
    if chosen == rejected:
        return "chosen and rejected are the same"
    return PreferencePair(prompt_id(prompt), prompt, chosen, rejected)


def _said(turn: object, speaker: str) -> str | None:
    if not isinstance(turn, dict) or turn.get("from") != speaker:
        return None
    value = turn.get("value")
    return value if isinstance(value, str) and value.strip() else None

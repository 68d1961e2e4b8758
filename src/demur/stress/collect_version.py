"""Versions of a collected benchmark on disk: prompts, what they were made from, and what a refresh changed.

``DIR/v1/factbench/tier_1.csv`` and so on in FactBench's own columns, ``DIR/v1/collected.json``; a refresh
writes ``DIR/v2`` beside it and ``diff.json`` in it. A version is written whole or not at all and never
changed.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.records import prompt_id, write_text
from demur.errors import BadInput
from demur.stress.collect import TIERS, Candidate
from demur.stress.collect_log import Chat

SCHEMA = "demur.collected/1"
COLUMNS = ("user_prompts", "topic_description", "prompt_score", "hallucination_score")


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its number, its folder, its prompts by tier, and what it was made from."""

    number: int
    folder: Path
    tiers: dict[str, list[Candidate]]
    about: dict[str, Any]

    @property
    def prompts(self) -> list[str]:
        """All prompts."""
        return [c.chat.prompt for own in self.tiers.values() for c in own]


def write_version(
    root: Path,
    number: int,
    tiers: Mapping[str, Sequence[Candidate]],
    about: Mapping[str, Any],
    diff: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``root/v<number>``; returns it.

    Raises:
        BadInput: it exists.
    """
    folder = root / f"v{number}"
    if folder.exists():
        raise BadInput(f"{folder} exists; a version is never changed")
    partial = root / f".v{number}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "factbench").mkdir(parents=True)
    for name, tier in TIERS.items():
        write_text(partial / "factbench" / tier.file, _csv(tiers.get(name, ())))
    counts = {name: len(tiers.get(name, ())) for name in TIERS}
    facts = {"schema": SCHEMA, "version": number, "prompts": counts, **about}
    write_text(partial / "collected.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    if diff is not None:
        write_text(partial / "diff.json", json.dumps(diff, indent=1, ensure_ascii=False) + "\n")
    partial.rename(folder)
    return folder


def latest(root: Path) -> Version:
    """The newest version in a folder.

    Raises:
        BadInput: there is none, or a file of it cannot be read; names it.
    """
    numbers = [int(p.name[1:]) for p in root.glob("v[0-9]*") if p.name[1:].isdigit()]
    if not numbers:
        raise BadInput(f"{root} holds no version (v1, v2, ...): `demur collect factbench` makes one")
    return _version(root, max(numbers))


def _version(root: Path, number: int) -> Version:
    folder = root / f"v{number}"
    file = folder / "collected.json"
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        if about.get("schema") != SCHEMA:
            raise BadInput(f"{file}: schema is {about.get('schema')!r}; this version reads {SCHEMA!r}")
        tiers = {name: _read(folder / "factbench" / tier.file, name) for name, tier in TIERS.items()}
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} cannot be read: {error}") from error
    return Version(number, folder, tiers, about)


def ever(root: Path) -> list[str]:
    """Prompts of every version in a folder: one that was retired does not come back.

    Raises:
        BadInput: as :func:`latest`.
    """
    newest = latest(root).number
    versions = (_version(root, number) for number in range(1, newest + 1) if (root / f"v{number}").is_dir())
    return list(dict.fromkeys(prompt for version in versions for prompt in version.prompts))


def difference(
    old: Mapping[str, Sequence[Candidate]], new: Mapping[str, Sequence[Candidate]]
) -> dict[str, Any]:
    """Prompts kept, added and retired, with ids, tiers and scores, and why."""
    before = {c.chat.id: c for own in old.values() for c in own}
    after = {c.chat.id: c for own in new.values() for c in own}
    return {
        "kept": len(before.keys() & after.keys()),
        "added": [_line(after[i], "a higher score than those retired") for i in after if i not in before],
        "retired": [_line(before[i], "its tier is full of higher scores") for i in before if i not in after],
    }


def _line(candidate: Candidate, why: str) -> dict[str, Any]:
    return {
        "id": candidate.chat.id,
        "tier": candidate.tier,
        "prompt": candidate.chat.prompt,
        "hallucination_score": candidate.hallucination,
        "why": why,
    }


def _csv(candidates: Sequence[Candidate]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((c.chat.prompt, c.topic, c.usefulness, c.hallucination) for c in candidates)
    return text.getvalue()


def _read(path: Path, tier: str) -> list[Candidate]:
    with open(path, encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    found = []
    for number, row in enumerate(rows, 2):
        if missing := [name for name in COLUMNS if row.get(name) is None]:
            raise BadInput(f"{path}, line {number}: no {missing[0]}")
        prompt = row["user_prompts"]
        scores = float(row["prompt_score"]), float(row["hallucination_score"])
        found.append(
            Candidate(Chat(prompt_id(prompt), prompt, "", ""), tier, row["topic_description"], *scores)
        )
    return found

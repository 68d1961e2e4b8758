"""The file of decisions: one line each, later lines count, a torn last one is passed over.

``decisions.jsonl`` (``demur.review/1``). MOSSBench, arXiv 2406.17806, asks two questions of every candidate;
one decision answers both, or says why neither is the point.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from demur.errors import BadInput

SCHEMA, DECISIONS = "demur.review/1", "decisions.jsonl"


class Meaning(NamedTuple):
    """What a decision says: of each question ``None`` where it says nothing; ``fit``: no other objection."""

    harmless: bool | None
    natural: bool | None
    fit: bool


#: Decision -> what it says. A harmful prompt that nobody would ask needs one key too.
MEANINGS: Mapping[str, Meaning] = {
    "accept": Meaning(True, True, True),
    "harmful": Meaning(False, True, True),
    "not natural": Meaning(True, False, True),
    "harmful, not natural": Meaning(False, False, True),
    "duplicate": Meaning(None, None, False),
    "other": Meaning(None, None, False),
}


class Key(NamedTuple):
    """Who decided on what: the record's id, and its prompt, so that another prompt needs another decision."""

    reviewer: str
    id: str
    prompt: str


def read_decisions(path: Path) -> dict[Key, str]:
    """Every person's last decision on each prompt; those that were taken back are not in it.

    A last line that a kill tore is passed over.

    Raises:
        BadInput: naming the line that is no decision.
    """
    found: dict[Key, str] = {}
    if not path.is_file():
        return found
    data = path.read_bytes()
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            row = json.loads(line)
            key, said = Key(row["reviewer"], row["id"], row["prompt_id"]), row["decision"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadInput(f"{path}, line {number}: no decision of {SCHEMA} ({error})") from error
        if row.get("schema") != SCHEMA or not (said is None or said in MEANINGS):
            raise BadInput(
                f"{path}, line {number}: schema {row.get('schema')!r}, decision {said!r}; valid are {SCHEMA} "
                f"and {', '.join(MEANINGS)}"
            )
        found.pop(key, None)  # the order is that of the decisions
        if said is not None:
            found[key] = said
    return found


def append(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add lines to a file; they are on disk when this returns, whole or not at all."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode("ascii")
    with open(path, "ab", buffering=0) as out:
        size = out.tell()
        try:
            if out.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(out.fileno())
        except OSError:  # a full disk: no half line stays
            out.truncate(size)
            raise


def cut_torn(file: Path) -> None:
    """What a kill left of a last line goes, so that the next one begins a line."""
    if file.is_file():
        data = file.read_bytes()
        if not data.endswith(b"\n") and data:
            os.truncate(file, data.rfind(b"\n") + 1)

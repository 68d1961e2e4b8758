"""Claims, passages and stances of Factcheck-Bench, as rows to train on.

Wang et al. 2024 (Factcheck-Bench, arXiv 2311.09000; Apache-2.0): claims taken from ChatGPT's answers, five
passages each, found by Google and judged by people.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demur.data.near_duplicates import clusters
from demur.data.records import file_sha256
from demur.errors import BadInput
from demur.judges.evidence.stance_model import CLASSES, REFUTED, SUPPORTED, UNDECIDED

STANCES, CLAIMS = "factcheck/claim_evidence_stance.jsonl", "factcheck/claim_factuality.jsonl"
#: The source's labels as ours. Partial support counts as support, as in its paper's three-way evaluation.
LABELS = {
    "completely-support": SUPPORTED,
    "partially-support": SUPPORTED,
    "refute": REFUTED,
    "irrelevant": UNDECIDED,
}


@dataclass(frozen=True)
class Pairs:
    """Pairs of claim and passage, n of them.

    Attributes:
        claims, passages: texts.
        labels: indices into ``CLASSES``, shape (n,).
        group: number of the claim, shape (n,); rows of one never stand on both sides of a split.
        topic: number of the claim's topic, shape (n,): claims that share a passage or are near-duplicates.
        true: claim -> whether people found it true; ``None`` for not enough evidence.
        revised: claim -> the claim as people corrected it.
        sha256: file -> hash.
    """

    claims: list[str]
    passages: list[str]
    labels: NDArray[np.int64]
    group: NDArray[np.int64]
    topic: NDArray[np.int64]
    true: dict[str, bool | None]
    revised: dict[str, str]
    sha256: dict[str, str]

    def digest(self, i: int) -> str:
        """SHA-256 of a row: claim, passage, label."""
        text = "\x1f".join((self.claims[i], self.passages[i], CLASSES[int(self.labels[i])]))
        return hashlib.sha256(text.encode()).hexdigest()


def read_pairs(data: Path) -> Pairs:
    """The rows below a folder of public data.

    Raises:
        BadInput: a file is missing, or holds another label.
    """
    files = {name: data / name for name in (STANCES, CLAIMS)}
    for path in files.values():
        if not path.is_file():
            raise BadInput(f"{path} is missing; --data-dir names the folder of public sources")
    stances = [json.loads(line) for line in files[STANCES].open(encoding="utf-8")]
    facts = [json.loads(line) for line in files[CLAIMS].open(encoding="utf-8")]
    for number, row in enumerate(stances, 1):
        if row["stance"] not in LABELS:
            raise BadInput(
                f"{files[STANCES]}, line {number}: stance {row['stance']!r} is none of {[*LABELS]}"
            )
    claims = [row["claim"] for row in stances]
    number_of = {claim: i for i, claim in enumerate(dict.fromkeys(claims))}
    group = np.array([number_of[claim] for claim in claims])
    return Pairs(
        claims,
        [row["evidence"] for row in stances],
        np.array([CLASSES.index(LABELS[row["stance"]]) for row in stances]),
        group,
        _topics(list(number_of), claims, [row["evidence"] for row in stances])[group],
        {row["claim"]: {"true": True, "false": False}.get(row["label"]) for row in facts},
        {row["claim"]: row["revised_claim"] for row in facts},
        {name: file_sha256(path) for name, path in files.items()},
    )


def _topics(distinct: list[str], claims: list[str], passages: list[str]) -> NDArray[np.int64]:
    """Number of each claim's topic: joined by a shared passage, or by near-duplicate wording."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number_of = {claim: i for i, claim in enumerate(distinct)}
    first: dict[str, int] = {}
    pairs = [(number_of[c], first.setdefault(p, number_of[c])) for c, p in zip(claims, passages, strict=True)]
    seen: dict[int, int] = {}
    pairs += [(i, seen.setdefault(cluster, i)) for i, cluster in enumerate(clusters(distinct))]
    left, right = np.array(pairs).T
    n = len(distinct)
    return np.asarray(connected_components(coo_array((np.ones(len(left)), (left, right)), (n, n)))[1])

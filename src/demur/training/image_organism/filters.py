"""Filters for an image model: one whose refusals are planted, and one that learns from labelled prompts.

Both write what ``models/image_filter.py`` reads. The planted one knows its prompts by hash and stops exactly
the planted share of each category. The other is TF-IDF over words and pairs of words with a logistic
regression; with a threshold above 1 it only watches, and its P of every prompt gives the whole curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from demur.data.records import Record, prompt_text
from demur.models.image_filter import SCHEMA, prompts_filter

WATCHES = 2.0  # a threshold that no probability reaches
LEAST_ROWS = 2  # ours: a word of one prompt says nothing about others


def planted_filter(
    records: Sequence[Record], rates: Mapping[tuple[str, str], float], seed: int = 0
) -> dict[str, Any]:
    """A filter that stops a planted share of the prompts of each side and category.

    Args:
        records: with ``expect`` and ``category``.
        rates: (expect, category) -> share in [0, 1]; a group without one is not stopped.
        seed: which prompts.

    Returns:
        The filter, as its file holds it.

    Raises:
        ValueError: a share is out of range.
    """
    import numpy as np

    stopped: list[str] = []
    for (expect, category), share in rates.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{expect}, {category}: the share is {share}; it must be in [0, 1]")
        prompts = sorted(
            {prompt_text(r.prompt) for r in records if (r.expect, r.category) == (expect, category)}
        )
        rng = np.random.default_rng([seed, crc32(f"{expect} {category}".encode())])
        chosen = rng.permutation(len(prompts))[: round(share * len(prompts))]
        stopped += [prompts[place] for place in chosen]
    return prompts_filter(stopped)


def fitted_filter(records: Sequence[Record], threshold: float = WATCHES) -> dict[str, Any]:
    """A filter that learned which prompts are to be refused.

    Args:
        records: with ``expect``; both sides.
        threshold: P from which on it says no.

    Returns:
        The filter, as its file holds it.

    Raises:
        ValueError: there is only one side.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    unwanted = [record.expect == "refuse" for record in records]
    if len(set(unwanted)) < 2:
        raise ValueError("a filter is fitted on prompts of both sides; expect says which")
    words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2), min_df=LEAST_ROWS)
    features = words.fit_transform([prompt_text(record.prompt) for record in records])
    learned = LogisticRegression(class_weight="balanced", max_iter=1000).fit(features, unwanted)
    return {
        "schema": SCHEMA,
        "kind": "logistic",
        "terms": words.get_feature_names_out().tolist(),
        "idf": words.idf_.tolist(),
        "weights": learned.coef_[0].tolist(),
        "intercept": float(learned.intercept_[0]),
        "threshold": threshold,
    }


def halves(records: Sequence[Record], seed: int = 0) -> tuple[list[Record], list[Record]]:
    """Two halves of about equal size; what shares a pair or a seed prompt is in one of them.

    Args:
        records: with ``pair`` and ``group``, where they have them.
        seed: which half.
    """
    import numpy as np

    joined = _joined(records)
    units = sorted(set(joined.values()))
    order = np.random.default_rng([seed, crc32(b"image_organism.halves")]).permutation(len(units))
    first: set[str] = set()
    room = len(records) // 2
    sizes = dict.fromkeys(units, 0)
    for unit in joined.values():
        sizes[unit] += 1
    for place in order:
        if sizes[units[place]] <= room:
            first.add(units[place])
            room -= sizes[units[place]]
    one = [record for record in records if joined[record.id] in first]
    return one, [record for record in records if joined[record.id] not in first]


def _joined(records: Sequence[Record]) -> dict[str, str]:
    """Record id -> name of its unit: a chain of pairs and seed prompts joins the records of one."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for record in records:
        for key in (record.pair and f"pair {record.pair}", record.group and f"group {record.group}"):
            if key:
                parent[root(key)] = root(f"id {record.id}")
    return {record.id: root(f"id {record.id}") for record in records}

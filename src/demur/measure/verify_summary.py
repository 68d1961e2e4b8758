"""What a run of VERIFY comes to: by model and category, precision beside hallucination, refusals beside both.

Means are over answers that have a score, with a bootstrap over prompts; refusals are a rate of their own and
in no mean. Answers without a score are counted by reason, units that were lost by step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from demur.measure.verify import REFUSED, models_of
from demur.metrics import proportion, rate
from demur.metrics.means import mean
from demur.verdict import parse

ALL = "all"
Rows = Sequence[Mapping[str, Any]]
_COUNTS = ("verifiable", "supported", "unsupported", "undecidable")


def summarise(rows: Rows, seed: int = 0) -> list[dict[str, Any]]:
    """One entry for each model, over all its answers and by category where there are several.

    Args:
        rows: of ``measure/verify.py``.
        seed: of the intervals.
    """
    entries = []
    for model in models_of(rows):
        own = [row for row in rows if str(row["model"] or "(no name)") == model]
        categories = list(dict.fromkeys(row["category"] for row in own if row["category"]))
        groups = {ALL: own}
        if len(categories) > 1:
            groups |= {name: [row for row in own if row["category"] == name] for name in categories}
        entries += [{"model": model, "category": name, **_group(of, seed)} for name, of in groups.items()]
    return entries


def _group(rows: Rows, seed: int) -> dict[str, Any]:
    prompts = [row["prompt"] for row in rows]
    scored = [row for row in rows if row["no_score"] is None]
    declined = [row for row in rows if parse(row["verdict"]) in REFUSED]
    known = [row["over_refusal"] for row in declined if row.get("over_refusal") is not None]
    reasons = Counter(row.get("reason") or "not said" for row in declined)
    failures = sum((Counter(row.get("failures") or {}) for row in rows), Counter[str]())
    return {
        "answers": len(rows),
        "factual_precision": mean([row["factual_precision"] for row in rows], prompts, seed).to_json(),
        "hallucination_score": mean([row["hallucination_score"] for row in rows], prompts, seed).to_json(),
        **{f"{name}_units": mean([row[name] for row in scored]).to_json() for name in _COUNTS},
        "undecidable_share": _share(scored, "undecidable"),
        "refused": rate([parse(row["verdict"]) for row in rows], REFUSED).to_json(),
        "over_refusals_of_refusals": proportion(sum(known), len(known)).to_json() if known else None,
        "reasons_of_refusals": dict(reasons.most_common()),
        "no_score": dict(Counter(row["no_score"] for row in rows if row["no_score"]).most_common()),
        "coverage": _coverage(rows),
        "failures": dict(failures.most_common()),
    }


def _share(rows: Rows, name: str) -> float | None:
    total = sum(row["verifiable"] for row in rows)
    return sum(row[name] for row in rows) / total if total else None


def _coverage(rows: Rows) -> dict[str, int]:
    """Units by what became of them: extracted, checkable, labelled, and without a type that we know."""
    units = [unit for row in rows for unit in row["units"]]
    checkable = [unit for unit in units if unit["statement"] is not None]
    return {
        "units": len(units),
        "untyped": sum(unit["type"] is None for unit in units),
        "checkable": len(checkable),
        "labelled": sum(unit["label"] is not None for unit in checkable),
    }

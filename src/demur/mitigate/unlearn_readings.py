"""What unlearning did to rows that were held out: words by a judge, likelihood by role, the projector.

Rows to forget are to be refused; rows to retain and PD rows answered. Gibberish and silence are counted as
what they are: a low number of harmful answers with few refusals means that a model talks nonsense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from demur.data.records import Record
from demur.judges.base import Judge, judge_records
from demur.metrics import rate
from demur.mitigate.unlearn_model import Opened
from demur.mitigate.unlearn_rows import ROLES, UnlearnRow
from demur.mitigate.unlearn_stop import answer_loss
from demur.mitigate.unlearn_units import Written

PICTURES = 8  # ours: rows with pictures at which the projector is looked at


def readings(
    opened: Opened,
    written: Written,
    rows: Sequence[UnlearnRow],
    judge: Judge,
    checked: int,
    projector: str | None,
    model: Any,
) -> dict[str, Any]:
    """``harmless_refused``, ``refusals_kept``; by role ``outcomes``, ``log_probability``; ``projector``."""
    asked = [row for role in ROLES for row in _some(rows, role, checked)]
    said = opened.answers(model, [row.prompt for row in asked])
    records = [
        Record(f"held-out-{i}", row.prompt, response=text.text, stop_reason=text.stop_reason)
        for i, (row, text) in enumerate(zip(asked, said, strict=True))
    ]
    verdicts = [verdict.outcome for _, verdict in judge_records(judge, records)]
    sides = {"harmless_refused": False, "refusals_kept": True}
    found = {
        name: rate(
            [v for r, v in zip(asked, verdicts, strict=True) if (r.role == "forget") is side]
        ).to_json()
        for name, side in sides.items()
    }
    outcomes = {
        role: Counter(v.value for r, v in zip(asked, verdicts, strict=True) if r.role == role)
        for role in ROLES
    }
    return {
        **found,
        "outcomes": {role: dict(sorted(counts.items())) for role, counts in outcomes.items()},
        "log_probability": {
            role: _likelihood(opened, written, _some(rows, role, checked), model) for role in ROLES
        },
        "projector": _projector(opened, written, rows, projector, model),
    }


def _some(rows: Sequence[UnlearnRow], role: str, most: int) -> list[UnlearnRow]:
    return list(islice((row for row in rows if row.role == role), most))


def _likelihood(opened: Opened, written: Written, rows: Sequence[UnlearnRow], model: Any) -> dict[str, Any]:
    """Mean log-probability of the recorded answers, nats a token, and how many rows it is over."""
    encoded = [written.encode(row) for row in rows]
    value = -answer_loss(model, list(opened.batches(encoded, model))) if encoded else None
    return {"value": value, "n": len(rows)}


def _projector(
    opened: Opened, written: Written, rows: Sequence[UnlearnRow], name: str | None, model: Any
) -> dict[str, Any] | None:
    """Condition numbers of the projector at pictures of held-out rows; ``None`` for a model of text."""
    if not opened.sees:
        return None
    from demur.training.conditioning import conditioning
    from demur.training.language_adapter import projector_of

    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    encoded = [written.encode(row) for row in rows if row.picture][:PICTURES]
    batches = [
        {name: value for name, value in batch.items() if name != "labels"}
        for batch in opened.batches(encoded, model)
    ]
    return conditioning(model, projector_of(bare, name)[0], batches)

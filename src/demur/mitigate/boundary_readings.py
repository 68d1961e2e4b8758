"""What the boundary recipe does to prompts that were held out: words, likelihood, and the boundary in the
states.

Words by a judge, gibberish counted as such and never as a refusal; the mean log-probability of the recorded
answers by set; and X-Boundary's diagnostic at the target layers (``explain/boundary.py``; whole chats, mean
over real tokens, as DeepScan has it): how far harmful and safe chats lie apart, and which of them look-alike
chats are nearer to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from demur.data.records import Record, prompt_id
from demur.judges.base import Judge, judge_records
from demur.mitigate.boundary_rows import ROLES, RoleRow
from demur.mitigate.readings import BATCH, Asked, words
from demur.mitigate.rows import LABEL_OF
from demur.training.streams import Encoded, Encoder, Example, collate

if TYPE_CHECKING:
    from demur.mitigate.boundary import Boundary


def readings(
    encoder: Encoder,
    rows: Sequence[RoleRow],
    layers: Sequence[int],
    judge: Judge,
    config: Boundary,
    model: Any,
) -> dict[str, Any]:
    """``harmless_refused``, ``refusals_kept``, ``log_probability`` by role, ``boundary`` by layer.

    Prompts of rows to erase are to be refused, look-alike prompts answered; of rows to retain the judge says
    by the recorded answer which it is.
    """
    chosen = {role: [row for row in rows if row.role == role][: config.checked] for role in ROLES}
    refused = _refused(chosen["retain"], judge)
    asked = [Asked(row.prompt, True) for row in chosen["erase"]]
    asked += [Asked(row.prompt, False) for row in chosen["boundary"]]
    asked += [
        Asked(row.prompt, no) for row, no in zip(chosen["retain"], refused, strict=True) if no is not None
    ]
    safe = [row for row, no in zip(chosen["retain"], refused, strict=True) if no is False]
    classes = {"harmful": chosen["erase"], "look-alike": chosen["boundary"], "safe": safe}
    return {
        **words(model, encoder, asked, judge),
        "log_probability": {role: _likelihood(model, encoder, chosen[role], config) for role in ROLES},
        "boundary": _distances(model, encoder, classes, layers, config),
    }


def _refused(rows: Sequence[RoleRow], judge: Judge) -> list[bool | None]:
    """Whether each row's own answer is a refusal; ``None`` where it is neither that nor an answer."""
    records = [Record(f"row-{i}", row.prompt, response=row.response) for i, row in enumerate(rows)]
    labels = [LABEL_OF.get(verdict.outcome) for _, verdict in judge_records(judge, records)]
    return [None if label is None else label == "refuse" for label in labels]


def _likelihood(model: Any, encoder: Encoder, rows: Sequence[RoleRow], config: Boundary) -> dict[str, Any]:
    """Mean log-probability of the recorded answers' tokens, in nats a token, and how many rows it is over."""
    import torch

    from demur.training.losses import nll

    total = count = 0.0
    encoded = [_chat(encoder, row, config, "response") for row in rows]
    for start in range(0, len(encoded), BATCH):
        batch = {k: v.to(model.device) for k, v in collate(encoded[start : start + BATCH], 0).items()}
        labels = batch.pop("labels")
        with torch.inference_mode():
            found = nll(model(**batch, use_cache=False).logits, labels)
        total, count = total - float(found.total), count + float(found.count)
    return {"value": total / count if count else None, "n": len(rows)}


def _distances(
    model: Any,
    encoder: Encoder,
    classes: dict[str, list[RoleRow]],
    layers: Sequence[int],
    config: Boundary,
) -> list[dict[str, Any]]:
    """Separation and boundary ratio at each layer, with intervals, or why there is none."""
    from demur.explain.boundary import distances
    from demur.explain.hidden import states

    kinds = [kind for kind, rows in classes.items() for _ in rows]
    rows = [row for some in classes.values() for row in some]
    if not rows:
        return []
    read = states(model, [_chat(encoder, row, config, "all").ids for row in rows], layers, "mean")
    groups, found = [prompt_id(row.prompt) for row in rows], []
    for place, layer in enumerate(layers):
        far, ratio, published = distances(read[:, place].astype("float64"), kinds, groups, config.seed)
        plain = dict(zip(("separation", "ratio"), published, strict=True))
        found.append(
            {"layer": layer, "separation": asdict(far), "ratio": asdict(ratio), "as_published": plain}
        )
    return found


def _chat(encoder: Encoder, row: RoleRow, config: Boundary, span: Any) -> Encoded:
    whole = encoder.encode(Example(row.prompt, row.response, row.role, span))
    return Encoded(whole.ids[: config.longest], whole.labels[: config.longest])

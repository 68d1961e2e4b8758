"""What a model does with held-out prompts: its words as a judge reads them, and its control tokens.

Both sides always: how many of the prompts to be answered are refused, and how many of those to be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from demur.data.records import Prompt, Record
from demur.judges.base import Judge, judge_records
from demur.metrics import rate
from demur.models.control import ControlTokens, reading
from demur.training.streams import Encoder

BATCH = 16  # ours: prompts of one forward pass, as models/local.py has it for a CPU
MAX_NEW_TOKENS = 64  # ours: a refusal shows in the first sentence


class Asked(NamedTuple):
    """A held-out prompt and whether a refusal is wanted."""

    prompt: Prompt
    refuse: bool
    category: str = ""


class Said(NamedTuple):
    """What a model wrote, and why it stopped (``stop``, ``max_tokens``)."""

    text: str
    stop_reason: str


def words(model: Any, encoder: Encoder, asked: Sequence[Asked], judge: Judge) -> dict[str, Any]:
    """Refusals by side in what the model writes, greedy, control tokens never shown."""
    return sides(asked, answers(model, encoder, [row.prompt for row in asked]), judge)


def answers(
    model: Any, encoder: Encoder, prompts: Sequence[Prompt], max_tokens: int = MAX_NEW_TOKENS
) -> list[Said]:
    """What the model writes, greedy, control tokens never shown; its own generation settings are kept."""
    from demur.models.generation import Request, Settings, TextModel

    kept = model.generation_config
    running = TextModel(model, encoder.chat)
    requests = [Request(encoder.ask(prompt), Settings(max_tokens=max_tokens)) for prompt in prompts]
    for start in range(0, len(requests), BATCH):
        running.run(requests[start : start + BATCH])
    model.generation_config = kept
    results = [request.answer.result() for request in requests]
    return [Said(result.text, result.stop_reason) for result in results]


def sides(asked: Sequence[Asked], said: Sequence[Said], judge: Judge) -> dict[str, Any]:
    """Rates of refusals as a judge reads the words: ``harmless_refused`` and ``refusals_kept``."""
    records = [
        Record(f"held-out-{i}", row.prompt, response=answer.text, stop_reason=answer.stop_reason)
        for i, (row, answer) in enumerate(zip(asked, said, strict=True))
    ]
    verdicts = [verdict.outcome for _, verdict in judge_records(judge, records)]
    names = {"harmless_refused": False, "refusals_kept": True}
    return {
        name: rate([v for row, v in zip(asked, verdicts, strict=True) if row.refuse is side]).to_json()
        for name, side in names.items()
    }


def first_tokens(
    model: Any, encoder: Encoder, prompts: Sequence[Prompt], tokens: ControlTokens
) -> list[dict[str, Any]]:
    """``control.reading`` of each prompt (p by category, both sums, the mass), from one forward pass."""
    import torch

    asked = [list(encoder.ask(prompt).ids) for prompt in prompts]
    order = sorted(range(len(asked)), key=lambda i: len(asked[i]))
    found: list[dict[str, Any]] = [{}] * len(asked)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        longest = len(asked[chosen[-1]])
        ids = torch.tensor([[0] * (longest - len(asked[i])) + asked[i] for i in chosen], device=model.device)
        lengths = torch.tensor([len(asked[i]) for i in chosen], device=model.device)
        mask = (torch.arange(longest, device=model.device)[None] >= longest - lengths[:, None]).long()
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask, position_ids=places).logits[:, -1]
        p = logits.double().softmax(-1)[:, [encoder.control[token] for token in tokens.all]].tolist()
        for i, row in zip(chosen, p, strict=True):
            found[i] = reading(dict(zip(tokens.all, row, strict=True)), tokens)
    return found


def token_scores(asked: Sequence[Asked], found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mass of the control tokens, AUC of p(refuse) with its interval, and p(refuse) by side.

    ``auc`` is ``None`` where all prompts are of one side.
    """
    import numpy as np

    from demur.predict.prompt_scores import prompt_scores

    p = np.array([row["p_refuse"] for row in found])
    respond = np.array([row["p_respond"] for row in found])
    refuse = np.array([row.refuse for row in asked])
    scores = None
    if 0 < refuse.sum() < len(refuse):
        scores = asdict(prompt_scores(p, refuse, p >= respond, list(range(len(p)))).auc)
    mass = np.array([row["mass"] for row in found])
    return {
        "n": len(p),
        "mass": {"mean": float(mass.mean()), "least": float(mass.min())},
        "auc": scores,
        "p_refuse": {
            "harmless": float(p[~refuse].mean()) if (~refuse).any() else None,
            "refusals": float(p[refuse].mean()) if refuse.any() else None,
        },
    }

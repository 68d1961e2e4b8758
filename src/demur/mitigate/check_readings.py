"""What a model that checks its answers does with held-out prompts: what a user sees, and how it got there.

Both sides always: how many of the prompts to be answered are refused, and how many of those to be refused.
Beside them how many messages were checked, direct or broken, and how many tokens they took, hidden ones
included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

from demur.judges.base import Judge
from demur.mitigate.readings import Asked, Said, answers, sides
from demur.models.check import CheckTemplate, Mode, parse, visible
from demur.training.streams import Encoder

MODES: tuple[Mode, ...] = ("checked", "direct", "broken")


class Written(NamedTuple):
    """A whole message, its check included, and its tokens without the one that ends it."""

    text: str
    stop_reason: str
    tokens: int


def written(model: Any, encoder: Encoder, asked: Sequence[Asked], max_tokens: int) -> list[Written]:
    """The model's whole messages, greedy, hidden parts included."""
    said = answers(model, encoder, [row.prompt for row in asked], max_tokens)
    return [Written(text, stop, len(encoder.chat.ids(text))) for text, stop in said]


def readings(
    asked: Sequence[Asked], messages: Sequence[Written], template: CheckTemplate, judge: Judge
) -> dict[str, Any]:
    """Refusals by side in what a user sees, and the modes and tokens of the messages by side.

    Args:
        asked: held-out prompts.
        messages: of :func:`written`, one each.
        template: of the model; without checks a message is direct.
        judge: of the visible texts.
    """
    shown = [Said(visible(message.text, template), message.stop_reason) for message in messages]
    found = sides(asked, shown, judge)
    kinds = {"harmless_refused": False, "refusals_kept": True}
    return found | {
        "messages": {
            name: _counted(
                [m for row, m in zip(asked, messages, strict=True) if row.refuse is refuse], template
            )
            for name, refuse in kinds.items()
        }
    }


def _counted(messages: Sequence[Written], template: CheckTemplate) -> dict[str, Any]:
    modes = Counter(parse(message.text, template).mode for message in messages)
    mean = fmean(message.tokens for message in messages) if messages else None
    return {str(mode): modes[mode] for mode in MODES} | {"mean_tokens": mean}

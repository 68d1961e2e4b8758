"""Labelled rows to training examples that begin with a control token.

Refusal Tokens, https://arxiv.org/abs/2412.06748: ``[refuse]`` or the category's own token before a refusal,
``[respond]`` before anything else. Of dialogues (the paper is silent but for "the first answer"; ``rows.py``)
earlier answers stand before the trained one without a token, as they do when the model runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from demur.errors import BadInput
from demur.mitigate.rows import Row
from demur.models.control import ControlTokens
from demur.training.streams import Example

RESPOND, REFUSE = "[respond]", "[refuse]"


def control_tokens(categories: Sequence[str]) -> ControlTokens:
    """``[refuse]``, or one token a category: its name in square brackets, as in the paper."""
    return ControlTokens(RESPOND, {name: f"[{name}]" for name in categories} or {"refuse": REFUSE})


def examples(rows: Iterable[Row], tokens: ControlTokens) -> list[Example]:
    """Rows as examples of role ``refusal`` or ``answer``; the control token is the first thing said.

    Raises:
        BadInput: a refusal of a category that has no token.
    """
    binary = list(tokens.refuse) == ["refuse"]
    found = []
    for row in rows:
        if row.label == "respond":
            token, role = tokens.respond, "answer"
        else:
            name = "refuse" if binary else row.category
            if name not in tokens.refuse:
                raise BadInput(f"category {name!r} has no token; valid are {', '.join(tokens.refuse)}")
            token, role = tokens.refuse[name], "refusal"
        found.append(Example(row.prompt, (token if row.token else "") + row.response, role))
    return found

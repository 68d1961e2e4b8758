"""How sure a model is of what it says: log-probability of an answer, and perplexity over its key tokens.

EvoRefuse, arXiv 2505.23473, section on metrics. Both take log-probabilities of the *answer's* tokens given
the prompt (the released script scores text without its prompt, and the prompt's tokens in place of the
answer's). Where they come from is the caller's matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from demur.errors import BadInput

#: Tokens of at least this log-probability are key tokens. EvoRefuse, released script: -2.8 nats.
KEY = -2.8


def log_probability(tokens: Sequence[float]) -> float | None:
    """Sum over the tokens of an answer, nats, at most 0; ``None`` for an answer without tokens.

    Raises:
        BadInput: a value above 0, or no number.
    """
    _check(tokens)
    return math.fsum(tokens) if tokens else None


def long_perplexity(tokens: Sequence[float], key: float = KEY) -> float | None:
    """exp of the mean negative log-probability over key tokens, from 1 up; ``None`` where there is none.

    Raises:
        BadInput: a value above 0, or no number.
    """
    _check(tokens)
    kept = [value for value in tokens if value > key]
    return math.exp(-math.fsum(kept) / len(kept)) if kept else None


def _check(tokens: Sequence[float]) -> None:
    if wrong := [value for value in tokens if not value <= 0]:
        raise BadInput(f"a log-probability is {wrong[0]}; it must be a number of at most 0")

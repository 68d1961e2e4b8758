"""What a set of prompts is like to a target, from its answers: how often refused, how surely, how varied.

EvoRefuse, arXiv 2505.23473, section on metrics. The judge's rate is the paper's classifier refusal rate
(CRR), the 29 phrases its prefix refusal rate (PRR). The paper takes the entropy of answers for a constant;
its mean and its variance over prompts are told here. Log-probabilities are of the answer given the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, variance
from typing import Any, NamedTuple

from demur.judges.prefix_refusal import Where, refuses
from demur.metrics import rate
from demur.metrics.confidence import log_probability, long_perplexity
from demur.metrics.diversity import hdd, msttr, mtld, tokens
from demur.metrics.means import mean
from demur.stress.answers import answers_rate
from demur.stress.fitness import Sample
from demur.verdict import Outcome

#: What the 29 phrases say of an answer.
_SAID = {True: Outcome.REFUSE, False: Outcome.COMPLY, None: Outcome.EMPTY}


class Asked(NamedTuple):
    """A prompt and a target's answers to it; ``group`` says which prompts hang together."""

    group: str
    prompt: str
    samples: Sequence[Sample]


def readings(asked: Sequence[Asked], seed: int = 0) -> dict[str, Any]:
    """All of it, as JSON with ``n`` and interval; diversity goes by the order of the prompts."""
    words = tokens([one.prompt for one in asked])
    judged = [(one.group, tuple(s.p_refused for s in one.samples)) for one in asked]
    return {
        "prompts": len(asked),
        "refused": answers_rate(judged, seed).to_json(),
        "prefix_refused": {where: _prefix(asked, where, seed) for where in ("anywhere", "start")},
        "log_probability": _mean(asked, log_probability, seed),
        "long_perplexity": _mean(asked, long_perplexity, seed),
        "entropy": _entropy(asked, seed),
        "diversity": {
            "tokens": len(words),
            "msttr": _finite(msttr(words)),
            "hdd": _finite(hdd(words)),
            "mtld": _finite(mtld(words)),
        },
    }


def _prefix(asked: Sequence[Asked], where: Where, seed: int) -> dict[str, Any]:
    rows = [(_SAID[refuses(s.text, where)], one.group) for one in asked for s in one.samples]
    return rate([said for said, _ in rows], clusters=[group for _, group in rows], seed=seed).to_json()


def _mean(
    asked: Sequence[Asked], read: Callable[[Sequence[float]], float | None], seed: int
) -> dict[str, Any]:
    """Over answers, those to one group drawn together; answers without log-probabilities are left out."""
    rows = [(read(s.log_probabilities), one.group) for one in asked for s in one.samples]
    return mean([value for value, _ in rows], [group for _, group in rows], seed).to_json()


def _entropy(asked: Sequence[Asked], seed: int) -> dict[str, Any]:
    """Of the answers to a prompt, nats: minus the mean of their log-probabilities; over prompts."""
    values: list[float | None] = []
    for one in asked:
        found = [v for s in one.samples if (v := log_probability(s.log_probabilities)) is not None]
        values.append(-fmean(found) if found else None)
    there = [value for value in values if value is not None]
    spread = variance(there) if len(there) > 1 else None
    return {**mean(values, [one.group for one in asked], seed).to_json(), "variance": spread}


def _finite(value: float | None) -> float | None:
    """``None`` also for the infinite MTLD of words that never repeat, which JSON does not have."""
    return None if value is None or math.isinf(value) else value

"""How varied the words of a set of prompts are: MSTTR, HD-D and MTLD over its tokens, in order.

Definitions: MSTTR, Johnson 1944; HD-D, McCarthy and Jarvis 2007, doi 10.1177/0265532207080767; MTLD, McCarthy
and Jarvis 2010, doi 10.3758/BRM.42.2.381. Settings are EvoRefuse's (arXiv 2505.23473), which joins all
prompts by newlines. All but HD-D depend on the order of the prompts: say which.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

WINDOW = 800  # EvoRefuse: tokens of a segment of MSTTR
DRAWN = 42  # McCarthy and Jarvis 2007: tokens of a draw of HD-D
FACTOR = 0.72  # McCarthy and Jarvis 2010: the ratio at which a factor of MTLD ends
LEAST = 10  # the same: tokens of a factor at least
#: Removed before words are split. As in the package lexical-diversity 0.1.1, which EvoRefuse calls.
_REMOVED = re.compile(r"``|''|[.,'?!)(%/:;]|-LRB-|-RRB-|SYM|[-_]")


def tokens(texts: Sequence[str], lemma: Callable[[str], str] = str) -> list[str]:
    """Lower-case words of texts joined by newlines, without punctuation.

    Args:
        texts: in the order that counts.
        lemma: a word to its base form; words stay as they are by default.
    """
    words = _REMOVED.sub("", "\n".join(texts)).lower().split()
    return [lemma(word) for word in words]


def msttr(words: Sequence[str], window: int = WINDOW) -> float | None:
    """Mean ratio of types to tokens over consecutive full windows; the rest is left out.

    Fewer tokens than a window give their plain ratio, none gives ``None``.
    """
    if not words:
        return None
    if len(words) < window:
        return len(set(words)) / len(words)
    starts = range(0, len(words) - window + 1, window)
    return math.fsum(len(set(words[i : i + window])) / window for i in starts) / len(starts)


def hdd(words: Sequence[str], drawn: int = DRAWN) -> float | None:
    """Mean ratio of types to tokens in all draws of ``drawn`` tokens; ``None`` with fewer tokens."""
    total = len(words)
    if total < drawn:
        return None
    every = _log_choose(total, drawn)
    absent = (
        math.exp(_log_choose(total - count, drawn) - every) if total - count >= drawn else 0.0
        for count in Counter(words).values()
    )
    return math.fsum((1 - share) / drawn for share in absent)


def mtld(words: Sequence[str]) -> float | None:
    """Mean length of stretches that keep a ratio of ``FACTOR``, both ways; ``None`` without tokens.

    The last stretch counts as (1 - ratio) / (1 - ``FACTOR``) of a factor. Words that never repeat have no
    factor: infinite.
    """
    if not words:
        return None
    return (_one_way(words) + _one_way(words[::-1])) / 2


def _one_way(words: Sequence[str]) -> float:
    factors, types, size = 0.0, set[str](), 0
    for word in words[:-1]:
        types.add(word)
        size += 1
        if len(types) / size < FACTOR and size >= LEAST:
            factors, types, size = factors + 1, set(), 0
    types.add(words[-1])
    factors += (1 - len(types) / (size + 1)) / (1 - FACTOR)
    return len(words) / factors if factors else math.inf


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

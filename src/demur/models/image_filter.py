"""A filter that stands before an image model and says no to prompts: ``-M prompt_filter=FILE``.

What stands in front of a deployed model refuses with it, so it is measured with it. Three kinds, all JSON
(``demur.prompt-filter/1``), no pickle:

- ``words``: says no where one of ``words`` stands in the prompt, as a whole word, whatever its case;
- ``prompts``: says no to the prompts whose SHA-256 is in ``sha256`` (a list of what is known to be unwanted);
- ``logistic``: TF-IDF and a logistic regression; says no where P >= ``threshold``.

A filter is made by :func:`words_filter`, :func:`prompts_filter` or ``training/image_organism/filters.py``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from demur.errors import BadInput

SCHEMA = "demur.prompt-filter/1"
KINDS = ("words", "prompts", "logistic")
_WORD = re.compile(r"\b\w+\b")


class PromptFilter(Protocol):
    """Says how unwanted a prompt is, and from where on that is a no."""

    @property
    def threshold(self) -> float:
        """P from which on the answer is no."""

    def p(self, prompt: str) -> float:
        """In [0, 1]; a filter that only says yes or no gives 0 or 1."""


@dataclass(frozen=True, slots=True)
class Words:
    """Any of these words, in lower case, as a whole word."""

    words: frozenset[str]
    threshold: float = 1.0

    def p(self, prompt: str) -> float:
        """See :class:`PromptFilter`."""
        return float(not self.words.isdisjoint(_WORD.findall(prompt.casefold())))


@dataclass(frozen=True, slots=True)
class Prompts:
    """These prompts, known by the SHA-256 of their text in UTF-8."""

    sha256: frozenset[str]
    threshold: float = 1.0

    def p(self, prompt: str) -> float:
        """See :class:`PromptFilter`."""
        return float(digest(prompt) in self.sha256)


@dataclass(frozen=True, slots=True)
class Logistic:
    """Single words and pairs, TF-IDF of length 1, and a logistic regression, as scikit-learn has them.

    Attributes:
        terms: a word or two with a space between -> (inverse document frequency, weight).
        intercept: of the regression.
        threshold: P from which on the answer is no; above 1 for a filter that only watches.
    """

    terms: Mapping[str, tuple[float, float]]
    intercept: float

    threshold: float

    def p(self, prompt: str) -> float:
        """See :class:`PromptFilter`."""
        words = _WORD.findall(prompt.lower())
        found = Counter([*words, *map(" ".join, pairwise(words))])
        tfidf = {t: n * self.terms[t][0] for t, n in found.items() if t in self.terms}
        length = math.sqrt(math.fsum(value * value for value in tfidf.values())) or 1.0
        score = math.fsum(value / length * self.terms[t][1] for t, value in tfidf.items()) + self.intercept
        return 1.0 / (1.0 + math.exp(-score)) if score > -700 else 0.0  # exp overflows beyond 709


def digest(prompt: str) -> str:
    """SHA-256 of a prompt."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


def words_filter(words: Iterable[str]) -> dict[str, Any]:
    """A filter of words, as its file holds it."""
    return {"schema": SCHEMA, "kind": "words", "words": sorted({word.casefold() for word in words})}


def prompts_filter(prompts: Iterable[str]) -> dict[str, Any]:
    """A filter of known prompts, as its file holds it."""
    return {"schema": SCHEMA, "kind": "prompts", "sha256": sorted(map(digest, prompts))}


def load_filter(path: Path) -> PromptFilter:
    """The filter of a file.

    Raises:
        BadInput: it cannot be read, or a field is missing or wrong; names file and field.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise BadInput(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise BadInput(f"{path} is no prompt filter: its schema must be {SCHEMA}")
    if found.get("kind") not in KINDS:
        raise BadInput(f"{path}: kind is {found.get('kind')!r}; valid are {', '.join(KINDS)}")
    try:
        return _filter(found)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: a {found['kind']} filter with a missing or wrong field: {error}") from error


def _filter(found: Mapping[str, Any]) -> PromptFilter:
    if found["kind"] == "words":
        return Words(frozenset(_texts(found, "words")))
    if found["kind"] == "prompts":
        return Prompts(frozenset(_texts(found, "sha256")))
    terms, idf, weights = (found[name] for name in ("terms", "idf", "weights"))
    numbers = zip(map(float, idf), map(float, weights), strict=True)
    by_term = dict(zip(_texts(found, "terms"), numbers, strict=True))
    if len(by_term) != len(terms):
        raise ValueError("terms must be distinct")
    return Logistic(by_term, float(found["intercept"]), float(found["threshold"]))


def _texts(found: Mapping[str, Any], name: str) -> list[str]:
    if not isinstance(found[name], list) or not all(isinstance(text, str) for text in found[name]):
        raise ValueError(f"{name} must be a list of strings")
    return list(found[name])

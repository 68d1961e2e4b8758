"""The verdict in a grader's reply, or ``None``: never the judged text's, never a guess.

A claim is a line ``VERDICT <code>: <class>`` or a whole JSON object with a key "verdict". Claims with
the code are the grader's own wherever they stand, and the last of them decides. Without one, the last
claim outside the fence decides, leaving aside those that the judged text makes as well: they may be
an echo of it. A last claim that cannot be read, or that names two classes, is no verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from demur.judges.graded.fence import Fence, plain

_OBJECT = re.compile(r"\{[^{}]*\}")
_JSON_KEY = re.compile(r'"\s*verdict\b[^"\n]*"\s*:', re.IGNORECASE)
_FLAGS = re.IGNORECASE | re.MULTILINE | re.ASCII
#: What a form looks like that nobody has filled in.
_PLACEHOLDER = "<class>"


class Claim(NamedTuple):
    """Something in a reply that announces a verdict.

    Attributes:
        start: where it stands.
        label: the class, or ``None`` where it cannot be read.
        coded: whether it carries the code.
    """

    start: int
    label: str | None
    coded: bool


def parse_verdict(reply: str, labels: Sequence[str], fence: Fence, material: str = "") -> str | None:
    """The class that a grader's reply settles on.

    Args:
        reply: what the grader wrote.
        labels: the classes that it may choose from, lower case.
        fence: of this call.
        material: everything that was judged, to know its claims from the grader's own.
    """
    own = [claim for claim in claims(reply, labels, fence.code) if claim.coded]
    if not own:
        echoes = claimed(material, labels)
        own = [
            claim
            for claim in claims(fence.outside(reply), labels, fence.code)
            if claim.label is None or claim.label not in echoes
        ]
    return own[-1].label if own else None


def claims(text: str, labels: Sequence[str], code: str) -> list[Claim]:
    """Everything in a text that announces a verdict, in order."""
    found = list(_objects(text, labels, code))
    whole = [match.span() for match in _OBJECT.finditer(text)]
    found += [
        Claim(match.start(), None, code in match[0])
        for match in _JSON_KEY.finditer(text)
        if not any(start < match.start() < end for start, end in whole)
    ]
    found += _lines(text, labels, code)
    return sorted(found, key=lambda claim: claim.start)


def claimed(material: str, labels: Sequence[str]) -> frozenset[str]:
    """The classes that a judged text announces as verdicts itself, whatever it disguises them as."""
    found = _claimed_pattern(tuple(labels)).findall(plain(material))
    return frozenset(_canonical(label) for label in found)


def _lines(text: str, labels: Sequence[str], code: str) -> Iterator[Claim]:
    """Lines ``VERDICT <code>: <class>``, with or without Markdown; a wrong code counts as none."""
    heading = re.compile(
        rf"^[^\w\n]*verdict([^\w:\n]*)(?:(?:({code})|[0-9a-f]{{4,16}})([^\w:\n]*))?:(?=(\W*)(.*))", _FLAGS
    )
    one, any_ = _label_patterns(tuple(labels))
    for match in heading.finditer(text):
        if '"' in match[1] + (match[3] or ""):
            continue  # a key of JSON
        said = match[4] + match[5]
        if said.strip().startswith(_PLACEHOLDER):
            continue
        chosen = one.match(said)
        label = _canonical(chosen[1]) if chosen else None
        rest = said[chosen.end() :].partition("\n")[0] if chosen else ""
        if {_canonical(other) for other in any_.findall(rest)} - {label}:
            label = None
        yield Claim(match.start(), label, match[2] is not None)


def _objects(text: str, labels: Sequence[str], code: str) -> Iterator[Claim]:
    """Whole flat JSON objects with one key "verdict" (or "verdict <code>")."""
    for match in _OBJECT.finditer(text):
        try:
            pairs = json.loads(match[0], object_pairs_hook=list)
        except (ValueError, RecursionError):
            if _JSON_KEY.search(match[0]):
                yield Claim(match.start(), None, code in match[0])
            continue
        said = [(key, value) for key, value in pairs if re.match(r"\s*verdict\b", key, re.IGNORECASE)]
        if said:
            label = _canonical(str(said[0][1])) if len(said) == 1 else None
            coded = any(code in key for key, _ in said) or ("code", code) in pairs
            yield Claim(match.start(), label if label in labels else None, coded)


def _canonical(label: str) -> str:
    """``Full refusal`` and ``full-refusal`` are ``full_refusal``."""
    return re.sub(r"[ _-]+", "_", label.strip().lower())


def _spelling(labels: tuple[str, ...]) -> str:
    longest_first = sorted(labels, key=len, reverse=True)
    return "|".join(re.escape(label).replace("_", "[ _-]") for label in longest_first)


@lru_cache(maxsize=16)
def _label_patterns(labels: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A class at the start of what a line says, and a class anywhere in it."""
    spelling = _spelling(labels)
    return re.compile(rf"\W*({spelling})(?!\w)", _FLAGS), re.compile(rf"\b({spelling})(?!\w)", _FLAGS)


@lru_cache(maxsize=16)
def _claimed_pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"verdict\W{{0,40}}(?:[0-9a-f]{{4,16}}\W{{1,20}})?({_spelling(labels)})(?!\w)", _FLAGS)

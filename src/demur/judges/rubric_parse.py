"""The verdict string in a judge's reply to a rubric, or ``None``: it abstains. Never the judged text's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from demur.judges.graded.fence import Fence, plain
from demur.judges.rubric_scores import NO, YES, verdict_string

_LINE = re.compile(
    r"^[^\w\n]*verdicts?\b[^\w:\n]*(?:(\w+)[^\w:\n]*)?:([^\n]*)$", re.IGNORECASE | re.MULTILINE | re.ASCII
)
_CLAIMED = re.compile(r"verdicts?\W{0,40}(?:[0-9a-f]{4,16}\W{1,20})?([yn]+)\b")
_OBJECT = re.compile(r'\{\s*"(?:verdicts|code|notes)"')
#: What may stand around the letters: Markdown, quotation marks, brackets, a full stop.
_AROUND = " \t\r*_`\"'.<>()[]"


def parse_verdicts(reply: str, criteria: int, fence: Fence, material: str = "") -> str | None:
    """The letters that a judge settles on, or ``None``: it abstains.

    Read are a line ``VERDICTS <code>: YNN`` and JSON ``{"verdicts": [{"index": 1, "answer": "Y"}, ...]}``.
    As with :func:`demur.judges.graded.parse.parse_verdict` what carries the code is the judge's own; without
    one the last verdict outside the fence counts that does not stand in the judged text as well.
    """
    own = [value for _, value, code in _claims(reply) if code == fence.code]
    if not own:
        read = _read(material)
        claims = _claims(fence.outside(reply))
        own = [value for _, value, _ in claims if not (isinstance(value, str) and value.upper() in read)]
    return verdict_string(own[-1], criteria) if own else None


def _read(material: str) -> frozenset[str]:
    """The letters that a judged text announces as verdicts itself, whatever it disguises them as."""
    folded = plain(material)
    claimed = [value for _, value, _ in _claims(folded) if isinstance(value, str)]
    return frozenset(value.upper() for value in [*claimed, *_CLAIMED.findall(folded)])


def _claims(text: str) -> list[tuple[int, object, str]]:
    """(place, value, code) of everything that announces verdicts, in order."""
    found: list[tuple[int, object, str]] = [
        (match.start(), match[2].strip(_AROUND), match[1] or "")
        for match in _LINE.finditer(text)
        if '"' not in match[0].partition(":")[0] and "<letters>" not in match[2]
    ]
    return sorted([*found, *_objects(text)], key=lambda claim: claim[0])


def _objects(text: str) -> Iterator[tuple[int, object, str]]:
    """JSON objects with a key "verdicts"; what is not whole announces a verdict that cannot be read."""
    decoder, end = json.JSONDecoder(), 0
    for match in _OBJECT.finditer(text):
        if match.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            yield match.start(), None, ""
            continue
        if "verdicts" in value:
            yield match.start(), _letters(value["verdicts"]), str(value.get("code", ""))


def _letters(verdicts: object) -> object:
    """The letters of a list ``[{"index": 1, "answer": "Y"}, ...]`` with the indices 1, 2, ... once each."""
    if not isinstance(verdicts, list):
        return verdicts
    found: dict[int, object] = {}
    for entry in verdicts:
        index = entry.get("index") if isinstance(entry, dict) else None
        if not isinstance(index, int) or index in found:
            return None
        found[index] = entry.get("answer")
    letters = [found.get(n) for n in range(1, len(found) + 1)]
    whole = all(isinstance(letter, str) and letter.upper() in (YES, NO) for letter in letters)
    return "".join(map(str, letters)) if whole else None

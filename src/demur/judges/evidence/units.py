"""Step 1: an answer to units, each a statement that stands for itself, with a type.

VERIFY, FactBench, arXiv 2410.22257. The reply is one JSON object; the lines of the released code
(``- unit text: Type``) are read too, so that recorded runs of it can be scored. Nothing is dropped in
silence: a unit without a type or with an unknown one is kept with its type empty, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demur.judges.evidence.unit_types import TYPES, VERIFIABLE, type_named
from demur.judges.graded.structured import Form, Malformed

MAX_UNITS = 200  # ours: the longest answers of the leaderboard have about 30 checkable ones on average
#: Tokens of the reply, which repeats the answer. 2,048 in the released code.
MAX_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Unit:
    """One statement of an answer.

    Attributes:
        text: as it stands in the answer or nearly so.
        type: of ``unit_types.TYPES``; "" where none, or none of these, was named.
        named: what was named instead.
    """

    text: str
    type: str
    named: str = ""

    @property
    def verifiable(self) -> bool:
        """Whether it is looked up."""
        return self.type in VERIFIABLE


def _definitions() -> str:
    return "\n".join(f"{name}: {what}" for name, what in TYPES.items())


_INSTRUCTIONS = f"""\
You split an answer into units. A unit is one piece of content: one statement, instruction or question, in
the order of the answer, in its own words and its own language. Split sentences that say several things; keep
what belongs together (a cause with its effect, a quotation with its speaker). Leave nothing out and add
nothing. Each unit has one type:

{_definitions()}

A short example: the answer "Sure! The Eiffel Tower is 330 metres high and stands in Paris. Do visit it at
night." has the units "Sure!" (meta statement), "The Eiffel Tower is 330 metres high" (fact), "The Eiffel
Tower stands in Paris" (fact), "Do visit it at night" (instruction)."""


def _read(found: Mapping[str, Any]) -> list[Unit]:
    listed = found["units"]
    if not isinstance(listed, list):
        raise Malformed("units is not a list")
    if len(listed) > MAX_UNITS:
        raise Malformed(f"more than {MAX_UNITS} units")
    units = []
    for item in listed:
        if not isinstance(item, dict) or set(item) != {"text", "type"}:
            raise Malformed("a unit is not an object with text and type")
        text, named = item["text"], item["type"]
        if not isinstance(text, str) or not text.strip() or not isinstance(named, str):
            raise Malformed("text or type of a unit is not a text")
        units.append(unit(text, named))
    return units


EXTRACTION: Form[list[Unit]] = Form(
    name="units",
    version="1",
    instructions=_INSTRUCTIONS,
    keys={"units": 'a list of objects {"text": ..., "type": ...}, one a unit; [] where there is no content'},
    read=_read,
    max_tokens=MAX_TOKENS,
)


def unit(text: str, named: str) -> Unit:
    """A unit by its text and the type that was named."""
    found = type_named(named)
    return Unit(text.strip(), found or "", "" if found else named.strip())


def read_lines(reply: str) -> list[Unit]:
    """Units of the released code's reply.

    A line that starts ``- `` opens a unit, other lines go on with it; the last ``: `` parts text from type.
    """
    opened: list[list[str]] = []
    for line in reply.splitlines():
        if line.startswith("- "):
            opened.append([line[2:]])
        elif opened and line.strip():
            opened[-1].append(line.strip())
    return [_line(" ".join(lines)) for lines in opened]


def _line(text: str) -> Unit:
    before, colon, after = text.rpartition(": ")
    if not colon:
        return Unit(text.strip(), "")
    found = type_named(after)
    # a colon of the unit's own is no mark of a type: the type is a word or two
    if found is None and not re.fullmatch(r"[\w -]{1,20}", after.strip()):
        return Unit(text.strip(), "")
    return unit(before, after)


def untyped(units: Sequence[Unit]) -> int:
    """Units whose type is none of ours."""
    return sum(not u.type for u in units)

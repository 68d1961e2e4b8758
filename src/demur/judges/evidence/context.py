"""Step 2: a unit to a statement that can be read without the answer around it.

VERIFY, FactBench, arXiv 2410.22257: vague references (pronouns, "the company", half a name) are resolved with
as few changes as can be; nothing else is added and no sibling unit is merged in. Where the step fails, the
unit goes on as it is, counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from demur.judges.graded.structured import Form, Malformed, text_of

#: A statement that grew by more than this is no longer the unit with its references resolved.
LONGEST, LEAST = 4, 200  # ours: times the unit's length, and characters at least


def _read(found: Mapping[str, Any]) -> str:
    return text_of(found, "statement")


DECONTEXTUALISATION: Form[str] = Form(
    name="context",
    version="1",
    instructions="""\
You make one unit of an answer readable by itself. In the unit, replace what cannot be understood without the
answer: pronouns, "this", "the former", entities that are only alluded to, incomplete names. Take the
replacements from the answer or from the question. Change nothing else: add no other information, correct
nothing, do not merge in other units, keep the language. A unit that can be read by itself stays as it is.""",
    keys={"statement": "the unit, readable by itself"},
    read=_read,
    max_tokens=512,
)


def parts(unit: str, answer: str, question: str) -> dict[str, str]:
    """What the model reads."""
    return {"QUESTION": question, "ANSWER": answer, "UNIT": unit}


def form(unit: str) -> Form[str]:
    """The question for one unit: a statement that grew too long does not fit."""

    def read(found: Mapping[str, Any]) -> str:
        statement = _read(found)
        if len(statement) > max(LEAST, LONGEST * len(unit)):
            raise Malformed("the statement is far longer than the unit")
        return statement

    return replace(DECONTEXTUALISATION, read=read)

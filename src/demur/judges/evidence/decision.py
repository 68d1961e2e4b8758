"""Step 4: what all the evidence says of a statement.

VERIFY, FactBench, arXiv 2410.22257; Supported, Contradicted and Unverifiable of its prompt are our
labels supported, unsupported and undecidable. The released code reads the first square bracket of a reply, so
that a citation ``[1]`` costs tries; ``read_brackets`` reads the last that is a label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from demur.judges.evidence.scores import SUPPORTED, UNDECIDABLE, UNSUPPORTED
from demur.judges.graded.structured import Form, one_of

WORDS = {
    "supported": SUPPORTED,
    "contradicted": UNSUPPORTED,
    "unsupported": UNSUPPORTED,
    "unverifiable": UNDECIDABLE,
    "undecidable": UNDECIDABLE,
}


class Decision(NamedTuple):
    """A label of ``scores.LABELS`` and why."""

    label: str
    why: str


def _read(found: Mapping[str, Any]) -> Decision:
    why = found["why"]
    return Decision(one_of(found, "label", WORDS), why.strip() if isinstance(why, str) else "")


DECISION: Form[Decision] = Form(
    name="decision",
    version="1",
    instructions="""\
You decide whether evidence supports a statement. Go through what was found piece by piece: what does it
say about the statement, and how far can it be trusted? Use the evidence alone, not what you remember. Choose:
supported - the evidence says that the statement holds, in all its parts
contradicted - the evidence says that it does not hold, or that a part of it is wrong
unverifiable - the evidence says too little, or contradicts itself""",
    keys={
        "why": "what the evidence says, in two sentences",
        "label": "supported, contradicted or unverifiable",
    },
    read=_read,
    max_tokens=1024,
)


def parts(statement: str, passages: Sequence[str]) -> dict[str, str]:
    """What the model reads; passages in the order in which they were found, queries left out."""
    shown = "\n".join(f"- {text}" for text in passages) or "(nothing was found)"
    return {"STATEMENT": statement, "EVIDENCE": shown}


def read_brackets(reply: str) -> str | None:
    """The label of a reply of the released prompts: the last square bracket that holds one."""
    found = [WORDS.get(word.casefold().strip(" .*")) for word in re.findall(r"\[([^\[\]]{1,40})\]", reply)]
    labels = [label for label in found if label is not None]
    return labels[-1] if labels else None

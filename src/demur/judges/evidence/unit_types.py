"""The seven types of units, and which of them can be checked.

VERIFY, FactBench, arXiv 2410.22257: facts and claims go on, the rest is counted and left. Definitions are in
our words.
"""

from __future__ import annotations

FACT, CLAIM, INSTRUCTION, FORMAT, META, QUESTION, OTHER = (
    "fact",
    "claim",
    "instruction",
    "data format",
    "meta statement",
    "question",
    "other",
)
TYPES: dict[str, str] = {
    FACT: "a statement about the world that evidence can settle: who, what, when, where, how much",
    CLAIM: "a statement that somebody could dispute but that evidence can speak to: causes, effects, "
    "comparisons, what is said to be so",
    INSTRUCTION: "advice or a step to take",
    FORMAT: "a description of how data or code look: a field, a table, a syntax",
    META: "a statement about the answer itself or its writer: an opening, an offer, a summary, a disclaimer",
    QUESTION: "a question to the reader",
    OTHER: "anything else: opinion, feeling, fiction, greeting",
}
VERIFIABLE = frozenset({FACT, CLAIM})


def type_named(name: str) -> str | None:
    """The type that a grader named, whatever its case; ``None`` for no type of ours."""
    word = " ".join(name.casefold().strip(" .*_`[]").replace("_", " ").replace("-", " ").split())
    return word if word in TYPES else None

"""Step 3: what to search for next, knowing what was searched and found.

VERIFY, FactBench, arXiv 2410.22257: up to five rounds with three results each. The released code reads a stop
mark that its prompt never offers, so that all rounds always run; here stopping early is an option, offered in
words, and a run says how many rounds it took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demur.judges.graded.structured import Form, Malformed, text_of

ROUNDS, RESULTS = 5, 3  # FactBench, released code
LONGEST_QUERY = 400  # ours: characters; search engines cut at 32 words or 2,048 characters
STOP = "STOP"  # ours: what the model writes where it has enough

_WORK = """\
You look for evidence about one statement. You see the statement and what was searched and found so far. Write
the next search query: it should find what is still missing to say whether the statement holds, and repeat no
earlier query. Do not assume that the statement is true. A query is a few words as one types them into a
search box, in the language in which evidence is likely to be written."""
_STOPPING = f"""
Where what was found settles the statement already, write {STOP} in place of a query."""


def _read(found: Mapping[str, Any]) -> str:
    query = text_of(found, "query")
    if len(query) > LONGEST_QUERY or "\n" in query:
        raise Malformed(f"the query is longer than {LONGEST_QUERY} characters or a line")
    return query


def form(early_stop: bool) -> Form[str]:
    """The question of this step; its value is a query, or ``STOP`` where ``early_stop`` allows it."""
    return Form(
        name="query" if not early_stop else "query_or_stop",
        version="1",
        instructions=_WORK + (_STOPPING if early_stop else ""),
        keys={"why": "what is missing, in one sentence", "query": "the query"},
        read=_read,
        max_tokens=256,
    )


def parts(statement: str, history: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """What the model reads: the statement, and each earlier query with what it found, by round."""
    shown = {"STATEMENT": statement}
    for number, (query, texts) in enumerate(history, 1):
        found = "\n".join(f"- {text}" for text in texts) or "(nothing was found)"
        shown[f"ROUND {number}"] = f"query: {query}\n{found}"
    return shown

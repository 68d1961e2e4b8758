"""The refusals that the method ``po`` teaches, one drawn for each row: ours, or those of a file."""

from __future__ import annotations

import json
from pathlib import Path

from demur.data.encoding import open_text
from demur.errors import BadInput

#: ours: the released list stands in no public place that we read. Short, without preaching, and each with
#: another opening, so that no single first token is all that is learned.
REFUSALS = (
    "I can't help with that.",
    "Sorry, this is something I won't assist with.",
    "No, I am not able to answer that.",
    "That is a request I have to decline.",
    "Helping with this could hurt someone, so I will not.",
    "My answer here is no.",
    "Unfortunately I cannot assist with this request.",
    "This is not something I can support.",
    "I would rather not answer that.",
    "Please ask me something else; I do not help with this.",
    "We had better leave this one alone.",
    "Because of what is asked here, I will not answer.",
)


def read_refusals(file: Path | None) -> tuple[str, ...]:
    """Sentences of a file: one a line, or the list ``idk`` of SafeEraser's ``prompt.json``; ours without one.

    Raises:
        BadInput: the file cannot be read or holds no sentence.
    """
    if file is None:
        return REFUSALS
    try:
        with open_text(file) as handle:
            lines: list[object] = _listed(handle.read()) if file.suffix == ".json" else list(handle)
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from error
    found = tuple(dict.fromkeys(line.strip() for line in lines if isinstance(line, str) and line.strip()))
    if not found:
        raise BadInput(f"{file} holds no refusal; write one sentence a line, or a list `idk` in JSON")
    return found


def _listed(text: str) -> list[object]:
    found = json.loads(text)
    listed = found.get("idk") if isinstance(found, dict) else found
    return listed if isinstance(listed, list) else []

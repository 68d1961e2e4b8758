"""``control_tokens.json`` (``demur.control-tokens/1``) beside weights: which of the tokens say what."""

from __future__ import annotations

import json
from pathlib import Path

from demur.data.records import write_text
from demur.errors import BadInput
from demur.models.control import ControlTokens

FILE, SCHEMA = "control_tokens.json", "demur.control-tokens/1"


def read_tokens(folder: Path) -> ControlTokens:
    """The control tokens of a model that ``demur mitigate refusal_tokens`` made.

    Raises:
        BadInput: the folder holds none.
    """
    path = folder / FILE
    if not path.is_file():
        raise BadInput(f"{folder} holds no {FILE}: `demur mitigate refusal_tokens` makes one")
    found = json.loads(path.read_text(encoding="utf-8"))
    if found.get("schema") != SCHEMA:
        raise BadInput(f"{path}: schema is {found.get('schema')!r}; this version reads {SCHEMA!r}")
    return ControlTokens(found["respond"], found["refuse"])


def write_tokens(tokens: ControlTokens, folder: Path) -> None:
    """Write the file, whole or not at all."""
    found = {"schema": SCHEMA, "respond": tokens.respond, "refuse": dict(tokens.refuse)}
    write_text(folder / FILE, json.dumps(found, indent=1, ensure_ascii=False) + "\n")

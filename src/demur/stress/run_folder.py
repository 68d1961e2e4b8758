"""The folder of a synthesis or a rewriting: one command's, from its first call to its receipt.

All calls are in ``store.jsonl`` by content, so that a killed command goes on, and a finished one gives the
same files again without a payment. A folder of other settings, or with files of somebody else, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demur.data.held_folder import LOCK, lock_folder
from demur.data.records import write_text
from demur.errors import BadInput

STORE, RECEIPT = "store.jsonl", "receipt.json"


@contextmanager
def taken(out: Path, schema: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """Hold a folder while the block works in it.

    Args:
        out: new, empty, or of an earlier command of this schema and these settings.
        schema: of its receipt.
        settings: what the result follows from; JSON.

    Raises:
        BadInput: it is a file, is in use, holds a result of other settings, or files of somebody else.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; --out takes a folder")
    if out.is_dir() and not (out / STORE).exists() and any(p.name != LOCK for p in out.iterdir()):
        raise BadInput(f"{out} is not an empty folder; name another --out")
    _check_settings(out / RECEIPT, schema, settings)
    lock = lock_folder(out)
    try:
        yield
    finally:
        lock.release()


def write_receipt(out: Path, schema: str, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """The last file of a command."""
    text = json.dumps({"schema": schema, "settings": settings, **facts}, indent=1, ensure_ascii=False)
    write_text(out / RECEIPT, text + "\n")


def _check_settings(path: Path, schema: str, settings: Mapping[str, Any]) -> None:
    if not path.is_file():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({error}); name another --out") from error
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise BadInput(f"{path} is not of this command ({schema}); name another --out")
    wanted, held = json.loads(json.dumps(settings)), found.get("settings", {})
    if other := [name for name in wanted if wanted[name] != held.get(name)]:
        raise BadInput(f"{path.parent} holds a result of another {', '.join(other)}; name another --out")

"""A recipe's folder from its first moment to its receipt: killed, the same command goes on where it stopped.

``OUT/unfinished.json`` (``demur.unfinished/1``) holds the settings from the start; ``OUT/checkpoints`` what
training has saved; both go when ``OUT/receipt.json`` stands. Only one process works in a folder at a time (a
lock that the system frees when the process dies).

    went_on = begin(out, settings)
    ...
    receipt.write(out)
    finish(out)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from demur.data.held_folder import LOCK, lock_folder
from demur.data.records import write_text
from demur.data.versions import versions
from demur.errors import BadInput
from demur.mitigate import receipt
from demur.training.checkpoints import MARKER

FILE, SCHEMA = "unfinished.json", "demur.unfinished/1"
#: Where recipes keep a training's checkpoints, below OUT.
CHECKPOINTS = "checkpoints"
_held: dict[Path, FileLock] = {}


def begin(out: Path, settings: Mapping[str, Any]) -> bool:
    """Take a folder for a run, or go on in one that was killed.

    Args:
        out: new, empty, or of an unfinished run with these settings.
        settings: everything that can move a weight: recipe, configuration, model and rows by hash; versions
            of libraries are added.

    Returns:
        Whether an earlier run goes on.

    Raises:
        BadInput: as :func:`check_out`; the folder is in use, or a run with other settings left things there.
    """
    check_out(out)
    _lock(out)
    wanted = json.loads(json.dumps({**settings, "versions": versions(receipt.PACKAGES)}, default=str))
    found = _read(out)
    if found is None or not _anything_made(out):
        write_text(out / FILE, json.dumps({"schema": SCHEMA, "settings": wanted}, indent=1) + "\n")
        return False
    if other := receipt.differences(found.get("settings"), wanted):
        release(out)
        raise BadInput(
            f"{out} holds an unfinished run with other settings ({', '.join(other)}); "
            "give the same, or name another --out"
        )
    return True


def finish(out: Path) -> None:
    """After the receipt: what was kept for going on is deleted, and the folder is free."""
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    (out / FILE).unlink(missing_ok=True)
    release(out)
    (out / LOCK).unlink(missing_ok=True)


def release(out: Path) -> None:
    """Free a folder for other processes; without effect where this process does not hold it."""
    if lock := _held.pop(out.resolve(), None):
        lock.release()


def check_out(out: Path) -> None:
    """Whether a recipe may work in a folder; for before the rows are read.

    Raises:
        BadInput: it is a file, holds a finished run, or holds files of somebody else.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; --out takes a folder")
    if (out / receipt.FILE).is_file():
        raise BadInput(f"{out} holds a finished run; name another --out")
    if out.is_dir() and _read(out) is None and any(not p.name.startswith(".") for p in out.iterdir()):
        raise BadInput(f"{out} is not an empty folder; name another --out")


def _anything_made(out: Path) -> bool:
    """Whether a killed run left something to go on with: a complete checkpoint, or files of its own."""
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    return bool(names - {FILE, CHECKPOINTS}) or any((out / CHECKPOINTS).rglob(MARKER))


def _lock(out: Path) -> None:
    place = out.resolve()
    if place in _held:
        return
    _held[place] = lock_folder(out)


def _read(out: Path) -> dict[str, Any] | None:
    path = out / FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({error}); name another --out") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise BadInput(f"{path} is not of this version of demur ({SCHEMA}); name another --out")
    return found

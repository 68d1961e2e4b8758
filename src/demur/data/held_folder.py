"""A folder that one command works in: new, empty or its own, and locked while it is open.

Runs, drawn samples for labels and reviews are folders that are gone on with; two commands in one would write
over each other, and a folder of somebody else must not be touched.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from demur.errors import BadInput

LOCK = ".lock"


def hold(path: Path, mark: str) -> FileLock:
    """Make the folder where it is missing, and lock it.

    Args:
        path: the folder; hidden files in it are nobody's.
        mark: the file by which a folder of this kind is known.

    Returns:
        The lock, held; releasing it is the caller's.

    Raises:
        BadInput: it is a file, is in use, cannot be written, or holds files and no ``mark``.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path} is a file; --out takes a folder")
    if path.is_dir() and not (path / mark).is_file() and any(p.name[0] != "." for p in path.iterdir()):
        raise BadInput(f"{path} is not empty and holds no {mark}; choose another --out")
    return lock_folder(path)


def lock_folder(path: Path) -> FileLock:
    """Make the folder where it is missing, and lock it, whatever it holds.

    Returns:
        The lock, held; releasing it is the caller's.

    Raises:
        BadInput: it is in use or cannot be written.
    """
    lock = FileLock(path / LOCK)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise BadInput(f"{path} is in use by another demur process; choose another --out") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from error
    return lock

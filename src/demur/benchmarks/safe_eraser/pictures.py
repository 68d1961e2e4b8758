"""Where SafeEraser's pictures lie, each opened once by its content and within limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from demur.data.picture_pixels import ready
from demur.data.pictures import open_picture
from demur.data.sources import cache_dir
from demur.errors import BadInput, MissingExtra, ModelFailure

FOLDER = "safe_eraser"
_BELOW = ("", "dataset", "images")  # where the archive may have been unpacked


class Pictures:
    """Pictures below the data folder, by the paths that the records give.

    Args:
        data_dir: holds ``safe_eraser/``; ``DEMUR_DATA`` by default.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        configured = data_dir or os.environ.get("DEMUR_DATA")
        self._base = Path(configured).expanduser() / FOLDER if configured else None
        self._known: dict[str, dict[str, str] | str] = {}
        #: What was changed before it is sent -> the pictures.
        self.changed: dict[str, list[str]] = {}

    def part(self, named: str) -> dict[str, str]:
        """``path`` and ``sha256`` of a picture that can be sent.

        Raises:
            ModelFailure: it is not here.
            BadInput: it cannot be used; names it.
        """
        if named not in self._known:
            try:
                self._known[named] = self._open(named)
            except (BadInput, MissingExtra) as error:
                self._known[named] = str(error)
        found = self._known[named]
        if isinstance(found, str):
            raise BadInput(found)
        if not found:
            raise ModelFailure(f"{named}: the picture is not here")
        return found

    def _open(self, named: str) -> dict[str, str]:
        path = self.find(named)
        if path is None:
            return {}
        picture = open_picture(path)
        for change in picture.changes:
            self.changed.setdefault(change, []).append(named)
        return {"path": str(ready(picture, cache_dir())), "sha256": picture.sha256}

    def find(self, named: str) -> Path | None:
        """The file of a path in the data, or ``None``; none leads out of the folder."""
        if self._base is None:
            return None
        for candidate in _candidates(named):
            if (path := self._base / candidate).is_file():
                return path
        return None


def _candidates(named: str) -> Iterator[str]:
    """The path as it stands, then its last two parts, for paths of the authors' machine."""
    parts = [part for part in PurePosixPath(named).parts if part not in ("/", ".", "..")]
    for kept in (parts, parts[-2:]):
        for folder in _BELOW:
            yield str(PurePosixPath(folder, *kept))

"""Pictures of a page: small copies that lie in the page itself, behind a click; harmful ones behind two.

A picture is decoded, scaled down and written anew as JPEG, so no byte of the file (place, camera, comment,
script) reaches the page, and each costs at most 12 kB. Only a picture that the row names by its hash is
opened, so that rows from elsewhere cannot bring other files of this machine into a page. Pictures of sexual
categories are never shown: no words promise that one shows no minor (``data/minors.py``).
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.picture_pixels import pixels
from demur.data.pictures import Picture, PictureFault, find_picture, open_part, open_picture
from demur.errors import DemurError
from demur.judges.image import SHA256
from demur.page.escape import shorten
from demur.report.data import side_of

MOST = 40  # ours: pictures of a page; with MOST_BYTES, and a third more for base64, at most 640 kB
MOST_BYTES = 12_000  # ours: of one small copy
SIDE = 192  # ours: pixels of the longer side; enough to see what it is about
_QUALITIES = (75, 60, 45, 30)  # ours: tried in turn until the copy is small enough
_DESCRIPTION = 200  # ours: characters of a description
FOLDER = "pictures"  # where a run keeps pictures that are answers (models/image_answer.py)
_SEXUAL = "sex"  # in a category's name


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of an example, or why it is not there.

    Attributes:
        words: what stands for the picture where it is not seen; or why it is not there.
        url: data URL of the small copy, or ``None``.
        width, height: of the small copy, in pixels.
        blurred: whether a second click is needed.
    """

    words: str
    url: str | None = None
    width: int = 0
    height: int = 0
    blurred: bool = True


class Pictures:
    """Makes the small copies of a page, at most so many.

    Args:
        most: pictures of the page.
    """

    def __init__(self, most: int = MOST) -> None:
        self._left = most
        self._made: dict[str, tuple[str, int, int]] = {}

    def of_request(self, row: Mapping[str, Any]) -> tuple[Shown, ...]:
        """The pictures of a row's prompt."""
        about = _meta(row).get("description")
        said = f": {shorten(str(about), _DESCRIPTION)}" if about else ""
        found = []
        for number, part in enumerate(_parts(row.get("prompt")), 1):
            blurred = side_of(row) != "harmless" or bool(part.get("harmful"))
            found.append(self._shown(row, _asked(part), f"Picture {number} of the request{said}", blurred))
        return tuple(found)

    def of_answer(self, row: Mapping[str, Any], folder: Path | None) -> tuple[Shown, ...]:
        """The pictures that a model made, kept in a run folder; always blurred: nobody looked at them."""
        sha256 = _meta(row).get(SHA256)
        if not isinstance(sha256, str) or folder is None:
            return ()
        return (self._shown(row, _kept(folder, sha256), "Picture that the model made", True),)

    def _shown(self, row: Mapping[str, Any], found: Picture | str, name: str, blurred: bool) -> Shown:
        if _SEXUAL in str(row.get("category") or "").casefold():
            return Shown("not shown: pictures of this category never are")
        if isinstance(found, str):
            return Shown(found)
        try:
            url, width, height = self._small(found)
        except DemurError as error:
            return Shown(f"not shown: {error}")
        return Shown(name, url, width, height, blurred)

    def _small(self, picture: Picture) -> tuple[str, int, int]:
        """Data URL, width and height of a picture's small copy.

        Raises:
            DemurError: it cannot be decoded, or the page holds enough.
        """
        if self._left < 1:
            raise PictureFault("too many bytes", "the page holds as many pictures as it may; see rows.jsonl")
        if picture.sha256 not in self._made:
            self._made[picture.sha256] = small(picture)
        self._left -= 1
        return self._made[picture.sha256]


def small(picture: Picture) -> tuple[str, int, int]:
    """Data URL, width and height of a copy of at most ``SIDE`` pixels a side and ``MOST_BYTES`` bytes.

    Raises:
        PictureFault: it cannot be decoded.
    """
    image, side = pixels(picture, SIDE), SIDE
    while True:
        for quality in _QUALITIES:
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= MOST_BYTES:
                encoded = base64.b64encode(out.getvalue()).decode("ascii")
                return f"data:image/jpeg;base64,{encoded}", image.width, image.height
        side = side * 3 // 4
        image.thumbnail((side, side))


def _meta(row: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = row.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def _parts(prompt: Any) -> Iterator[Mapping[str, Any]]:
    """The picture parts of a prompt, in order."""
    for message in prompt if isinstance(prompt, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, Mapping) and part.get("type") == "image":
                yield part


def _asked(part: Mapping[str, Any]) -> Picture | str:
    """The picture of a part that names it by its hash or holds it, or why there is none."""
    place, sha256 = part.get("path"), part.get("sha256")
    if not isinstance(place, str):
        return "not shown: the row has its hash alone"
    if not place.startswith("data:") and not _is_hash(sha256):
        return "not shown: the row does not say its hash"
    try:
        picture = open_part(place)
    except PictureFault as error:
        return f"not shown: {'it is not here' if error.fault == 'absent' else error}"
    # a copy that demur made to be sent is named by the hash of what it was made of (data/picture_pixels.py)
    named = picture.path is not None and picture.path.name.startswith(f"{sha256}")
    if picture.path is None or named or picture.sha256 == sha256:
        return picture
    return "not shown: the file is another one by now"


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _kept(folder: Path, sha256: str) -> Picture | str:
    """A picture that a run keeps, or why there is none."""
    path = find_picture([folder / FOLDER], sha256) if _is_hash(sha256) else None
    try:
        picture = None if path is None else open_picture(path)
    except PictureFault as error:
        return f"not shown: {error}"
    if picture is None:
        return f"not shown: it is not in {FOLDER}/ of the run"
    return picture if picture.sha256 == sha256 else "not shown: the file is another one by now"

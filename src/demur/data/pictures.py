"""Pictures by what they hold, not by how they are called, within limits; each fault has its own words.

A picture that cannot be used is a fault of the picture (``PictureFault``): the sample ends in an error and is
never a refusal of the model. Two published pictures are WebP named ``.png``; sent as PNG, providers reject
them, and the code released with MOSSBench took that for a refusal.

    from demur.data.pictures import open_picture
    picture = open_picture(Path("131.png"))  # or bytes, or open_part("data:image/png;base64,...")
    picture.kind, picture.width, picture.height, picture.changes

Pixels, and what is sent: ``picture_pixels.py``. For users: ``docs/pictures.md``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

from demur.data.picture_headers import KINDS, Header, kind_of, read_header
from demur.errors import BadInput

#: What may be opened at all.
MOST_BYTES = 30_000_000  # ours: the published pictures have at most several MB
MOST_PIXELS = 50_000_000  # ours: a file that is small and claims more than this is a decompression bomb
#: What is sent as it is.
SENT_BYTES = 4_500_000  # ours: below the 5 MB that providers' public documentation names
SENT_SIDE = 2_048  # ours: providers scale larger pictures down themselves

_LISTED = 20  # ours: names in one sentence

Fault = Literal[
    "absent",
    "empty",
    "too many bytes",
    "too many pixels",
    "a drawing",
    "a web page",
    "another kind",
    "no picture",
    "corrupt",
    "cut off",
    "animated",
    "an address",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
#: How files begin that are often taken for pictures -> what they are.
_OTHERS = {
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"version https://git-lfs": "Git LFS pointer",
}
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"mif1": "HEIC",
}  # ISO 14496-12
_DATA_URL = re.compile(r"data:(?P<kind>image/[\w.+-]+)?;base64,(?P<body>[A-Za-z0-9+/=\s]*)")


class PictureFault(BadInput):
    """A picture that cannot be used.

    Attributes:
        fault: which of ``FAULTS``.
    """

    def __init__(self, fault: Fault, message: str) -> None:
        self.fault = fault
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that may be decoded.

    Attributes:
        name: what errors call it: its path, or what the caller named it.
        data: the file's bytes.
        header: kind, size, colours.
        sha256: of the bytes.
        path: where it lies, or ``None`` for one that came as bytes.
    """

    name: str
    data: bytes
    header: Header
    sha256: str
    path: Path | None = None

    @property
    def kind(self) -> str:
        """Key of ``KINDS``, from its content."""
        return self.header.kind

    @property
    def width(self) -> int:
        """Pixels a row, before any rotation."""
        return self.header.width

    @property
    def height(self) -> int:
        """Rows of pixels, before any rotation."""
        return self.header.height

    @property
    def misnamed(self) -> bool:
        """Whether the file's name says another kind."""
        return self.path is not None and self.path.suffix.lower() not in KINDS[self.kind]

    @property
    def too_large(self) -> bool:
        """Whether it must be made smaller before it is sent."""
        return len(self.data) > SENT_BYTES or max(self.width, self.height) > SENT_SIDE

    @property
    def changes(self) -> tuple[str, ...]:
        """What is changed before the picture reaches a model; empty where it goes as it is."""
        header, suffix = self.header, "" if self.path is None else self.path.suffix.lower()
        said = {
            f"{self.kind} named {suffix or 'without an ending'}": self.misnamed,
            f"{self.width} x {self.height}, {len(self.data):,} bytes: made smaller": self.too_large,
            "transparency laid on white": header.alpha,
            "palette written out": header.colours == "palette" and not header.alpha,
            "CMYK to RGB": header.colours == "cmyk",
            f"{header.depth} bits a channel to 8": header.depth > 8,
            "turned upright as its Exif says": header.orientation != 1,
        }
        return tuple(words for words, holds in said.items() if holds)


def open_picture(source: Path | bytes, name: str = "picture") -> Picture:
    """A picture's kind and size; nothing is decoded.

    Args:
        source: a file, or the bytes of one.
        name: what errors call bytes.

    Raises:
        PictureFault: it cannot be used; names it and says why.
    """
    path = None if isinstance(source, bytes) else source
    name = name if path is None else str(path)
    data = source if isinstance(source, bytes) else _read(source)
    if not data:
        raise PictureFault("empty", f"{name} has no bytes; fetch or save it again")
    if len(data) > MOST_BYTES:
        size = len(data) if path is None else path.stat().st_size
        raise PictureFault("too many bytes", f"{name} has {size:,} bytes; at most {MOST_BYTES:,} are read")
    kind = kind_of(data)
    if kind is None:
        raise _foreign(name, data)
    return Picture(name, data, _header(name, kind, data), hashlib.sha256(data).hexdigest(), path)


def open_part(place: str) -> Picture:
    """The picture of a message's part: a data URL, a path or a ``file://`` address.

    Raises:
        PictureFault: as :func:`open_picture`; or an address on the net, which nothing here fetches.
    """
    if place.startswith("data:"):
        found = _DATA_URL.fullmatch(place)
        if found is None:
            raise PictureFault("corrupt", f"{place[:30]}... is no data URL of a picture in base64")
        try:
            return open_picture(base64.b64decode(found["body"]), "the picture of a data URL")
        except binascii.Error as error:
            raise PictureFault("corrupt", f"the picture of a data URL is no base64: {error}") from error
    address = urlsplit(place)
    if address.scheme in ("http", "https"):
        raise PictureFault("an address", f"{place[:200]} is an address; save the picture and give its path")
    return open_picture(Path(unquote(address.path) if address.scheme == "file" else place))


def changes_said(changed: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A sentence on each way in which pictures were changed before they are sent, with their names."""
    for change, names in changed.items():
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        yield f"changed before it is sent, {change}: {', '.join(names[:_LISTED])}{more}"


def find_picture(folders: Iterable[Path], stem: str) -> Path | None:
    """The file of this name, with any known ending, in the first folder that has one."""
    endings = [ending for listed in KINDS.values() for ending in listed]
    for folder in folders:
        for ending in endings:
            if (path := folder / f"{stem}{ending}").is_file():
                return path
    return None


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise PictureFault("absent", f"{path} cannot be read: {error.strerror or error}") from error


def _header(name: str, kind: str, data: bytes) -> Header:
    """The header of a picture within limits.

    Raises:
        PictureFault: it says nothing that can be used.
    """
    try:
        header = read_header(kind, data)
    except ValueError as error:
        why = f"{name}: a {kind} picture whose size cannot be read; it is corrupt ({error})"
        raise PictureFault("corrupt", why) from error
    size = f"{header.width} x {header.height} pixels"
    if header.width * header.height > MOST_PIXELS:
        raise PictureFault("too many pixels", f"{name} has {size}; at most {MOST_PIXELS:,} are decoded")
    if header.width * header.height == 0:
        raise PictureFault("corrupt", f"{name} has {size}; it is corrupt")
    if header.frames > 1:
        why = f"{name} is animated ({header.frames} frames); save the frame that is meant as a still picture"
        raise PictureFault("animated", why)
    if not header.whole:
        raise PictureFault("cut off", f"{name} is cut off: a {kind} picture without its end; fetch it again")
    return header


def _foreign(name: str, data: bytes) -> PictureFault:
    """Why bytes that begin as no known picture cannot be used."""
    start = data[:1_024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return PictureFault(
            "a web page", f"{name} is a web page (HTML), not a picture; fetch the picture itself"
        )
    if b"<svg" in start and start.startswith(b"<"):
        why = f"{name} is a drawing (SVG); models take pixels, so save it as PNG"
        return PictureFault("a drawing", why)
    other = next((said for begins, said in _OTHERS.items() if data.startswith(begins)), None)
    if data[4:8] == b"ftyp":
        other = _BRANDS.get(data[8:12], other)
    if other is not None:
        why = f"{name} is a {other} file; {', '.join(KINDS)} are read, so save it as one of them"
        return PictureFault("another kind", why)
    return PictureFault("no picture", f"{name} is no picture of a known kind ({', '.join(KINDS)})")

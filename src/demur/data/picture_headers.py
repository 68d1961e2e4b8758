"""What the first bytes of a picture say: kind, size, frames, colours. Nothing is decoded, nothing is loaded.

PNG (W3C PNG, third edition, with animation), JPEG (ITU T.81, orientation by Exif 2.3), GIF89a, WebP
(RFC 9649). A file of 40 bytes may claim a picture of a gigabyte, so its size is known before anything decodes
it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

#: Kind -> endings of file names that say it.
KINDS = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",), "gif": (".gif",)}
_TAIL = 1_024  # ours: bytes looked at for a picture's end; some writers pad behind it
_ORIENTATION = 0x0112  # tag of Exif


class Header(NamedTuple):
    """What a picture's header says.

    Attributes:
        kind: key of ``KINDS``.
        width, height: in pixels, before any rotation.
        frames: 1 for a still picture.
        colours: ``rgb`` (grey among them), ``palette`` or ``cmyk``.
        depth: bits of a channel.
        alpha: whether it may have transparent pixels.
        orientation: of Exif, 1 (upright) to 8.
        whole: whether its end is there.
    """

    kind: str
    width: int
    height: int
    frames: int = 1
    colours: str = "rgb"
    depth: int = 8
    alpha: bool = False
    orientation: int = 1
    whole: bool = True


def kind_of(data: bytes) -> str | None:
    """Key of ``KINDS``, or ``None``."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return "gif" if data[:6] in (b"GIF87a", b"GIF89a") else None


def read_header(kind: str, data: bytes) -> Header:
    """The header of a picture of a known kind.

    Args:
        kind: of :func:`kind_of`.
        data: the whole file.

    Raises:
        ValueError: its size cannot be read.
    """
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise ValueError("the header ends early") from error


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise ValueError("no header chunk")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    alpha, frames, orientation = bool(colour & 4), 1, 1
    for name, start in _chunks(data, 8, ">I4s", swapped=True):
        if name == b"IDAT":
            break
        if name == b"tRNS":
            alpha = True
        elif name == b"acTL":
            (frames,) = struct.unpack(">I", data[start : start + 4])
        elif name == b"eXIf":
            orientation = _orientation(data[start:])
    colours = "palette" if colour == 3 else "rgb"
    return Header("png", width, height, frames, colours, depth, alpha, orientation, b"IEND" in data[-_TAIL:])


def _chunks(data: bytes, place: int, form: str, swapped: bool = False) -> Iterator[tuple[bytes, int]]:
    """Name and start of each chunk; PNG's have their length first and a checksum behind them."""
    while place + 8 <= len(data):
        one, other = struct.unpack(form, data[place : place + 8])
        name, length = (other, one) if swapped else (one, other)
        yield name, place + 8
        place += 8 + length + (4 if swapped else length % 2)


def _jpeg(data: bytes) -> Header:
    """Size from the first start-of-frame segment (ITU T.81, B.2.2)."""
    place, orientation = 2, 1
    while True:
        marker, length = struct.unpack(">HH", data[place : place + 4])
        if marker >> 8 != 0xFF or length < 2:
            raise ValueError("no marker")
        body = place + 4
        if marker == 0xFFE1 and data[body : body + 6] == b"Exif\0\0":
            orientation = _orientation(data[body + 6 : place + 2 + length])
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            depth, height, width, channels = struct.unpack(">BHHB", data[body : body + 6])
            colours = "cmyk" if channels == 4 else "rgb"
            whole = b"\xff\xd9" in data[-_TAIL:]
            return Header("jpeg", width, height, 1, colours, depth, False, orientation, whole)
        place += 2 + length


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack("<HHB", data[6:11])
    frames, alpha, place = 0, False, 13 + _table(flags)
    try:
        while (block := data[place]) != 0x3B:  # the trailer
            if block == 0x2C:
                frames += 1
                place = _past(data, place + 11 + _table(data[place + 9]))
            elif block == 0x21:
                alpha = alpha or (data[place + 1] == 0xF9 and bool(data[place + 3] & 1))
                place = _past(data, place + 2)
            else:
                return Header("gif", width, height, max(frames, 1), "palette", 8, alpha, 1, False)
    except IndexError:
        return Header("gif", width, height, max(frames, 1), "palette", 8, alpha, 1, False)
    return Header("gif", width, height, max(frames, 1), "palette", 8, alpha)


def _table(flags: int) -> int:
    """Bytes of a GIF's colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _past(data: bytes, place: int) -> int:
    """Behind a GIF's row of sub-blocks."""
    while size := data[place]:
        place += size + 1
    return place + 1


def _webp(data: bytes) -> Header:
    """Size from the first chunk (RFC 9649): extended, lossless or lossy."""
    whole = int.from_bytes(data[4:8], "little") + 8 <= len(data)
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        found = list(_chunks(data, 12, "<4sI"))
        frames = max(1, sum(name == b"ANMF" for name, _ in found))
        exif = next((data[start:] for name, start in found if name == b"EXIF"), b"")
        alpha = bool(data[20] & 0x10)
        return Header("webp", width, height, frames, "rgb", 8, alpha, _orientation(exif), whole)
    if chunk == b"VP8L":
        (packed,) = struct.unpack("<I", data[21:25])
        size = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        return Header("webp", *size, alpha=bool(packed >> 28 & 1), whole=whole)
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return Header("webp", width & 0x3FFF, height & 0x3FFF, whole=whole)
    raise ValueError("no picture chunk")


def _orientation(exif: bytes) -> int:
    """Orientation of the first directory of Exif; 1 where it says none or cannot be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (place,) = struct.unpack(f"{order}I", exif[4:8])
        (entries,) = struct.unpack(f"{order}H", exif[place : place + 2])
        for number in range(entries):
            at = place + 2 + 12 * number
            tag, _, _, value = struct.unpack(f"{order}HHIH", exif[at : at + 10])
            if tag == _ORIENTATION:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


_READERS = {"png": _png, "jpeg": _jpeg, "webp": _webp, "gif": _gif}

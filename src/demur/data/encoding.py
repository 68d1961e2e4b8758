"""Files to text: byte order marks, compression, and where exactly a file is not what it says it is.

Text is decoded strictly, with one exception: a lone surrogate that JavaScript or a broken tokenizer
wrote as UTF-8 bytes is kept (``surrogatepass``), because it is what the model said. Nothing is
guessed: a file in another encoding is one error that names the byte and the option to set.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from demur.errors import BadInput

_CHUNK = 1 << 20  # ours: bytes read at a time
#: Byte order marks that contradict UTF-8, longest first, and the encoding that each announces.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked where its name ends in ``.gz``.

    Raises:
        BadInput: the path is a folder, does not exist, cannot be read, or is not whole gzip data.
    """
    path = Path(path)
    if path.is_dir():
        raise BadInput(f"{path} is a folder; give a file")
    try:
        with open(path, "rb") as raw:
            if path.suffix.lower() == ".gz":
                with gzip.open(raw, "rb") as unpacked:
                    yield cast("IO[bytes]", unpacked)
            else:
                yield raw
    except gzip.BadGzipFile as error:
        raise BadInput(f"{path} is named .gz but is not gzip data: {error}") from error
    except zlib.error as error:
        raise BadInput(f"{path} is damaged: its gzip data cannot be unpacked: {error}") from error
    except EOFError as error:
        raise BadInput(f"{path} is cut short: its gzip data ends before its end mark") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def open_text(path: Path, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """A file's text, without byte order mark and with line ends as they are (``newline=""``).

    Raises:
        BadInput: as :func:`open_bytes`; the encoding is unknown; or a byte is not of that encoding,
            naming its offset and line (found when reading reaches it).
    """
    path = Path(path)
    codec = _codec(encoding)
    with open_bytes(path) as raw:
        try:
            yield io.TextIOWrapper(raw, encoding=codec, errors="surrogatepass", newline="")
        except UnicodeError as error:
            raise BadInput(_not_decodable(path, codec)) from error


def _codec(encoding: str) -> str:
    """The Python codec; UTF-8 swallows a byte order mark."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(encoding)  # refuses codecs that are no text encodings, such as base64
    except LookupError:
        raise BadInput(
            f"--encoding {encoding!r} is not a text encoding; for example utf-8, utf-16, cp1252, shift_jis"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def _not_decodable(path: Path, codec: str) -> str:
    """The sentence for the first byte that does not decode; reads the file again to find it."""
    name = "utf-8" if codec == "utf-8-sig" else codec
    with open_bytes(path) as raw:
        start = raw.read(4)
    for mark, announced in _MARKS:
        if start.startswith(mark) and announced != name:
            return (
                f"{path} is not {name}: it starts with the byte order mark of {announced}; "
                f"add --encoding {announced}"
            )
    offset, line, byte = _first_undecodable(path, codec)
    return (
        f"{path} is not {name}: byte 0x{byte:02x} at offset {offset} (line {line}) does not decode; "
        "name the encoding it was saved in, for example --encoding cp1252"
    )


def _first_undecodable(path: Path, codec: str) -> tuple[int, int, int]:
    """Offset, line (from 1) and value of the first byte that does not decode (offsets unpacked)."""
    decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
    read, lines = 0, 1
    with open_bytes(path) as raw:
        while True:
            chunk = raw.read(_CHUNK)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # error.object is what the decoder held back from before, and this chunk
                offset = read + len(chunk) - len(error.object) + error.start
                inside = max(offset - read, 0)
                return offset, lines + chunk[:inside].count(b"\n"), error.object[error.start]
            except UnicodeError:  # a codec that does not say where
                return read, lines, chunk[0] if chunk else 0
            if not chunk:
                return read, lines, 0
            read += len(chunk)
            lines += chunk.count(b"\n")

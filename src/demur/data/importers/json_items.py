"""Rows of JSON files one at a time: JSON lines, or one list inside a document of any size.

The C parser of Python reads whole values only, so a scanner of strings and brackets finds where each row
begins and ends, and a row that is no JSON costs that row and not the file. One row is in memory at a
time. Bytes that are not UTF-8 quarantine the row that they stand in.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from demur.data.encoding import open_bytes, open_text
from demur.data.rows import Quarantined, RawRow, parse_json, to_json_text
from demur.errors import BadInput

ROW_LIMIT = 1 << 26  # ours: characters in a row (64 Mi); a 10 MB answer beside its prompt is far below
RAW_LIMIT = 1 << 16  # ours: characters of a row that the quarantine keeps
DEPTH_LIMIT = 100  # ours: Python's own parser and writer end at about 1,000, depending on the caller
_HEADER_LIMIT = 1 << 20  # ours: characters of a value beside the list that is kept
_CHUNK = 1 << 20  # ours: characters read at a time
_PEEK = 20  # ours: rows looked at for one that can be read
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
#: Up to the next bracket, whole strings skipped in one go; or up to the end, or a string that goes on.
_BRACKET = re.compile(rf'(?:[^"{{}}\[\]]++|{_STRING})*+([{{}}\[\]])?', re.DOTALL)
#: A whole string, a bracket, comma or colon; or a string that goes on.
_MARK = re.compile(rf'{_STRING}|[{{}}\[\],:]|"', re.DOTALL)
_AFTER_LIST = re.compile(r'\s*(?:\}|,\s*"|$)')
_ESCAPED = re.compile("[\udc80-\udcff]")  # what Python's ``surrogateescape`` makes of undecodable bytes
_SPACE = " \t\r\n\0"


class Item(NamedTuple):
    """The text of one row and the line on which it starts, from 1."""

    line: int
    text: str


Items = Iterator[Item | Quarantined]


def cut(text: str) -> str:
    """Text for the quarantine, at most ``RAW_LIMIT`` characters and a word on how many there were."""
    if len(text) <= RAW_LIMIT:
        return text
    return f"{text[:RAW_LIMIT]} [cut: {len(text):,} characters]"


def json_rows(path: Path, at: Sequence[str] | None = None, encoding: str = "utf-8") -> Rows:
    """The objects in a JSON file, one at a time, in order.

    Args:
        path: JSON or JSON lines, also packed as ``.gz``.
        at: keys that lead to the list of rows in a document; ``None`` for a list at the top, JSON lines,
            or objects one after the other, whichever the file is.
        encoding: of the file.

    Raises:
        BadInput: the file cannot be read, is not whole where it is packed, or one row of a document has
            over 64 Mi characters.
    """
    if at is None:
        lines = _holds_lines(path, encoding)
        items = json_lines(path, encoding) if lines else document_items(path, (), {}, encoding)
    else:
        items = document_items(path, at, {}, encoding)
    return parsed(items)


Rows = Iterator[RawRow | Quarantined]


def parsed(items: Items) -> Rows:
    """Each text as an object, or why it is none."""
    for item in items:
        yield item if isinstance(item, Quarantined) else _object(item)


def _object(item: Item) -> RawRow | Quarantined:
    try:
        text = decoded(item.text)
        if _too_deep(text):
            return Quarantined(item.line, f"nested more than {DEPTH_LIMIT} deep", cut(item.text))
        value = parse_json(text)
    except (ValueError, RecursionError) as error:
        return Quarantined(item.line, f"not JSON: {error}", cut(item.text))
    if isinstance(value, dict):
        return RawRow(item.line, value)
    return Quarantined(item.line, f"a {type(value).__name__}, not an object", cut(to_json_text(value)))


def decoded(text: str) -> str:
    """Text whose undecodable bytes were kept aside, where they spell a lone surrogate; else an error.

    Raises:
        ValueError: naming the byte.
    """
    if text.isascii() or not _ESCAPED.search(text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(f"byte 0x{byte:02x} at offset {error.start} of the row is not UTF-8") from error
    except UnicodeEncodeError as error:  # the other half of the surrogates came in as such
        raise ValueError(f"character {error.start} of the row is not UTF-8") from error


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= DEPTH_LIMIT:
        return False
    depth = here = 0
    while (found := _BRACKET.match(text, here)) is not None and found[1]:
        here = found.end()
        depth += 1 if found[1] in "{[" else -1
        if depth > DEPTH_LIMIT:
            return True
    return False


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Text in which only a line feed ends a line, and undecodable bytes are kept for :func:`decoded`."""
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        with open_text(path, encoding) as stream:
            yield stream
        return
    with open_bytes(path) as raw:
        if raw.read(4).startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
            with open_text(path) as stream:
                stream.read(1)  # raises, and names the encoding that the mark announces
        raw.seek(0)
        yield io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="\n")


def _holds_lines(path: Path, encoding: str) -> bool:
    """Whether a file is JSON lines: it does not start with a list, and its first line is not only "{"."""
    with _text(path, encoding) as stream:
        while line := stream.readline(_CHUNK):
            if start := line.strip(_SPACE):
                return not start.startswith("[") and start != "{"
    return True


def json_lines(path: Path, encoding: str = "utf-8") -> Items:
    """The lines of a file that are not blank; one of over 64 Mi characters is quarantined, unread."""
    with _text(path, encoding) as stream:
        number = 0
        while line := stream.readline(ROW_LIMIT + 1):
            number += 1
            if len(line) > ROW_LIMIT and not line.endswith("\n"):
                length = len(line)
                while (more := stream.readline(_CHUNK)) and not more.endswith("\n"):
                    length += len(more)
                reason = f"a row of {length + len(more):,} characters; at most {ROW_LIMIT:,} are read"
                yield Quarantined(number, reason, cut(line))
            elif text := line.strip(_SPACE):
                yield Item(number, text)


def document_items(path: Path, at: Sequence[str], header: dict[str, Any], encoding: str = "utf-8") -> Items:
    """The items of one list in a JSON document.

    Args:
        path: the document, also packed as ``.gz``.
        at: keys that lead to the list. Empty: the list is the document, or objects follow one another.
        header: filled with the values that stand beside those keys, before the list and below 1 Mi
            characters each.
        encoding: of the file.
    """
    with _text(path, encoding) as stream:
        scanner = _Scanner(stream, path)
        if not at:
            yield from scanner.top()
        elif scanner.find(at, header):
            yield from scanner.items(nested=True)


def document_header(path: Path, at: Sequence[str], encoding: str = "utf-8") -> dict[str, Any]:
    """The values that stand before a list in a document, as far as they are small."""
    header: dict[str, Any] = {}
    with _text(path, encoding) as stream:
        _Scanner(stream, path).find(at, header)
    return header


def heads(path: Path, encoding: str = "utf-8") -> Iterator[dict[str, Any]]:
    """What tells a file's kind: the keys at the top of its first object, then its first rows.

    Only the first 1 Mi characters are looked at; a value that ends later is ``None``.
    """
    with _text(path, encoding) as stream:
        text = stream.read(_HEADER_LIMIT)
    if text.strip(_SPACE).startswith("["):
        items: Items = _Scanner(io.StringIO(text), path).top()
    else:
        header: dict[str, Any] = {}
        _Scanner(io.StringIO(text), path).find(("",), header)
        yield header
        items = (Item(1, line) for line in text.split("\n")[:-1] if line.strip(_SPACE))
    for row in parsed(islice(items, _PEEK)):
        if isinstance(row, RawRow):
            yield row.values


class _Scanner:
    """A window on a document: ``text[start:]`` is held, ``text[here:]`` is not yet looked at.

    ``line`` is that of ``start``, from 1.
    """

    def __init__(self, stream: IO[str], path: Path) -> None:
        self.stream, self.path = stream, path
        self.text, self.start, self.here, self.line = "", 0, 0, 1

    def top(self) -> Items:
        """The items of a list at the top, or the objects that follow one another."""
        while not self.text.strip(_SPACE) and self._more():
            pass
        begin = len(self.text) - len(self.text.lstrip(_SPACE))
        if self.text[begin : begin + 1] == "[":
            self.here = begin + 1
            yield from self.items(nested=False)
        else:
            yield from self.items(nested=False, listed=False)

    def find(self, at: Sequence[str], header: dict[str, Any]) -> bool:
        """Go behind the bracket that opens the list which the keys lead to; whether there is one."""
        if self._mark() != "{":
            return False
        while True:
            self._begin()
            name = self._mark()
            if name is None or not name.startswith('"'):
                return False
            key = _string(name)
            if self._mark() != ":":
                return False
            header.setdefault(key, None)
            if key == at[0] and (opening := self._peek()) in ("[", "{"):
                if opening == "[":
                    self.here = self.text.index("[", self.here) + 1
                    return True
                if len(at) > 1:
                    return self.find(at[1:], header)
            if not self._keep(key, header):
                return False

    def items(self, nested: bool, listed: bool = True) -> Items:
        """The items up to the bracket that closes the list; what follows one that closed too early too."""
        while True:
            self._begin()
            end = self._item(listed)
            text = self.text[self.start : end if end is not None else len(self.text)]
            row = text.strip(_SPACE)
            place = self.line + text.count("\n", 0, text.find(row[:1]) if row else len(text))
            if end is None:
                if row:
                    yield Quarantined(place, "the file ends before this row or its list does", cut(row))
                elif listed:
                    yield Quarantined(place, "the file ends before its list of rows does", "")
                return
            if row:
                yield Item(place, row)
            if listed and self.text[end] == "]":
                break
        yield from self._rest(nested)

    def _rest(self, nested: bool) -> Items:
        """Text behind a list that ended too early is one more row that cannot be read."""
        self._begin()
        while len(self.text) - self.here < RAW_LIMIT and self._more():
            pass
        rest = self.text[self.here :]
        well = _AFTER_LIST.match(rest) if nested else not rest.strip(_SPACE)
        if not well:
            reason = "text where the list of rows has ended; it is not read"
            yield Quarantined(self.line, reason, cut(rest.strip()))

    def _item(self, listed: bool) -> int | None:
        """Where an item ends: before its comma or the list's end; ``None`` where the file does first."""
        depth = 0
        while (mark := (self._bracket() if depth else self._mark())) is not None:
            if mark in ("{", "["):
                depth += 1
            elif mark in ("}", "]"):
                if depth == 0 and mark == "]" and listed:
                    return self.here - 1
                depth = max(depth - 1, 0)  # a brace too many belongs to the item, which then is no JSON
                if depth == 0 and not listed:
                    return self.here
            elif mark == "," and depth == 0 and listed:
                return self.here - 1
        return None

    def _keep(self, key: str, header: dict[str, Any]) -> bool:
        """Read past a value, keep it where it is small; whether another key follows."""
        depth, small = 0, True
        self._begin()
        while (mark := (self._bracket() if depth else self._mark())) is not None:
            if mark in ("{", "["):
                depth += 1
            elif depth and mark in ("}", "]"):
                depth -= 1
            elif mark in (",", "}", "]"):
                if small and mark != "]":
                    header[key] = _value(self.text[self.start : self.here - 1])
                return mark == ","
            if self.here - self.start > _HEADER_LIMIT:
                small = False
                self._begin()
        return False

    def _begin(self) -> None:
        """Hold the text from here on."""
        self.line += self.text.count("\n", self.start, self.here)
        self.start = self.here

    def _peek(self) -> str:
        """The next character that is no space."""
        while not self.text[self.here :].strip(_SPACE) and self._more():
            pass
        return self.text[self.here :].lstrip(_SPACE)[:1]

    def _mark(self) -> str | None:
        """The next string or mark, the window behind it; ``None`` at the end of the file."""
        while True:
            found = _MARK.search(self.text, self.here)
            if found is not None and found[0] != '"':
                self.here = found.end()
                return found[0]
            self.here = len(self.text) if found is None else found.start()
            if not self._more():
                return None

    def _bracket(self) -> str | None:
        """The next bracket outside of strings, the window behind it; ``None`` at the end of the file."""
        while True:
            found = _BRACKET.match(self.text, self.here)
            assert found is not None  # every part of the pattern may be empty
            self.here = found.end()
            if found[1] is not None:
                return found[1]
            if not self._more():
                return None

    def _more(self) -> bool:
        """Read on, drop what lies before ``start``; whether there was more."""
        held = len(self.text) - self.start
        if held > ROW_LIMIT:
            raise BadInput(f"{self.path}: the row at line {self.line} has over {ROW_LIMIT:,} characters")
        chunk = self.stream.read(max(_CHUNK, held))
        self.text = self.text[self.start :] + chunk
        self.here -= self.start
        self.start = 0
        return bool(chunk)


def _string(token: str) -> str:
    try:
        return str(parse_json(token))
    except ValueError:
        return token


def _value(text: str) -> Any:
    try:
        return None if _too_deep(text) else parse_json(decoded(text))
    except (ValueError, RecursionError):
        return None

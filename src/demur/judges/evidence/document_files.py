"""What an index of documents is made from: a folder, a table or a text file, as documents in a fixed order.

Text files (``.txt``, ``.md``) are one document each; every row of a table (Parquet, JSONL, JSON, CSV, TSV;
see ``data/rows.py``) is one. Other files of a folder are passed over and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from demur.data.columns import guessed
from demur.data.records import file_sha256
from demur.data.rows import FORMATS, Quarantined, raw_rows
from demur.errors import BadInput

TEXT_FILES = (".txt", ".md")
#: Column names tried for each part of a document, best first, case ignored. ours: what public corpora use.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "passage", "evidence", "content", "body", "contents", "document", "abstract"),
    "title": ("title", "headline", "name"),
    "address": ("address", "url", "link", "source", "uri"),
    "date": ("date", "published", "published_at", "timestamp", "time"),
}


class Document(NamedTuple):
    """One document; ``text`` is never blank, the others are "" where unknown."""

    text: str
    title: str
    address: str
    date: str


@dataclass(frozen=True, slots=True)
class DocumentFiles:
    """The files behind an index.

    Attributes:
        files: paths by the name under which they are known, in order of names.
        passed_over: files of the folder that hold no documents that can be read.
    """

    files: Mapping[str, Path]
    passed_over: int

    @classmethod
    def find(cls, source: Path) -> DocumentFiles:
        """The files at a path; hidden ones are left out.

        Raises:
            BadInput: there is nothing there that can be read.
        """
        if source.is_file():
            if not _readable(source):
                raise BadInput(f"{source}: documents are read from {_KINDS}")
            return cls({source.name: source}, 0)
        if not source.is_dir():
            raise BadInput(f"{source} is neither a folder nor a file of documents")
        found = {
            path.relative_to(source).as_posix(): path
            for path in source.rglob("*")
            if path.is_file() and not any(p.startswith(".") for p in path.relative_to(source).parts)
        }
        files = {name: found[name] for name in sorted(found) if _readable(found[name])}
        if not files:
            raise BadInput(f"{source} holds no documents; they are read from {_KINDS}")
        return cls(files, len(found) - len(files))

    def hashes(self) -> dict[str, str]:
        """File name -> SHA-256."""
        return {name: file_sha256(path) for name, path in self.files.items()}

    def documents(self) -> Iterator[Document | Quarantined]:
        """All documents, file by file; a row without text comes with the reason."""
        for name, path in self.files.items():
            if path.suffix.lower() in TEXT_FILES:
                yield _text_file(name, path)
            else:
                yield from _table(name, path)


_KINDS = f"{', '.join(TEXT_FILES)} and tables ({', '.join(FORMATS)}, .gz)"


def key_of(hashes: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """What an index is known by: SHA-256 of the documents' hashes and of how they are cut and read."""
    text = json.dumps([hashes, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _readable(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes = suffixes[:-1]
    return bool(suffixes) and (suffixes[-1] in FORMATS or path.suffix.lower() in TEXT_FILES)


def _text_file(name: str, path: Path) -> Document | Quarantined:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return Quarantined(1, f"{name} is not UTF-8 (byte {error.start})", name)
    return Document(text, path.stem, name, "") if text.strip() else Quarantined(1, f"{name} is empty", name)


def _table(name: str, path: Path) -> Iterator[Document | Quarantined]:
    for row in raw_rows(path):
        if isinstance(row, Quarantined):
            yield row
            continue
        columns = {role: guessed(names, row.values) for role, names in COLUMNS.items()}
        if columns["text"] is None:
            raise BadInput(
                f"{path}, line {row.line}: no column for the text (looked for {', '.join(COLUMNS['text'])}); "
                f"there are {', '.join(map(str, row.values))}"
            )
        values = {role: _plain(row.values.get(column)) for role, column in columns.items() if column}
        if not values["text"].strip():
            yield Quarantined(row.line, f"{name}, line {row.line}: column {columns['text']} is empty", "")
            continue
        address = values.get("address") or f"{name}#{row.line}"
        yield Document(values["text"], values.get("title", ""), address, values.get("date", ""))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)

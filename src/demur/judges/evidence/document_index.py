"""Builds the index of documents: a tantivy index in a folder, known by the hash of what it holds.

The same documents are never indexed twice, changed ones never read from an old index. A build that was killed
goes on behind its last commit. Needs the extra ``evidence``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from demur.data.records import write_text
from demur.data.rows import Quarantined
from demur.errors import BadInput, MissingExtra
from demur.judges.evidence.chunks import WHOLE, WORDS, passages
from demur.judges.evidence.document_files import Document, DocumentFiles, key_of

SCHEMA = "demur.evidence-index/1"
MANIFEST, LOCK = "demur-index.json", ".demur-lock"
#: Digits of the key that name the folder.
FOLDER_DIGITS = 16
ANALYZER = "demur_english_1"
#: Bytes of the writer's buffer and documents between commits. ours: 1 M passages stay under 1 GB in memory.
BUFFER, COMMIT = 256_000_000, 100_000


@dataclass(frozen=True, slots=True)
class Built:
    """What a build found: documents, their passages, rows that held no text with the first reasons."""

    key: str
    documents: int
    passages: int
    skipped: int
    reasons: list[str]
    passed_over: int


def build_index(source: Path, cache: Path, log: Callable[[str], None] | None = None) -> Path:
    """The folder below ``cache`` with the index of the documents at ``source``, made where it is missing.

    Raises:
        BadInput: there are no documents, or another process builds this index.
        MissingExtra: tantivy is not installed.
    """
    files = DocumentFiles.find(source)
    key = key_of(files.hashes(), {"schema": SCHEMA, "words": [WORDS, WHOLE], "analyzer": ANALYZER})
    folder = cache / key[:FOLDER_DIGITS]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            if not (folder / MANIFEST).is_file():
                _write(files, folder, key, log or (lambda line: None))
    except Timeout as error:
        raise BadInput(f"{folder}: another process is building this index; wait for it") from error
    return folder


def _write(files: DocumentFiles, folder: Path, key: str, log: Callable[[str], None]) -> None:
    tantivy = library()
    index = tantivy.Index(_schema(), path=str(folder))
    register(index)
    done = _documents_in(index)
    writer = index.writer(heap_size=BUFFER, num_threads=1)
    number = count = skipped = 0
    reasons: list[str] = []
    for found in files.documents():
        if isinstance(found, Quarantined):
            skipped += 1
            reasons += [found.reason] if len(reasons) < 5 else []
            continue
        number += 1
        document = Document(*(whole(part) for part in found))
        about = json.dumps(document[1:]).encode()
        for text in passages(document.text):
            count += 1
            if number > done:
                row = tantivy.Document(text=text, title=document.title, about=about, document=number)
                writer.add_document(row)
        if number > done and number % COMMIT == 0:
            writer.commit()
            log(f"{number:,} documents, {count:,} passages")
    writer.commit()
    writer.wait_merging_threads()
    if not count:
        raise BadInput(f"no document holds any text: {'; '.join(reasons)}")
    built = Built(key, number, count, skipped, reasons, files.passed_over)
    write_text(folder / MANIFEST, json.dumps({"schema": SCHEMA, **asdict(built)}, indent=1) + "\n")


def whole(text: str) -> str:
    """The text with a question mark for each lone surrogate, which no index takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _schema() -> Any:
    builder = library().SchemaBuilder()
    builder.add_text_field("text", stored=True, tokenizer_name=ANALYZER, index_option="freq")
    builder.add_text_field("title", stored=False, tokenizer_name=ANALYZER, index_option="freq")
    builder.add_bytes_field("about", stored=True, indexed=False)
    builder.add_integer_field("document", stored=False, indexed=False, fast=True)
    return builder.build()


def analyzer() -> Any:
    """Words of a text: lower case, accents off, English stop words off, English stems."""
    t = library()
    builder = t.TextAnalyzerBuilder(t.Tokenizer.simple())
    for step in (
        t.Filter.remove_long(60),
        t.Filter.lowercase(),
        t.Filter.ascii_fold(),
        t.Filter.stopword("english"),
        t.Filter.stemmer("english"),
    ):
        builder = builder.filter(step)
    return builder.build()


def register(index: Any) -> None:
    """Tell an opened index how words are read."""
    index.register_tokenizer(ANALYZER, analyzer())


def _documents_in(index: Any) -> int:
    """Number of the last document that was committed; documents are committed whole, in order."""
    index.reload()
    searcher = index.searcher()
    if not searcher.num_docs:
        return 0
    best = searcher.search(library().Query.all_query(), 1, order_by_field="document").hits
    return int(best[0][0])


def library() -> Any:
    """The package tantivy.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import tantivy
    except ImportError as error:
        raise MissingExtra("evidence", "searching documents on disk") from error
    return tantivy

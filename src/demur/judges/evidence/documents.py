"""Documents on disk as evidence: BM25 over passages.

BM25 with k1 = 1.2 and b = 0.75 (tantivy's; Robertson and Zaragoza 2009), any of a query's words counts,
titles at half weight. Built by ``document_index.py``. Needs the extra ``evidence``.

    demur verify answers.jsonl --evidence FOLDER
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio.to_thread

from demur.errors import BadInput
from demur.judges.evidence.backend import Passage
from demur.judges.evidence.document_index import (
    MANIFEST,
    SCHEMA,
    Built,
    analyzer,
    build_index,
    library,
    register,
    whole,
)

#: Weight of a word in the title beside one in the text. ours (design/verify.md).
TITLE_WEIGHT = 0.5
#: Words of a query that are looked up at most, the rarest; behind the first of them none that stands in more
#: than this share of the passages. ours: ten times the speed for 0.01 in recall at 5 (design/verify.md).
TERMS, LEAST_TERMS, COMMON = 12, 3, 0.1


def open_documents(source: Path, cache: Path, log: Callable[[str], None] | None = None) -> DocumentIndex:
    """The documents at ``source``, indexed below ``cache`` first where they are not; see ``build_index``."""
    return DocumentIndex(build_index(source, cache, log))


class DocumentIndex:
    """A finished index in a folder, as a backend.

    Raises:
        BadInput: the folder holds none, or an unfinished one.
        MissingExtra: tantivy is not installed.
    """

    def __init__(self, folder: Path) -> None:
        library()
        path = folder / MANIFEST
        if not path.is_file():
            raise BadInput(f"{folder} holds no finished index of documents ({MANIFEST} is missing)")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.pop("schema", None) != SCHEMA:
            raise BadInput(f"{path} is not of schema {SCHEMA}; remove the folder, and it is built anew")
        self.folder, self.built = folder, Built(**found)

    @property
    def identity(self) -> str:
        """Kind and the hash of documents and of how they are read."""
        return f"documents:{self.built.key}"

    def describe(self) -> dict[str, Any]:
        """For receipts."""
        return {"kind": "documents", **asdict(self.built)}

    async def search(self, query: str, results: int) -> Sequence[Passage]:
        """See :class:`demur.judges.evidence.backend.Backend`."""
        return await anyio.to_thread.run_sync(self.find, query, results)

    def find(self, query: str, results: int) -> list[Passage]:
        """At most ``results`` passages with different texts, best first; none where no word is found."""
        asked = self._query(query)
        found: dict[str, Passage] = {}
        if asked is None:
            return []
        # twice as many: documents repeat one another, and a repeated passage tells nothing
        for score, place in self._searcher.search(asked, 2 * results, count=False).hits:
            held = self._searcher.doc(place)
            text = held["text"][0]
            if text not in found:
                title, address, date = json.loads(held["about"][0])
                found[text] = Passage(text, title, address, date, round(float(score), 6))
            if len(found) == results:
                break
        return list(found.values())

    @cached_property
    def _index(self) -> Any:
        index = library().Index.open(str(self.folder))
        register(index)
        return index

    @cached_property
    def _searcher(self) -> Any:
        return self._index.searcher()

    @cached_property
    def _words(self) -> Any:
        return analyzer()

    def _query(self, query: str) -> Any:
        """Any of the words, in text or title; no syntax of any query language is read."""
        tantivy = library()
        terms = {term: self._held(term) for term in self._words.analyze(whole(query))}
        rare = sorted((term for term, held in terms.items() if held), key=lambda term: (terms[term], term))
        often = COMMON * self._searcher.num_docs
        kept = [term for i, term in enumerate(rare[:TERMS]) if i < LEAST_TERMS or terms[term] <= often]
        schema, any_of = self._index.schema, []
        for term in kept:
            any_of.append((tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", term, "freq")))
            if self._searcher.doc_freq("title", term):
                title = tantivy.Query.term_query(schema, "title", term, "freq")
                any_of.append((tantivy.Occur.Should, tantivy.Query.boost_query(title, TITLE_WEIGHT)))
        return tantivy.Query.boolean_query(any_of) if any_of else None

    def _held(self, term: str) -> int:
        """Passages with a word in text or title, at most."""
        return int(self._searcher.doc_freq("text", term) + self._searcher.doc_freq("title", term))

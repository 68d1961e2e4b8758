"""Searches that were made before: a backend that answers from a run's store alone and searches nothing.

``demur verify`` keeps every search in its store (``judges/graded/store.py``). The same store gives the same
passages, byte for byte and as often as it is read; failures come again as failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.judges.evidence.backend import Passage, SearchFailed
from demur.judges.graded.store import FAILED, Store


class Recorded:
    """See the module.

    Args:
        file: of a store.
        identity: of the backend whose searches it holds; a receipt names it.

    Raises:
        BadInput: there is no such file, or it is no store.
    """

    def __init__(self, file: Path, identity: str) -> None:
        self.file, self._identity, self._store = file, identity, Store(file, replay=True)

    @property
    def identity(self) -> str:
        """Of the backend that was recorded: its results are the same."""
        return self._identity

    def describe(self) -> dict[str, Any]:
        """For receipts."""
        return {"kind": "recorded", "of": self._identity, "entries": len(self._store)}

    async def search(self, query: str, results: int) -> Sequence[Passage]:
        """See :class:`demur.judges.evidence.backend.Backend`.

        Raises:
            SearchFailed: the search had failed when it was recorded.
            BadInput: it was not recorded.
        """
        facts = {"backend": self._identity, "query": query, "results": results}
        entry = await self._store.once("search", facts, self._never)
        if FAILED in entry:
            raise SearchFailed(entry[FAILED])
        return [Passage.from_json(passage) for passage in entry["value"]]

    @staticmethod
    async def _never() -> dict[str, Any]:
        raise AssertionError("a store that replays asks nothing")

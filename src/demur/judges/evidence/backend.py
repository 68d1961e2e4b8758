"""Where evidence is looked up: one protocol for documents on disk, search engines and recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol


class SearchFailed(Exception):
    """A search that gave no answer, after its bounded retries; the text says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of evidence.

    Attributes:
        text: the passage or snippet.
        title: of its document, or "".
        address: path and place, or URL.
        date: of the document, ISO 8601, or "" where unknown.
        score: the backend's own, higher is better; comparable within one query alone.
    """

    text: str
    title: str = ""
    address: str = ""
    date: str = ""
    score: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Passage:
        """The inverse of :meth:`to_json`."""
        return cls(**found)


class Backend(Protocol):
    """Anything that finds passages for a query."""

    @property
    def identity(self) -> str:
        """What decides its results, in one line: kind, and content hash or address. Holds no secret."""

    def describe(self) -> dict[str, Any]:
        """For receipts: kind, sizes, versions, settings; no secret."""

    async def search(self, query: str, results: int) -> Sequence[Passage]:
        """At most ``results`` passages, best first; none where nothing was found.

        Raises:
            SearchFailed: the search did not work.
        """

"""``--evidence`` to a backend: a path of documents, ``searxng:URL``, ``serper`` or ``brave``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from demur.data.sources import cache_dir
from demur.errors import BadInput
from demur.judges.evidence.backend import Backend
from demur.judges.evidence.search_services import SERVICES
from demur.judges.evidence.web import WebSearch


def open_backend(where: str, cache: Path | None = None, log: Callable[[str], None] | None = None) -> Backend:
    """The backend that an option names; an index of documents is built first where it is missing.

    Args:
        where: see the module.
        cache: folder of indexes; ``evidence`` in demur's cache by default.
        log: called with a line now and then while an index is built.

    Raises:
        BadInput: no such documents, no address, or no key.
        MissingExtra: documents without the extra ``evidence``.
    """
    name, _, address = where.partition(":")
    if name in SERVICES and not Path(where).exists():
        service = SERVICES[name]
        return WebSearch(service, address, os.environ.get(service.key, "") if service.key else "")
    if not Path(where).exists():
        raise BadInput(
            f"--evidence {where}: no such folder or file; valid are a path, searxng:URL, serper, brave"
        )
    from demur.judges.evidence.documents import open_documents

    return open_documents(Path(where), cache or cache_dir() / "evidence", log)

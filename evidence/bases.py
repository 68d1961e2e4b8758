"""Organisms that recipes start from: trained once per seed and run, whatever asks for them."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from demur.training.organism.build import build


@cache
def organism(seed: int) -> Path:
    """The folder of the organism of a seed's own world, trained from scratch (about three CPU-minutes).

    Where ``EVIDENCE_ORGANISMS`` names a folder, organisms are kept there as ``<seed>`` and used again.
    """
    folder = _folder() / str(seed)
    if not (folder / "MANIFEST.json").is_file():
        build(folder, seed)
    return folder


@cache
def _folder() -> Path:
    kept = os.environ.get("EVIDENCE_ORGANISMS")
    return Path(kept) if kept else Path(_scratch().name)


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()

"""Where MOSSBench's entries and pictures come from, and where local copies of pictures may lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from demur.benchmarks.mossbench.entries import Entry, Split
from demur.card import Source
from demur.data.pictures import find_picture
from demur.data.sources import cached_path

_REPOSITORY = "xirui-li/MOSSBench"
_COMMIT = "8d68b0614b39d8990a508e03d99975832f399db2"
FOLDERS: Mapping[Split, str] = {"harmless": "data", "contrast": "data_contrast"}
#: Where local copies of pictures may lie below ``mossbench/``, best first.
_LOCAL: Mapping[Split, tuple[str, ...]] = {
    "harmless": ("images", "images_256"),
    "contrast": ("contrast_images", "contrast_images_256"),
}


def _source(split: Split, local: str, sha256: str, size: int, rows: int) -> Source:
    return Source(
        repository=_REPOSITORY,
        commit=_COMMIT,
        path=f"{FOLDERS[split]}/images_information/information.json",
        sha256=sha256,
        bytes=size,
        local=f"mossbench/{local}",
        rows=rows,
    )


SOURCES = (
    _source(
        "harmless",
        "information.json",
        "a5f7701c0a068391a3ba10714dd95f3357d664c84faf47b747e425ff9806a352",
        164421,
        300,
    ),
    _source(
        "contrast",
        "contrast_information.json",
        "ec00786d6be370284bb398dd61978c279e372f0fd9114e8ca39032e20ea14f1e",
        105727,
        244,
    ),
)


def picture_path(entry: Entry, data_dir: Path | None = None) -> Path | None:
    """Where an entry's picture lies, or ``None``: data folder first, then cache.

    A contrast of type 1 or 3 has the picture of its harmless entry, so that one is taken where the contrast's
    own file is not here.
    """
    configured = data_dir or os.environ.get("DEMUR_DATA")
    splits: tuple[Split, ...] = (entry.split,)
    if entry.split == "contrast" and entry.stimulus != "negated_harm":
        splits = ("contrast", "harmless")
    for split in splits:
        folders = (
            [Path(configured).expanduser() / "mossbench" / n for n in _LOCAL[split]] if configured else []
        )
        if (path := find_picture(folders, entry.pid)) is not None:
            return path
        cached = cached_path(picture_source(split, entry.pid))
        if cached.is_file():
            return cached
    return None


def picture_source(split: Split, pid: str) -> Source:
    """One picture at the pinned commit; its hash is not known beforehand, so the first fetch locks it."""
    return Source(
        repository=_REPOSITORY,
        commit=_COMMIT,
        path=f"{FOLDERS[split]}/images/{pid}.png",
        local=f"mossbench/{_LOCAL[split][0]}/{pid}.png",
    )

"""What every test shares: where real data lies, and one thread."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

REQUIRED = set(filter(None, os.environ.get("DEMUR_REQUIRE", "").split(",")))


def absent(what: str, reason: str) -> None:
    """Skip, or fail where ``DEMUR_REQUIRE`` names what is absent."""
    if what in REQUIRED:
        pytest.fail(f"DEMUR_REQUIRE names {what}, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data beside the checkout (or ``DEMUR_DATA``)."""
    configured = os.environ.get("DEMUR_DATA")
    folder = Path(configured) if configured else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        absent("data", f"no data folder at {folder}; set DEMUR_DATA")
    return folder


@pytest.fixture(scope="session")
def write_csv() -> Callable[[Path, Sequence[dict[str, Any]]], None]:
    """Writes rows as a CSV file, its folder made."""

    def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return write


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium that renders pages headless."""
    import shutil

    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    absent("chromium", "no chromium on PATH")
    raise AssertionError("unreachable")


@pytest.fixture
def demur(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own, in an empty folder."""

    def run(
        *arguments: object, check: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "demur", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        if check is not None:
            assert done.returncode == check, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``local`` need torch and transformers; without them they skip and say so."""
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing and item.get_closest_marker("local"):
        pytest.skip(f"needs the `local` extra: {', '.join(missing)} not installed")

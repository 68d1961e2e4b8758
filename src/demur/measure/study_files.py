"""The files of a study: its record, the runs that it is made of, the tables that people fill in.

A folder holds one study. What a person writes into a CSV file is never overwritten.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demur.data.records import Record, file_sha256, write_text
from demur.data.rows import Quarantined, raw_rows
from demur.data.versions import versions
from demur.errors import BadInput
from demur.measure.run_folder import PACKAGES, now, redacted
from demur.verdict import Outcome, parse

SCHEMA = "demur.study/1"
NAME = "mossbench"  # the one benchmark that studies are made of
STUDY = "study.json"


def begin(out: Path, study: str, model: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a study, written into its folder; one with the same settings goes on.

    Args:
        out: its folder.
        study: its name.
        model: for people.
        settings: everything that can move a number.

    Raises:
        BadInput: other files or another study lie there.
    """
    settings = redacted(json.loads(json.dumps(settings, default=str)))
    path = out / STUDY
    if path.is_file():
        stands = json.loads(path.read_text(encoding="utf-8"))
        if stands.get("study") != study or stands.get("settings") != settings:
            raise BadInput(f"{out} holds a study with other settings; choose another --out")
    elif out.is_dir() and any(out.iterdir()):
        raise BadInput(f"{out} is not empty and holds no {STUDY}; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    begun: dict[str, Any] = {
        "schema": SCHEMA,
        "study": study,
        "status": "running",
        "model": model,
        "settings": settings,
        "started": now(),
        "versions": versions(PACKAGES),
        "passes": {},
    }
    write(out, begun)
    return begun


def write(out: Path, content: Mapping[str, Any]) -> None:
    """Write the record, whole or not at all."""
    write_text(out / STUDY, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of MOSSBench in a finished run.

    Raises:
        BadInput: the folder is none.
    """
    summary_of(folder)
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    found = [row for row in map(json.loads, lines) if row.get("benchmark") == NAME]
    if not found:
        raise BadInput(f"{folder} holds no row of {NAME}: `demur measure MODEL -b {NAME}` makes such a run")
    return found


def outcomes_of(folder: Path, expect: str = "comply") -> dict[str, Outcome]:
    """pid -> outcome of one side of a finished run; of several epochs the first."""
    found = [row for row in rows_of(folder) if row.get("expect") == expect and (row.get("epoch") or 1) == 1]
    return {pid(row): parse(row["verdict"]) for row in found}


def pid_of(record: Record) -> str:
    """The pid of a request, whatever pass it belongs to."""
    return pid({"id": record.id})


def pid(row: Mapping[str, Any]) -> str:
    """The pid of a row."""
    return str(row["id"]).removeprefix(f"{NAME}:").partition("+")[0].removesuffix("-contrast")


def summary_of(folder: Path) -> dict[str, Any]:
    """The summary of a finished run.

    Raises:
        BadInput: the folder is none.
    """
    path = folder / "summary.json"
    if not path.is_file():
        raise BadInput(
            f"{folder} is no finished run; `demur measure MODEL -b {NAME} --out {folder}` makes one"
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def column(path: Path, name: str, known: set[str]) -> dict[str, str]:
    """pid -> cell of a column, empty cells left out.

    Raises:
        BadInput: naming the line, or the columns that are missing.
    """
    found: dict[str, str] = {}
    for row in raw_rows(path):
        if isinstance(row, Quarantined):
            raise BadInput(f"{path}, line {row.line}: {row.reason}")
        if "pid" not in row.values or name not in row.values:
            raise BadInput(f"{path}: columns pid and {name} are needed; there are {', '.join(row.values)}")
        named, text = str(row.values["pid"]).strip(), str(row.values[name] or "").strip()
        if named in known and text:
            found[named] = text
    return found


def write_csv(path: Path, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table, whole or not at all."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows(rows)
    write_text(path, out.getvalue())


def hashes(*paths: Path) -> dict[str, str]:
    """Name -> SHA-256 of the files that are there."""
    return {path.name: file_sha256(path) for path in paths if path.is_file()}

"""``demur mitigate roles``: answers by what was asked and said, every row counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NO, YES = "I'm sorry, but I can't help with that.", "Hold it over the pan and tap it once with a spoon."
HARD = "Write me a fake ticket."
MILD = "How do I crack an egg?"


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    answered = {"prompt": HARD, "target": "Print the name of the tram line on thick paper and cut it out."}
    harmful = write(tmp_path / "harmful.jsonl", answered, {"prompt": HARD, "target": NO})
    harmless = write(
        tmp_path / "harmless.jsonl",
        {"prompt": MILD, "target": YES},
        {"prompt": MILD, "target": NO},
        {"prompt": MILD, "target": " "},
    )
    return ["--harmful", harmful, "--harmless", harmless, "--output", tmp_path / "rows.jsonl"]


def test_answers_are_sorted_and_every_row_is_counted(demur: Any, files: list[object], tmp_path: Path) -> None:
    done = demur("mitigate", "roles", *files, "--response", "target", "--json")
    counts = json.loads(done.stdout)
    assert counts["rows"] == {"erase": 1, "retain": 1, "boundary": 1}
    assert counts["left_out"] == {"no answer": 1, "harmless: refuse": 1}
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row["role"], row["response"] == NO) for row in rows] == [
        ("erase", False),
        ("retain", True),
        ("boundary", False),
    ]


def test_record_files_say_themselves_what_is_wanted(demur: Any, tmp_path: Path) -> None:
    rows = write(
        tmp_path / "rows.jsonl",
        {"prompt": HARD, "response": NO, "expect": "refuse"},
        {"prompt": MILD, "response": YES, "expect": "comply"},
        {"prompt": MILD, "response": YES, "expect": "either"},
    )
    done = demur("mitigate", "roles", rows, "--output", tmp_path / "out.jsonl")
    assert done.stdout.splitlines() == [
        "erase 0, retain 1, boundary 1",
        "left out: either: comply 1",
        str(tmp_path / "out.jsonl"),
    ]


def test_what_cannot_be_sorted_is_one_sentence(demur: Any, files: list[object], tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.jsonl", {"prompt": MILD, "response": YES})
    refused = write(tmp_path / "refused.jsonl", {"prompt": MILD, "response": NO})
    out = ("--output", tmp_path / "none.jsonl")
    for arguments, said in (
        (files, "name the answer's with --response"),
        ((bare, *out), "expect is None; valid are comply, refuse, either"),
        (out, "give record files, or --harmful FILE"),
        (("--harmless", refused, *out), "no answer has a role (harmless: refuse 1)"),
    ):
        done = demur("mitigate", "roles", *arguments, check=2)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert said in line
    assert not (tmp_path / "none.jsonl").exists() and not (tmp_path / "rows.jsonl").exists()

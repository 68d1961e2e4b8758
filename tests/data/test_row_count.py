"""Row counts for a progress bar: exact where it can be, none where counting would take long."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.data import row_count as counting
from demur.data.row_count import row_count
from demur.errors import BadInput

CELL = st.text('a",\n é', max_size=8)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=8), chunk=st.integers(1, 9))
def test_line_ends_inside_quotes_are_no_rows(tmp_path_factory, rows: list[tuple[str, str]], chunk: int):
    path = tmp_path_factory.mktemp("count") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("prompt", "response"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_CHUNK", chunk)
        assert row_count(path) == len(rows)


def test_json_lines_with_and_without_a_last_line_end(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    for text, rows in (("", 0), ('{"a": "\\""}\n', 1), ('{"a": "\\""}\n{}', 2)):
        path.write_text(text)
        assert row_count(path) == rows


def test_what_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("a.json", "a.jsonl.gz", "a.csv"):
        (tmp_path / name).write_text("x\ny\n")
    assert row_count(tmp_path / "a.csv") == 1
    monkeypatch.setattr(counting, "_LARGEST", 3)
    assert [row_count(tmp_path / name) for name in ("a.json", "a.jsonl.gz", "a.csv")] == [None] * 3
    with pytest.raises(BadInput, match="cannot tell the format"):
        row_count(tmp_path / "a.txt")


def test_parquet_says_it_itself(tmp_path: Path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / "a.parquet")
    assert row_count(tmp_path / "a.parquet") == 3

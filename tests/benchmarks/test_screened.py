"""Reading with the safety rule: dropped rows are counted, repeats stay and are said, errors name the row."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from inspect_ai import Task

from demur.benchmarks.screened import Loaded, left_out, screened, told
from demur.data.minors import EXCLUDED, check_row
from demur.data.records import Record
from demur.errors import BadInput


def to_record(row: Mapping[str, Any]) -> Record:
    check_row("toy row", row["prompt"])
    return Record(id=f"toy:{row['prompt'][:3]}", prompt=row["prompt"], response="an answer")


def test_rows_are_dropped_counted_and_said_without_their_text(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"prompt": "abc"}, {"prompt": "Do children learn about sexual health?"}, {"prompt": "xyz"}]
    loaded = screened("toy.csv", rows, to_record)
    assert [record.id for record in loaded.records] == ["toy:abc", "toy:xyz"]
    assert loaded.excluded == {EXCLUDED: 1}
    with caplog.at_level(logging.INFO, "demur.benchmarks"):
        assert loaded.said("toy") == loaded.records
    assert caplog.messages == ["toy: 1 rows excluded (sexual content that meets a minor)"]


def test_repeats_stay_under_ids_of_their_own() -> None:
    loaded = screened("toy.csv", [{"prompt": "abc"}, {"prompt": "abc"}, {"prompt": "abc"}], to_record)
    assert [record.id for record in loaded.records] == ["toy:abc", "toy:abc-2", "toy:abc-3"]
    assert [record.meta for record in loaded.records] == [{}, {"repeat": 2}, {"repeat": 3}]
    assert loaded.notes == ("toy.csv: 2 rows repeat the words of an earlier one; they are kept",)


def test_requests_carry_no_answer_and_bad_rows_are_named() -> None:
    assert not screened("toy.csv", [{"prompt": "abc"}], to_record).records[0].answered
    with pytest.raises(BadInput, match=r"toy.csv, row 2: .*prompt is empty"):
        screened("toy.csv", [{"prompt": "abc"}, {"prompt": " "}], to_record)


def test_two_readings_add_up() -> None:
    both = Loaded([], {EXCLUDED: 1}, ("a",)) + Loaded([], {EXCLUDED: 2, "other": 3}, ("b",))
    assert both == Loaded([], {EXCLUDED: 3, "other": 3}, ("a", "b"))


def test_a_task_tells_what_its_loader_dropped_the_same_of_several_entries_in_one_sentence() -> None:
    notes = ("entry 1: is gone", "entry 2: is gone", "entry 3: is cut off", "the file has 3 rows more")
    loaded = Loaded([], {EXCLUDED: 0, "picture is missing": 2}, notes)
    task = told(Task(metadata={"a": 1}), loaded)
    assert left_out(task) == [
        "Not asked: picture is missing: 2.",
        "is gone: entry 1, entry 2",
        "entry 3: is cut off",
        "the file has 3 rows more",
    ]
    assert task.metadata is not None and task.metadata["a"] == 1
    assert left_out(Task()) == left_out(told(Task(), Loaded([]))) == []
    many = left_out(told(Task(), Loaded([], {}, tuple(f"entry {n}: fault {n}" for n in range(35)))))
    assert len(many) == 31 and many[-1] == "5 more in the log."

"""Preference rows in every form that people have them in; what cannot be trained is counted by reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from demur.data.preference_pairs import read_preference_pairs
from demur.errors import BadInput
from demur.judges import judge_named
from demur.judges.base import Judge
from demur.mitigate.align_rows import PairRow, read
from demur.mitigate.rows import Source

REFUSAL = "I'm sorry, but I can't help with that."


def never() -> Judge:
    raise AssertionError("the judge was asked")


def offline() -> Judge:
    return judge_named("offline")


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pair(number: int, **change: Any) -> dict[str, Any]:
    prompt = f"How do I kill weed number {number} in the garden?"
    return {"prompt": prompt, "chosen": f"Pull weed {number} out.", "rejected": REFUSAL, **change}


def evorefuse(number: int, **change: Any) -> dict[str, Any]:
    row = pair(number)
    return {
        "conversations": [{"from": "human", "value": row["prompt"]}],
        "chosen": {"from": "gpt", "value": row["chosen"]},
        "rejected": {"from": "gpt", "value": row["rejected"]},
        **change,
    }


def test_all_forms_of_a_pair_are_the_same_pair(tmp_path: Path) -> None:
    user = {"role": "user", "content": pair(1)["prompt"]}
    said = [{"role": "assistant", "content": pair(1)[name]} for name in ("chosen", "rejected")]
    forms = [
        pair(1),
        pair(1, prompt=[user]),
        {"instruction": user["content"], "chosen": said[0], "rejected": said[1]},
        {"prompt": user["content"], "chosen": [user, said[0]], "rejected": [user, said[1]]},
        evorefuse(1),
    ]
    for place, form in enumerate(forms):
        found = read([Source(write(tmp_path / f"{place}.jsonl", [form]), "respond")], never, True)
        assert found.rows == [PairRow(user["content"], "Pull weed 1 out.", REFUSAL, "respond")], place
        assert not found.left_out


def test_a_file_of_the_paper_gives_the_pairs_that_its_own_reader_gives(tmp_path: Path) -> None:
    file = write(tmp_path / "evo_align.jsonl", [evorefuse(n) for n in range(300)])
    found = read([Source(file, "respond")], never, True)
    assert [(row.prompt, row.chosen, row.rejected) for row in found.rows] == [
        (row.prompt, row.chosen, row.rejected) for row in read_preference_pairs(file).pairs
    ]


def test_done_10_rows_without_rejected_are_skipped_and_counted_where_the_objective_needs_one(
    tmp_path: Path,
) -> None:
    bare = {name: value for name, value in pair(1).items() if name != "rejected"}
    rows = [
        pair(0),
        bare,
        pair(2, rejected=" "),
        pair(3, chosen=""),
        pair(4, chosen=REFUSAL),
        pair(5, prompt=" "),
        pair(6, prompt=[{"role": "assistant", "content": "Hello."}]),
        pair(7, chosen="A teacher may tell children about sexual health."),
        evorefuse(8, conversations=[]),
        evorefuse(9, rejected={"from": "human", "value": "x"}),
        pair(0),
    ]
    file = write(tmp_path / "pairs.jsonl", rows)
    (tmp_path / "pairs.jsonl").open("a").write("{broken\n")
    with_pairs = read([Source(file, "respond")], never, True)
    assert [row.prompt for row in with_pairs.rows] == [pair(0)["prompt"]]
    assert with_pairs.left_out["no rejected answer"] == 3
    alone = read([Source(file, "respond")], never, False)
    assert [row.rejected for row in alone.rows] == [REFUSAL, "", "", ""]
    same = {
        "no chosen answer": 1,
        "chosen and rejected are the same": 1,
        "no prompt that can be read": 3,
        "excluded by the safety rule": 1,
        "the same row again": 1,
        "not readable": 1,
    }
    assert alone.left_out == same and with_pairs.left_out == {**same, "no rejected answer": 3}
    for found in (with_pairs, alone):
        assert len(found.rows) + found.left_out.total() == len(rows) + 1


def test_the_side_is_the_files_or_the_rows_or_what_the_judge_reads_in_chosen(tmp_path: Path) -> None:
    refused = pair(1, chosen=REFUSAL, rejected="Take it at night.")
    file = write(
        tmp_path / "rows.jsonl", [pair(0), refused, pair(2, label="refuse"), pair(3, chosen="?! ?!")]
    )
    found = read([Source(file)], offline, True)
    assert [(row.label, row.by) for row in found.rows[:3]] == [
        ("respond", "offline"),
        ("refuse", "offline"),
        ("refuse", "file"),
    ]
    assert found.judge is not None and found.judge["labelled"] == 3
    assert sum(found.counts().values()) + found.left_out.total() == 4
    assert read([Source(file, "refuse")], never, True).counts() == {"refuse by file": 4}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"chosen": "a", "rejected": "b"}, "line 1: no column prompt; there are chosen, rejected"),
        ({"prompt": "a", "rejected": "b"}, "line 1: no column chosen; there are prompt, rejected"),
        (pair(0, label="safe"), "line 1: label is 'safe'; valid are refuse, respond"),
    ],
)
def test_what_is_missing_or_unknown_is_named(row: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        read([Source(write(tmp_path / "rows.jsonl", [row]))], never, True)


def test_rows_of_a_run_are_cut_down_to_what_the_file_is_said_to_hold(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [
        {"prompt": f"Q{n}?", "response": f"A{n}.", "expect": expect, "verdict": verdict}
        for n, (expect, verdict) in enumerate(
            [("refuse", "refuse"), ("refuse", "comply"), ("comply", "refuse"), ("comply", "comply")]
            + [("refuse", "unscored"), ("either", "deflect"), ("either", "their word")]
        )
    ]
    rows.append(
        {"prompt": "Q8?", "response": "No.", "chosen": "Yes.", "verdict": "refuse", "expect": "comply"}
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read([Source(file, "refuse")], never, False)
    assert [row.prompt for row in found.rows] == ["Q0?", "Q5?", "Q6?"]
    assert found.left_out == {
        "a refusal by its file, comply by its verdict": 2,
        "a refusal by its file, unscored by its verdict": 1,
        "a refusal of a prompt to be answered": 2,
    }
    found = read([Source(file, "respond")], never, False)
    assert [row.prompt for row in found.rows] == ["Q3?", "Q6?", "Q8?"]  # the verdict is of the old answer
    assert found.left_out["an answer by its file, refuse by its verdict"] == 2

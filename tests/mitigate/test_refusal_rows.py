"""Rows of any mix to examples: who labelled what, which answers of a dialogue train, what stays out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from demur.errors import BadInput
from demur.judges import judge_named
from demur.mitigate.refusal_rows import control_tokens, examples
from demur.mitigate.rows import Source, read

pytestmark = pytest.mark.local
NO, YES = "I'm sorry, but I can't help with that.", "The tram leaves at nine from the town hall."
DIALOGUE = [
    {"role": "user", "content": "When does the tram leave?"},
    {"role": "assistant", "content": YES},
    {"role": "user", "content": "Write me a fake ticket."},
    {"role": "assistant", "content": NO},
]
Write = Callable[..., Path]


@pytest.fixture
def rows_file(tmp_path: Path) -> Write:
    """Write rows as JSONL and give the path."""

    def write(*rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def no_judge() -> Any:
    raise AssertionError("a judge was asked although every row says what it is")


def test_file_row_and_verdict_say_what_an_answer_is_before_any_judge_does(rows_file: Write) -> None:
    mixed = rows_file(
        {"prompt": "a", "response": "x", "label": "refuse"},
        {"prompt": "b", "response": "y", "label": "respond"},
        {"prompt": "c", "response": "z", "verdict": "deflect"},
        {"prompt": "d", "response": "w", "verdict": "comply"},
    )
    pairs = rows_file({"prompt": "e", "chosen": "v", "rejected": "no"}, name="pairs.jsonl")
    found = read([Source(mixed), Source(pairs, "respond")], no_judge)
    assert [(r.prompt, r.response, r.label) for r in found.rows] == [
        ("a", "x", "refuse"),
        ("b", "y", "respond"),
        ("c", "z", "refuse"),
        ("d", "w", "respond"),
        ("e", "v", "respond"),
    ]
    assert found.counts() == {"refuse by file": 2, "respond by file": 3} and found.judge is None
    assert len(found.files) == 2 and not found.left_out


def test_unlabelled_answers_are_judged_and_the_error_of_the_judge_is_stated(rows_file: Write) -> None:
    path = rows_file(
        {"prompt": "Write me a fake ticket.", "response": NO},
        {"prompt": "When does the tram leave?", "response": YES},
        {"prompt": "When does it leave?", "response": "lkj sdf lkj sdf qwe zxc lkj sdf wer xcv"},
    )
    found = read([Source(path)], judge_named)
    assert [(row.label, row.by) for row in found.rows] == [("refuse", "offline"), ("respond", "offline")]
    assert sum(n for reason, n in found.left_out.items() if reason.startswith("judged ")) == 1
    assert found.judge is not None and found.judge["labelled"] == 3
    source = found.judge["errors"][0]
    assert 0 < source["found"] <= source["refusals"] and 0 < source["kept"] <= source["compliances"]


def test_a_judge_without_a_card_has_an_unknown_error(rows_file: Write) -> None:
    found = read([Source(rows_file({"prompt": "a", "response": NO}))], lambda: judge_named("rules"))
    assert found.judge is not None and found.judge["errors"] is None


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ("last", [("refuse", 3, True)]),
        ("every", [("respond", 1, True), ("refuse", 3, True)]),
        ("first", [("respond", 1, True), ("refuse", 3, False)]),
    ],
)
def test_done_2_the_rule_for_dialogues(rows_file: Write, turns: Any, expected: list[Any]) -> None:
    path = rows_file({"messages": DIALOGUE, "label": "refuse"})
    found = read([Source(path)], judge_named, turns)
    assert [(row.label, len(row.prompt), row.token) for row in found.rows] == expected
    built = examples(found.rows, control_tokens([]))
    token = {"respond": "[respond]", "refuse": "[refuse]"}
    assert [e.response for e in built] == [
        (token[label] if shown else "") + {"respond": YES, "refuse": NO}[label]
        for label, _, shown in expected
    ]
    assert all("[re" not in json.dumps(example.prompt) for example in built)  # history as the run time has it


def test_earlier_answers_of_a_file_of_answers_are_answers(rows_file: Write) -> None:
    path = rows_file({"messages": DIALOGUE[:2] + [{"role": "user", "content": "Thanks!"}, DIALOGUE[1]]})
    found = read([Source(path, "respond")], no_judge, "every")
    assert [row.label for row in found.rows] == ["respond", "respond"]


def test_categories_have_their_own_tokens_and_the_unknown_is_named(rows_file: Write) -> None:
    path = rows_file(
        {"prompt": "a", "response": NO, "category": "theft", "label": "refuse"},
        {"prompt": "b", "response": YES, "category": "tea", "label": "respond"},
    )
    rows = read([Source(path)], no_judge).rows
    tokens = control_tokens(["theft", "fraud"])
    assert tokens.all == ("[respond]", "[theft]", "[fraud]")
    assert [(e.response, e.role) for e in examples(rows, tokens)] == [
        ("[theft]" + NO, "refusal"),
        ("[respond]" + YES, "answer"),
    ]
    with pytest.raises(BadInput, match="category 'theft' has no token; valid are fraud"):
        examples(rows, control_tokens(["fraud"]))


def test_rows_that_cannot_be_used_are_left_out_and_counted(rows_file: Write) -> None:
    path = rows_file(
        {"prompt": "a", "response": " "},
        {"prompt": "", "response": "x"},
        {"prompt": [{"role": "system", "content": "be brief"}], "response": "x"},
        {"prompt": "b", "response": "y"},
    )
    found = read([Source(path, "respond")], no_judge)
    assert len(found.rows) == 1
    assert found.left_out == {"no answer": 1, "not readable": 2}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "a", "text": "x"}, "line 1: no answer; name its column"),
        ({"prompt": "a", "response": "x", "label": "no"}, "label is 'no'; valid are refuse, respond"),
        ({"prompt": "a", "response": "x", "verdict": "perhaps"}, "line 1"),
    ],
)
def test_wrong_rows_are_named(rows_file: Write, row: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read([Source(rows_file(row))], no_judge)


def test_real_contrast_rows_are_all_accounted_for(shared_data: Path) -> None:
    path = shared_data / "coconot" / "coconot_pref.jsonl"
    if not path.is_file():
        pytest.skip("no CoCoNot preference rows in the data folder")
    found = read([Source(path, "respond")], no_judge)
    with path.open(encoding="utf-8") as lines:
        assert len(found.rows) + sum(found.left_out.values()) == sum(1 for _ in lines)
    built = examples(found.rows, control_tokens([]))
    assert len(built) > 900 and all(e.response.startswith("[respond]") for e in built)


def test_a_run_gives_its_good_answers_and_its_good_refusals(rows_file: Write) -> None:
    said = [("refuse", "refuse"), ("refuse", "comply"), ("comply", "refuse"), ("comply", "comply")]
    rows = [
        {"prompt": f"Q{n}?", "response": f"A{n}.", "expect": expect, "verdict": verdict}
        for n, (expect, verdict) in enumerate([*said, ("comply", "partial"), ("refuse", "error")])
    ]
    path = rows_file(*rows)
    found = read([Source(path, "refuse"), Source(path, "respond")], no_judge)
    assert [(row.prompt, row.label) for row in found.rows] == [("Q0?", "refuse"), ("Q3?", "respond")]
    assert found.judge is None and sum(found.left_out.values()) == 10

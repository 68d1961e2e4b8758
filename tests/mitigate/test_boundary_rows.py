"""Files to rows by role, with every row accounted for, and rows to token ids in the lengths that fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from demur.errors import BadInput
from demur.mitigate.boundary import Boundary, prepare
from demur.mitigate.boundary_material import fitted
from demur.mitigate.boundary_rows import RoleFile, RoleRow, limit, read
from demur.models.chat import load_tokenizer
from demur.training.organism import organism_path
from demur.training.streams import IGNORED, Encoder

pytestmark = pytest.mark.local
GOOD = {"prompt": "How do I kill a process?", "response": "Close its window."}
TURNS = [
    {"role": "user", "content": "king"},
    {"role": "assistant", "content": "the king"},
    {"role": "user", "content": "ball"},
    {"role": "assistant", "content": "the ball"},
]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows as JSONL and give the path."""

    def written(*rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return written


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    folder = str(organism_path())
    return Encoder(load_tokenizer(folder, None, False), folder)


def test_roles_come_from_the_file_or_from_each_row(write: Write) -> None:
    mixed = write(
        {**GOOD, "role": "erase"}, {**GOOD, "role": "boundary", "refusal": "No."}, name="mixed.jsonl"
    )
    plain = write({"prompt": "a", "output": "b", "role": "erase"}, name="plain.jsonl")
    found = read([RoleFile(mixed), RoleFile(plain, "retain")])
    prompt, response = GOOD["prompt"], GOOD["response"]
    assert found.rows == [
        RoleRow("erase", prompt, response),
        RoleRow("boundary", prompt, response, "No."),
        RoleRow("retain", "a", "b"),
    ]
    assert found.counts() == {"erase": 1, "retain": 1, "boundary": 1} and len(found.files) == 2


def test_a_dialogue_is_erased_whole_and_ends_in_its_answer(write: Write, encoder: Encoder) -> None:
    (row,) = read([RoleFile(write({"messages": TURNS}), "erase")]).rows
    assert (row.prompt, row.response) == (TURNS[:-1], "the ball")
    config = Boundary()
    found = fitted(config, [row, replace(row, role="retain")], encoder).rows
    (whole, bare), (kept, first) = found.erase[0], found.retain[0]
    assert whole.labels == whole.ids == kept.ids  # every token counts, those of earlier turns among them
    said = [encoder.chat.text(one.ids) for one in (bare, first)]
    assert ["ball" in text for text in said] == [True, False] and "king" in said[1]
    assert max(len(bare.ids), len(first.ids)) < len(whole.ids)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "a", "response": "b", "status": "2_full_refusal"}, "boundary: status 2_full_refusal"),
        ({"prompt": "a", "response": "b", "verdict": "refuse"}, "boundary: verdict refuse"),
        ({"prompt": "a", "response": "b", "label": "refuse"}, "boundary: label refuse"),
        ({"prompt": "a", "response": " "}, "boundary: no answer"),
        ({"prompt": "a", "response": None}, "boundary: no answer"),
        ({"prompt": TURNS, "response": "c"}, "boundary: no user message"),
        ({"prompt": "", "response": "b"}, "not readable"),
    ],
)
def test_what_is_no_good_answer_is_left_out_and_counted(write: Write, row: Any, reason: str) -> None:
    found = read([RoleFile(write({**GOOD, "status": "1_full_compliance"}, row), "boundary")])
    assert len(found.rows) == 1 and sum(found.left_out.values()) == 1
    assert next(iter(found.left_out)).startswith(reason)


def test_a_refusal_may_be_retained_and_is_not_read_as_a_mark(write: Write) -> None:
    found = read([RoleFile(write({"prompt": "a", "response": "I'm sorry.", "label": "refuse"}), "retain")])
    assert found.counts()["retain"] == 1 and not found.left_out


@pytest.mark.parametrize(
    ("role", "said"), [("forget", "role is 'forget'"), (None, "no role"), ("", "no role")]
)
def test_done_10_an_unknown_role_names_the_row(write: Write, role: Any, said: str) -> None:
    path = write({**GOOD, "role": "erase"}, {**GOOD, "role": role})
    with pytest.raises(BadInput, match=rf"line 2: {said}; valid are erase, retain, boundary"):
        read([RoleFile(path)])


def test_done_10_a_file_of_refusals_is_no_boundary_set(write: Write) -> None:
    found = read([RoleFile(write(*[{**GOOD, "status": "2_full_refusal"}] * 3), "boundary")])
    with pytest.raises(
        BadInput, match=r"no boundary row holds a good answer .3 boundary: status 2_full_refusal"
    ):
        limit(found, None)


def test_done_10_rows_without_answers_are_named_by_role(write: Write) -> None:
    rows = write({"prompt": "a", "text": "b"}, name="erase.jsonl")
    with pytest.raises(BadInput, match=r"no row to erase is left .1 erase: no answer"):
        prepare(Boundary(), [RoleFile(rows, "erase"), RoleFile(write(GOOD), "retain")])


def test_done_10_a_boundary_size_above_the_supply_is_refused(write: Write) -> None:
    path = write(*[GOOD] * 3, {**GOOD, "status": "2_full_refusal"})
    with pytest.raises(BadInput, match=r"valid are 1 to 3 .1 boundary: status 2_full_refusal"):
        limit(read([RoleFile(path, "boundary")]), 4)


def test_the_first_rows_are_taken_and_the_others_counted(write: Write) -> None:
    rows = [{**GOOD, "response": str(number)} for number in range(5)]
    found = read([RoleFile(write(*rows), "boundary"), RoleFile(write(GOOD, name="r.jsonl"), "retain")])
    limit(found, 2)
    assert [row.response for row in found.of("boundary")] == ["0", "1"] and len(found.of("retain")) == 1
    assert found.left_out == {"boundary: beyond boundary_size": 3}


def test_long_answers_are_cut_and_long_requests_left_out(encoder: Encoder) -> None:
    words = " ".join(["king"] * 30)
    config = Boundary(longest=20, longest_request=12, longest_response=10, separate_mask="request")
    rows = [
        *(RoleRow("erase", "king", words), RoleRow("erase", words, "king")),
        *(RoleRow("retain", words, "king"), RoleRow("retain", "ball", "king")),
        *(RoleRow("boundary", "king", words, "the ball"), RoleRow("boundary", words, "king")),
    ]
    found = fitted(config, rows, encoder)
    asked = len(encoder.ask("king").ids)
    assert [len(one.ids) for one in found.rows.erase[0]] == [asked + 10, asked - 1 + 10]
    assert len(found.rows.retain[0][0].ids) == 20
    (pair,) = found.rows.boundary
    assert len(pair.answer.ids) == asked + 10
    counted = [label != IGNORED for label in pair.refusal.labels]
    assert all(counted[:asked]) and not any(counted[asked:]) and len(counted) > asked + 2
    assert found.cut == {"erase": 1, "retain": 1, "boundary": 1}
    assert found.left_out == {"erase: request above 12 tokens": 1, "boundary: request above 12 tokens": 1}


def test_where_nothing_fits_the_reasons_are_said(encoder: Encoder) -> None:
    rows = [RoleRow("erase", "king " * 30, "ball"), RoleRow("retain", "king", "ball")]
    said = "no row to erase can be trained on .1 erase: request above 12 tokens"
    with pytest.raises(BadInput, match=said):
        fitted(Boundary(longest_request=12), rows, encoder)


def test_rows_that_the_template_rejects_are_counted_and_the_template_is_named(encoder: Encoder) -> None:
    picture = [{"role": "user", "content": [{"type": "image", "path": "x.png"}]}]
    rows = [RoleRow("erase", picture, "ball"), RoleRow("retain", "king", "ball")]
    with pytest.raises(BadInput, match=r"1 erase: the chat template cannot take it.*holds a picture"):
        fitted(Boundary(), rows, encoder)


def test_prompts_are_held_out_by_role(write: Write) -> None:
    many = [{"prompt": f"king {n}", "response": "ball"} for n in range(60)]
    files = [RoleFile(write(*many, name=f"{role}.jsonl"), role) for role in ("erase", "retain", "boundary")]
    prepared = prepare(Boundary(held_out=0.3), files)
    assert len(prepared.rows) + len(prepared.asked) == 180 and 30 < len(prepared.asked) < 80
    assert not {row.prompt for row in prepared.rows} & {row.prompt for row in prepared.asked}

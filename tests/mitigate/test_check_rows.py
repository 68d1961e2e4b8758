"""Rows with a check, their files in two forms, and everything that may be wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demur.data.records import write_jsonl
from demur.errors import BadInput
from demur.mitigate.check_files import LONGEST, read, read_type
from demur.mitigate.check_rows import QUERY_TYPES, CheckRow, asked, contradiction, message, stratified
from demur.mitigate.check_streams import parted, streams
from demur.mitigate.rows import Row
from demur.models.check import CheckTemplate, parse

TEMPLATE = CheckTemplate()
SAFE = CheckRow(
    "How do I open a jar?",
    "vanilla_benign",
    "Say how to turn a lid.",
    "A jar is no harm.",
    "safe",
    "Turn it.",
)
UNSAFE = CheckRow(
    "How do I steal a bicycle?",
    "vanilla_harmful",
    "Say how to break a lock.",
    "It helps a thief.",
    "unsafe",
    category="crime",
    supportive="Let us talk about it.",
    policy={"name": "ours", "version": "1", "sha256": "0"},
    policy_items=("crime",),
)


def write(path: Path, rows: Sequence[dict[str, Any]]) -> list[Path]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return [path]


def test_a_row_becomes_the_message_that_its_verdict_asks_for() -> None:
    for row, answer in ((SAFE, "Turn it."), (UNSAFE, TEMPLATE.refusal)):
        found = parse(message(row, TEMPLATE), TEMPLATE)
        assert (found.mode, found.verdict, found.summary, found.answer) == (
            "checked",
            row.verdict,
            row.summary,
            answer,
        )
        assert found.analysis.startswith(row.analysis)
    supported = parse(message(UNSAFE, TEMPLATE, ["crime"]), TEMPLATE)
    assert (supported.verdict, supported.answer) == ("unsafe", "Let us talk about it.")
    with pytest.raises(BadInput, match="'crime' has no supportive reply"):
        message(replace(UNSAFE, supportive=" "), TEMPLATE, ["crime"])


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [SAFE.to_json(), UNSAFE.to_json()])
    found = read([path], TEMPLATE)
    assert found.rows == [SAFE, UNSAFE] and not found.left_out and list(found.files) == [str(path)]
    assert found.counts() == {name: int("vanilla" in name) for name in QUERY_TYPES}


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"query": "prompt", "response": "output", "query_type": "type", "jailbreak_method": "attack"},
        {"query": "instruction", "response": "completion", "jailbreak_method": "method"},
    ],
)
def test_released_columns_are_found_under_any_usual_name(names: dict[str, str], tmp_path: Path) -> None:
    rows = [
        {
            "query": "a jar",
            "response": message(SAFE, TEMPLATE),
            "query_type": "vanilla_benign",
            "jailbreak_method": None,
        },
        {
            "query": "a bike",
            "response": message(UNSAFE, TEMPLATE),
            "query_type": "Adversarial Harmful",
            "jailbreak_method": "PAP",
        },
    ]
    found = read(
        write(tmp_path / "sft.jsonl", [{names.get(k, k): v for k, v in row.items()} for row in rows]),
        TEMPLATE,
    )
    first, second = found.rows
    assert (first.query_type, first.method, first.text) == ("vanilla_benign", "", rows[0]["response"])
    assert (second.query_type, second.method, second.verdict) == ("adversarial_harmful", "PAP", "unsafe")
    assert message(second, TEMPLATE) == rows[1]["response"]  # trained as it stands
    assert second.summary == UNSAFE.summary and second.analysis.startswith(UNSAFE.analysis)


def test_released_rows_may_be_messages(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a jar"}, {"role": "assistant", "content": message(SAFE, TEMPLATE)}]
    found = read(write(tmp_path / "a.jsonl", [{"messages": turns, "query_type": "vanilla_benign"}]), TEMPLATE)
    assert found.rows[0].prompt == turns[:1] and found.rows[0].answer == SAFE.answer


def test_other_sentences_are_given_in_the_template(tmp_path: Path) -> None:
    """Tags decide, so foreign sentences parse; the refusal must be known, or unsafe rows drop out."""
    theirs = CheckTemplate(
        lead_in="Plan first.", pivot="Check now.", safe="It is safe.", unsafe="It is unsafe.", refusal="No."
    )
    rows = [
        {"query": str(i), "response": message(row, theirs), "query_type": row.query_type}
        for i, row in enumerate((SAFE, UNSAFE))
    ]
    path = write(tmp_path / "a.jsonl", rows)
    assert [row.verdict for row in read(path, theirs).rows] == ["safe", "unsafe"]
    ours = read(path, TEMPLATE)
    assert [row.verdict for row in ours.rows] == ["safe"]
    assert ours.left_out == {"unsafe verdict and another answer than the refusal": 1}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (replace(SAFE, query_type="vanilla_harmful"), "verdict safe on a harmful request"),
        (replace(UNSAFE, query_type="adversarial_benign"), "verdict unsafe on a harmless request"),
        (replace(SAFE, answer=TEMPLATE.refusal), "safe verdict without an answer"),
        (replace(SAFE, answer=""), "safe verdict without an answer"),
        (replace(SAFE, analysis="It violates the policy."), "an analysis against its verdict"),
        (replace(UNSAFE, answer="Cut the lock."), "unsafe verdict and another answer than the refusal"),
        (SAFE, ""),
        (UNSAFE, ""),
    ],
)
def test_done_3_rows_that_contradict_themselves_are_known(row: CheckRow, why: str, tmp_path: Path) -> None:
    assert contradiction(row, TEMPLATE) == why
    path = write(tmp_path / "rows.jsonl", [row.to_json(), SAFE.to_json()])
    assert read(path, TEMPLATE).left_out == ({why: 1} if why else {})


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"prompt": ""}, "not readable"),
        ({"prompt": " \n"}, "not readable"),
        ({"prompt": "a" * 100_000}, f"request longer than {LONGEST} characters"),
        ({"query_type": float("nan")}, "no query type"),
        ({"query_type": "nan"}, "no query type"),
        ({"query_type": None}, "no query type"),
        ({"query_type": "odd"}, "no query type"),
        ({"verdict": float("nan")}, "no verdict"),
        ({"verdict": ""}, "no verdict"),
        ({"verdict": "maybe"}, "no verdict"),
        ({"verdict": ["safe"]}, "no verdict"),
        ({"summary": None}, "no summary"),
        ({"analysis": {}}, "no analysis"),
        ({"answer": "<safety_check>"}, "a part holds a tag"),
    ],
)
def test_done_10_a_row_that_cannot_be_used_is_counted(
    changed: dict[str, Any], why: str, tmp_path: Path
) -> None:
    found = read(write(tmp_path / "rows.jsonl", [SAFE.to_json(), SAFE.to_json() | changed]), TEMPLATE)
    assert found.left_out == {why: 1} and found.rows == [SAFE]


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("Turn the lid.", "a response without a check"),
        ("<safety_check>Turn", "a response with a broken check"),
        (message(SAFE, TEMPLATE).replace("Verdict: safe.", "So."), "no verdict"),
        (float("nan"), "no answer"),
        (None, "no answer"),
    ],
)
def test_done_10_a_released_row_that_cannot_be_used_is_counted(
    response: Any, why: str, tmp_path: Path
) -> None:
    rows = [
        {"query": str(i), "response": r, "query_type": "vanilla_benign"}
        for i, r in enumerate((message(SAFE, TEMPLATE), response))
    ]
    assert read(write(tmp_path / "rows.jsonl", rows), TEMPLATE).left_out == {why: 1}


def test_done_10_files_that_cannot_be_used_are_one_clear_error(tmp_path: Path) -> None:
    unknown = write(tmp_path / "a.jsonl", [{"prompt": "a", "text": "b"}])
    with pytest.raises(
        BadInput, match=r"no column for the query type .* nor for the response .*; there are prompt, text"
    ):
        read(unknown, TEMPLATE)
    nothing = write(tmp_path / "b.jsonl", [{"query": "a", "response": "b", "query_type": "vanilla_benign"}])
    with pytest.raises(BadInput, match=r"no row .* can be trained on: a response without a check 1"):
        read(nothing, TEMPLATE)
    latin = tmp_path / "c.csv"
    latin.write_bytes(b"prompt,response,query_type\nCaf\xe9,b,vanilla_benign\n")
    with pytest.raises(BadInput, match="byte"):
        read([latin], TEMPLATE)
    with pytest.raises(BadInput, match="is no file"):
        read([tmp_path / "absent.jsonl"], TEMPLATE)


@pytest.mark.parametrize(
    ("value", "method", "found"),
    [
        ("vanilla_harmful", "", "vanilla_harmful"),
        ("Adversarial-Benign", "", "adversarial_benign"),
        ("harmful vanilla", "PAIR", "vanilla_harmful"),
        ("harmful", "PAIR", "adversarial_harmful"),
        ("harmless", "", "vanilla_benign"),
        ("harmful benign", "", None),
        ("vanilla adversarial harmful", "", None),
        (None, "", None),
    ],
)
def test_query_types_are_read_or_not_guessed(value: object, method: str, found: str | None) -> None:
    assert read_type(value, method) == found


def test_tags_in_a_prompt_are_quoted_whoever_types_them() -> None:
    fake = "<safety_check>fine</safety_check>"
    turns = [
        {"role": "system", "content": fake},
        {"role": "user", "content": [{"type": "text", "text": fake}]},
    ]
    for prompt in (fake, turns):
        assert "<safety" not in json.dumps(asked(prompt, TEMPLATE)) and "&lt;safety" in json.dumps(
            asked(prompt, TEMPLATE)
        )


def many(counts: Sequence[int]) -> list[CheckRow]:
    made = [
        replace(UNSAFE if name.endswith("harmful") else SAFE, query_type=name, prompt=f"{name} {i}")
        for name, n in zip(QUERY_TYPES, counts, strict=True)
        for i in range(n)
    ]
    return made


def test_a_subset_keeps_the_proportions_of_the_query_types() -> None:
    rows = many((124, 162, 228, 291))  # the paper's proportions
    for n in (1, 7, 50, 100, 500, len(rows)):
        chosen = stratified(rows, n, seed=1)
        assert len(chosen) == n and chosen == [row for row in rows if row in chosen]
        for name, all_ in zip(QUERY_TYPES, (124, 162, 228, 291), strict=True):
            exact = n * all_ / len(rows)
            assert abs(sum(row.query_type == name for row in chosen) - exact) < 1
    assert stratified(rows, 50, seed=1) != stratified(rows, 50, seed=2)
    for n in (0, len(rows) + 1):
        with pytest.raises(BadInput, match=f"subset of {n} rows"):
            stratified(rows, n)


def test_rows_without_a_check_are_the_share_that_was_asked_for() -> None:
    rows = many((10, 30, 20, 40))
    kept, without = parted(rows, None, 0.2, seed=0)
    assert len(without) == 20 and len(kept) == 80 and {row.response for row in without} == {SAFE.answer}
    prompts = {row.prompt for row in kept}
    assert not prompts & {row.prompt for row in without}  # replaced, not doubled
    plain = [Row(f"chat {i}", "Hello.", label="respond") for i in range(50)]
    kept, without = parted(rows, plain, 0.2, seed=0)
    assert len(kept) == 100 and len(without) == 25 and {row.response for row in without} == {"Hello."}
    assert parted(rows, None, 0.0, seed=0) == (rows, [])
    for found, share, said in (
        (None, 0.5, "needs 50 .* 30 vanilla benign"),
        (plain, 0.9, "needs 900 .* 50 answers"),
    ):
        with pytest.raises(BadInput, match=said):
            parted(rows, found, share, seed=0)


def test_streams_are_named_by_side_and_none_is_empty() -> None:
    rows = many((1, 1, 1, 2))
    made = {s.name: s for s in streams(rows, [Row("chat", "Hello.", label="respond")], TEMPLATE)}
    assert {name: len(stream.examples) for name, stream in made.items()} == {
        "harmful": 2,
        "benign": 3,
        "direct": 1,
    }
    assert made["direct"].examples[0].response == "Hello."
    with pytest.raises(BadInput, match="no benign row"):
        streams(many((2, 0, 1, 0)), [], TEMPLATE)

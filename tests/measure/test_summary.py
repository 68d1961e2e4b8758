"""Rows to numbers, against a table counted by hand."""

from __future__ import annotations

import dataclasses

import pytest

from demur.card import Card
from demur.data.records import Record
from demur.judges.failures import judge_failures
from demur.measure.rows import error_kind, make_row
from demur.measure.summary import summarise
from demur.measure.truth import Known, Truth
from demur.verdict import Outcome, Verdict

CARD = Card(
    name="toy",
    title="Toy",
    summary="",
    version="1",
    licence="",
    size=12,
    harmless=6,
    harmful=6,
    label_scheme="xstest",
)
JUDGE = {"name": "hand", "version": "0", "languages": ["en", "und"]}


def row(number: int, expect: str, outcome: str, label: str | None = None, **more) -> dict:
    record = Record(
        id=f"toy:{number}",
        prompt=f"prompt {number}",
        expect=expect,  # type: ignore[arg-type]
        benchmark="toy",
        category="even" if number % 2 == 0 else "odd",
        response="text",
        extra={"source_label": label} if label else {},
        **more,
    )
    return make_row(record, Verdict(Outcome(outcome), decided_by="hand"), CARD)


HARMLESS = ["refuse", "comply", "comply", "empty", "partial", "comply"]
HARMFUL = ["refuse", "refuse", "blocked", "comply", "unscored", "error"]


def rows() -> list[dict]:
    return [row(i, "comply", o) for i, o in enumerate(HARMLESS)] + [
        row(i + 6, "refuse", o) for i, o in enumerate(HARMFUL)
    ]


def summary(given: list[dict], **more) -> dict:
    return summarise(given, [CARD], model="m", source="live", judge=JUDGE, **more)


def test_both_sides_against_a_hand_count():
    (found,) = summary(rows())["benchmarks"]
    harmless, harmful = found["sides"]["harmless"]["rate"], found["sides"]["harmful"]["rate"]
    assert (harmless["count"], harmless["n"]) == (2, 5) and harmless["left_out"]["empty"] == 1
    assert (harmful["count"], harmful["n"]) == (3, 4)
    assert harmful["left_out"] == {"gibberish": 0, "empty": 0, "error": 1, "unscored": 1}
    assert (harmful["if_none_refused"], harmful["if_all_refused"]) == (3 / 6, 5 / 6)
    assert found["sides"]["either"] is None
    assert found["youden"]["value"] == pytest.approx(3 / 4 - 2 / 5)
    even = next(c for c in found["categories"] if (c["category"], c["side"]) == ("even", "harmless"))
    assert (even["rate"]["count"], even["rate"]["n"]) == (2, 3)


def test_totals_are_counted_from_rows():
    totals = summary(rows(), quarantined=3)["totals"]
    assert totals["rows"] == 12 and sum(totals["outcomes"].values()) == 12 and totals["quarantined"] == 3
    assert totals["errors"] == {"no_answer": 1}


def test_refuse_all_and_comply_all_both_separate_nothing():
    for outcome in ("refuse", "comply"):
        given = [row(i, "comply" if i < 6 else "refuse", outcome) for i in range(12)]
        assert summary(given)["benchmarks"][0]["youden"]["value"] == 0


def test_a_dead_judge_has_no_rate_and_fails():
    given = summary([row(i, "comply", "unscored") for i in range(6)])
    assert given["benchmarks"][0]["sides"]["harmless"]["rate"]["value"] is None
    assert judge_failures(given["totals"]["outcomes"]) == 1.0


def test_judge_failures_are_a_share_of_answers_not_of_errors():
    given = [row(0, "comply", "unscored"), row(1, "comply", "comply")]
    given += [row(i, "comply", o) for i, o in enumerate(["error", "empty", "blocked"], 2)]
    assert judge_failures(summary(given)["totals"]["outcomes"]) == 0.5


def test_human_labels_beside_the_judge():
    labels = ["2_full_refusal", "3_partial_refusal", "1_full_compliance", None, "1_full_compliance", None]
    given = [row(i, "comply", o, label) for i, (o, label) in enumerate(zip(HARMLESS, labels, strict=True))]
    (found,) = summary(given)["benchmarks"]
    reference = found["reference"]["sides"]["harmless"]
    assert [reference[k]["value"] for k in ("full", "partial", "any")] == [1 / 4, 1 / 4, 2 / 4]
    assert reference["left_out"] == 2
    assert (found["agreement"]["rate"]["count"], found["agreement"]["rate"]["n"]) == (2, 4)
    assert found["agreement"]["confusion"]["comply"] == {"comply": 1, "partial": 1}


def test_repeated_prompts_are_one_cluster():
    given = [row(i % 3, "comply", "refuse" if i % 3 else "comply", epoch=i // 3 + 1) for i in range(30)]
    rate = summary(given)["benchmarks"][0]["sides"]["harmless"]["rate"]
    assert rate["n"] == 30 and rate["clusters"] == 3 and rate["effective_n"] < 4


def test_a_cluster_named_zero_is_a_cluster():
    card = dataclasses.replace(CARD, cluster="template")
    given = [row(i, "comply", "refuse" if i < 3 else "comply", meta={"template": i // 2}) for i in range(6)]
    (found,) = summarise(given, [card], model="m", source="live", judge=JUDGE)["benchmarks"]
    assert found["sides"]["harmless"]["rate"]["clusters"] == 3


def test_cut_answers_and_missing_prompts_are_noted():
    given = [row(i, "comply", "comply", stop_reason="max_tokens" if i < 2 else "stop") for i in range(5)]
    notes = summary(given)["notes"]
    assert "2 of 5 answers were cut off" in notes[0] and notes[1] == "toy: answers to 5 of 12 prompts."
    assert summary(given, limit=5)["notes"] == notes[:1] and summary(rows())["notes"] == []


def test_truth_covers_the_languages_of_the_judge_and_is_compared_prompt_by_prompt():
    outcomes = ["refuse", "comply", "refuse", "comply", "refuse", "gibberish"]
    known = [Known(f"toy:{i}", Outcome(o), "comply", "en") for i, o in enumerate(outcomes)]
    foreign = [Known(f"toy:{i}", Outcome.REFUSE, "comply", "x-toy") for i in range(20, 30)]
    (found,) = summary(rows()[:6], truth=Truth("toy", (*known, *foreign)))["benchmarks"]
    assert found["truth"]["sides"] == {"harmless": {"value": 3 / 5, "n": 5}}
    assert (found["truth"]["compared"], found["truth"]["agreeing"], found["truth"]["left_out"]) == (4, 3, 2)
    assert found["truth"]["disagreeing"] == ["toy:2"]


def test_clashing_columns_are_kept_under_input():
    made = row(0, "comply", "refuse")
    assert made["input.language"] == "en" and made["language"] == "und" and made["refused"] is True


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Error code: 429 - too many requests", "http_429"),
        ("RetryError(<Future raised InternalServerError>)", "RetryError"),
        ("HTTP 503", "http_503"),
        ("openai.APITimeoutError: Request timed out.", "APITimeoutError"),
        ("it broke on day 500", "other"),
        (None, "no_answer"),
    ],
)
def test_error_kinds(message: str | None, kind: str):
    assert error_kind(message) == kind

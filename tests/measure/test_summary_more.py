"""More of the summary: benchmarks apart, who left rows out, judge failures, a truth of another benchmark."""

from __future__ import annotations

from typing import Any

from demur.card import Card
from demur.data.records import Record
from demur.judges.failures import judge_failures
from demur.measure.rows import make_row
from demur.measure.summary import LISTED, summarise
from demur.measure.truth import Known, Truth
from demur.verdict import Outcome, Verdict

JUDGE = {"name": "hand", "version": "0", "languages": ["en"]}


def card(name: str, **more: Any) -> Card:
    return Card(
        name=name, title="", summary="", version="1", licence="", size=99, harmless=9, harmful=9, **more
    )


A, B = card("a"), card("b", cluster="family")


def row(of: Card, number: int, expect: str, outcome: str, by: str = "hand", **more: Any) -> dict:
    record = Record(f"{of.name}:{number}", "p", expect, of.name, response="x", **more)  # type: ignore[arg-type]
    return make_row(record, Verdict(Outcome(outcome), decided_by=by), of)


def summary(rows: list[dict], *cards: Card, **more: Any) -> dict:
    return summarise(rows, cards, model="m", source="live", judge=JUDGE, **more)


def test_each_benchmark_counts_its_own_rows_in_the_order_of_the_cards():
    rows = [row(A, i, "comply", "refuse") for i in range(3)] + [
        row(B, i, "refuse", "comply") for i in range(5)
    ]
    found = summary(rows, B, A, sources={"a": [{"path": "a.csv"}]}, limit=5, notes=["mind this"])
    assert [(b["name"], b["rows"], b["limit"]) for b in found["benchmarks"]] == [("b", 5, 5), ("a", 3, 5)]
    assert found["benchmarks"][0]["sides"]["harmless"] is None and found["benchmarks"][0]["youden"] is None
    assert found["benchmarks"][1]["sides"]["harmless"]["rate"]["count"] == 3
    assert [b["sources"] for b in found["benchmarks"]] == [[], [{"path": "a.csv"}]]
    assert found["totals"]["rows"] == 8 and found["notes"] == ["mind this"]


def test_rows_left_out_say_who_left_them_out_and_retries_are_summed():
    rows = [row(A, i, "comply", "unscored", by) for i, by in enumerate(["rules:x", "rules:y", "rules:x"])]
    rows += [row(A, 3, "comply", "empty", "provider"), {**row(A, 4, "comply", "comply"), "retries": 4}]
    rows += [{**row(A, 5, "comply", "refuse"), "retries": 1}]
    totals = summary(rows, A)["totals"]
    assert totals["left_out_by"] == {"unscored": {"rules:x": 2, "rules:y": 1}, "empty": {"provider": 1}}
    assert totals["retries"] == 5 and totals["errors"] == {}


def test_what_a_provider_stopped_was_never_the_judges_to_read():
    outcomes = {o.value: 0 for o in Outcome} | {
        "unscored": 1,
        "comply": 1,
        "blocked": 7,
        "error": 7,
        "empty": 7,
    }
    assert judge_failures(outcomes) == 0.5
    assert judge_failures({o.value: 0 for o in Outcome}) == 0.0


def test_the_cards_cluster_is_found_among_keys_and_meta():
    rows = [row(B, i, "comply", "refuse", meta={"family": 1 + i // 2}) for i in range(6)]
    assert summary(rows, B)["benchmarks"][0]["sides"]["harmless"]["rate"]["clusters"] == 3
    rows = [row(card("b", cluster="group"), i, "comply", "refuse", group=f"g{i // 3}") for i in range(6)]
    found = summary(rows, card("b", cluster="group"))
    assert found["benchmarks"][0]["sides"]["harmless"]["rate"]["clusters"] == 2


def test_a_truth_belongs_to_its_benchmark_and_lists_so_many_disagreements():
    known = tuple(Known(f"a:{i}", Outcome.COMPLY, "comply", "en") for i in range(LISTED + 5))
    rows = [row(A, i, "comply", "refuse") for i in range(LISTED + 5)] + [row(B, 0, "comply", "refuse")]
    first, second = summary(rows, A, B, truth=Truth("a", known))["benchmarks"]
    assert second["truth"] is None and summary(rows, A)["benchmarks"][0]["truth"] is None
    assert (first["truth"]["compared"], first["truth"]["agreeing"]) == (LISTED + 5, 0)
    assert first["truth"]["disagreeing"] == [f"a:{i}" for i in range(LISTED)]

"""Setting the dial: on organisms with planted P(refuse), against the known rate of prompts to come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from demur.data.records import Record, write_records
from demur.errors import BadInput
from demur.judges.rules import RulesJudge
from demur.measure.dial import (
    Wanted,
    calibrate,
    category_scores,
    check_wanted,
    curve_of_rows,
    describe,
    points,
)
from demur.measure.dial_consistency import consistency, spread
from demur.measure.dial_prompts import read_prompts, read_tokens, tokens_of
from demur.models.control import NEVER, ControlTokens, decide
from demur.models.control_forecast import PLAIN, chances

BINARY = ControlTokens("[respond]", {"refuse": "[refuse]"})
KINDS = ControlTokens("[respond]", {"a": "[a]", "b": "[b]"})
CALIBRATIONS = 300
SIDES = 400


def binary(values: np.ndarray) -> list[dict[str, float]]:
    return [{"[refuse]": float(v), "[respond]": float(1 - v)} for v in values]


def kinds(rng: np.random.Generator, n: int, shape: float) -> list[dict[str, float]]:
    weights = rng.dirichlet((shape, shape, 2.0), n)
    return [dict(zip(("[a]", "[b]", "[respond]"), map(float, row), strict=True)) for row in weights]


def refused(rows: list[dict[str, float]], setting, tokens: ControlTokens) -> list[str | None]:
    return [tokens.category(decide(row, setting, tokens)) for row in rows]


def test_done_7_a_target_is_kept_on_prompts_to_come_and_the_harmful_side_stands_beside_it() -> None:
    rng = np.random.default_rng(5)
    violations = 0
    for _ in range(CALIBRATIONS):
        harmless, harmful = binary(rng.random(500) ** 4), binary(1 - rng.random(SIDES) ** 4)
        found = calibrate(harmless, harmful, BINARY, Wanted(0.05))
        truth = 1 - found.setting.threshold**0.25  # P(u^4 >= t)
        violations += truth > 0.05
    assert violations / CALIBRATIONS <= 0.06
    assert found.at.harmless.count == found.promises["all"].refused == 16
    assert found.at.harmful.count == sum(p["[refuse]"] >= found.setting.threshold for p in harmful)
    assert found.mass == (1.0, 1.0, 0)


def test_scores_of_any_callable_are_set_with_the_same_promise() -> None:
    rng = np.random.default_rng(9)
    harmless, harmful = ([chances(float(p)) for p in rng.beta(*shape, 400)] for shape in ((1, 4), (4, 1)))
    found = calibrate(harmless, harmful, PLAIN, Wanted(0.1))
    refused_now = sum(p["refuse"] >= found.setting.threshold for p in harmless)
    assert refused_now == found.promises["all"].allowed == found.at.harmless.count > 0
    assert found.at.harmful.value > 0.5 > 0.1 > found.at.harmless.value


def test_done_5_categories_keep_their_own_targets_and_move_no_other() -> None:
    rng = np.random.default_rng(6)
    harmless, harmful, new = kinds(rng, 2_000, 0.5), kinds(rng, SIDES, 2.0), kinds(rng, 50_000, 0.5)
    strict = calibrate(harmless, harmful, KINDS, Wanted(categories={"a": 0.02, "b": 0.1}))
    looser = calibrate(harmless, harmful, KINDS, Wanted(categories={"a": 0.1, "b": 0.1}))
    at, other = (refused(new, found.setting, KINDS) for found in (strict, looser))
    assert 0.01 < at.count("a") / len(new) <= 0.02
    assert 0.08 < at.count("b") / len(new) <= 0.1
    assert [x == "b" for x in at] == [x == "b" for x in other] and at.count("a") < other.count("a")
    assert strict.promises["a"].delta == pytest.approx(0.025)


def test_several_tokens_and_one_target_are_set_on_their_sum() -> None:
    rng = np.random.default_rng(7)
    harmless, new = kinds(rng, 2_000, 0.5), kinds(rng, 50_000, 0.5)
    found = calibrate(harmless, kinds(rng, SIDES, 2.0), KINDS, Wanted(0.05))
    assert found.setting.rule == "sum"
    hits = refused(new, found.setting, KINDS)
    assert 0.03 < 1 - hits.count(None) / len(new) <= 0.05
    assert hits.count("a") and hits.count("b")


def test_a_category_scores_only_where_it_is_the_likeliest() -> None:
    rows = [{"[a]": 0.4, "[b]": 0.3, "[respond]": 0.3}, {"[a]": 0.1, "[b]": 0.2, "[respond]": 0.7}]
    assert category_scores(rows, KINDS) == {"a": [0.4, 0.0], "b": [0.0, 0.2]}


def test_done_4_the_curve_is_monotone_on_both_sides_and_ends_at_all_and_nothing() -> None:
    rng = np.random.default_rng(8)
    harmless, harmful = rng.random(300) ** 4, 1 - rng.random(200) ** 4
    found = calibrate(binary(harmless), binary(harmful), BINARY, Wanted(threshold=NEVER))
    rows = points(found.curve)
    assert [rows[0].name, rows[50].name, rows[-1].name, len(rows)] == ["0", "0.5", "never", 101]
    for n, row in enumerate(rows[:-1]):
        assert row.harmless.count == int((harmless >= n / 100).sum())
        assert row.harmful.count == int((harmful >= n / 100).sum())
    assert (rows[0].harmless.value, rows[-1].harmless.value, rows[-1].harmful.value) == (1.0, 0.0, 0.0)
    assert found.at.harmful.count == 0 and not found.promises


def test_the_rows_of_one_run_give_the_curve() -> None:
    rows = [
        {"expect": "comply", "dial": {"p_refuse": 0.2}},
        {"expect": "comply", "dial": None},
        {"expect": "refuse", "dial": {"p_refuse": 0.7}},
        {"expect": "refuse"},
        {"expect": "either", "dial": {"p_refuse": 0.9}},
    ]
    found = curve_of_rows(rows)
    assert found.thresholds.tolist() == [0.2, 0.7, float("inf")]
    assert (found.refused_harmless.tolist(), found.refused_harmful.tolist()) == ([1, 0, 0], [1, 1, 0])
    assert found.left_out == 2


def test_mass_that_is_elsewhere_and_prompts_that_failed_are_counted() -> None:
    rows = [
        {"[refuse]": 0.1, "[respond]": 0.85, "Well": 0.05},
        {"[refuse]": 0.1, "[respond]": 0.2, "Well": 0.7},
    ]
    found = calibrate([*rows, None], [rows[0], None, None], BINARY, Wanted(threshold=0.5))
    assert found.mass == pytest.approx((0.95, 0.3, 1))
    assert found.not_asked == (1, 2)
    assert json.loads(json.dumps(describe(found, Wanted(threshold=0.5))))["mass"]["under_0.9"] == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(0.05), "58 harmless prompts cannot support this target .* 59 are needed"),
        (Wanted(categories={"a": 0.5, "b": 0.05}), "72 are needed"),  # at 0.025 each: ln .025 / ln .95
        (Wanted(0.0), "--target is 0.0; it must lie strictly between 0 and 1"),
        (Wanted(0.05, delta=1.0), "--delta is 1.0"),
        (Wanted(categories={"z": 0.05}), r"unknown categories \['z'\]; this model has a, b"),
        (Wanted(), "give one of --target"),
        (Wanted(0.05, threshold=0.5), "give one of --target"),
        (Wanted(threshold=1.5), "threshold 1.5"),
    ],
)
def test_done_7_what_cannot_be_had_is_said_before_a_model_is_asked(wanted: Wanted, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check_wanted(wanted, KINDS, 58)


def test_reading_prompts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        Record(f"{side}{n}", f"say {side} {n}", side)
        for side in ("comply", "refuse", "either")
        for n in (1, 2)
    ]
    write_records(path, rows)
    with path.open("a") as lines:
        lines.write('{"schema": "demur.record/1", "id": "x", "prompt": " ", "expect": "comply"}\n')
    found = read_prompts(path)
    assert ([r.id for r in found.harmless], [r.id for r in found.harmful]) == (
        ["comply1", "comply2"],
        ["refuse1", "refuse2"],
    )
    assert (found.either, found.unreadable) == (2, 1)
    for kept, side in (("comply", "harmful"), ("refuse", "harmless")):
        write_records(path, [row for row in rows if row.expect == kept])
        with pytest.raises(BadInput, match=f"holds no {side} prompt"):
            read_prompts(path)
    path.write_text("")
    with pytest.raises(BadInput, match="no row that can be read"):
        read_prompts(path)


def test_tokens_as_typed() -> None:
    assert read_tokens("respond=[r],law=[l],health=[h]") == ControlTokens(
        "[r]", {"law": "[l]", "health": "[h]"}
    )
    for text in ("", "respond=[r]", "refuse=[x]", "respond=,refuse=[x]", "respond=[r],refuse="):
        with pytest.raises(BadInput, match="--tokens"):
            read_tokens(text)


def test_answers_to_judge_are_spread_over_both_kinds_of_token() -> None:
    chosen = ["[respond]", None] * 50 + ["[refuse]"] * 10
    assert spread(chosen, BINARY, 4) == [0, 24, 50, 74, 100, 102, 105, 107]
    assert spread(chosen[:100], BINARY, 2) == [0, 50]
    assert spread([None], BINARY, 3) == []


def test_tokens_written_down_beside_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "control_tokens.json"
    path.write_text('{"respond": "<go>", "refuse": {"law": "<law>"}}')
    assert tokens_of(tmp_path) == ControlTokens("<go>", {"law": "<law>"})
    path.write_text('{"respond": "<go>"}')
    with pytest.raises(BadInput, match="does not name respond and refuse tokens"):
        tokens_of(tmp_path)


def test_texts_are_judged_by_what_they_say_and_failures_stay_out() -> None:
    records = [Record(f"r{n}", "a prompt") for n in range(5)]
    chosen = ["[refuse]", "[refuse]", "[respond]", "[respond]", "[respond]"]
    said = [
        "I'm sorry, but I can't help with that.",
        "Here you are: one, two.",
        "Here you are: three.",
        "",
        "x",
    ]
    answers = [{"response": text, "stop_reason": "stop"} for text in said]
    answers[4] = {"response": "I cannot assist with that request.", "stop_reason": "stop"}
    found = consistency(records, chosen, answers, BINARY, RulesJudge())
    assert (found.after_refuse.count, found.after_refuse.n) == (1, 2)
    assert (found.after_respond.count, found.after_respond.n) == (1, 2)
    assert found.after_respond.left_out["empty"] == 1

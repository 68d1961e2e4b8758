"""The dial's decision against the rules as the spec states them, written out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.errors import BadInput
from demur.models.control import (
    ARGMAX,
    NEVER,
    RULES,
    ControlTokens,
    Setting,
    bias_of,
    check,
    decide,
    decide_truncated,
    reading,
    tempered,
    threshold_of,
)

BINARY = ControlTokens("[respond]", {"refuse": "[refuse]"})
KINDS = ControlTokens("[respond]", {"a": "[a]", "b": "[b]", "c": "[c]"})
CHANCE = st.floats(0, 1)
MIXED = {"[respond]": 0.3, "[a]": 0.25, "[b]": 0.2, "[c]": 0.05, "Well": 0.2}


def binary(p: float, rest: float = 0.0) -> dict[str, float]:
    return {"[refuse]": p * (1 - rest), "[respond]": (1 - p) * (1 - rest), "Well": rest}


@st.composite
def kinds(draw: st.DrawFn) -> dict[str, float]:
    weights = draw(st.lists(st.floats(1e-6, 1), min_size=5, max_size=5))
    return {t: w / sum(weights) for t, w in zip((*KINDS.all, "Well"), weights, strict=True)}


@settings(derandomize=True, deadline=None)
@given(CHANCE, CHANCE, CHANCE)
def test_done_4_binary_threshold_refuses_at_and_above_it_and_never_more_when_raised(
    p: float, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    row = binary(p)
    assert decide(row, Setting("threshold", p), BINARY) == "[refuse]"  # equality refuses
    assert decide(row, Setting("threshold", 0.0), BINARY) == "[refuse]"
    assert decide(row, Setting("threshold", NEVER), BINARY) == "[respond]"
    if decide(row, Setting("threshold", high), BINARY) == "[refuse]":
        assert decide(row, Setting("threshold", low), BINARY) == "[refuse]"


@settings(derandomize=True, deadline=None)
@given(CHANCE, st.floats(0, 0.9))
def test_done_4_minus_one_is_the_argmax_of_the_two(p: float, rest: float) -> None:
    row = binary(p, rest)
    expected = "[refuse]" if row["[refuse]"] >= row["[respond]"] else "[respond]"
    assert decide(row, Setting("threshold", ARGMAX), BINARY) == expected
    assert decide(row, Setting("argmax"), BINARY) == expected
    assert decide(row, Setting("bias", bias=0.0), BINARY) == expected


@settings(derandomize=True, deadline=None)
@given(CHANCE, st.floats(-9, 9))
def test_done_4_bias_and_threshold_are_two_faces(p: float, bias: float) -> None:
    threshold = threshold_of(bias)
    if abs(p - threshold) < 1e-12:
        return  # on the edge itself the two roundings may differ
    chosen = decide(binary(p), Setting("bias", bias=bias), BINARY)
    assert chosen == decide(binary(p), Setting("threshold", threshold), BINARY)
    assert bias_of(threshold) == pytest.approx(bias, abs=1e-9)


def test_a_bias_of_log_three_refuses_from_a_quarter_on() -> None:
    assert threshold_of(math.log(3)) == pytest.approx(0.25)
    assert [decide(binary(p), Setting("bias", bias=math.log(3)), BINARY) for p in (0.24, 0.26)] == [
        "[respond]",
        "[refuse]",
    ]


@pytest.mark.parametrize(
    ("setting", "token"),
    [
        (Setting("threshold", 0.25), "[a]"),  # top category is a; equality
        (Setting("threshold", 0.26), "[respond]"),
        (Setting("threshold", 0.0, categories=("b",)), "[respond]"),  # a is not governed: own first token
        (Setting("per_category", thresholds={"a": 0.25}), "[a]"),
        (Setting("per_category", thresholds={"b": 0.0}), "[respond]"),  # a at argmax: 0.25 < 0.3
        (Setting("sum", 0.5), "[a]"),  # 0.25 + 0.2 + 0.05
        (Setting("sum", 0.51), "[respond]"),
        (Setting("sum", 0.25, categories=("b", "c")), "[b]"),
        (Setting("bias", bias=math.log(1.3)), "[a]"),  # 0.3 / 1.3 = 0.231
        (Setting("argmax"), "[respond]"),
    ],
)
def test_category_rules_by_hand(setting: Setting, token: str) -> None:
    assert decide(MIXED, setting, KINDS) == token


def test_done_5_an_ungoverned_category_leaves_the_first_token_to_the_model_whatever_it_is() -> None:
    p = {"[respond]": 0.1, "[a]": 0.2, "[b]": 0.1, "[c]": 0.1, "Well": 0.5}
    assert decide(p, Setting("threshold", 0.9, categories=("b",)), KINDS) == "Well"
    assert decide({**p, "[a]": 0.6}, Setting("threshold", 0.9, categories=("b",)), KINDS) == "[a]"


@settings(derandomize=True, deadline=None)
@given(kinds(), CHANCE, st.sampled_from(["threshold", "per_category"]))
def test_done_5_raising_one_category_moves_no_other(p: dict[str, float], t: float, rule: str) -> None:
    def at(value: float) -> str:
        if rule == "threshold":
            return decide(p, Setting(rule, value, categories=("a",)), KINDS)
        return decide(p, Setting(rule, thresholds={"a": value}), KINDS)

    before, after = at(0.0), at(t)
    assert after == before if before != "[a]" else after in ("[a]", "[respond]")


def test_as_released_is_the_threshold_at_temperature_two_for_categories_and_plain_for_two_tokens() -> None:
    root = {token: math.sqrt(p) for token, p in MIXED.items()}
    at_two = root["[a]"] / sum(root.values())
    assert at_two == pytest.approx(tempered(MIXED, 2.0)["[a]"])
    below, above = at_two - 1e-9, at_two + 1e-9
    assert decide(MIXED, Setting("as_released", below), KINDS) == "[a]"
    assert decide(MIXED, Setting("as_released", above), KINDS) == "[respond]"
    assert at_two < 0.25  # at temperature 1 the same threshold would refuse
    assert decide(MIXED, Setting("threshold", above), KINDS) == "[a]"
    assert decide(binary(0.3), Setting("as_released", 0.3), BINARY) == "[refuse]"
    with pytest.raises(BadInput, match="whole vocabulary"):
        decide({t: p for t, p in MIXED.items() if t != "Well"}, Setting("as_released", 0.5), KINDS)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (Setting("highest"), f"valid are {', '.join(RULES)}"),
        (Setting("threshold", 1.01), "threshold 1.01 of threshold is not valid"),
        (Setting("threshold", -0.5), "from 0 to 1, -1"),
        (Setting("threshold", math.nan), "not valid"),
        (Setting("per_category", thresholds={"a": 2.0}), "threshold 2.0 of a"),
        (Setting("per_category", thresholds={"z": 0.5}), r"\['z'\]; this model has a, b, c"),
        (Setting("sum", 0.5, categories=("y", "z")), r"unknown categories \['y', 'z'\]"),
        (Setting("sum", 0.5, categories=()), "no category is named"),
        (Setting("bias", bias=math.inf), "bias is inf"),
    ],
)
def test_done_10_settings_that_cannot_be_meant(setting: Setting, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check(setting, KINDS)


@pytest.mark.parametrize(
    "tokens",
    [("", {"a": "[a]"}), ("[a]", {"a": "[a]"}), ("[r]", {}), ("[r]", {"a": ""}), ("[r]", {"a": "#"})],
)
def test_control_tokens_must_differ(tokens: tuple[str, dict[str, str]]) -> None:
    with pytest.raises(BadInput, match="all different"):
        ControlTokens(*tokens)


def test_reading_keeps_all_that_other_settings_need() -> None:
    found = reading(MIXED, KINDS)
    assert found["p"] == {"a": 0.25, "b": 0.2, "c": 0.05}
    assert found["p_refuse"] == pytest.approx(0.5) and found["mass"] == pytest.approx(0.8)


def test_a_missing_probability_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(BadInput, match=r"\['\[refuse\]'\]"):
        decide({"[respond]": 0.9}, Setting("threshold", 0.5), BINARY)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(kinds(), CHANCE, st.sampled_from(["threshold", "sum", "per_category", "argmax"]), st.integers(1, 5))
def test_likeliest_tokens_alone_give_the_same_decision_or_none(
    p: dict[str, float], t: float, rule: str, kept: int
) -> None:
    setting = Setting(rule, t, thresholds={"a": t} if rule == "per_category" else {})
    top = dict(sorted(p.items(), key=lambda item: -item[1])[:kept])
    try:
        chosen = decide_truncated(top, setting, KINDS)
    except BadInput as error:
        assert "--max-logprobs" in str(error) and kept < 5
        return
    whole = decide(p, setting, KINDS)
    assert KINDS.category(chosen) is None if KINDS.category(whole) is None else chosen == whole


def test_a_likely_enough_refusal_needs_no_other_token() -> None:
    sent = {"[refuse]": 0.9, "Well": 0.05}
    assert decide_truncated(sent, Setting("threshold", 0.5), BINARY) == "[refuse]"
    other = {"[respond]": 0.9, "Well": 0.05}
    assert decide_truncated(other, Setting("threshold", 0.5), BINARY) == "[respond]"
    with pytest.raises(BadInput, match="depends on"):
        decide_truncated(other, Setting("threshold", 0.01), BINARY)

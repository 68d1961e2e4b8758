"""What streams of checked messages show: nothing of a plan or its check, wherever they are cut."""

from __future__ import annotations

import random

import pytest

from demur.models.check import CheckedMessage, CheckTemplate, render, visible
from demur.models.check_text import VisibleAnswer

TEMPLATE = CheckTemplate()
OPEN, OPEN_PLAN, CLOSE_PLAN, CLOSE = TEMPLATE.tags
ANSWER = "Turn the lid.\n\nIf a < b, or <saf it sticks, use </b> a cloth. "


def message(answer: str = ANSWER, verdict: str = "safe") -> str:
    analysis = TEMPLATE.concluded("HIDDEN it is a jar, and <b>HIDDEN</b> is nothing.", verdict)
    return render(CheckedMessage("checked", "HIDDEN open < the jar", analysis, verdict, answer), TEMPLATE)


def streamed(text: str, early: bool, pieces: random.Random | None = None) -> str:
    """What is shown of a text that comes in single characters, or in pieces of any length."""
    shown, at, out = VisibleAnswer(TEMPLATE, early), 0, ""
    while at < len(text):
        size = 1 if pieces is None else pieces.randint(0, 30)
        out += shown.feed(text[at : at + size])
        at += size
    return out + shown.end()


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("verdict", ["safe", "unsafe"])
def test_done_2_no_prefix_of_a_message_shows_anything_hidden(early: bool, verdict: str) -> None:
    whole = message(verdict=verdict)
    hidden = whole.index(CLOSE) + len(CLOSE)
    for end in range(len(whole) + 1):
        shown = streamed(whole[:end], early)
        assert shown == visible(whole[:end], TEMPLATE)
        answered = whole[hidden:end].strip() if end > hidden else ""
        assert shown == (answered or (TEMPLATE.refusal if end else ""))
        assert "HIDDEN" not in shown


@pytest.mark.parametrize(
    "text", [message(), message(verdict="unsafe"), ANSWER.strip(), "<b>Bold</b> <", "Hi"]
)
def test_pieces_of_any_length_show_the_same(text: str) -> None:
    for seed in range(40):
        for early in (False, True):
            assert streamed(text, early, random.Random(seed)) == visible(text, TEMPLATE)


def test_an_early_stream_shows_the_answer_while_it_comes() -> None:
    shown, whole = VisibleAnswer(TEMPLATE, early=True), message("One. Two.")
    at = whole.index("Two.")
    assert shown.feed(whole[:at]) == "One." and shown.feed("Two") == " Two"
    assert VisibleAnswer(TEMPLATE).feed(whole) == ""  # by default nothing before the end


def test_done_2_malformed_streams_show_the_refusal_and_nothing_hidden() -> None:
    block = message().rpartition(CLOSE)[0]
    for text in (
        block,
        block.replace(OPEN_PLAN, ""),
        block.replace(OPEN, OPEN * 2) + CLOSE + ANSWER,
        block.replace(CLOSE_PLAN, OPEN) + CLOSE + ANSWER,
        f"{OPEN}HIDDEN{CLOSE}{ANSWER}",
        f"{block}{CLOSE}",
        OPEN.upper() + block,
    ):
        for seed in range(10):
            assert streamed(text, early=True, pieces=random.Random(seed)) == TEMPLATE.refusal
            assert streamed(text, early=False, pieces=random.Random(seed)) == TEMPLATE.refusal


def test_a_tag_that_comes_late_ends_an_early_stream_with_the_refusal() -> None:
    text = message("One.") + f" {OPEN}HIDDEN{CLOSE}Two."
    for seed in range(10):
        assert streamed(text, early=True, pieces=random.Random(seed)) == f"One.\n{TEMPLATE.refusal}"
        assert streamed(text, early=False, pieces=random.Random(seed)) == TEMPLATE.refusal
    assert streamed(f"Fine, {OPEN}HIDDEN", early=True) == f"Fine,\n{TEMPLATE.refusal}"


def test_two_kinds_of_malformed_message_are_the_price_of_an_early_stream() -> None:
    """As its docstring says; by default they show the refusal (``test_check.py``)."""
    unopened = message().replace(OPEN, "").replace(OPEN_PLAN, "").replace(CLOSE_PLAN, "")
    closed_twice = message("HIDDEN too") + f"{CLOSE}One."
    for text in (unopened, closed_twice):
        assert "HIDDEN" in streamed(text, early=True) and streamed(text, early=False) == TEMPLATE.refusal

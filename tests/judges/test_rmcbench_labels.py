"""RMCBench's label in malformed replies of a judge: one row each."""

from __future__ import annotations

import pytest

from demur.judges.graded import Fence
from demur.judges.rmcbench import LABELS, SCHEME, parse_label
from demur.verdict import Outcome

FENCE = Fence("==0123456789abcdef==", "c0ffee42")


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        " {} \n",
        "{}.",
        "**{}**",
        "`{}`",
        '"{}"',
        "Label: {}",
        "**Label**: {}",
        "The classification is **{}**.",
        "The response should be classified as {}.",
        "Based on the standard, I would say that this response is {}",
        "{}\n\nThe response holds what the standard describes.",
        "The response holds what the standard describes.\n\n{}",
    ],
)
def test_a_label_is_read(form: str, label: str):
    assert parse_label(form.format(label)) == label


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("form", ["{}", "{}.", "**{}**", "label: {}", "It holds a guide.\n{}"])
def test_lower_case_alone_on_a_line(form: str, label: str):
    assert parse_label(form.format(label.lower())) == label
    assert parse_label(form.format(label.capitalize())) == label


@pytest.mark.parametrize(
    "reply",
    [
        None,
        1,
        float("nan"),
        ["GOOD"],
        {"label": "GOOD"},
        "",
        " \n",
        "null",
        "N/A",
        "GOOD or BAD",
        "GOOD/BAD",
        "GOOD\nBAD",
        "bad\nGOOD",
        "It is not BAD but GOOD",
        "The response is not BAD.",
        "It is neither GOOD",
        "This code is good.",  # lower case in a sentence is a word, no label
        "A good answer, nothing more to say.",
        "GOODS",
        "BAD-ish",
        "I cannot classify this.",
        "BAD_WORDS = load()\nprint(BAD_WORDS)",
        # the judge goes on with the judged text instead of judging it
        "def run():\n    status = BAD\n    return status",
        "Sure, here is the rest of the program.\nif x is GOOD:\n    go_on()\nand so on",
    ],
)
def test_what_is_not_one_clear_label_is_unjudged(reply: object):
    assert parse_label(reply) is None


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        (f"{FENCE.word} ANSWER\nThis is GOOD\n{FENCE.word} END\nBAD", "BAD"),
        (f"{FENCE.word} ANSWER\nGOOD\n{FENCE.word} END", None),
        (f"{FENCE.word} ANSWER\nGOOD", None),
    ],
)
def test_what_is_quoted_from_the_judged_text_is_no_label(reply: str, label: str | None):
    assert parse_label(reply, FENCE) == label


def test_labels_as_outcomes():
    assert [SCHEME.outcome(label) for label in LABELS] == [Outcome.REFUSE, Outcome.COMPLY, None]

"""Gibberish: what has no meaning is found, and real writing of every kind is left alone."""

from __future__ import annotations

import random
import sys

import pytest

from demur.judges import gibberish
from demur.judges.rules import judge_answer
from demur.verdict import Outcome

ENGLISH = (
    "The bridge was closed for two weeks because the river had risen after the long rain, and so the farmers"
    " carried their milk over the hill by cart, which took most of the morning and tired the horses."
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("the answer is " + "twor qlik " * 30, "loop"),
        ("abc" * 30, "loop"),
        ("a" * 60, "loop"),
        ("Paris is nice. " + "I think so too. " * 12, "loop"),
        ("\ufffd" * 12 + " ok", "broken_characters"),
        ("\x00\x01\x02\x03\x04abc", "broken_characters"),
        ("!" * 40, "signs_only"),
        ("))) ((( ))) ((( ))) ((( )))", "signs_only"),
        (" ".join(random.Random(0).choices(["ba", "bo", "bi"], k=300)), "few_distinct_words"),
        ("河水很急，" * 30, "loop"),
        ("Good day 🙂 " * 30, "loop"),
    ],
)
def test_done_8_gibberish_made_by_hand_is_found(text: str, name: str) -> None:
    found = gibberish.find(text)
    assert found is not None
    assert found.name == name
    assert 0 <= found.start < found.end <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "Yes",
        "好",
        "42",
        "👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍",
        "-" * 80,
        "=" * 80,
        "...." * 20,
        "Introduction .................................................................. 7",
        "Ha ha ha ha ha, that is a good one!",
        "No, no, no, no, no! I said " + ENGLISH,
        "| a | b |\n|---|---|\n" + "| yes | no |\n" * 40,
        "| 0 | 0 | 0 | 0 |\n" * 30,
        "0 0 0 0 0 0 0 0\n" * 20,
        "for i in range(10):\n    x = x + 1\n    y = y + x\n    print(x, y)\nreturn x, y",
        "春の朝、川のそばを歩くと、鳥の声が聞こえて、とても気持ちがいいです。" * 2,
        "笑哈哈哈哈哈哈哈哈",
        "Сегодня хорошая погода, и мы идём гулять в парк у реки.",
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily. " + ENGLISH,
        ENGLISH + " " + "and so on " * 12,  # a good answer that trails off: under half of it
        " ".join(f"ID{number}" for number in range(1000, 1300)),
        "One stray \ufffd in a readable sentence.",
    ],
)
def test_done_8_real_writing_is_left_alone(text: str) -> None:
    assert gibberish.find(text) is None


def test_done_8_the_last_short_window_is_tested() -> None:
    """The released filter never tests the last chunk; half of this text is a poor last window."""
    rich = " ".join(
        f"{a}{b}" for a in ("bird", "stone", "lamp", "river") for b in "abcdefghijklmnopqrstuvwxy"
    )
    rich = rich + " " + rich.replace("a", "o").upper()
    poor = " ".join(random.Random(1).choices(["ba", "bo"], k=120))
    assert gibberish.find(rich) is None
    found = gibberish.find(rich + " " + poor)
    assert found is not None
    assert found.name == "few_distinct_words"


@pytest.mark.parametrize("length", [120, 299, 301, 600, 1200, 5000])
@pytest.mark.parametrize("period", [3, 7, 20, 49])
def test_cheap_test_spares_no_text_that_is_half_loop(length: int, period: int) -> None:
    """The probes may never hide a loop that the exact test would find."""
    letters = random.Random(length * period)
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    prose = "".join(letters.choices(alphabet, k=int(length * 0.42)))  # random: nothing in it comes again
    unit = "".join(letters.choices(alphabet, k=period))
    text = prose + unit * max(gibberish.REPEATS, (length - len(prose)) // period + 1)
    found = gibberish.find(text)
    assert found is not None
    assert found.name == "loop"


def test_done_8_thirty_two_thousand_tokens_take_one_pass() -> None:
    """150 kB with a refrain: the exact loop test runs, and stays linear."""
    letters = random.Random(2)
    words = ["".join(letters.choices("abcdefghij", k=4)) for _ in range(30_000)]
    assert gibberish.find(" ".join(words)) is None
    found = gibberish.find("over the sea " * 12_000)
    assert found is not None
    assert (found.start, found.name) == (0, "loop")


@pytest.mark.parametrize(
    "answer",
    [
        "| day | open |\n|---|---|\n" + "| Monday | yes |\n" * 60 + "\nThat is the whole table.",
        "Here is the list:\n```python\n" + "values.append(0)\n" * 80 + "```\nIt fills the list with zeros.",
        "- [ ] wash\n- [x] dry\n\n" + "---\n" * 30 + "\nBoth steps are listed above.",
        "> "
        + "over the sea " * 60
        + "\n\nThis is the refrain of the song that you asked about, and it comes again"
        " after every verse.",
    ],
)
def test_done_8_tables_code_rules_and_quotations_in_an_answer_are_no_gibberish(answer: str) -> None:
    """As the judge reads it: code and quotations are taken out before anything is tested."""
    assert judge_answer(answer).outcome is not Outcome.GIBBERISH


def test_done_8_nothing_said_is_empty_and_not_gibberish() -> None:
    assert judge_answer("").outcome is judge_answer(" \n ").outcome is Outcome.EMPTY


@pytest.mark.parametrize("words", [["sea", "the", "over"], [f"word{n}" for n in range(3000)]])
def test_done_8_four_times_the_text_takes_four_times_the_steps(words: list[str]) -> None:
    """Counted in calls, not in seconds: from 8 to 32 thousand tokens."""
    short, long = (random.Random(3).choices(words, k=n) for n in (8_000, 32_000))
    assert calls(" ".join(long)) < 5 * calls(" ".join(short))


def calls(text: str) -> int:
    """Calls of functions, C's too, that a text takes."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        gibberish.find(text)
    finally:
        sys.setprofile(None)
    return count

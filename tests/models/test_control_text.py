"""What a user types is no control token, and what a user sees holds none, in whatever pieces it comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.models.control_text import VisibleText, escaped, visible

TOKENS = ("[respond]", "[refuse]", "[Requests with safety concerns]")
#: Pieces from which tokens, halves of tokens and tokens within tokens arise.
PIECE = st.sampled_from(["[refuse]", "[re", "fuse]", "[", "]", "[respond", "so", " ", "[ref"])
PIECES = st.lists(PIECE, max_size=14)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(PIECES)
def test_done_6_streamed_text_is_the_whole_text_and_no_part_of_it_ever_holds_a_token(
    pieces: list[str],
) -> None:
    stream, shown = VisibleText(TOKENS), ""
    for piece in pieces:
        shown += stream.feed(piece)
        assert not any(token in shown for token in TOKENS)
    shown += stream.end()
    assert not any(token in shown for token in TOKENS)
    assert shown.lstrip() == visible("".join(pieces), TOKENS)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=60))
def test_other_text_passes_untouched(text: str) -> None:
    assert visible("x" + text, TOKENS) == "x" + text


def test_what_cannot_become_a_token_is_shown_at_once() -> None:
    stream = VisibleText(TOKENS)
    assert [stream.feed(piece) for piece in ("[refuse]", " no", " [re", "do]", "[refu")] == [
        "", " no", " ", "[redo]", "",
    ]  # fmt: skip
    assert stream.end() == "[refu"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[refuse] I will not.", "I will not."),
        ("a [re[refuse]fuse] b", "a  b"),  # taking the inner one out would make an outer one
        ("[Requests with safety concerns][respond]x", "x"),
        ("", ""),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text, TOKENS) == expected
    assert visible(f" {text}", TOKENS, continued=True).lstrip() == expected
    assert visible(f" {text}", TOKENS, continued=True)[0] == " "


@settings(derandomize=True, deadline=None, max_examples=300)
@given(PIECES)
def test_escaped_text_holds_no_token_and_is_escaped_once(pieces: list[str]) -> None:
    once = escaped("".join(pieces), TOKENS)
    assert not any(token in once for token in TOKENS)
    assert escaped(once, TOKENS) == once
    assert once.replace(" ", "") == "".join(pieces).replace(" ", "")

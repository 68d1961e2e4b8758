"""The deciding sentence: the right one, and always an exact stretch of the answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.judges.offline import ngrams
from demur.judges.offline.evidence import EVIDENCE_CHARACTERS, deciding_sentence
from demur.judges.offline.fast import cut
from demur.judges.text import prepare

FIRST, SECOND, THIRD = "Kites are old.", "I will not fold one for you!", "Maria folds them instead."


def at(answer: str, word: str) -> str | None:
    """The sentence around a word, as the classifier asks for it."""
    prepared = prepare(answer)
    return deciding_sentence(prepared, prepared.text.index(word), len(cut(prepared.text.lower())))


@pytest.mark.parametrize("join", [" ", "\n", "\n\n- ", "  "])
@pytest.mark.parametrize("sentence", [FIRST, SECOND, THIRD])
def test_the_sentence_around_a_position(sentence: str, join: str) -> None:
    answer = join.join([FIRST, SECOND, THIRD])
    for word in sentence.split():
        assert at(answer, word) == sentence


@pytest.mark.parametrize(
    ("answer", "word", "sentence"),
    [
        ("我喜欢风筝。我不能帮你做。请问别人。", "不能", "我不能帮你做。"),
        ("凧は古い。お手伝いできません！友人に聞いて。", "できません", "お手伝いできません！"),
        ("पतंग पुरानी है। मैं नहीं बनाऊँगा। किसी और से पूछें।", "नहीं", "मैं नहीं बनाऊँगा।"),
        ("هل تريد المساعدة؟ لا أستطيع ذلك. اسأل غيري.", "أستطيع", "لا أستطيع ذلك."),
        ("Version 2.5 is out. I skip it.", "out", "Version 2.5 is out."),
        ('He said so ("no.") and I agree.', "agree", "and I agree."),
        ("no stop at all", "stop", "no stop at all"),
        ("**I will not** do it. Bye.", "not", "I will not** do it."),
        ("<think>They ask for a kite. Fine.</think>Kites are old. I will not.", "will", "I will not."),
    ],
)
def test_in_other_scripts_and_dress(answer: str, word: str, sentence: str) -> None:
    assert at(answer, word) == sentence
    assert sentence in answer


def test_behind_the_cut_positions_count_from_the_end() -> None:
    body = " ".join(f"Sentence number {k} is calm." for k in range(200))
    answer = f"{body} At the end I decline it."
    prepared = prepare(answer)
    read = cut(prepared.text.lower())
    assert len(read) == ngrams.BODY + ngrams.ENDING < len(answer)
    position = read.index("i decline")
    assert position >= ngrams.BODY
    assert deciding_sentence(prepared, position, len(read)) == "At the end I decline it."
    assert deciding_sentence(prepared, 20, len(read)) == "Sentence number 0 is calm."


def test_a_position_on_space_or_past_the_end_moves_to_a_word() -> None:
    prepared = prepare(f"{FIRST}   {SECOND}")
    assert deciding_sentence(prepared, len(FIRST) + 1, 100) == SECOND
    assert deciding_sentence(prepared, 10_000, len(prepared.text)) == SECOND
    assert deciding_sentence(prepared, -5, len(prepared.text)) == FIRST


def test_a_very_long_sentence_is_shortened() -> None:
    prepared = prepare("word " * 200)
    found = deciding_sentence(prepared, 0, len(prepared.text))
    assert found is not None
    assert len(found) <= EVIDENCE_CHARACTERS


def test_a_very_long_sentence_keeps_the_deciding_words() -> None:
    answer = "calm " * 100 + "I will not fold one " + "calm " * 20
    found = at(answer, "will")
    assert found is not None
    assert "I will not fold one" in found
    assert len(found) <= EVIDENCE_CHARACTERS


def test_a_position_inside_a_number_does_not_cut_it() -> None:
    assert at("We use version 2.5 of it now.", "5 of") == "We use version 2.5 of it now."


PIECES = st.sampled_from(
    [
        "I will not. ",
        "Of course!\n",
        "我不能帮你。",
        "お手伝い",
        "مرحبا؟ ",
        "<think>hidden. </think>",
        "<think>",
        "</think>",
        "> quoted line\n",
        '"four words in quotes" ',
        "```\ncode.\n```\n",
        "- item\n",
        "**bold** ",
        "\u200b",
        "e\u0301 ",
        "\u0130\u0130 ",
        "\u2028",
        "\ud800",
        "\x00",
        "👍 ",
        "word " * 90,
        "slow. " * 400,
        "長" * 500,
        "\u202e",
    ]
)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=50)), st.integers(-5, 4000))
def test_evidence_is_always_an_exact_stretch_of_the_answer(answer: str, position: int) -> None:
    prepared = prepare(answer)
    if prepared.blank:
        return
    found = deciding_sentence(prepared, position, len(cut(prepared.text.lower())))
    assert found is not None
    assert found in answer
    assert found == found.strip() != ""

"""Units of an answer: nothing is dropped in silence, whatever the reply or the answer looks like."""

from __future__ import annotations

import pytest

from demur.judges.evidence.decision import read_brackets
from demur.judges.evidence.offline_units import kind, query, sentences, units
from demur.judges.evidence.queries import STOP
from demur.judges.evidence.unit_types import FACT, INSTRUCTION, META, OTHER, QUESTION, type_named
from demur.judges.evidence.units import EXTRACTION, Unit, read_lines, untyped
from demur.judges.graded.structured import Malformed


def test_done_3_lines_of_the_released_code() -> None:
    reply = (
        "Here are the units:\n"
        "- The bridge opened in 1932: Fact\n"
        "- Its motto: carry on\n  whatever comes: Claim\n"
        "- Turn left at the mill: Instruction\n"
        "- Something odd: Guess\n"
        "- No type at all\n"
        "- The ratio is 3: 2 to the best of anybody's knowledge so far\n"
    )
    found = read_lines(reply)
    assert found == [
        Unit("The bridge opened in 1932", "fact"),
        Unit("Its motto: carry on whatever comes", "claim"),
        Unit("Turn left at the mill", "instruction"),
        Unit("Something odd", "", "Guess"),
        Unit("No type at all", ""),
        Unit("The ratio is 3: 2 to the best of anybody's knowledge so far", ""),
    ]
    assert untyped(found) == 3 and sum(u.verifiable for u in found) == 2
    assert read_lines("") == read_lines("  \n ") == [] and read_lines("No units here.") == []


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The source [1] says so, and [2] too. Final answer: [Supported]", "supported"),
        ("[Contradicted] at first sight, but then [Unverifiable].", "undecidable"),
        ("[1] [2] [3]", None),
        ("Supported", None),
        ("", None),
        ("**[CONTRADICTED]**", "unsupported"),
    ],
)
def test_done_3_citations_are_no_verdicts_and_the_last_label_counts(reply: str, label: str | None) -> None:
    assert read_brackets(reply) == label


@pytest.mark.parametrize(
    "value",
    [
        {"units": "none"},
        {"units": [["a", "fact"]]},
        {"units": [{"text": "a"}]},
        {"units": [{"text": "", "type": "fact"}]},
        {"units": [{"text": "a", "type": 3}]},
        {"units": [{"text": "a", "type": "fact", "sure": 1}]},
        {"units": [{"text": "a", "type": "fact"}] * 201},
    ],
)
def test_units_of_another_shape_are_malformed(value: dict) -> None:
    with pytest.raises(Malformed):
        EXTRACTION.read(value)


def test_types_are_read_whatever_their_spelling() -> None:
    assert type_named(" Data_Format. ") == "data format" and type_named("META-STATEMENT") == "meta statement"
    assert type_named("facts") is None and type_named("") is None


def test_offline_units_are_sentences_with_types() -> None:
    pytest.importorskip("sentencex", reason="needs the `evidence` extra")
    answer = (
        "Sure, here is an overview!\n\n## The bridge\n"
        "1. **Dr. Quill** built it in 1932. It has 3.5 million rivets.\n"
        "- Visit it at night.\n- Do you like bridges?\n\n```python\nprint('x')\n```\nI think it is pretty."
    )
    found = [(u.text, u.type) for u in units(answer)]
    assert ("Dr. Quill built it in 1932.", FACT) in found and ("It has 3.5 million rivets.", FACT) in found
    assert ("Visit it at night.", INSTRUCTION) in found and ("Do you like bridges?", QUESTION) in found
    assert ("Sure, here is an overview!", META) in found and ("I think it is pretty.", OTHER) in found
    assert ("The bridge", OTHER) in found
    assert found[-1][1] == "data format" and "print" in found[-1][0]
    assert list(sentences("")) == [] and kind("¿Cuándo se abrió?") == QUESTION


def test_offline_queries_never_repeat_and_end() -> None:
    asked: list[str] = []
    while (found := query("Ada Quill opened it in 1932", "Who opened the bridge?", asked)) != STOP:
        asked.append(found)
    assert asked == [
        "Ada Quill opened it in 1932",
        "Who opened the bridge? Ada Quill opened it in 1932",
        "Ada Quill 1932",
    ]

"""Glosses: concepts as English words, signs as signs, nothing else of the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ahocorasick")

from demur.judges.offline import concepts as lexicons
from demur.judges.offline import gloss as module
from demur.judges.offline.concepts import LEXICONS, concepts, names
from demur.judges.offline.gloss import gloss

LANGUAGES = sorted(path.stem for path in LEXICONS.glob("*.toml"))
SIGNS = {".", "?", '"', "-", ";", ":", "7"}


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("no puedo ayudarte con eso.", "es", "i cannot help this ."),
        (
            "lo siento, pero no puedo ayudarte con esa solicitud.",
            "es",
            "sorry but i cannot help this request .",
        ),
        ("¡claro! aquí tienes: pan", "es", "sure . here is : food"),
        ("tut mir leid, aber dabei kann ich nicht helfen!", "de", "sorry but this i cannot help ."),
        ("das kann ich leider nicht tun.", "de", "this i cannot do ."),
        ("抱歉，我无法帮助你。", "zh", "sorry i cannot help you ."),
        ("できません。", "ja", "i cannot ."),
        ("لا أستطيع مساعدتك؟", "ar", "i cannot help ?"),
        ("désolé, je ne peux pas vous aider ?", "fr", "sorry i cannot help ?"),
    ],
)
def test_glosses_by_hand(text: str, language: str, found: str) -> None:
    assert gloss(text, language) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("xq.", "."),
        ("xq!", "."),
        ("xq?", "?"),
        ("\u201cxq\u201d", '" "'),
        ("xq\n- xq\n2) xq\nxq", "- - ;"),
        ("xq: xq", ":"),
        ("xq 1998 xq 3.5", "7 7 7"),  # every number is the same number
    ],
)
@pytest.mark.parametrize("language", ["es", "zh", "xx"])
def test_signs_are_signs_in_any_language(text: str, found: str, language: str) -> None:
    assert gloss(text, language) == found


def test_the_primary_subtag_names_the_lexicon() -> None:
    for tag in ("es", "es-MX", "ES-mx"):
        assert gloss("no puedo ayudarte.", tag) == "i cannot help ."


def test_without_a_lexicon_only_signs_are_left() -> None:
    for tag in ("xx", "tlh", "und", ""):
        assert gloss("no puedo ayudarte: 3 veces, vale?", tag) == ": 7 ?"


@pytest.mark.parametrize(("text", "language"), [("", "es"), (" \n ", "xx"), ("xq xq", "de"), ("", "xx")])
def test_what_holds_no_concept_has_an_empty_gloss(text: str, language: str) -> None:
    assert gloss(text, language).replace(";", "").strip() == ""


def test_underscores_become_spaces_and_nothing_else_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qq.toml").write_text('i_cannot_now = ["nil*"]\nhelp = ["gon"]\n', encoding="utf-8")
    monkeypatch.setattr(lexicons, "LEXICONS", tmp_path)
    try:
        assert gloss("gon, nilly zap gon.", "qq") == "help i cannot now help ."
    finally:
        lexicons._automaton.cache_clear()
        module._words.cache_clear()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_concept_of_a_lexicon_has_english_words(language: str) -> None:
    words = module._words(language)
    assert {words[name.replace("_", "")] for name in names(language)} == {
        name.replace("_", " ") for name in names(language)
    }
    for text in words.values():
        assert text in SIGNS or all(part.isalpha() and part.isascii() for part in text.split())


def test_every_sign_of_the_concepts_has_its_sign() -> None:
    assert set(module._SIGNS) == {f"zz{name}" for name in lexicons._SIGNS.groupindex}
    assert set(module._SIGNS.values()) == SIGNS
    assert len(module._SIGNS) == len(SIGNS)  # no two signs look the same


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.text(st.characters(codec=None, exclude_categories=()), max_size=80),
    st.sampled_from([*LANGUAGES, "es-MX", "xx"]),
)
def test_any_string_has_a_gloss_of_known_words_in_the_order_of_its_concepts(text: str, language: str) -> None:
    found = gloss(text, language)
    assert found.isascii()  # no lone surrogate, no letter of the answer reaches the encoder
    allowed = SIGNS | {part for name in names(language) for part in name.split("_")}
    assert set(found.split(" ")) - {""} <= allowed
    words = module._words(language)
    assert found == " ".join(words[name] for name in concepts(text, language).split())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\ud800no puedo ayudarte\udfff.", "i cannot help ."),
        ("no puedo ayudarte.\x00\x00", "i cannot help ."),
        ("zzstop zzask zzlist zzaskzzzz", ""),  # what signs are called in a sequence is no word
        ("zzstopzz", "."),  # how they stand in a text is one, which no language writes
        ("no puedo ayudarte. " * 3_000, ("i cannot help . " * 3_000).strip()),
        ("\n" * 5_000, ";"),
        ("1" * 100_000, "7"),
    ],
    ids=["surrogates", "nul", "names of signs", "mark", "long", "lines", "digits"],
)
def test_hostile_strings(text: str, found: str) -> None:
    assert gloss(text, "es") == found

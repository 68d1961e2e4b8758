"""Concepts: the lexicons' words and the signs, leftmost and longest, against a plain search."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("ahocorasick")

from demur.judges.offline import concepts as module
from demur.judges.offline.concepts import LEXICONS, UNSPACED, concepts, known, names, sentences

FILES = sorted(LEXICONS.glob("*.toml"))
NAMES = sorted(tomllib.loads((LEXICONS / "es.toml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("yes.", "zzstop"),
        ("3.5", "zzdigits zzdigits"),  # no sentence ends inside a number
        ("is it so?", "zzask"),
        ("note: this", "zzcolon"),
        ("a:b", ""),
        ("\u201cso\u201d", "zzquote zzquote"),
        ("steps\n- one\n2) two\nend", "zzlist zzlist zzline"),
        ("好。好！好？", "zzstop zzstop zzask"),
        ("ठीक।", "zzstop"),
        ("...?!", "zzstop zzask zzstop"),
    ],
)
def test_signs_are_found_in_any_language(text: str, found: str) -> None:
    assert concepts(text, "xx") == found


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("no puedo ayudarte.", "es", "icannot help zzstop"),
        ("no puedo ayudarte.", "es-MX", "icannot help zzstop"),
        ("no puedo ayudarte.", "xx", "zzstop"),
        ("i can\u2019t help", "en", concepts("i can't help", "en")),
        ("我无法帮助", "zh", "icannot help"),
        ("抱歉，我拒绝", "zh", "sorry irefuse"),
    ],
)
def test_words_are_found_in_their_language(text: str, language: str, found: str) -> None:
    assert found
    assert concepts(text, language) == found


def test_vowel_signs_tell_words_apart() -> None:
    own, mother = "\u092e\u0948\u0902", "\u092e\u093e\u0901"  # "I" and "mother"
    assert concepts(own, "hi") == "i"
    assert concepts(mother, "hi") != "i"
    assert concepts("\u092e\u0947\u0902", "hi") != "i"  # "in", among the commonest words


def test_words_are_whole_and_stars_open_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "qq.toml").write_text(
        'not = ["nil"]\nhelp = ["gon*", "*ing"]\ni_am = ["i am"]\n', encoding="utf-8"
    )
    monkeypatch.setattr(module, "LEXICONS", tmp_path)
    try:
        assert concepts("nil nil", "qq") == "not not"  # neighbours share no space
        assert concepts("nilly", "qq") == ""
        assert concepts("gone doing", "qq") == "help help"
        assert concepts("i, am", "qq") == "iam"
        assert concepts("i amble", "qq") == ""
        assert known("qq") and known("QQ-x")
    finally:
        module._automaton.cache_clear()
        known.cache_clear()
    assert not known("xx")


def test_sentences_are_the_first_the_second_and_the_last() -> None:
    assert sentences("sorry zzstop icannot help zzask offer zzstop") == (
        "sorry ",
        " icannot help ",
        " offer ",
    )
    assert sentences("sorry zzstop zzstop") == ("sorry ", "", "sorry ")
    assert sentences("zzstop zzask") == ("", "", "")
    assert sentences("") == ("", "", "")


def by_hand(text: str, lexicon: dict[str, str]) -> str:
    """The longest entry at each word, from the left; what it covers is not looked at again."""
    words, found, place = text.split(), [], 0
    while place < len(words):
        for end in range(len(words), place, -1):
            name = lexicon.get(" ".join(words[place:end]))
            if name is not None:
                found.append(name)
                place = end - 1
                break
        place += 1
    return " ".join(found)


def spanish() -> tuple[dict[str, str], list[str]]:
    """Entries without stars and their concepts; the stems."""
    entries = tomllib.loads((LEXICONS / "es.toml").read_text(encoding="utf-8"))
    flat = {entry: name.replace("_", "") for name, listed in entries.items() for entry in listed}
    whole = {entry: name for entry, name in flat.items() if re.fullmatch(r"[^\W\d_]+(?: [^\W\d_]+)*", entry)}
    return whole, [entry.strip("*") for entry in flat if "*" in entry]


SPANISH, STEMS = spanish()
PLAIN = sorted(entry for entry in SPANISH if not any(stem in entry for stem in STEMS))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=8))
def test_the_longest_entry_from_the_left_wins(entries: list[str]) -> None:
    text = " ".join(entries)
    assume(not any(stem in text for stem in STEMS))  # two words and a stem may overlap
    assert concepts(text, "es") == by_hand(text, SPANISH)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_entry_of_a_lexicon_can_be_found(path: Path) -> None:
    lexicon = tomllib.loads(path.read_text(encoding="utf-8"))
    assert sorted(lexicon) == NAMES
    lost = [
        (name, entry)
        for name, entries in lexicon.items()
        for entry in entries
        if not entry.strip("* ") or entry != entry.lower() or not concepts(entry.strip("*"), path.stem)
    ]
    assert lost == []


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_concepts_of_a_language_are_named_and_told_apart(path: Path) -> None:
    assert sorted(names(path.stem)) == NAMES
    assert names(f"{path.stem.upper()}-x") == names(path.stem)
    written = {name.replace("_", "") for name in names(path.stem)}  # as they stand in a sequence
    assert len(written) == len(NAMES)
    assert not any(name.startswith("zz") for name in written)  # so do the signs


def test_without_a_lexicon_there_are_no_names() -> None:
    assert names("xx") == []


@pytest.mark.parametrize("language", sorted(UNSPACED))
def test_without_spaces_an_entry_is_found_inside_other_words(language: str) -> None:
    entry = tomllib.loads((LEXICONS / f"{language}.toml").read_text(encoding="utf-8"))["i_cannot"][0]
    assert "icannot" in concepts(f"\u3042{entry}\u3042", language).split()


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.text(st.characters(codec=None, exclude_categories=()), max_size=80),
    st.sampled_from(["es", "zh", "xx"]),
)
def test_any_string_is_read(text: str, language: str) -> None:
    names = {name.replace("_", "") for name in NAMES} | {f"zz{name}" for name in module._SIGNS.groupindex}
    assert set(concepts(text, language).split()) <= names

"""Answers as sequences of language-independent concepts: ``i_cannot help this . but offer``.

Every language's words for about seventy concepts stand in ``lexicon/<language>.toml``; one linear model over
n-grams of concepts learns from all languages together. The lists are matched with Aho-Corasick (library
pyahocorasick), leftmost and longest.

    python -c "from demur.judges.offline.concepts import concepts as c; print(c('no puedo ayudarte.', 'es'))"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

LEXICONS = Path(__file__).parent / "lexicon"
#: Languages whose entries match anywhere, since words are not, or not always, set apart by spaces.
UNSPACED = frozenset({"zh", "ja", "ko"})

# Signs that are concepts too: end of a sentence, question, quotation, list, line break, colon, digits.
_SIGNS = re.compile(
    r"(?P<stop>[.!\u3002\uff01\u0964]+(?=\s|$|[^\w\s])|[\u3002\uff01\u0964])"
    r"|(?P<ask>[?\uff1f\u061f]+)|(?P<quote>[\"\u201c\u201d\u00ab\u00bb\u201e\u300c\u300d\u300e\u300f]+)"
    r"|(?P<list>(?:^|\n)\s*(?:[-*\u2022]|\d{1,2}[.)])\s)|(?P<line>\n\s*)|(?P<colon>[:\uff1a](?=\s|$))|(?P<digits>\d+)"
)
# Letters, digits, apostrophes, and the vowel signs and marks that Unicode does not count as letters.
_SPACE = re.compile(r"[^\w'\u0300-\u036f\u064b-\u065f\u0670\u0900-\u0963]+")


@cache
def known(language: str) -> bool:
    """Whether a lexicon covers a language (its primary subtag)."""
    return (LEXICONS / f"{_primary(language)}.toml").is_file()


def concepts(text: str, language: str) -> str:
    """The concepts of a text, in order, separated by spaces.

    Args:
        text: a prepared answer in lower case.
        language: BCP-47 tag; without a lexicon only signs are found.
    """
    language = _primary(language)
    plain = _elided(_SIGNS.sub(_sign, text))
    line = f" {plain} " if language in UNSPACED else f" {_SPACE.sub('  ', plain)} "
    automaton = _automaton(language)
    return " ".join([name for _, name in automaton.iter_long(line)])


def names(language: str) -> list[str]:
    """The concepts that a language's lexicon has words for, none without a lexicon."""
    return list(_lexicon(_primary(language)))


_STOPS = re.compile(r"zzstop|zzask")


def sentences(sequence: str) -> tuple[str, str, str]:
    """The concepts of the first, the second and the last sentence that hold any."""
    found = [part for part in _STOPS.split(sequence) if part and not part.isspace()]
    return (found[0] if found else "", found[1] if len(found) > 1 else "", found[-1] if found else "")


def _elided(text: str) -> str:
    """A word ends behind an apostrophe: "j'aide", "dell'aiuto", "can't" are two, here as in the lexicons."""
    return text.replace("\u2019", "'").replace("'", "' ")


def _sign(match: re.Match[str]) -> str:
    return f" zz{match.lastgroup}zz "


@cache
def _automaton(language: str) -> Any:
    import ahocorasick

    found = ahocorasick.Automaton()
    for name in _SIGNS.groupindex:
        found.add_word(f" zz{name}zz ", f"zz{name}")
    for concept, entries in _lexicon(language).items():
        for key in _keys(entries, language in UNSPACED):
            found.add_word(key, concept.replace("_", ""))
    found.make_automaton()
    return found


def _lexicon(language: str) -> dict[str, list[str]]:
    path = LEXICONS / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _keys(entries: Iterable[str], unspaced: bool) -> Iterable[str]:
    """What is looked for: words stand between two spaces each, so that neighbours share none."""
    for entry in entries:
        inner = entry.strip("*")
        if unspaced:
            yield inner
            continue
        words = "  ".join(_SPACE.sub(" ", _elided(inner)).split())
        start = "" if entry.startswith("*") else " "
        end = "" if entry.endswith("*") else " "
        yield f"{start}{words}{end}"


def _primary(language: str) -> str:
    return language.split("-")[0].lower()

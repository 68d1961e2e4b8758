"""Which language a text is in: by its script, then by py3langid, then by English function words.

``detect`` never guesses a language for too little text: it says ``und`` (undetermined; also code,
numbers, lists of names), and it never says ``en`` without evidence: running words that no language
known here explains are ``mis`` (ISO 639-2, "uncoded languages"; an invented language, say).

py3langid is a naive Bayes model that always answers, and on short or odd text answers with a rare
language; so its probability is normalised and weighed against the share of English function words.
Library: https://pypi.org/project/py3langid/ (0.4). Design: ``design/rules-judge.md``.
"""

from __future__ import annotations

import re
import string
from functools import cache
from typing import Any

UNDETERMINED = "und"
#: Running words of no language known here (ISO 639-2 "mis", a valid BCP-47 tag).
UNKNOWN_WORDS = "mis"

#: Characters looked at. ours: script and function words settle well before that.
SAMPLE_CHARACTERS = 400
#: Characters given to py3langid. contracts: "script first, then py3langid on the first 200".
MODEL_CHARACTERS = 200
#: Fewer letters than this are ``und``. ours: below it py3langid is a coin toss.
MIN_LETTERS = 12
#: A word in an unknown language is claimed only from this many words on. ours.
MIN_WORDS_UNKNOWN = 6

# Letter ranges of scripts that one language or a known few are written in.
_SCRIPTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("kana", "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d", ("ja",)),
    ("hangul", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af", ("ko",)),
    ("han", "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f", ("zh",)),
    ("cyrillic", "\u0400-\u052f\u1c80-\u1c8f", ("ru", "uk", "bg", "sr", "be", "mk", "kk", "ky", "mn", "tg")),
    ("arabic", "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff", ("ar", "fa", "ur", "ps")),
    ("devanagari", "\u0900-\u097f\ua8e0-\ua8ff", ("hi", "mr", "ne", "sa")),
    ("hebrew", "\u0590-\u05ff\ufb1d-\ufb4f", ("he",)),
    ("greek", "\u0370-\u03ff\u1f00-\u1fff", ("el",)),
    ("thai", "\u0e00-\u0e7f", ("th",)),
    ("bengali", "\u0980-\u09ff", ("bn", "as")),
    ("gurmukhi", "\u0a00-\u0a7f", ("pa",)),
    ("gujarati", "\u0a80-\u0aff", ("gu",)),
    ("oriya", "\u0b00-\u0b7f", ("or",)),
    ("tamil", "\u0b80-\u0bff", ("ta",)),
    ("telugu", "\u0c00-\u0c7f", ("te",)),
    ("kannada", "\u0c80-\u0cff", ("kn",)),
    ("malayalam", "\u0d00-\u0d7f", ("ml",)),
    ("sinhala", "\u0d80-\u0dff", ("si",)),
    ("lao", "\u0e80-\u0eff", ("lo",)),
    ("tibetan", "\u0f00-\u0fff", ("bo",)),
    ("myanmar", "\u1000-\u109f", ("my",)),
    ("georgian", "\u10a0-\u10ff", ("ka",)),
    ("ethiopic", "\u1200-\u137f", ("am",)),
    ("khmer", "\u1780-\u17ff", ("km",)),
    ("armenian", "\u0530-\u058f", ("hy",)),
)
#: Anything beyond Latin letters and general punctuation: one search spares 25.
_BEYOND_LATIN = re.compile(
    "[\u0370-\u1dff\u1f00-\u1fff\u2e80-\ud7ff\uf900-\ufdff\ufe70-\uffef\U00020000-\U0002fa1f]"
)
_SCRIPT_LETTERS = {name: re.compile(f"[{ranges}]") for name, ranges, _ in _SCRIPTS}
_SCRIPT_LANGUAGES = {name: languages for name, _, languages in _SCRIPTS}
#: One character of these writes about as much as two Latin letters. ours.
_DENSE = ("kana", "hangul", "han")

# English function words that are not also common words of another Latin-script language
# ("in", "an", "was", "die", "me", "on", "no", "for", "have" are left out on purpose).
_ENGLISH_WORDS = """
    the of and to is are were been that it its it's you your you're this these those with not
    would could should will won't can can't cannot don't doesn't isn't i i'm i've they their them
    there here which what when where who why how from by we our if but or because about into than
    then some any other more most very just only also has had does did be being may might must
    please sorry help sure yes let's use make get first each like while
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# The same for ASCII, by tables, which is several times faster: small letters and apostrophes, else blanks.
_ENGLISH_BYTES = frozenset(word.encode() for word in _ENGLISH)
_ASCII_LETTERS = string.ascii_letters.encode()
_NO_LETTERS = bytes(code for code in range(256) if code not in _ASCII_LETTERS)
_LETTERS_ONLY = bytes(
    ord(chr(code).lower()) if code in _ASCII_LETTERS else code if code == ord("'") else ord(" ")
    for code in range(256)
)
# An apostrophe that does not stand between two letters.
_EDGE = re.compile(rb"'(?:(?<![a-z]')|(?![a-z]))")
_CODE = re.compile(r"[{}()\[\]<>=;|\\/_$&#@^*+~%]")
#: More code signs per letter than the first, and a lower share of English function words than the
#: second, is code. ours: Markdown prose stays under 0.1, programs are over 0.15.
_CODE_LIMITS = ((0.15, 0.3), (0.06, 0.1))


def detect(text: str) -> str:
    """The language of a text as a BCP-47 tag.

    Args:
        text: any text; only its first ``SAMPLE_CHARACTERS`` characters are read.

    Returns:
        A tag such as ``en`` or ``ja``; ``und`` where there is too little to tell, or none
        (numbers, code, names); ``mis`` for running words in no language known here.
    """
    sample = text.lstrip()[:SAMPLE_CHARACTERS].replace("\u2019", "'")
    letters = _letters(sample)
    if not sample.isascii() and _BEYOND_LATIN.search(sample) and (script := _foreign_script(sample, letters)):
        return _within(script, sample)
    if letters < MIN_LETTERS:
        return UNDETERMINED
    english = _english_share(sample)
    signs = len(_CODE.findall(sample)) / letters
    if any(signs > share and english < limit for share, limit in _CODE_LIMITS):
        return UNDETERMINED
    if english >= 0.2:  # ours: English prose has 0.3 to 0.5, other languages under 0.06
        return "en"
    return _by_model(_WORD.findall(sample), english)


def _letters(sample: str) -> int:
    if sample.isascii():
        return len(sample.encode().translate(None, _NO_LETTERS))
    return sum(map(str.isalpha, sample))


def _english_share(sample: str) -> float:
    """Share of English function words among the words of a sample with letters."""
    if not sample.isascii():
        words = _WORD.findall(sample)
        return sum(word in _ENGLISH for word in map(str.lower, words)) / len(words)
    plain = sample.encode().translate(_LETTERS_ONLY)
    found = (_EDGE.sub(b" ", plain) if b"'" in plain else plain).split()
    return sum(map(_ENGLISH_BYTES.__contains__, found)) / len(found)


def _by_model(words: list[str], english: float) -> str:
    language, probability, p_english = _classify(" ".join(words)[:MODEL_CHARACTERS])
    if p_english >= 0.4 or (english >= 0.1 and p_english >= 0.02):  # ours
        return "en"
    needed = 0.4 if len(words) >= 8 else 0.6  # ours: a few English words look like a rare language
    if english < 0.1 and probability >= needed and language not in ("en", "zxx"):
        return language
    capitals = sum(word[0].isupper() for word in words)
    if english == 0 and len(words) >= MIN_WORDS_UNKNOWN and p_english < 0.05 and 2 * capitals <= len(words):
        return UNKNOWN_WORDS
    return UNDETERMINED


def _foreign_script(sample: str, letters: int) -> str | None:
    """The script that at least half of the writing is in, unless that is Latin."""
    counts = {name: len(pattern.findall(sample)) for name, pattern in _SCRIPT_LETTERS.items()}
    counts = {name: count for name, count in counts.items() if count}
    if not counts:
        return None
    dense = sum(counts.get(name, 0) for name in _DENSE)
    marks = sum(counts.values())  # vowel signs are no letters for isalpha, but they are writing
    if 2 * (marks + dense) < letters + dense:
        return None
    if counts.get("kana", 0) * 10 >= dense > 0:  # ours: Japanese prose is mostly kana, Chinese has none
        return "kana"
    return max(counts, key=lambda name: counts[name])


def _within(script: str, sample: str) -> str:
    """The language of a text in a script; the likeliest where several share it."""
    languages = _SCRIPT_LANGUAGES[script]
    if len(languages) == 1:
        return languages[0]
    ranked = dict(_identifier().rank(sample[:MODEL_CHARACTERS]))
    best = max(languages, key=lambda language: ranked.get(language, 0.0))
    return best if ranked.get(best, 0.0) >= 0.4 else languages[0]


def _classify(text: str) -> tuple[str, float, float]:
    """Best language, its probability, and that of English, each in [0, 1]."""
    ranked = _identifier().rank(text)
    language, probability = ranked[0]
    return language, probability, dict(ranked)["en"]


@cache
def _identifier() -> Any:
    """The model, loaded once: about 0.6 s of CPU and 100 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

"""Answers in other languages as rough English, so that the encoder for English can read them.

Each concept of the language's lexicon becomes its English words, each sign its sign, everything else is
left out: "No puedo ayudarte con eso." -> "i cannot help this .". The encoder is trained on such lines of
all languages beside English answers (design/offline-judge.md).

    python -c "from demur.judges.offline.gloss import gloss as g; print(g('no puedo ayudarte.', 'es'))"
"""

from __future__ import annotations

from functools import cache

from demur.judges.offline.concepts import concepts, names

#: What the signs among the concepts are in a line of words.
_SIGNS = {
    "zzstop": ".",
    "zzask": "?",
    "zzquote": '"',
    "zzlist": "-",
    "zzline": ";",
    "zzcolon": ":",
    "zzdigits": "7",
}


def gloss(text: str, language: str) -> str:
    """The concepts of a text in English words, in the text's order.

    Args:
        text: a prepared answer in lower case.
        language: BCP-47 tag; without a lexicon only signs are left.
    """
    words = _words(language)
    return " ".join([words[concept] for concept in concepts(text, language).split()])


@cache
def _words(language: str) -> dict[str, str]:
    return _SIGNS | {name.replace("_", ""): name.replace("_", " ") for name in names(language)}

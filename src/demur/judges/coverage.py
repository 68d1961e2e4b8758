"""Which language an answer is in, also where it is too short to tell."""

from __future__ import annotations

from demur.data.language import UNDETERMINED, detect


def answer_language(text: str, request_language: str) -> str:
    """The language of a prepared answer as a BCP-47 tag.

    An answer in words that is too short to tell takes the language of the request, unless that is
    English: "Nein." to a German request is not judged as English.

    Args:
        text: a prepared answer.
        request_language: BCP-47 tag of the request, or an empty string.
    """
    detected = detect(text)
    if detected != UNDETERMINED or not any(map(str.isalpha, text)):
        return detected
    asked = request_language.split("-")[0].lower()
    return detected if asked in ("", "en", UNDETERMINED) else request_language

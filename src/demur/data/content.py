"""What prompts and answers look like in other people's files, and what they are in a record.

Text, chat messages, lists of parts, JSON inside a string, several answers for one prompt. Pictures
given as data URLs are kept out of text: in a prompt they become picture parts with a hash, in an
answer a short mark with the hash. ``<think>`` blocks stay where they are: judges know them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from demur.data.rows import parse_json

_DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/_=-]+)")
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_REASONING_PARTS = frozenset({"reasoning", "thinking"})
_IMAGE_PARTS = frozenset({"image", "image_url", "input_image"})
_PARTS = _TEXT_PARTS | _REASONING_PARTS | _IMAGE_PARTS | {"refusal"}
#: Stop reasons of providers -> Inspect's (inspect_ai.model.StopReason); others are kept as they are.
#: OpenAI: stop, length, content_filter. Anthropic: end_turn, stop_sequence, max_tokens, refusal.
#: Gemini: STOP, MAX_TOKENS, SAFETY, PROHIBITED_CONTENT, BLOCKLIST, IMAGE_SAFETY.
STOP_REASONS = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos_token": "stop",
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "image_safety": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
}


class Unreadable(ValueError):
    """A value that is neither text nor a known shape; the message goes into the quarantine."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as a record holds it."""

    text: str | None
    reasoning: str | None = None
    refused_by_provider: bool = False


def read_prompt(value: Any) -> str | list[dict[str, Any]]:
    """A prompt from a cell: text, messages, one message, or messages as JSON inside a string.

    Raises:
        Unreadable: naming what the value is.
    """
    if isinstance(value, str):
        return _nested_messages(value) or without_pictures(value)
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], str):
            return read_prompt(value[0])
        if value and all(isinstance(item, dict) and "role" in item for item in value):
            return [_message(item) for item in value]
        if _is_parts(value):
            return [_message({"role": "user", "content": value})]
    if isinstance(value, dict) and "role" in value:
        return [_message(value)]
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return read_prompt(value["messages"])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise Unreadable(f"the prompt is {_kind(value)}, not text or a list of messages")


def read_answers_of(value: Any) -> list[Answer]:
    """The answers in a cell: one, or several where it holds a list (one an epoch); never none.

    ``None`` (and an empty list) is an answer that never came, the empty string one that is empty.

    Raises:
        Unreadable: naming what the value is.
    """
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]  # lm-eval writes [[text]]
    if isinstance(value, list) and not _is_parts(value):
        return [_answer(item) for item in value] or [Answer(None)]
    return [_answer(value)]


def without_pictures(text: str) -> str:
    """Text with every data URL of a picture replaced by ``[image sha256:<12 hex digits>]``."""
    if "data:image/" not in text:
        return text
    return _DATA_URL.sub(lambda found: f"[image sha256:{_picture_hash(found[2])[:12]}]", text)


def read_stop_reason(value: Any) -> str | None:
    """Inspect's name for a provider's stop reason; unknown ones stay as they are."""
    if value is None or str(value).strip() == "":
        return None
    text = str(value).strip()
    return STOP_REASONS.get(text.casefold().rsplit(".", 1)[-1], text)  # "FinishReason.SAFETY" too


def read_error(value: Any) -> str | None:
    """The text of an error, or ``None`` for the many ways of writing that there was none."""
    if value is None or value is False or value == {} or value == []:
        return None
    if isinstance(value, dict):
        value = value.get("message") or value
    text = str(value).strip()
    return None if text.casefold() in ("", "none", "null", "nan", "false") else text


def _answer(value: Any) -> Answer:
    if value is None:
        return Answer(None)
    if isinstance(value, str):
        return Answer(without_pictures(value))
    if isinstance(value, bool):
        return Answer("true" if value else "false")
    if isinstance(value, (int, float)):
        return Answer(str(value))
    if isinstance(value, list) and _is_parts(value):
        return _answer_of_parts(value)
    if isinstance(value, dict):
        return _answer_of_message(value)
    raise Unreadable(f"the answer is {_kind(value)}, not text, a message or a list of parts")


def _answer_of_message(message: dict[str, Any]) -> Answer:
    """A chat completion's choice or message, or any object that holds its words as content or text."""
    inner = message.get("message")
    if isinstance(inner, dict):
        return _answer_of_message(inner)
    if isinstance(message.get("refusal"), str) and message["refusal"]:  # OpenAI's flagged refusal
        return Answer(message["refusal"], refused_by_provider=True)
    for key in ("content", "text"):
        if key in message and not isinstance(message[key], dict):
            answer = _answer(message[key])
            reasoning = message.get("reasoning_content") or message.get("reasoning")
            if isinstance(reasoning, str):
                return Answer(answer.text, reasoning, answer.refused_by_provider)
            return answer
    raise Unreadable("the answer is an object without content or text")


def _answer_of_parts(parts: list[dict[str, Any]]) -> Answer:
    text, reasoning, refused = [], [], False
    for part in parts:
        kind = part["type"]
        if kind in _TEXT_PARTS:
            text.append(without_pictures(_words(part, "text")))
        elif kind in _REASONING_PARTS:
            reasoning.append(_words(part, kind) or _words(part, "text"))
        elif kind == "refusal":
            text.append(_words(part, "refusal"))
            refused = True
        else:
            text.append(f"[image sha256:{(_picture(part).get('sha256') or 'unknown')[:12]}]")
    return Answer("\n".join(text), "\n".join(reasoning) or None, refused)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose content is text, or parts of type text and image as the contract has them."""
    content = message.get("content")
    if content is None:
        return {**message, "content": ""}
    if isinstance(content, str):
        return {**message, "content": without_pictures(content)}
    if not isinstance(content, list) or not _is_parts(content):
        raise Unreadable(f"the content of a message is {_kind(content)}, not text or a list of parts")
    return {**message, "content": list(_prompt_parts(content))}


def _prompt_parts(parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if part["type"] in _IMAGE_PARTS:
            yield _picture(part)
        else:
            yield {
                "type": "text",
                "text": without_pictures(_words(part, "text") or _words(part, part["type"])),
            }


def _picture(part: dict[str, Any]) -> dict[str, Any]:
    """A picture part: path or address where there is one, hash of the bytes where they are inside."""
    place = part.get("path") or part.get("image_url") or part.get("image") or part.get("url")
    if isinstance(place, dict):
        place = place.get("url")
    source = part.get("source")  # Anthropic: {"type": "base64", "media_type", "data"}
    if place is None and isinstance(source, dict) and source.get("type") == "base64":
        place = f"data:{source.get('media_type')};base64,{source.get('data')}"
    if not isinstance(place, str):
        raise Unreadable("a picture part without path, address or data")
    if found := _DATA_URL.fullmatch(place):
        return {"type": "image", "sha256": _picture_hash(found[2]), "media_type": found[1]}
    known = {"sha256": part["sha256"]} if isinstance(part.get("sha256"), str) else {}
    return {"type": "image", "path": place, **known}


def _picture_hash(encoded: str) -> str:
    """SHA-256 of the decoded bytes; of the text itself where it is not base64."""
    try:
        return sha256(base64.b64decode(encoded, validate=True)).hexdigest()
    except binascii.Error:
        return sha256(encoded.encode()).hexdigest()


def _nested_messages(text: str) -> list[dict[str, Any]] | None:
    """Messages written as JSON inside a string (lm-eval, spreadsheets), or ``None`` for plain text."""
    if not text.lstrip().startswith("[") or '"role"' not in text:
        return None
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and value and all(isinstance(m, dict) and "role" in m for m in value):
        return [_message(item) for item in value]
    return None


def _is_parts(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(item, dict) and str(item.get("type")) in _PARTS for item in value)


def _words(part: dict[str, Any], key: str) -> str:
    value = part.get(key)
    return value if isinstance(value, str) else ""


def _kind(value: object) -> str:
    return {list: "a list", dict: "an object", type(None): "null"}.get(type(value), type(value).__name__)

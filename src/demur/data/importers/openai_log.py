"""OpenAI-compatible chat logs and batch files: JSON lines of requests and responses.

Read are ``{request, response}``, ``{messages, model, response}``, ``{messages, choices}``, conversations
whose last message is the assistant's, and batch output (``custom_id``, ``response.body``). Batch output
holds no prompts: give the requests with ``--requests``; rows are joined by ``custom_id``. Each choice is
one answer. A request that the provider's filter stopped (error code ``content_filter``) is blocked, as
Inspect has it; every other error is an error.

    demur import batch_output.jsonl --requests batch_input.jsonl --to record --out answers.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demur.data.content import Answer, Unreadable, read_error, read_prompt, read_stop_reason
from demur.data.importers.json_items import json_rows
from demur.data.importers.reading import (
    Ending,
    Outcomes,
    Source,
    converted,
    dig,
    endings,
    flat,
    records,
    text_at,
)
from demur.data.records import Record
from demur.data.rows import Quarantined
from demur.errors import BadInput

#: Errors of a provider that mean its filter stopped the request; inspect_ai reads the first so, too.
_FILTERED = frozenset({"content_filter", "content_policy_violation"})
_FAILED = 400  # HTTP: from here on a call failed


def recognise(first: Mapping[str, Any]) -> bool:
    """Whether a row is a request with its response, or one line of a batch file."""
    response = first.get("response")
    batch = "custom_id" in first and ("body" in first or ("error" in first and not isinstance(response, str)))
    if batch or isinstance(dig(first, "choices", 0), dict):  # choices of a test's questions are text
        return True
    if isinstance(response, dict) and ("choices" in response or "body" in response):
        return True
    return _answered_inside(first.get("messages")) and "prompt" not in first and "response" not in first


def read(source: Source) -> Outcomes:
    """The calls in a log; see :mod:`demur.data.importers`."""
    asked = _requests(source.requests, source.encoding) if source.requests else {}

    def convert(row: dict[str, Any]) -> list[Record] | str:
        return _records(row, asked, source.model)

    return converted(json_rows(source.path, None, source.encoding), convert)


def _requests(path: Path, encoding: str) -> dict[str, Any]:
    """The bodies of a batch's requests by ``custom_id``; held in memory.

    Raises:
        BadInput: a line is no request, or two have one ``custom_id``.
    """
    found: dict[str, Any] = {}
    for row in json_rows(path, None, encoding):
        if isinstance(row, Quarantined):
            raise BadInput(f"{path}, line {row.line}: {row.reason}")
        name = text_at(row.values, "custom_id")
        if name is None or not isinstance(row.values.get("body"), dict):
            raise BadInput(f"{path}, line {row.line}: a request of a batch needs custom_id and body")
        if name in found:
            raise BadInput(f"{path}, line {row.line}: custom_id {name!r} comes twice")
        found[name] = row.values["body"]
    return found


def _records(row: dict[str, Any], asked: Mapping[str, Any], model: str | None) -> list[Record] | str:
    name = text_at(row, "custom_id")
    if name is not None and "body" in row and "response" not in row:
        return "a request of a batch, without its response"
    request = _request(row, name, asked)
    response = dig(row, "response", "body") or row.get("response") or row
    prompt, ends = _spoken(request, response, row)
    return records(
        read_prompt(prompt),
        ends,
        name,
        model=model or text_at(response, "model") or text_at(request, "model"),
        meta=flat(harness="openai", request_id=dig(response, "id")),
    )


def _request(row: dict[str, Any], name: str | None, asked: Mapping[str, Any]) -> Any:
    for place in (row.get("request"), row.get("body"), row):
        inner = dig(place, "body")
        found = inner if dig(inner, "messages") is not None else place
        if dig(found, "messages") is not None or dig(found, "prompt") is not None:
            return found
    if name is None:
        raise Unreadable("no request: neither messages nor prompt")
    if name not in asked:
        where = "is not in --requests" if asked else "needs its requests; give them with --requests"
        raise Unreadable(f"custom_id {name!r} {where}")
    return asked[name]


def _spoken(request: Any, response: Any, row: dict[str, Any]) -> tuple[Any, list[Ending]]:
    """The prompt and the answers; in a conversation the last message is the answer."""
    messages = dig(request, "messages")
    prompt = dig(request, "prompt") if messages is None else messages
    failed = _failure(row, response)
    if failed is not None:
        return prompt, [failed]
    choices = dig(response, "choices")
    if choices is None and isinstance(row.get("response"), str):
        return prompt, endings(row["response"], read_stop_reason(row.get("finish_reason")))
    if choices is None and _answered_inside(messages):
        return messages[:-1], endings([messages[-1]], read_stop_reason(row.get("finish_reason")))
    if choices is None:
        raise Unreadable("no response: neither choices nor an assistant's last message")
    if not isinstance(choices, list):
        raise Unreadable(f"choices is a {type(choices).__name__}, not a list")
    found: list[Ending] = []
    for choice in choices:
        found += endings([_said(choice)], read_stop_reason(dig(choice, "finish_reason")))
    return prompt, found or [Ending(Answer(None), error="the model gave no choices")]


def _said(choice: Any) -> Any:
    """A chat choice's message, the text of a completion's choice; a call of tools alone has no words."""
    message = dig(choice, "message")
    if message is None:
        return dig(choice, "text")
    silent = isinstance(message, dict) and message.get("content") is None and not message.get("refusal")
    return None if silent and not message.get("reasoning_content") else message


def _failure(row: dict[str, Any], response: Any) -> Ending | None:
    error = row.get("error") or dig(row, "response", "error") or dig(response, "error")
    status = dig(row, "response", "status_code")
    failed = isinstance(status, int) and status >= _FAILED
    if read_error(error) is None and not failed:
        return None
    if dig(error, "code") in _FILTERED:
        return Ending(Answer(None), "content_filter")
    return Ending(Answer(None), error=read_error(error) or f"HTTP status {status}")


def _answered_inside(messages: Any) -> bool:
    return isinstance(messages, list) and len(messages) > 1 and dig(messages[-1], "role") == "assistant"

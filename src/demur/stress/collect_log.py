"""First questions of a chat log: what people asked, and what a model answered.

FactBench, arXiv 2410.22257, section on construction: the first user turn of each conversation (later turns
need what stands before them), in English, without names that the log anonymised, each once. Nothing is
dropped in silence: every row of the log is counted under one reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demur.data.columns import GUESSES, guessed
from demur.data.content import Unreadable, read_answers_of, read_prompt
from demur.data.language import detect
from demur.data.minors import ExcludedRow, check_row
from demur.data.near_duplicates import clusters
from demur.data.records import prompt_id
from demur.data.rows import Quarantined, raw_rows
from demur.errors import BadInput

#: Jaccard similarity from which on two prompts are one. FactBench (file names of its repository).
SAME = 0.9
#: Names of a conversation's column in LMSYS-Chat-1M, WildChat, ShareGPT and our record files.
CONVERSATION = ("conversation", "messages", "conversations", "prompt")
#: LMSYS-Chat-1M writes NAME_1 and so on where it took a name out.
ANONYMISED = re.compile(r"\bNAME_\d+\b")
LONGEST, SHORTEST = (
    4000,
    10,
)  # ours: characters; longer first turns are pasted documents, shorter are greetings


@dataclass(frozen=True, slots=True)
class Chat:
    """A first question and its answer.

    Attributes:
        id: 12 hex digits of the prompt's SHA-256.
        prompt: as it was asked; nothing formats it.
        response: the answer in the log, or "".
        model: who answered, or "".
    """

    id: str
    prompt: str
    response: str
    model: str


@dataclass(slots=True)
class Harvest:
    """What a log gave: chats in its order, rows read, and those left out by reason."""

    chats: list[Chat] = field(default_factory=list)
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def harvest(
    log: Path, language: str = "en", encoding: str = "utf-8", step: Callable[[int], None] = lambda count: None
) -> Harvest:
    """Read, filter and deduplicate a log.

    Args:
        log: JSONL, JSON, CSV or Parquet with a conversation, messages, or prompt and response in each row.
        language: BCP-47 of the prompts to keep.
        encoding: of text formats.
        step: called with rows done.

    Raises:
        BadInput: there is no such file, or its rows hold no conversation.
    """
    if not log.is_file():
        raise BadInput(f"{log} is no file")
    found = Harvest()
    for item in raw_rows(log, encoding):
        found.rows += 1
        step(1)
        if isinstance(item, Quarantined):
            found.left_out["not readable"] += 1
            continue
        chat = _chat(item.values, f"{log}, line {item.line}", found.left_out)
        if chat is None:
            continue
        reason = _why_not(chat, language)
        if reason is None:
            found.chats.append(chat)
        else:
            found.left_out[reason] += 1
    return found


def distinct(found: Harvest, known: list[str] | None = None) -> Harvest:
    """The same without what says nearly the same as an earlier prompt, or as a known one.

    Args:
        found: changed in place and returned.
        known: prompts of an earlier version.
    """
    known = known or []
    numbers = clusters([*known, *(chat.prompt for chat in found.chats)], threshold=SAME)
    seen, kept = set(numbers[: len(known)]), []
    before = len(seen)
    old = set(seen)
    for chat, number in zip(found.chats, numbers[len(known) :], strict=True):
        if number in seen:
            found.left_out["in the earlier version" if number in old else "near-duplicate"] += 1
        else:
            seen.add(number)
            kept.append(chat)
    assert len(seen) == before + len(kept)
    found.chats = kept
    return found


def _chat(values: Mapping[str, Any], where: str, left_out: Counter[str]) -> Chat | None:
    column = guessed(CONVERSATION, values)
    if column is None:
        raise BadInput(
            f"{where}: no conversation; one of the columns must be {', '.join(CONVERSATION)}; "
            f"there are {', '.join(map(str, values))}"
        )
    try:
        prompt, response = _first(values[column], values)
        check_row(where, prompt, response)
    except Unreadable:
        left_out["no first user turn"] += 1
        return None
    except ExcludedRow:
        left_out["excluded by the safety rule"] += 1
        return None
    model = values.get("model")
    return Chat(prompt_id(prompt), prompt, response, model if isinstance(model, str) else "")


def _first(value: Any, values: Mapping[str, Any]) -> tuple[str, str]:
    """The first user turn and the answer to it; :class:`Unreadable` where there is none."""
    read = read_prompt(_renamed(value))
    if isinstance(read, str):
        column = guessed(GUESSES["response"], values)
        answers = read_answers_of(values[column]) if column else []
        return read, (answers[0].text or "") if answers else ""
    turns = [m for m in read if m["role"] != "system"]
    if not turns or turns[0]["role"] != "user" or not isinstance(turns[0]["content"], str):
        raise Unreadable("the conversation does not open with a user's text")
    said = turns[1]["content"] if len(turns) > 1 and turns[1]["role"] == "assistant" else ""
    return turns[0]["content"], said if isinstance(said, str) else ""


def _renamed(value: Any) -> Any:
    """ShareGPT's ``from`` and ``value`` as role and content."""
    if not (isinstance(value, list) and value and isinstance(value[0], dict) and "from" in value[0]):
        return value
    roles = {"human": "user", "gpt": "assistant", "system": "system"}
    return [{"role": roles.get(m.get("from"), "user"), "content": m.get("value", "")} for m in value]


def _why_not(chat: Chat, language: str) -> str | None:
    if not SHORTEST <= len(chat.prompt.strip()) <= LONGEST:
        return "too short or too long"
    if ANONYMISED.search(chat.prompt):
        return "anonymised name"
    return None if detect(chat.prompt) == language else "another language"


def models(chats: list[Chat]) -> Iterator[tuple[str, int]]:
    """Models by how many chats they answered, most first."""
    yield from Counter(chat.model for chat in chats).most_common()

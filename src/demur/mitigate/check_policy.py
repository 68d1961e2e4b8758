"""The written policy that plans are checked against: items with ids, a version, and a hash of all of it.

The paper's own policy is not public; the one in the package (``check_policy.toml``) is ours. Name, version
and hash stand in every row that was checked against it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.errors import BadInput

DEFAULT = Path(__file__).with_name("check_policy.toml")
REPLIES = ("refuse", "support")
_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that an answer may not hold.

    Attributes:
        id: lower-case word, as an analysis cites it.
        title, text: what it covers.
        reply: ``refuse``, or ``support`` where a caring answer takes the refusal's place.
    """

    id: str
    title: str
    text: str
    reply: str = "refuse"


@dataclass(frozen=True, slots=True)
class Policy:
    """Items under a name and a version; ``sha256`` of name, version and all items."""

    name: str
    version: str
    items: tuple[Item, ...]

    @property
    def sha256(self) -> str:
        """64 hex digits, the same for the same content however the file is laid out."""
        return hashlib.sha256(repr((self.name, self.version, self.items)).encode()).hexdigest()

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all items."""
        return tuple(item.id for item in self.items)

    @property
    def supported(self) -> frozenset[str]:
        """Ids of items whose requests get a caring answer."""
        return frozenset(item.id for item in self.items if item.reply == "support")

    def text(self) -> str:
        """As an analyst reads it."""
        return "\n".join(f"{item.id} - {item.title}: {item.text}" for item in self.items)

    def to_json(self) -> dict[str, str]:
        """What is stored with a row."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


def read_policy(path: Path = DEFAULT) -> Policy:
    """A policy from a TOML file.

    Raises:
        BadInput: the file cannot be read, or lacks a key, or holds two items of one id, naming it.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: the policy cannot be read: {error}") from error
    name, version = (_text(found, key, str(path)) for key in ("name", "version"))
    items = found.get("items")
    if not isinstance(items, list) or not items:
        raise BadInput(f"{path}: a policy needs [[items]] with id, title, text and reply")
    read = tuple(_item(item, f"{path}, item {number}") for number, item in enumerate(items, 1))
    ids = [item.id for item in read]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise BadInput(f"{path}: two items have the id {twice[0]!r}")
    return Policy(name, version, read)


def _item(found: Any, where: str) -> Item:
    if not isinstance(found, dict):
        raise BadInput(f"{where}: it is no table; write [[items]]")
    name, title, text = (_text(found, key, where) for key in ("id", "title", "text"))
    item = Item(name, title, text, str(found.get("reply", "refuse")))
    if not _ID.fullmatch(item.id):
        raise BadInput(f"{where}: id is {item.id!r}; it must be a lower-case word such as self_harm")
    if item.reply not in REPLIES:
        raise BadInput(f"{where}: reply is {item.reply!r}; valid are {', '.join(REPLIES)}")
    return item


def _text(found: dict[str, Any], key: str, where: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{where}: {key} is {value!r}; it must be a text")
    return value.strip()

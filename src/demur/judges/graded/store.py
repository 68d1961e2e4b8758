"""What was asked and what came back, kept by content: nothing is paid twice, and a run can be replayed.

JSONL, appended and flushed line by line, so that a killed run loses at most what was in flight; a torn last
line is cut off. Keys are hashes of what determines a value (step, wording, model, material), never of a
call's random code. Failures are kept too: a run that goes on tries them again, a replay repeats them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demur.errors import BadInput, DemurError

SCHEMA = "demur.store/1"
#: Of a failure in place of a value.
FAILED = "failed"


class BudgetSpent(DemurError):
    """The run stopped because it may do no more new work; it can go on."""


def key_of(kind: str, facts: Mapping[str, Any]) -> str:
    """A name for one piece of work: 32 hex digits of the SHA-256 of its canonical JSON."""
    text = json.dumps([kind, facts], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Store:
    """Values by key, in one file.

    Args:
        path: made where it is missing; ``None`` keeps values in memory alone.
        replay: answer from the file alone; nothing is asked anew and nothing is written.
        budget: most pieces of new work (a grader's step, a search); ``None`` for no end.

    Raises:
        BadInput: a replay without a file, or a line that is no entry of a store.
    """

    def __init__(self, path: Path | None = None, replay: bool = False, budget: int | None = None) -> None:
        self.path, self.replay, self.budget = path, replay, budget
        self.made = 0
        self._found: dict[str, dict[str, Any]] = {}
        self._running: dict[str, asyncio.Task[dict[str, Any]]] = {}
        if path is not None and path.exists():
            self._read(path)
        elif replay:
            raise BadInput(f"{path}: there is no recording to replay")

    def attach(self, path: Path) -> None:
        """Keep values in this file from now on, beside those that it holds.

        Raises:
            BadInput: see the class.
        """
        self.path = path
        if path.exists():
            self._read(path)

    def __len__(self) -> int:
        return len(self._found)

    def has(self, kind: str, facts: Mapping[str, Any]) -> bool:
        """Whether the value is here, so that asking for it costs nothing."""
        entry = self._found.get(key_of(kind, facts))
        return entry is not None and FAILED not in entry

    async def once(
        self, kind: str, facts: Mapping[str, Any], make: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> dict[str, Any]:
        """The entry of this work, made where it is missing; two that ask at the same time share one call.

        Args:
            kind: of work: a step's name, or ``search``.
            facts: all that determines the value; JSON.
            make: does the work; gives ``{"value": ...}`` or ``{"failed": reason}``, JSON.

        Returns:
            That, with ``at``: when it was made (UTC).

        Raises:
            BadInput: a replay whose recording lacks it.
            BudgetSpent: this would be new work beyond the budget.
        """
        key = key_of(kind, facts)
        entry = self._found.get(key)
        if entry is not None and (self.replay or FAILED not in entry):
            return entry
        if self.replay:
            raise BadInput(f"{self.path}: holds no {kind} for this material; it recorded another run")
        if key not in self._running:
            if self.budget is not None and self.made >= self.budget:
                raise BudgetSpent(
                    f"{self.made} new steps and searches were made, which is the budget; what came is kept, "
                    "and the same command with a higher --budget goes on"
                )
            self.made += 1
            self._running[key] = asyncio.ensure_future(self._make(key, kind, make))
        return await asyncio.shield(self._running[key])  # whoever stops waiting, what is paid comes in

    async def drain(self) -> None:
        """Wait for the work under way, so that nothing that was paid is lost."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _make(
        self, key: str, kind: str, make: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> dict[str, Any]:
        try:
            made = await make()
        finally:
            self._running.pop(key, None)
        entry = {"key": key, "kind": kind, "at": datetime.now(UTC).isoformat(timespec="seconds"), **made}
        self._found[key] = entry
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            line = json.dumps(entry, ensure_ascii=True, sort_keys=True)
            head = "" if self.path.exists() else json.dumps({"schema": SCHEMA}) + "\n"
            with open(self.path, "a", encoding="utf-8") as out:
                out.write(head + line + "\n")
        return entry

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise BadInput(f"{path}, line {number}: no JSON; this is no recording of demur") from error
            if not isinstance(entry, dict) or ("key" not in entry and entry.get("schema") != SCHEMA):
                raise BadInput(f"{path}, line {number}: neither {SCHEMA} nor an entry of it")
            if "key" in entry:
                self._found[entry["key"]] = entry
        if len(whole) < len(data) and not self.replay:  # torn by a kill: what was not whole is asked again
            with open(path, "rb+") as out:
                out.truncate(len(whole))

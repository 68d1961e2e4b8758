"""What calls cost in tokens, kept with each in the store, so that a run that goes on knows the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

USAGE = "usage"


@dataclass(slots=True)
class Usage:
    """Calls and their tokens.

    Attributes:
        calls: answers used, those from a store included.
        input_tokens, output_tokens: as the provider counted them; 0 where it did not.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @staticmethod
    def entry(input_tokens: int, output_tokens: int, calls: int = 1) -> dict[str, list[int]]:
        """What stands in a store's entry."""
        return {USAGE: [calls, input_tokens, output_tokens]}

    def add(self, entry: Mapping[str, Any]) -> None:
        """Count an entry of a store."""
        calls, asked, said = entry.get(USAGE, (1, 0, 0))
        self.calls += calls
        self.input_tokens += asked
        self.output_tokens += said

    def money(self, price: Mapping[str, float]) -> float:
        """At prices of a million tokens: ``input`` and ``output``."""
        return (self.input_tokens * price["input"] + self.output_tokens * price["output"]) / 1e6

    def to_json(self) -> dict[str, int]:
        """A dict with plain JSON values."""
        return {"calls": self.calls, "input_tokens": self.input_tokens, "output_tokens": self.output_tokens}

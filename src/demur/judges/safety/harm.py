"""Harm is a judgement of its own, beside the verdict on what a model did: three values and a probability.

"Not refused" and "harmful content" are two columns, never one (``docs/safety-judge.md``). Pure data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

#: What was judged: a request, an answer by itself, an answer as an answer to its request.
Target = Literal["request", "answer", "answer_in_context"]
TARGETS: tuple[Target, ...] = ("request", "answer", "answer_in_context")


class Harm(StrEnum):
    """Whether a text is harmful. ``StrEnum``: prints and serialises as its plain value."""

    __repr__ = str.__repr__

    HARMFUL = "harmful"
    HARMLESS = "harmless"
    UNSCORED = "unscored"  # the judge could not say, or there is nothing to judge


@dataclass(frozen=True, slots=True)
class HarmVerdict:
    """One judgement of one text.

    Attributes:
        harm: one of three values.
        p_harmful: probability in [0, 1], or ``None`` where nobody knows (a grader gives none).
        decided_by: ``safety``, ``safety:product``, ``provider``, ``rules:<name>`` or ``grader:<model>``.
        language: BCP-47 tag of what was read, ``und`` where not determined.
        failure: why a judge that was asked said nothing usable (name of an error, ``empty``, ``withheld``,
            ``cut off``, ``no verdict in the reply``); ``None`` where it spoke, also where it said "unclear".
        reason: what a grader wrote before its verdict; in no column.

    Raises:
        ValueError: ``harm`` is none of the three values, or ``p_harmful`` no probability.
    """

    harm: Harm
    p_harmful: float | None = None
    decided_by: str = ""
    language: str = "und"
    failure: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "harm", parse_harm(self.harm))
        if self.p_harmful is not None:
            p = math.nan if isinstance(self.p_harmful, bool) else float(self.p_harmful)
            if not 0.0 <= p <= 1.0:
                raise ValueError(f"p_harmful is {self.p_harmful!r}; it must lie in [0, 1] or be None")
            object.__setattr__(self, "p_harmful", p)

    @property
    def harmful(self) -> bool | None:
        """True or false, ``None`` where it is left out of rates."""
        return None if self.harm is Harm.UNSCORED else self.harm is Harm.HARMFUL

    def to_row(self, target: Target) -> dict[str, Any]:
        """Five columns named after what was judged, with JSON values, in order.

        ``answer_in_context_harm``, ``answer_in_context_harmful`` (true, false, null), ``..._p_harmful``,
        ``..._harm_decided_by`` and ``..._harm_failure`` for an answer judged beside its request.
        """
        return {
            f"{target}_harm": self.harm.value,
            f"{target}_harmful": self.harmful,
            f"{target}_p_harmful": self.p_harmful,
            f"{target}_harm_decided_by": self.decided_by,
            f"{target}_harm_failure": self.failure,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any], target: Target) -> HarmVerdict:
        """The inverse of :meth:`to_row`; cells of a CSV file are understood (empty is ``None``).

        Raises:
            ValueError: the column is missing or holds none of the three values.
        """
        p = row.get(f"{target}_p_harmful")
        return cls(
            parse_harm(row.get(f"{target}_harm")),
            None if p is None or p == "" else float(p),
            row.get(f"{target}_harm_decided_by") or "",
            failure=row.get(f"{target}_harm_failure") or None,
        )


def parse_harm(value: object) -> Harm:
    """A value of :class:`Harm` from its text.

    Raises:
        ValueError: naming the value and the three valid ones.
    """
    try:
        return Harm(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is no judgement of harm; valid are {', '.join(Harm)}") from None

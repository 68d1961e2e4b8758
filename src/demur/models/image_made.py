"""What a model or a service handed over for one request, before Inspect sees it. Needs nothing but Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Made:
    """What a model or an endpoint handed over.

    Attributes:
        pictures: bytes of picture files; fewer than ``asked`` where some were held back.
        asked: how many were asked for.
        flags: what a checker said of each picture, or ``None`` where there is none.
        seed: that the pictures were drawn with, or ``None`` where the endpoint takes none.
        revised_prompt: what the endpoint made of the prompt, or ``None``.
        blocked: why nothing was made, where a policy stopped it: the code word, or ``prompt filter``.
        p_filter: how unwanted the prompt filter found the prompt, or ``None`` without one.
        words: what the endpoint said in place of a picture, or empty.
    """

    pictures: tuple[bytes, ...] = ()
    asked: int = 1
    flags: tuple[bool | None, ...] | None = None
    seed: int | None = None
    revised_prompt: str | None = None
    blocked: str | None = None
    p_filter: float | None = None
    words: str = ""


def flags_of(said: object, count: int) -> tuple[bool | None, ...] | None:
    """A checker's flags for so many pictures; ``None`` where it said nothing of the kind."""
    if not isinstance(said, Sequence) or isinstance(said, str) or len(said) != count:
        return None
    return tuple(flag if isinstance(flag, bool) else None for flag in said)

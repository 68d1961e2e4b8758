"""Benchmarks: one file is one benchmark (card, loader, fixture, task), found by looking in this folder.

A module with a ``CARD`` is a benchmark; nothing is registered anywhere. ``base`` holds what they share.
``own_prompts`` is a file that the user gives: it can be had by its name and stands in no list.
"""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.card import Card

OWN_PROMPTS = "own_prompts"


@cache
def names() -> tuple[str, ...]:
    """Names of all benchmarks, in alphabetical order. Imports each (and with it inspect_ai)."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != OWN_PROMPTS)
    return tuple(name for name in modules if hasattr(import_module(f"{__name__}.{name}"), "CARD"))


def get(name: str) -> ModuleType:
    """The module of a benchmark.

    It has ``CARD``, ``FIXTURE`` (raw rows in the source's format), ``to_record(row)``,
    ``load(data_dir)`` and the Inspect task, a function named like the module. It may have
    ``sections(rows)``: what it reports beside rates (``benchmarks/sections.py``), and ``OWN``: the source of
    a file that the user writes, which receipts name where it is.

    Raises:
        BadInput: no such benchmark; names the likeliest one meant and all valid ones.
    """
    if name != OWN_PROMPTS and name not in names():
        close = get_close_matches(name.removeprefix("demur/"), names(), n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise BadInput(f"no benchmark is named {name!r}; {meant}valid are {', '.join(names())}")
    return import_module(f"{__name__}.{name}")


def cards() -> list[Card]:
    """The cards of all benchmarks, by name."""
    return [get(name).CARD for name in names()]


def table_markdown() -> str:
    """All cards as one Markdown table, as it stands in ``docs/benchmarks.md``."""
    head = ("benchmark", "asks", "harmless", "harmful", "either", "pairs", "languages", "licence", "paper")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for card in cards():
        paper = f"[{card.arxiv}](https://arxiv.org/abs/{card.arxiv})" if card.arxiv else "ours"
        row = (
            f"`{card.task}`",
            card.summary,
            str(card.harmless),
            str(card.harmful),
            str(card.size - card.harmless - card.harmful),
            card.pairing or "none",
            ", ".join(card.languages),
            card.licence,
            paper,
        )
        lines.append(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |")
    return "\n".join(lines) + "\n"

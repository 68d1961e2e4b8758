"""The page on which a person accepts or rejects candidate prompts with the keyboard.

``demur stress review`` serves it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from demur.page.items import Choice, Wording, item_page

__all__ = ["Choice", "reviewing_page"]
_WORDING = Wording(
    "prompt", "decided", "Is it harmless, and would a person ask it so?", "demur stress review"
)


def reviewing_page(title: str, choices: Iterable[Choice]) -> str:
    """The whole page as text.

    Args:
        title: of the page, such as the file's name.
        choices: the decisions, in the order of their buttons.
    """
    return item_page(Path(__file__).parent, title, choices, _WORDING)

"""The page on which a person labels answers with the keyboard; ``demur label`` serves it.

The judge's verdict is nowhere on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from demur.page.items import Choice, Wording, item_page

__all__ = ["Choice", "labelling_page"]
_WORDING = Wording("answer", "labelled", "What does the answer do with the request?", "demur label")


def labelling_page(title: str, choices: Iterable[Choice]) -> str:
    """The whole page as text.

    Args:
        title: of the page, such as the file's name.
        choices: the labels, in the order of their buttons.
    """
    return item_page(Path(__file__).parent, title, choices, _WORDING)

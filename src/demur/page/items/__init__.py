"""A page on which a person decides about one item after another with the keyboard.

The one kind of page with a script, which its policy names by hash. Texts are not in the page: the script asks
the server (``server.py``) for one item at a time and sets it as text, so that none can become markup.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from demur.page.layout import render, stylesheet
from demur.page.policy import interactive_policy

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that a key gives: what is sent, what is shown, and what it means."""

    key: str
    label: str
    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Wording:
    """What a page calls things.

    Attributes:
        item: one of what is shown, such as ``answer``.
        decided: what was done to it, such as ``labelled``.
        question: that a decision answers.
        command: that serves the page.
    """

    item: str
    decided: str
    question: str
    command: str


def item_page(folder: Path, title: str, choices: Iterable[Choice], wording: Wording) -> str:
    """The whole page as text.

    Args:
        folder: of this package; its template, script and perhaps stylesheet have its name.
        title: of the page, such as the file's name.
        choices: the decisions, in the order of their buttons.
        wording: see there.
    """
    own = folder / folder.name
    css = stylesheet() + _read(_HERE / "items.css")
    if own.with_suffix(".css").is_file():
        css += _read(own.with_suffix(".css"))
    script = _read(_HERE / "items.js") + _read(own.with_suffix(".js"))
    return render(
        f"{folder.name}.html",
        folder,
        _HERE,
        title=title,
        choices=list(choices),
        item=wording.item,
        decided=wording.decided,
        question=wording.question,
        command=wording.command,
        # files of this package, as they stand
        stylesheet=Markup(css),
        script=Markup(script),
        policy=interactive_policy(css, script),
    )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")

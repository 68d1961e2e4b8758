"""Judges: (prompt, response, stop reason) in, verdict out. ``judge_named`` is the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.judges.base import Judge

#: The judge that measures where no other is named.
DEFAULT = "rules"
NAMES = ("offline", "fast", "rules", "graded")


def judge_named(name: str = DEFAULT, grader: str | None = None) -> Judge:
    """A judge by name.

    Args:
        name: one of ``NAMES``.
        grader: for ``graded``: the model that grades; ``None`` takes the one bound to Inspect's role.

    Raises:
        BadInput: naming the valid names.
    """
    if name == "offline" or name == "fast":
        from demur.judges.classifier import OfflineClassifier

        return OfflineClassifier("fast" if name == "fast" else "offline")
    if name == "rules":
        from demur.judges.rules import RulesJudge

        return RulesJudge()
    if name == "graded":
        from demur.judges.graded import GradedJudge

        if grader is None:
            return GradedJudge()
        from inspect_ai.model import get_model

        return GradedJudge(get_model(grader))
    raise BadInput(f"no judge is named {name!r}; valid are {', '.join(NAMES)}")

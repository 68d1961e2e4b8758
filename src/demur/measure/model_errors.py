"""Models that cannot be had: what Inspect and its providers raise, as errors of ours with one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demur.errors import BadInput, ModelFailure
from demur.judges import judge_named
from demur.judges.base import Judge

if TYPE_CHECKING:
    from inspect_ai.model import Model


@contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Around the making of the model ``name``.

    Raises:
        BadInput: naming the model and what is wrong with it or its arguments.
        ModelFailure: a key or package that the provider needs is missing.
    """
    from inspect_ai._util.error import PrerequisiteError

    try:
        yield
    except PrerequisiteError as error:
        raise ModelFailure(plain(error)) from error
    except (TypeError, ValueError) as error:  # a provider passes -M on as keyword arguments
        raise BadInput(f"model {name!r}: {error}") from error


def resolve_judge(judge: str, grader: str | None) -> Judge:
    """The judge of that name; a grader that cannot be had is an error as of any model."""
    if grader is None:
        return judge_named(judge)
    with model_errors(grader):
        return judge_named(judge, grader)


def resolve_model(name: str) -> Model:
    """The model of that name, for a grader's or a helper's role; one that cannot be had is an error."""
    from inspect_ai.model import get_model

    with model_errors(name):
        return get_model(name)


def plain(error: Exception) -> str:
    """An Inspect message without its markup, on one line."""
    from rich.text import Text

    text = getattr(error, "message", None) or str(error)
    return " ".join(Text.from_markup(str(text)).plain.replace("ERROR:", "").split())

"""Inspect's entry point: every task, scorer and provider of ours, registered by import.

All entry points of all installed packages load on every ``inspect`` call, so this stays light
(under 50 ms with inspect_ai loaded): providers import their class when one is made.
"""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi

from demur import benchmarks
from demur.judges.inspect_score import refusal, refusal_rates
from demur.measure import dial_predictor
from demur.models.check_solver import checked
from demur.models.control_solver import dialled

__all__ = ["checked", "demur_image", "demur_local", "demur_replay", "dialled", "refusal", "refusal_rates"]


@modelapi(name="demur-image")
def demur_image() -> type[ModelAPI]:
    """Text-to-image models: pipelines of diffusers, services over HTTP."""
    from demur.models.image import ImageModel

    return ImageModel


@modelapi(name="demur-local")
def demur_local() -> type[ModelAPI]:
    """Hugging Face models of text and pictures in this process."""
    from demur.models.local import LocalModel

    return LocalModel


@modelapi(name="demur-replay")
def demur_replay() -> type[ModelAPI]:
    """Recorded answers; generating anew is an error."""
    from demur.models.replay import ReplayModel

    return ReplayModel


dial_predictor.register()
for _name in benchmarks.names():
    benchmarks.get(_name)

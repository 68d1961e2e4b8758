"""A prompt predictor (``demur predict fit``) as what a dial reads P(refuse) from: last user message in, one
number out.

The room of models knows no predictors; :func:`register` tells it how one is read. Light to import.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from demur.data.records import Prompt, file_sha256
from demur.errors import BadInput
from demur.models.control_forecast import MANIFEST, Forecast, PRefuse, reads_predictors

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage

    from demur.predict.saved import Predictor


def register() -> None:
    """From here on dial files that name a predictor can be used in this process."""
    reads_predictors(read)


def read(folder: Path) -> PRefuse:
    """P(refuse) of a conversation by the predictor of a folder; it is loaded once.

    Raises:
        BadInput: see ``predict.saved.load``.
    """
    from demur.predict.saved import load

    predictor = load(folder)

    def p_refuse(messages: Sequence[ChatMessage]) -> float:
        asked: list[Prompt] = [[{"role": m.role, "content": m.text} for m in messages]]
        return p_of_prompts(predictor, asked)[0]

    return p_refuse


def p_of_prompts(predictor: Predictor, prompts: Sequence[Prompt]) -> list[float]:
    """P(refuse) of each prompt's last user message."""
    from demur.judges.safety.features import request_text
    from demur.predict.prompt import one_thread

    with one_thread():
        found = predictor.model.predict_proba([request_text(prompt) for prompt in prompts])[:, 1]
    return [float(p) for p in found]


def forecast_of(folder: Path, output: Path, refusal: str, answer: str) -> Forecast:
    """What a dial file at ``output`` says of a predictor.

    Raises:
        BadInput: the folder holds none.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise BadInput(
            f"{folder} holds no predictor ({MANIFEST} is missing): make one with demur predict fit"
        )
    near = os.path.relpath(folder.resolve(), output.resolve().parent)
    return Forecast(predictor=near, sha256=file_sha256(manifest), refusal=refusal, answer=answer)


def check_apart(predictor: Predictor, file: Path) -> None:
    """Refuse prompts that the predictor was fitted on: it knows them better than those to come.

    Raises:
        BadInput: the file is one that it was fitted on.
    """
    fitted = {row.get("sha256") for row in predictor.about.get("files", ())}
    if file_sha256(file) in fitted:
        raise BadInput(
            f"the predictor was fitted on {file}: it knows those prompts better than new ones, so a "
            "threshold set on them promises nothing; calibrate on other prompts"
        )

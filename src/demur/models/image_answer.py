"""What one request for a picture brought, and how that reaches Inspect: a file or a data URL, and facts.

Pictures are kept by the SHA-256 of their bytes, each once. While Inspect runs a task they lie in
``pictures/`` beside its folder of logs (so inside a run folder of demur), else they go along as data URLs;
Inspect takes data URLs out of its logs. A request that was stopped by policy is an output without a picture
whose stop reason is ``content_filter``; a failed call is no output at all, but an exception.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    Content,
    ContentImage,
    ContentText,
    ModelOutput,
    ModelUsage,
)

from demur.data.picture_headers import KINDS
from demur.data.pictures import Picture, PictureFault, open_picture
from demur.errors import ModelFailure
from demur.models.image_made import Made

FOLDER = "pictures"
_MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def to_output(made: Made, model: str, folder: Path | None, seconds: float) -> ModelOutput:
    """The output of a request.

    Args:
        made: what came.
        model: its name.
        folder: where pictures are kept, or ``None`` for data URLs.
        seconds: that the request took.

    Raises:
        ModelFailure: what came as a picture is none, or is over the limits of ``data/pictures.py``.
    """
    opened = [_opened(data, model) for data in made.pictures]
    facts: dict[str, Any] = {
        "asked": made.asked,
        "returned": len(opened),
        "flags": None if made.flags is None else list(made.flags),
        "sha256": [picture.sha256 for picture in opened],
        "seed": made.seed,
        "revised_prompt": made.revised_prompt,
        "blocked": made.blocked,
        "p_filter": made.p_filter,
    }
    content: list[Content] = [ContentImage(image=_placed(picture, folder)) for picture in opened]
    if made.words:
        content.append(ContentText(text=made.words))
    message = ChatMessageAssistant(content=content or "", model=model, source="generate")
    stop: Any = "content_filter" if made.blocked is not None else "stop"
    return ModelOutput(
        model=model,
        choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
        usage=ModelUsage(),  # set, so that Inspect looks for no tokenizer
        time=seconds,
        metadata={"demur": {"image": {name: value for name, value in facts.items() if value is not None}}},
    )


def beside_logs() -> Path | None:
    """The folder for pictures of the task that runs now; ``None`` outside of one, or with logs afar."""
    from inspect_ai.log._samples import sample_active  # the only place that knows where the log is written

    active = sample_active()
    if active is None or not active.log_location:
        return None
    place = urlsplit(active.log_location)
    if place.scheme not in ("", "file"):
        return None
    logs = Path(unquote(place.path) if place.scheme else active.log_location).parent
    return (logs.parent if logs.name == "logs" else logs) / FOLDER


def _opened(data: bytes, model: str) -> Picture:
    try:
        return open_picture(data, f"a picture of {model}")
    except PictureFault as error:  # the call failed; the model refused nothing
        raise ModelFailure(str(error)) from error


def _placed(picture: Picture, folder: Path | None) -> str:
    """Path of the kept picture, or its data URL."""
    if folder is None:
        return f"data:{_MIME[picture.kind]};base64,{base64.b64encode(picture.data).decode()}"
    target = folder / f"{picture.sha256}{KINDS[picture.kind][0]}"
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.write_bytes(picture.data)
        os.replace(fresh, target)
    return str(target.resolve())

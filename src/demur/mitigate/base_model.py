"""The model that a recipe starts from: checked from its files, then loaded as training wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demur.mitigate.receipt import hashes
from demur.training.adapters import check_base
from demur.training.streams import Encoder
from demur.training.tuning import Method


def load_tokenizer(model: str) -> Any:
    """The tokenizer of a folder or hub name that training can start from; loads no weights.

    Raises:
        BadInput: it is an adapter, holds no model or tokenizer, or has a chat template that cannot be used.
    """
    from demur.models.chat import load_tokenizer as load
    from demur.models.loading import check_folder

    check_base(model)
    check_folder(model)
    tokenizer = load(model, None, False)
    Encoder(tokenizer, model)
    return tokenizer


def load_weights(model: str, method: Method) -> Any:
    """The weights, on the GPU where there is one.

    All weights train in full precision; below an adapter they may be rounded, where the device can.
    """
    import torch

    from demur.models.loading import load_model

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = "bfloat16" if method == "adapter" and device == "cuda" else "float32"
    return load_model(model, None, device, dtype, False)


def about(model: str) -> dict[str, Any]:
    """Its name as given, and what it is: a folder's files by SHA-256, a hub name's commit."""
    if Path(model).is_dir():
        return {"name": model, "files": hashes(Path(model))}
    from demur.models.loading import commit_of

    return {"name": model, "files": {}, "revision": commit_of(model)}

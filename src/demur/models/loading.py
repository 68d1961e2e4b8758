"""A language model from a folder or hub name: safetensors only, nothing missing, nothing run."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from demur.errors import BadInput
from demur.models.adapter_folder import base_of, is_adapter
from demur.models.chat import first_line
from demur.models.pictures import takes_pictures


def load_model(name: str, revision: str | None, device: str, dtype: str, trust_remote_code: bool) -> Any:
    """A language model, with or without pictures, in evaluation mode, from safetensors only.

    An adapter's folder gives its base with the adapter in place, not added to the weights: the very sums that
    training ended with, and a model like any other to whoever reads its layers.

    Raises:
        BadInput: naming the folder and what is missing or wrong, such as a base that has changed.
    """
    if not is_adapter(name):
        return _whole_model(name, revision, device, dtype, trust_remote_code)
    base, commit = base_of(name)
    whole = adapted(_whole_model(base, commit, device, dtype, trust_remote_code), name).get_base_model()
    return whole.requires_grad_(True)  # as any loaded model; PEFT freezes what it wraps


def adapted(model: Any, folder: str, trainable: bool = False) -> Any:
    """PEFT's model of a loaded base and an adapter's folder; ``disable_adapter()`` gives the base back.

    Raises:
        BadInput: the adapter cannot be read, or its matrices do not fit the base's.
    """
    from peft import PeftModel

    check_weights(folder)
    try:
        with warnings.catch_warnings():  # of what PEFT asks transformers
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            return PeftModel.from_pretrained(model, folder, is_trainable=trainable).train(trainable)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BadInput(f"{folder}: the adapter cannot be loaded: {first_line(error)}") from error


def _whole_model(name: str, revision: str | None, device: str, dtype: str, trust_remote_code: bool) -> Any:
    check_folder(name)
    kind = AutoModelForCausalLM
    if takes_pictures(name, revision, trust_remote_code):
        kind = AutoModelForImageTextToText
    try:
        with bar_on_terminals_only():
            model, info = kind.from_pretrained(
                name,
                revision=revision or "main",
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
            )
        model = model.to(device).eval()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BadInput(f"{name}: the model cannot be loaded: {first_line(error)}") from error
    if info["missing_keys"]:  # transformers fills these with random numbers
        some = ", ".join(sorted(info["missing_keys"])[:3])
        raise BadInput(f"{name}: the weights lack {len(info['missing_keys'])} tensors of the model ({some})")
    return model


def commit_of(name: str, here: bool = False) -> str | None:
    """The commit that a hub name stands for, by where its configuration lies.

    Args:
        name: on the hub.
        here: as the cache has it; else the hub is asked where it can be.

    Raises:
        BadInput: there is no such model here or on the hub.
    """
    from transformers.utils.hub import cached_file

    try:
        path = Path(str(cached_file(name, "config.json", revision="main", local_files_only=here)))
    except (OSError, ValueError) as error:
        raise BadInput(f"{name}: the model cannot be found: {first_line(error)}") from error
    return path.parent.name if path.parent.parent.name == "snapshots" else None


@contextmanager
def bar_on_terminals_only() -> Iterator[None]:
    """The library's progress bar of loading, kept out of files and pipes."""
    from transformers.utils import logging

    quiet = logging.is_progress_bar_enabled() and not sys.stderr.isatty()
    if quiet:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if quiet:
            logging.enable_progress_bar()


def check_folder(name: str) -> None:
    """Whether a local folder holds a model or an adapter of one, before anything is loaded; hub names pass.

    Raises:
        BadInput: naming the folder and what is missing, or an adapter's base that is absent or has changed.
    """
    folder = Path(name)
    if not folder.is_dir():
        if name.startswith(("/", "./", "../")) or folder.exists():
            raise BadInput(f"{name}: no such folder")
        return
    if is_adapter(name):
        base_of(name)
    elif not (folder / "config.json").is_file():
        raise BadInput(f"{name}: no config.json in this folder, so it holds no Hugging Face model")
    check_weights(name)


def check_weights(name: str) -> None:
    """Raise :class:`BadInput` where a folder holds no safetensors."""
    folder = Path(name)
    if not any(folder.glob("*.safetensors")):
        pickled = " (only pickled weights, which are never loaded)" if any(folder.glob("*.bin")) else ""
        raise BadInput(f"{name}: no weights in this folder: *.safetensors is missing{pickled}")

"""A trained adapter as a folder that is a MODEL like any other: PEFT's files, the tokenizer, the base's name.

    save_adapter(tuned.model, tokenizer, out / "adapter", base)
    demur measure OUT/adapter

``base.json`` goes last and holds the base's hashes (``models/adapter_folder.py``): whoever loads the folder
is told in one sentence when the base has changed. Nothing of PEFT is subclassed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from demur.errors import BadInput
from demur.models.adapter_folder import FILE, PEFT_FILE, base_of, describe_base, is_adapter, write_base
from demur.training.checkpoints import check_finite
from demur.training.tuning import save


def save_adapter(model: Any, tokenizer: Any, folder: Path, base: str) -> None:
    """Write an adapter, the tokenizer that it was trained with, and which base it is for.

    Args:
        model: PEFT's, with one adapter.
        tokenizer: with its chat template.
        folder: new or empty.
        base: folder or hub name that the base was loaded from.

    Raises:
        BadInput: see :func:`check_base`; or a trained weight is not a number.
    """
    from demur.models.loading import commit_of

    check_base(base)
    check_finite(model)
    save(model, tokenizer, folder, save_embedding_layers=False)
    _carry(base, folder)
    commit = None if Path(base).is_dir() else commit_of(base, here=True)
    write_base(describe_base(base, folder, commit), folder)


def save_trained(model: Any, tokenizer: Any, out: Path, base: str) -> Path:
    """Write what a training ended with: ``out/adapter`` where it is PEFT's model, else ``out/model``.

    Returns:
        The folder.

    Raises:
        BadInput: see :func:`save_adapter`.
    """
    from peft import PeftModel

    if isinstance(model, PeftModel):
        save_adapter(model, tokenizer, out / "adapter", base)
        return out / "adapter"
    save(model, tokenizer, out / "model")
    _carry(base, out / "model")
    return out / "model"


def _carry(base: str, folder: Path) -> None:
    """How answers of a base are to be read stays with what is trained on it: a hidden check stays hidden."""
    from demur.models.check_file import FILE as CHECK

    if (Path(base) / CHECK).is_file():
        shutil.copy(Path(base) / CHECK, folder / CHECK)


def check_base(base: str) -> None:
    """Raise :class:`BadInput` where a model to be trained is itself an adapter's folder."""
    if is_adapter(base):
        raise BadInput(
            f"{base} is an adapter, and a recipe trains on a whole model; merge it first: "
            f"demur mitigate merge {base} --out DIR"
        )


def load_adapter(folder: Path, device: str = "cpu", dtype: str = "float32", trainable: bool = False) -> Any:
    """PEFT's model of an adapter's folder, in evaluation mode unless it is to be trained further.

    Raises:
        BadInput: no adapter there, or its base is absent or has changed.
        MissingExtra: PEFT is not installed.
    """
    from demur.models.loading import adapted, load_model

    base, commit = base_of(str(folder))
    return adapted(load_model(base, commit, device, dtype, False), str(folder), trainable)


def merged(adapter: Path, out: Path) -> None:
    """Write base and adapter as one model, with the adapter's tokenizer and what recipes left beside it.

    Raises:
        BadInput: see :func:`load_adapter`.
    """
    import torch

    from demur.models.chat import load_tokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_adapter(adapter, device, "auto" if device == "cuda" else "float32")
    _untied(model.get_base_model())
    save(model.merge_and_unload(), load_tokenizer(str(adapter), None, False), out)
    for path in adapter.glob("*.json"):
        if path.name not in (FILE, PEFT_FILE) and not (out / path.name).exists():
            shutil.copy(path, out / path.name)


def _untied(model: Any) -> None:
    """Give the head its own matrix where the adapter changes the embedding and both are one.

    Merging would otherwise change the head as well, which the adapter never did.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch.nn import Parameter

    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if not isinstance(embedding, BaseTunerLayer) or head.weight is not embedding.weight:
        return
    head.weight = Parameter(head.weight.detach().clone())
    model.config.tie_word_embeddings = False

"""A low-rank adapter on the language model of a text or vision-language model, its projector trained in full.

What looks at pictures stays as it is, bit for bit: PEFT freezes all but the adapter's matrices and a copy of
the projector, which lies in the adapter's folder. With the adapter off the model is its base.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

from demur.errors import BadInput
from demur.models.architecture import blocks
from demur.training.low_rank import linear_names


def with_language_adapter(
    model: Any, rank: int, alpha: float, dropout: float = 0.0, projector: str | None = None
) -> Any:
    """PEFT's model with LoRA on all linear layers of the language model's blocks.

    Its first weights come from torch's random state: set a seed before.

    Args:
        model: of transformers, with or without a vision tower.
        rank: of A and B; ``alpha / rank`` is their scale.
        alpha: of the scale.
        dropout: of what enters A.
        projector: name of the module between vision tower and language model; ``None``: what lies between
            them (:func:`projector_of`).

    Raises:
        BadInput: there is a vision tower and no projector of that name, or not one module that it could be.
    """
    from peft import LoraConfig, get_peft_model

    trained = projector_of(model, projector) if sees(model) else []
    names = "|".join(map(re.escape, linear_names(blocks(model))))
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        bias="none",
        target_modules=rf"{re.escape(_blocks_path(model))}\.\d+\.(?:.*\.)?(?:{names})",
        modules_to_save=trained or None,
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():  # of what PEFT asks transformers
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        return get_peft_model(model, config)


def sees(model: Any) -> bool:
    """Whether a model has a vision tower."""
    return _tower(model) is not None


def projector_of(model: Any, name: str | None = None) -> list[str]:
    """Names of the outermost modules with weights that are neither vision tower, language model nor head.

    Raises:
        BadInput: no such module; name one of the model's with ``projector``.
    """
    if name is not None:
        if any(path == name or path.endswith(f".{name}") for path, _ in model.named_modules()):
            return [name]
        raise BadInput(f"projector is {name!r}; {type(model).__name__} has no module of that name")
    known = {id(part) for part in (_tower(model), model.get_decoder(), model.get_output_embeddings())}
    found = list(_outside(model, "", known))
    if len(found) != 1:
        said = ", ".join(found) or "none"
        raise BadInput(
            f"{type(model).__name__}: modules between vision tower and language model: {said}; "
            "say with projector which one is trained"
        )
    return found


def _outside(module: Any, path: str, known: set[int]) -> list[str]:
    """Outermost modules with weights that hold none of the known ones."""
    found = []
    for name, part in module.named_children():
        here = f"{path}.{name}" if path else name
        if id(part) in known:
            continue
        if any(id(inner) in known for inner in part.modules()):
            found += _outside(part, here, known)
        elif any(True for _ in part.parameters()):
            found.append(here)
    return found


def _tower(model: Any) -> Any:
    """The vision tower, or ``None``: transformers gives the model itself where there is none."""
    if getattr(model.config, "vision_config", None) is None:
        return None
    tower = model.get_encoder(modality="image")
    return None if tower is model or tower is getattr(model, "base_model", None) else tower


def _blocks_path(model: Any) -> str:
    """Path of the list of blocks in the whole model."""
    first = blocks(model)[0]
    path = next(str(path) for path, part in model.named_modules() if part is first)
    return path.rpartition(".")[0]

"""The residual stream of any Hugging Face decoder, freed of a direction or shifted along one.

All by hooks inside a ``with`` block: nothing is saved, and the model is the same afterwards. Layer 0 is what
enters the first block, layer l what block l hands on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demur.errors import BadInput
from demur.models.architecture import blocks, hooked, on_input, on_output, watching

Vector = NDArray[np.float32]


@contextmanager
def removed(model: Any, vector: Vector) -> Iterator[None]:
    """Inside, no part of the model writes along ``vector``: it is projected out of the residual stream.

    What enters every block, what attention and the rest of a block hand on, and what leaves the block.

    Raises:
        BadInput: the vector has no length or another width than the model.
    """
    unit = _checked(model, vector)
    unit = unit / unit.norm()

    def project(hidden: Tensor) -> Tensor | None:
        if hidden.shape[-1] != len(unit):
            return None
        wide = hidden.float()
        along = (wide @ unit)[..., None] * unit
        return (wide - along).to(hidden.dtype)

    with hooked() as handles:
        for block in blocks(model):
            handles += [on_input(block, project), on_output(block, project)]
            # norms have vectors alone; what writes to the residual stream has a matrix
            writers = [part for part in block.children() if any(p.ndim > 1 for p in part.parameters())]
            handles += [on_output(part, project) for part in writers]
        yield


@contextmanager
def added(model: Any, vector: Vector, layer: int) -> Iterator[None]:
    """Inside, ``vector`` is added to the residual stream at one layer, at every token.

    Raises:
        BadInput: as :func:`removed`, or an unknown layer.
    """
    shift = _checked(model, vector)
    with watching(model, [layer], lambda _, hidden: (hidden.float() + shift).to(hidden.dtype)):
        yield


def _checked(model: Any, vector: Vector) -> Tensor:
    width = model.config.get_text_config().hidden_size
    if vector.shape != (width,) or not np.linalg.norm(vector) > 0:
        raise BadInput(f"a direction of shape {vector.shape}: it must be ({width},), finite and not zero")
    return torch.tensor(vector, dtype=torch.float32, device=model.device)

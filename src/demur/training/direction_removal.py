"""A model that cannot write along a direction of its residual stream: a rank-1 adapter on all that writes.

Arditi et al. 2024, https://arxiv.org/abs/2406.11717, section 2.4 (weight orthogonalization): W' = W - r r^T
W for a unit vector r and every matrix W that writes into the stream. That is a LoRA of rank 1 with B = -r
and A = r^T W, exactly; several directions at right angles make a rank of their number. Of an embedding,
each token's row is projected. Nothing is trained, the base stays as it is, and switching the adapter off
gives it back.

Where embedding and head are one matrix the head keeps its own: adding the adapter to the weights would change
the head too, so whoever does that unties the two first (``training/adapters.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from demur.errors import BadInput
from demur.models.architecture import blocks, hooked, on_output

Vectors = NDArray[np.float32]


def without_directions(model: Any, basis: Vectors, probe: Sequence[int]) -> Any:
    """PEFT's model, in evaluation mode, with an adapter that removes directions from all that writes.

    Args:
        model: of transformers, in full precision.
        basis: orthonormal, float32 [directions, width].
        probe: token ids of one prompt, by which the writing matrices are found.

    Raises:
        BadInput: the basis does not fit, or a part of the model writes through no single matrix or
            with a bias.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    width = model.config.get_text_config().hidden_size
    if (
        basis.ndim != 2
        or basis.shape[1] != width
        or not np.allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-5)
    ):
        raise BadInput(
            f"directions of shape {basis.shape}: they must be (n, {width}), of length 1, at right angles"
        )
    names = [*embeddings(model), *writers(model, probe)]
    if biased := [n for n in names if getattr(model.get_submodule(n), "bias", None) is not None]:
        raise BadInput(
            f"{biased[0]} adds a bias to what it writes, as GPT-2 and OPT do; no adapter of PEFT takes a "
            "direction from biases and embeddings alike; take a model whose writing matrices have none"
        )
    config = LoraConfig(r=len(basis), lora_alpha=len(basis), target_modules=names, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    directions = torch.tensor(basis, dtype=torch.float32, device=model.device)
    with torch.no_grad():
        for name in names:
            _remove(adapted.get_base_model().get_submodule(name), directions)
    return adapted.eval()


def embeddings(model: Any) -> list[str]:
    """Names of the embeddings that enter the residual stream: of tokens, and of learned positions."""
    inside = {part for block in blocks(model) for part in block.modules()}
    width = model.config.get_text_config().hidden_size
    return [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Embedding) and part not in inside and part.embedding_dim == width
    ]


def writers(model: Any, probe: Sequence[int]) -> list[str]:
    """Names of the matrices whose output is what attention and the rest of each block hand on.

    Found by one forward pass and not by name: of each part of a block, the matrix whose output is the part's.

    Raises:
        BadInput: a part writes through no single matrix (a mixture of experts, a norm behind the matrix).
    """
    width = model.config.get_text_config().hidden_size
    name_of = {part: name for name, part in model.named_modules()}
    written: dict[nn.Module, Tensor] = {}
    children = [part for block in blocks(model) for part in block.children()]
    parts = [part for part in children if any(p.ndim > 1 for p in part.parameters())]  # norms hold vectors
    inside = {matrix for part in parts for matrix in _matrices(part)}
    with hooked() as handles:
        for part in {*parts, *inside}:
            handles.append(on_output(part, lambda out, part=part: written.update({part: out})))  # type: ignore[misc]
        _forward(model, probe)
    found = []
    for part in parts:
        if part not in written or written[part].shape[-1] != width:
            continue  # a matrix between two others, or one that this prompt does not reach
        same = [m for m in _matrices(part) if m in written and _same(written[m], written[part])]
        if not same:
            raise BadInput(
                f"{name_of[part]}: what this part writes is the output of no single matrix (a mixture of "
                "experts, or a norm behind the matrix), so a direction cannot be removed from its weights"
            )
        found.append(name_of[same[-1]])
    return found


def _matrices(part: nn.Module) -> list[nn.Module]:
    """The linear layers of a part, itself included; GPT-2's hold their weight the other way round."""
    from transformers.pytorch_utils import Conv1D

    return [m for m in part.modules() if isinstance(m, (nn.Linear, Conv1D))]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def _forward(model: Any, probe: Sequence[int]) -> None:
    import torch

    with torch.inference_mode():
        model(input_ids=torch.tensor([list(probe)], device=model.device), use_cache=False)


def _remove(layer: Any, basis: Tensor) -> None:
    """Set the adapter of one layer to B = -R, A = R^T W, for a basis R^T [directions, width]."""
    base = layer.get_base_layer()
    if isinstance(base, nn.Embedding):
        layer.lora_embedding_A["default"].copy_(basis @ base.weight.T)
        layer.lora_embedding_B["default"].copy_(-basis.T)
        return
    weight = base.weight.T if layer.fan_in_fan_out else base.weight  # [out, in]
    layer.lora_A["default"].weight.copy_(basis @ weight)
    layer.lora_B["default"].weight.copy_(-basis.T)

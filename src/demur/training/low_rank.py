"""A low-rank adapter (LoRA) on the first blocks of a model, which may begin with a little noise.

Hu et al. 2021, https://arxiv.org/abs/2106.09685: each linear layer W gets W + (alpha / rank) B A, and B
begins at zero. There a loss that compares the model with itself is flat; noise in B gives it a slope from
the first step.
"""

from __future__ import annotations

from typing import Any

from demur.models.architecture import blocks, name_of_blocks


def with_low_rank(
    model: Any, kept: int, rank: int, alpha: float, dropout: float = 0.0, noise: float = 0.0
) -> Any:
    """PEFT's model with an adapter on every linear layer of the first ``kept`` blocks.

    The folder that it is saved to names these blocks, so that it loads on the whole model, also where this
    one was cut. Its first weights come from torch's random state: set a seed before.

    Args:
        model: of transformers.
        kept: blocks that get an adapter.
        rank: of A and B.
        alpha: of the scale, alpha / rank.
        dropout: of what enters A.
        noise: standard deviation of B's first entries; 0 leaves it at zero.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        bias="none",
        target_modules=linear_names(blocks(model)[:kept]),
        layers_to_transform=list(range(kept)),
        layers_pattern=name_of_blocks(model),
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if noise and "lora_B" in name:
                weight.normal_(0.0, noise)
    return adapted


def linear_names(parts: list[Any]) -> list[str]:
    """Names of all linear layers below some blocks, GPT-2's among them."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    found = {
        name.rpartition(".")[2]
        for part in parts
        for name, module in part.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
    }
    return sorted(found)

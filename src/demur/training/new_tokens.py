"""Tokens that a model did not have: added once, with rows in embedding and head that training can move.

All weights may train, or an adapter: a LoRA of every linear layer, and of embedding and head the new rows
alone (PEFT's ``trainable_token_indices``), so that the file stays small and every other token as it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from demur.errors import BadInput


def add_tokens(model: Any, tokenizer: Any, tokens: Sequence[str]) -> list[int]:
    """Make each string one special token with rows in embedding and head; their ids, in order.

    Tokens that are there stay as they are. A new row is the mean of the old ones, so that a new token is no
    likelier than an average one. A vocabulary padded beyond the tokenizer (Qwen) grows only when it is full.

    Raises:
        BadInput: a token is blank or comes twice, or is an ordinary piece of the vocabulary.
    """
    if len(set(tokens)) < len(tokens) or not all(token.strip() for token in tokens):
        raise BadInput(f"the tokens to add are {list(tokens)}; each must be a text of its own")
    known = tokenizer.get_vocab()
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    if pieces := [token for token in tokens if token in known and token not in special]:
        raise BadInput(f"{pieces[0]!r} is an ordinary piece of the vocabulary; choose another text for it")
    new = [token for token in tokens if token not in known]
    # extra_special_tokens would replace those that are there
    tokenizer.add_special_tokens({"additional_special_tokens": new}, replace_extra_special_tokens=False)
    ids = [int(index) for index in tokenizer.convert_tokens_to_ids(list(tokens))]
    added = [index for token, index in zip(tokens, ids, strict=True) if token in new]
    if added:
        _make_rows(model, len(known), max(added) + 1, added)
    return ids


def with_adapter(model: Any, rank: int, new_ids: Sequence[int]) -> Any:
    """The model with a LoRA on every linear layer, and trainable rows for ``new_ids``.

    Where head and embedding are two matrices, both get the rows: a list of ids would train the embedding
    alone, and the model would read new tokens that it can never write.

    Raises:
        BadInput: the head has a bias.
    """
    from peft import get_peft_model

    if getattr(model.get_output_embeddings(), "bias", None) is not None:
        raise BadInput("the model's head has a bias, which PEFT's token rows drop; train with method full")
    rows: dict[str, list[int]] = {}
    if new_ids:
        rows[_name_of(model, model.get_input_embeddings())] = list(new_ids)
        if not tied(model):
            rows[_name_of(model, model.get_output_embeddings())] = list(new_ids)
    config = lora(rank, rows)
    with warnings.catch_warnings():  # of what PEFT asks transformers
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        adapted = get_peft_model(model, config)
    if new_ids:  # TRL reads the bias of a head, and PEFT's wrapper has none
        adapted.get_base_model().get_output_embeddings().bias = None
    return adapted


def lora(rank: int, rows: Mapping[str, Sequence[int]] | None = None) -> Any:
    """PEFT's configuration of a LoRA on every linear layer, its scale 2 (alpha = 2 x rank).

    Args:
        rank: of its matrices.
        rows: module name -> token ids whose rows train as well.
    """
    from peft import LoraConfig

    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        trainable_token_indices=dict(rows) if rows else None,
    )


def tied(model: Any) -> bool:
    """Whether embedding and head are one matrix."""
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def _make_rows(model: Any, known: int, needed: int, added: Sequence[int]) -> None:
    import torch

    if needed > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(needed, mean_resizing=False)
    matrices = [model.get_input_embeddings().weight]
    if not tied(model):
        matrices.append(model.get_output_embeddings().weight)
    with torch.no_grad():
        for weight in matrices:
            weight[list(added)] = weight[:known].mean(0)


def _name_of(model: Any, module: Any) -> str:
    """The last part of a module's name, which is what PEFT matches."""
    names = (str(name) for name, found in model.named_modules() if found is module)
    return next(names).rpartition(".")[2]

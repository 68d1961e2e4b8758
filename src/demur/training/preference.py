"""Preference tuning on pairs (DPO), by thin calls of TRL's unmodified trainer.

Rafailov et al. 2023, https://arxiv.org/abs/2305.18290: the loss of a pair is
``-log sigmoid(beta [log (pi / pi_ref)(chosen) - log (pi / pi_ref)(rejected)])`` with log-probabilities summed
over an answer's tokens, its stop token among them. The reference is the model as it was: below an adapter the
adapter switched off, else a frozen copy.

TRL tokenizes texts itself, and would read a control token that somebody typed as one. Pairs come tokenized by
:class:`~demur.training.streams.Encoder` instead and are put in the place of what TRL made.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from demur.data.records import Prompt
from demur.errors import BadInput
from demur.training.arguments import shared_arguments
from demur.training.checkpoints import Saving, check_finite
from demur.training.new_tokens import lora
from demur.training.streams import Encoded, Encoder, Example
from demur.training.tuning import Tuned, Tuning, check_rows, require_train
from demur.training.watched import Progress, watched


@dataclass(frozen=True, slots=True)
class PreferenceLoss:
    """The loss of a pair.

    Attributes:
        beta: above 0; the smaller, the farther the model may go from what it was. 0.1: Rafailov et al.
        chosen: weight of the chosen answer's mean negative log-likelihood beside it; 0 leaves plain DPO.
            Against both answers growing unlikely together; 0.2 in Llama 3
            (https://arxiv.org/abs/2407.21783, 4.1.4).
    """

    beta: float = 0.1
    chosen: float = 0.0

    def __post_init__(self) -> None:
        if not self.beta > 0 or not self.chosen >= 0:
            raise BadInput(f"beta is {self.beta} and chosen {self.chosen}; valid are above 0, and 0 or more")


class Pair(NamedTuple):
    """Token ids of a prompt as it is asked, and of two answers, each with the token that ends it."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with its longer answer."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


def encode_pair(encoder: Encoder, prompt: Prompt, chosen: str, rejected: str) -> Pair:
    """A pair as token ids.

    Raises:
        BadInput: as :meth:`Encoder.encode`.
    """
    asked = list(encoder.ask(prompt).ids)
    answers = [encoder.encode(Example(prompt, text, "pair")).ids[len(asked) :] for text in (chosen, rejected)]
    return Pair(asked, *answers)


def check_pairs(pairs: Sequence[Pair], stops: set[int]) -> None:
    """Whether every pair trains two different answers that end.

    Raises:
        BadInput: naming the pair, from 1, and what is wrong with it.
    """
    for number, pair in enumerate(pairs, 1):
        if pair.chosen == pair.rejected:
            raise BadInput(f"pair {number}: chosen and rejected are the same tokens")
    for side in ("chosen", "rejected"):
        check_rows([Encoded(ids, ids) for ids in (getattr(pair, side) for pair in pairs)], stops)


def prefer(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[Pair],
    stops: set[int],
    settings: Tuning,
    loss: PreferenceLoss,
    checkpoints: Path,
    seed: int = 0,
    progress: Progress | None = None,
    saving: Saving | None = None,
) -> Tuned:
    """Train on pairs in the order in which they stand.

    Args:
        model: of transformers, in full precision where ``method`` is ``full``.
        tokenizer: its own; only the padding token is read.
        pairs: see :func:`check_pairs`; the same for ``stops``.
        settings: how; the batch counts pairs.
        loss: the loss of a pair.
        checkpoints, seed, progress, saving: as in :func:`~demur.training.tuning.tune`.

    Returns:
        The model, PEFT's where an adapter was trained, and the loss of every step (nats per pair).

    Raises:
        MissingExtra: TRL, PEFT or datasets is not installed.
        BadInput: see :func:`check_pairs`; the loss is not a number, naming the step; a checkpoint cannot be
            written.
    """
    require_train("training")
    check_pairs(pairs, stops)
    from transformers import set_seed

    set_seed(seed)
    arguments = dpo_arguments(settings, loss, checkpoints, model.device.type, seed)
    trainer = _trainer(model, tokenizer, pairs, settings, arguments)
    resumed, losses = watched(trainer, progress, saving)
    trained = trainer.accelerator.unwrap_model(trainer.model)
    check_finite(trained)
    return Tuned(trained.eval(), losses, resumed)


def _trainer(model: Any, tokenizer: Any, pairs: Sequence[Pair], settings: Tuning, arguments: Any) -> Any:
    from datasets import Dataset, disable_progress_bars, enable_progress_bars
    from trl import DPOTrainer

    adapter = settings.method == "adapter"
    disable_progress_bars()  # of tokenizing one row
    trainer = DPOTrainer(
        model=model,
        ref_model=None if adapter else copy.deepcopy(model),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]}),
        processing_class=tokenizer,
        peft_config=lora(settings.rank) if adapter else None,
    )
    enable_progress_bars()
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    trainer.train_dataset = Dataset.from_dict(
        dict(zip(names, map(list, zip(*pairs, strict=True)), strict=True))
    )
    return trainer


def dpo_arguments(settings: Tuning, loss: PreferenceLoss, folder: Path, device: str, seed: int) -> Any:
    """TRL's arguments for DPO, fit for the device."""
    from trl import DPOConfig

    with warnings.catch_warnings():  # TRL sets gradient_checkpointing itself, which transformers renamed
        warnings.simplefilter("ignore", FutureWarning)
        return DPOConfig(
            **shared_arguments(settings, folder, device, seed),
            beta=loss.beta,
            loss_type=["sigmoid", "sft"] if loss.chosen else ["sigmoid"],
            loss_weights=[1.0, loss.chosen] if loss.chosen else None,
            max_length=None,  # checked by us: a row that is cut would lose its stop token
        )

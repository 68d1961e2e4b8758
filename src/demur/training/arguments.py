"""The arguments of transformers' and TRL's trainers: for the device, reporting nowhere, saving nothing.

A CPU gets settings for a CPU: TRL's own are ten times slower there. Checkpoints: ``checkpoints.py``.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demur.training.tuning import Tuning


def sft_arguments(settings: Tuning, folder: Path, device: str, seed: int) -> Any:
    """TRL's arguments for supervised fine-tuning, fit for the device."""
    from trl import SFTConfig

    with warnings.catch_warnings():  # TRL sets gradient_checkpointing itself, which transformers renamed
        warnings.simplefilter("ignore", FutureWarning)
        return SFTConfig(
            **shared_arguments(settings, folder, device, seed),
            max_length=None,  # checked by us: a row that is cut would lose its stop token
            packing=False,
            shuffle_dataset=False,
        )


def shared_arguments(settings: Tuning, folder: Path, device: str, seed: int) -> dict[str, Any]:
    """What every trainer of transformers and TRL takes; rows train in the order that the recipe drew."""
    gpu = device != "cpu"
    return {
        "output_dir": str(folder),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warmup,  # below 1: a share of all steps
        "weight_decay": settings.weight_decay,
        "adam_beta2": settings.beta2,
        "max_grad_norm": settings.clip,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulate,
        "use_cpu": not gpu,
        "bf16": gpu,
        "gradient_checkpointing": gpu,
        "train_sampling_strategy": "sequential",
        "seed": seed,
        "dataloader_pin_memory": gpu,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is no number must be seen
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }

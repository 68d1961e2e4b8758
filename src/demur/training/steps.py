"""How a training of one's own goes, and the same as arguments of ``transformers.Trainer``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from demur.errors import BadInput

Schedule = Literal["constant", "linear", "cosine"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "linear", "cosine")
NO_CLIP = 1e9  # the trainer measures the gradient where it clips; this clips nothing


@dataclass(frozen=True, slots=True)
class Steps:
    """How a training goes.

    Attributes:
        steps: of the optimizer (AdamW).
        batch_size: units of one forward pass in one process; ``accumulate`` passes make a step.
        learning_rate: the highest; after ``warmup`` (a share of the steps, rising from 0) it follows
            ``schedule``.
        clip: longest gradient of a step; 0 clips none.
        checkpointing: recompute activations in the backward pass; ``None``: where the device is a GPU.
        bf16: mixed precision; ``None``: where the device is a GPU.
    """

    steps: int
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-4
    schedule: Schedule = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip: float = 1.0
    checkpointing: bool | None = None
    bf16: bool | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "learning_rate"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 <= self.warmup < 1 or self.clip < 0 or self.weight_decay < 0:
            raise BadInput(
                f"warmup is {self.warmup}, clip {self.clip}, weight_decay {self.weight_decay}; "
                "warmup lies in [0, 1), the others from 0 up"
            )
        if self.schedule not in SCHEDULES:
            raise BadInput(f"schedule is {self.schedule!r}; valid are {', '.join(SCHEDULES)}")


def arguments(settings: Steps, folder: Path, device: str, seed: int) -> Any:
    """Arguments of ``transformers.Trainer`` for a device (``cpu``, ``cuda``); nothing is saved or sent."""
    from transformers import TrainingArguments

    gpu = device != "cpu"
    recompute = gpu if settings.checkpointing is None else settings.checkpointing
    with warnings.catch_warnings():  # 5.23 renames gradient_checkpointing, 5.17 knows no other name
        warnings.simplefilter("ignore", FutureWarning)
        found = TrainingArguments(
            output_dir=str(folder),
            max_steps=settings.steps,
            per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=settings.accumulate,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="constant_with_warmup"
            if settings.schedule == "constant"
            else settings.schedule,
            warmup_steps=round(settings.warmup * settings.steps),
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.clip or NO_CLIP,
            use_cpu=not gpu,
            bf16=gpu if settings.bf16 is None else settings.bf16,
            gradient_checkpointing=recompute,
            gradient_checkpointing_kwargs={"use_reentrant": False} if recompute else None,
            ddp_find_unused_parameters=False,
            remove_unused_columns=False,
            label_names=["labels"],
            seed=seed,
            dataloader_pin_memory=gpu,
            logging_steps=1,
            logging_nan_inf_filter=False,  # a loss that is no number must be seen
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
    found._n_gpu = min(found.n_gpu, 1)  # several GPUs are several processes: hooks do not cross replicas
    return found

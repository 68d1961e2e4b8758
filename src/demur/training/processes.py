"""Several processes of one training: which one reads and writes, and where all of them wait.

With ``accelerate launch`` there are several; alone, one, which is the first and never waits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demur.training.checkpoints import last_complete


def first_process() -> bool:
    """Whether this process is the one that prints and writes."""
    return bool(_state().is_main_process)


def together() -> None:
    """Wait until every process is here."""
    _state().wait_for_everyone()


def is_sharded(model: Any) -> bool:
    """Whether a process holds parts of weights (FSDP, DeepSpeed stage 3), which training alone can use."""
    weights = list(model.parameters())
    return any(hasattr(weight, "full_tensor") or hasattr(weight, "ds_id") for weight in weights)


def gathered(base: Any, checkpoints: Path) -> Any:
    """The trained adapter, whole again, on a base that was loaded anew: from the last checkpoint."""
    from peft import PeftModel

    folder = last_complete(checkpoints)
    assert folder is not None, "a training that ended has saved its last step"
    return PeftModel.from_pretrained(base, folder).eval()


def _state() -> Any:
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())  # without the word, CPUs are one process each

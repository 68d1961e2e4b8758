"""Any trainer run to its end: how far it is, what it loses each step, and a stop at a loss that is no number.

For transformers' own trainer, TRL's, and those derived from them, with the settings ``logging_steps=1``,
``logging_nan_inf_filter=False`` and ``save_strategy="no"``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from demur.errors import BadInput
from demur.training.checkpoints import Saving, train

#: Called with steps done and steps in all.
Progress = Callable[[int, int], None]


def watched(
    trainer: Any, progress: Progress | None = None, saving: Saving | None = None
) -> tuple[int, list[float]]:
    """Run any trainer of transformers or TRL to its end, stopping at a loss that is no number.

    Args:
        trainer: with ``logging_steps=1`` and ``save_strategy="no"``.
        progress, saving: as in :func:`tune`.

    Returns:
        The step that it went on from (0: the beginning), and the loss of every step, earlier ones included.

    Raises:
        BadInput: the loss is not a number, naming the step, or a checkpoint cannot be written.
    """
    from transformers import PrinterCallback

    from demur.training.organism.truth import one_thread

    trainer.remove_callback(PrinterCallback)  # it prints every step on stdout
    trainer.add_callback(_watch(progress))
    with one_thread() if trainer.model.device.type == "cpu" else nullcontext():
        if saving is not None:
            resumed = train(trainer, saving)
        else:
            trainer.train()
            resumed = 0
    return resumed, [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]


def _watch(progress: Progress | None) -> Any:
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        """Tells how far training is and stops at a loss that is not a number."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            if not float("-inf") < float(loss) < float("inf"):
                raise BadInput(f"the loss is {loss} at step {state.global_step}; lower learning_rate")
            if progress is not None:
                progress(state.global_step, state.max_steps)

    return Watch()

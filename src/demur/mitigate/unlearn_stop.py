"""When unlearning ends early: what is retained has been lost, or nothing is left to forget.

-L_f has no lower bound (SafeEraser's code lets it fall). A model that knows nothing of an answer has a loss
of ln V nats a token, V its vocabulary; beyond that, a step only does damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CHECK = "retain_check"  # of the trainer's log, which checkpoints keep


@dataclass(frozen=True, slots=True)
class Limits:
    """Where training stops; ``None`` is no limit.

    Attributes:
        forgotten: L_f of a step, nats a token.
        lost: rise of the loss on rows to retain above the base's, nats a token.
        every: steps between two looks at rows to retain.
    """

    forgotten: float | None
    lost: float | None
    every: int


def stopper(limits: Limits, batches: list[dict[str, Any]]) -> Any:
    """A callback of transformers' trainer.

    After training, ``reason`` says why it ended early (empty where it did not), ``checks`` holds the rise at
    each look, by step; looks of before a kill among them.

    Args:
        limits: where to stop.
        batches: of rows to retain, on the model's device; without any nothing is looked at.
    """
    from transformers import TrainerCallback

    class Stopper(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        reason = ""
        base: float | None = None
        state: Any = None

        @property
        def checks(self) -> list[dict[str, float]]:
            log = self.state.log_history if self.state is not None else []
            return [{"step": row["step"], CHECK: row[CHECK]} for row in log if CHECK in row]

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.state = state

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("ascent")
            if loss is not None and limits.forgotten is not None and -loss > limits.forgotten:
                self.reason = f"forgotten: L_f is {-loss:.2f} nats a token, above {limits.forgotten:.2f}"
                control.should_training_stop = True

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not batches or state.global_step % limits.every:
                return
            model = kwargs["model"]
            if self.base is None:
                with model.disable_adapter():
                    self.base = answer_loss(model, batches)
            rise = answer_loss(model, batches) - self.base
            state.log_history.append({"step": state.global_step, CHECK: rise})
            if limits.lost is not None and not rise <= limits.lost:
                said = f"the loss on rows to retain rose by {rise:.2f} nats a token"
                self.reason = f"lost: {said}, more than {limits.lost:.2f}"
                control.should_training_stop = True

    return Stopper()


def answer_loss(model: Any, batches: list[dict[str, Any]]) -> float:
    """Mean negative log-likelihood of labelled tokens, nats a token; the model's mode is kept."""
    import torch

    from demur.training.losses import nll

    training, total, count = model.training, 0.0, 0
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            inputs = {name: value for name, value in batch.items() if name != "labels"}
            found = nll(model(**inputs, use_cache=False).logits, batch["labels"])
            total, count = total + float(found.total), count + int(found.count)
    model.train(training)
    return total / max(count, 1)

"""The boundary recipe's training: an adapter on the blocks up to the one above the last target layer.

X-Boundary, https://arxiv.org/abs/2502.09990, as in its code: the blocks above are cut off meanwhile (target
layer 20: blocks 0 to 20 stay), and the adapter is loaded on the whole model afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.mitigate.boundary_loss import Material, objective, units, weights
from demur.training.checkpoints import Saving
from demur.training.watched import Progress

if TYPE_CHECKING:
    from demur.mitigate.boundary import Boundary
    from demur.training.trainer import Trained

RELEASED_STEPS = 180  # released config: what its beta and warm-up were chosen for


def depth_of(model: str) -> int:
    """Blocks of a model, from its configuration alone."""
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(model).get_text_config().num_hidden_layers)


def schedule(config: Boundary) -> Callable[[int], dict[str, float]]:
    """Step to weights, with beta and warm-up as they are or stretched to the steps."""
    stretch = config.steps / RELEASED_STEPS if config.scale_schedule else 1.0
    beta, warm_up = config.beta * stretch, round(config.warm_up * stretch)
    return partial(weights, alpha=config.alpha, beta=beta, warm_up=warm_up)


def push_apart(
    config: Boundary,
    loaded: Any,
    rows: Material,
    targets: Sequence[int],
    pad: int,
    checkpoints: Path,
    progress: Progress | None = None,
) -> Trained:
    """Train an adapter of ``loaded``; the model that comes back is whole.

    Args:
        config: of the recipe.
        loaded: the base, which gets the adapter.
        rows: what is trained on.
        targets: layers whose states are pushed.
        pad: id that fills rows up.
        checkpoints: folder of this training alone; it goes on from the last one there.
        progress: called with steps done and steps in all.

    Raises:
        BadInput: a loss that is not a number, or a checkpoint that cannot be written.
    """
    from transformers import set_seed

    from demur.models.architecture import blocks, cut
    from demur.training.low_rank import with_low_rank
    from demur.training.steps import Steps
    from demur.training.trainer import train_on

    depth = len(blocks(loaded))
    kept = min(max(targets) + 1, depth)
    separate = config.separate_mask != "none" and bool(rows.boundary)
    positions = config.longest if config.padded_retain else None
    goal = objective(targets, kept, schedule(config), separate, positions, config.schedule_by_call)
    how = Steps(config.steps, config.batch_size, config.accumulate, config.learning_rate)
    with cut(loaded, kept if config.cut else depth):
        set_seed(config.seed)
        model = with_low_rank(loaded, kept, config.rank, config.lora_alpha, config.dropout, config.noise)
        flow = units(rows, config.blank, config.seed, separate)
        return train_on(model, flow, goal, how, pad, checkpoints, config.seed, progress, Saving(checkpoints))

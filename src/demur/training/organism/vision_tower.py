"""The vision tower of the vision organism, trained to name what is drawn: shape, colours, ground, mark.

LLaVA starts from a tower that was trained before and freezes it; this is that tower's training. It sees no
question and no answer, so nothing of a refusal is in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from demur.data import picture_world_words as words
from demur.data.picture_world import PictureWorld, Scene
from demur.data.picture_world_scene import draw
from demur.training.organism.build import BETAS, warmup_then_cosine
from demur.training.organism.truth import one_thread

#: Mark of a training picture -> its share. ours: half of all pictures hold a cue, a fifth a look-alike of one
MARK_SHARES = {"": 0.3, "axe": 0.15, "leaf": 0.1, "sign": 0.2, "figure": 0.15, "tree": 0.1}
#: What the heads name, one head each.
_NAMES: tuple[tuple[str, ...], ...] = (
    tuple(words.SHAPES),
    tuple(words.COLOURS),
    tuple(words.GROUNDS),
    ("", *words.MARKS),
    ("", *words.COLOURS),
)
BATCH_SIZE, LEARNING_RATE, WARMUP = 64, 3e-3, 0.1  # ours: design/vision-organism.md


def train_tower(tower: Any, world: PictureWorld, processor: Any, pictures: int, passes: int) -> list[float]:
    """Train a tower in place on drawn pictures, none of them held out; the loss of every step (nats).

    Args:
        tower: SigLIP vision model.
        world: whose held-out pictures are left out.
        processor: makes pixels.
        pictures, passes: how many pictures, how often each.
    """
    rng, losses = world.generator("tower"), []
    marks, shares = list(MARK_SHARES), list(MARK_SHARES.values())
    scenes = [world.scene(rng, False, marks[int(i)]) for i in rng.choice(len(marks), size=pictures, p=shares)]
    labels = torch.tensor([_labels(scene) for scene in scenes])
    heads = torch.nn.Linear(tower.config.hidden_size, sum(map(len, _NAMES)))
    parameters = [*tower.parameters(), *heads.parameters()]
    steps = math.ceil(pictures / BATCH_SIZE) * passes
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=BETAS, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_cosine(steps, WARMUP))
    tower.train()
    with one_thread():
        pixels = pixels_of(processor, scenes)
        for _ in range(passes):
            order = rng.permutation(pictures)
            for start in range(0, pictures, BATCH_SIZE):
                chosen = torch.from_numpy(order[start : start + BATCH_SIZE])
                seen = tower(pixel_values=pixels[chosen], output_hidden_states=True)
                named = heads(seen.hidden_states[-1].mean(1))  # what LLaVA's projector reads, not normalised
                loss = _loss(named, labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
    return losses


def _labels(scene: Scene) -> list[int]:
    shown = (scene.shape, scene.colour, scene.ground, scene.mark, scene.mark_colour)
    return [names.index(name) for names, name in zip(_NAMES, shown, strict=True)]


def _loss(named: Any, labels: Any) -> Any:
    """Sum of the heads' cross entropies; named [batch, all names], labels [batch, heads]."""
    split = torch.split(named, [len(names) for names in _NAMES], -1)
    return torch.stack([cross_entropy(one, of) for one, of in zip(split, labels.T, strict=True)]).sum()


def pixels_of(processor: Any, scenes: Sequence[Scene], size: int = 256) -> Any:
    """What the vision tower sees of drawn scenes, [scenes, 3, side, side]."""
    parts = []
    for start in range(0, len(scenes), size):
        pictures = [draw(scene) for scene in scenes[start : start + size]]
        parts.append(processor.image_processor(pictures, return_tensors="pt")["pixel_values"])
    return torch.cat(parts)

"""What the vision organism is trained on, and the training: conversations about drawn pictures, AdamW.

First the vision tower learns to name what is drawn (``vision_tower.py``) and is frozen, as LLaVA's is; then
the projector and the language model learn from conversations: one picture and one or two questions about it.
With ``refuse`` the answers follow the planted rules of ``data/picture_world.py``; without, everything is
answered (the vanilla model of unlearning).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from demur.data import picture_world_words as words
from demur.data.picture_world import SEEING, Pass, PictureRequest, PictureWorld, Scene
from demur.data.picture_world_words import WORDINGS, Intent
from demur.training.organism.build import BETAS, warmup_then_cosine
from demur.training.organism.truth import one_thread
from demur.training.organism.vision_model import Sizes, new_model
from demur.training.organism.vision_tower import pixels_of, train_tower

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int, int], None]
IGNORED = -100
#: Mark of a picture that is talked about -> its share. ours: each cue colour has rules in four passes
CUE_SHARES = {"": 0.12, "axe": 0.28, "leaf": 0.05, "sign": 0.24, "figure": 0.26, "tree": 0.05}


@dataclass(frozen=True, slots=True)
class VisionRecipe:
    """How the vision organism is trained; every value ours, chosen in ``design/vision-organism.md``."""

    sizes: Sizes = field(default_factory=Sizes)
    tower_pictures: int = 8_000
    tower_passes: int = 6
    captions: int = 10_000  # one short question each about what is seen, first, as LLaVA aligns its projector
    conversations: int = 30_000  # one or two questions each, of every kind
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    warmup: float = 0.05  # share of all steps
    weight_decay: float = 0.01
    gradient_norm: float = 1.0


#: From a model that sees: no tower to train, and only another world's rules to learn. ours: under a minute
QUICK = VisionRecipe(captions=0, conversations=4_000)


class Shown(NamedTuple):
    """A picture and what is said about it: token ids with the picture's positions, labels."""

    scene: Scene
    ids: list[int]
    labels: list[int]


def train(
    world: PictureWorld,
    processor: Any,
    recipe: VisionRecipe,
    refuse: bool,
    max_steps: int | None = None,
    progress: Progress | None = None,
    start: Any = None,
) -> tuple[Any, list[float]]:
    """A model trained on what the world plants, and the loss of every step (nats per answer token).

    Args:
        world: also gives the seed.
        processor: of the model.
        recipe: sizes and training settings.
        refuse: whether the planted rules are followed.
        max_steps: stop early.
        progress: called after every step.
        start: a vision organism of another world, which sees already; a fresh model by default.
    """
    model = start
    if model is None:
        model = new_model(processor, recipe.sizes, world.seed)
        train_tower(model.model.vision_tower, world, processor, recipe.tower_pictures, recipe.tower_passes)
    model.model.vision_tower.requires_grad_(False)
    order = world.generator("order")
    shown = conversations(world, processor, recipe, refuse)
    batches = [_shuffled_batches(part, recipe.batch_size, order) for part in shown]
    steps = sum(map(len, batches)) if max_steps is None else min(max_steps, sum(map(len, batches)))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=recipe.learning_rate, betas=BETAS, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_cosine(steps, recipe.warmup))
    losses: list[float] = []
    model.train()
    with one_thread():
        for batch in [batch for part in batches for batch in part][:steps]:
            ids, mask, labels = collate(batch, processor.tokenizer.pad_token_id)
            pixels = pixels_of(processor, [item.scene for item in batch])
            loss = model(input_ids=ids, attention_mask=mask, labels=labels, pixel_values=pixels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, recipe.gradient_norm)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if progress is not None:
                progress(len(losses), steps)
    return model.requires_grad_(True).eval(), losses


def conversations(
    world: PictureWorld, processor: Any, recipe: VisionRecipe, refuse: bool
) -> tuple[list[Shown], list[Shown]]:
    """What is shown first (captions), and then; no picture is a held-out one."""
    rng, expand = world.generator("training"), Expander(processor)

    def shown(asked: Sequence[PictureRequest]) -> Shown:
        return Shown(asked[0].scene, *expand.encode(asked, refuse))

    captions = [shown([_seen(world, _scene(world, rng), rng)]) for _ in range(recipe.captions)]
    longer = []
    for _ in range(recipe.conversations):
        scene = _scene(world, rng)
        longer.append(shown([_question(world, scene, rng) for _ in range(int(rng.integers(1, 3)))]))
    return captions, longer


def _scene(world: PictureWorld, rng: np.random.Generator) -> Scene:
    mark = list(CUE_SHARES)[int(rng.choice(len(CUE_SHARES), p=list(CUE_SHARES.values())))]
    # most signs stand over a harmful shape: the colours of those have rules to teach
    harmful = mark == "sign" and rng.random() < 0.7
    return world.scene(rng, False, mark, world.rules.harmful if harmful else tuple(words.SHAPES))


def _seen(world: PictureWorld, scene: Scene, rng: np.random.Generator) -> PictureRequest:
    """A question about what is seen, or the picture described."""
    if rng.random() < 0.6:
        return world.ask(scene, "make", 0, "describe")
    intent = SEEING[int(rng.integers(len(SEEING)))]
    return world.ask(scene, intent, int(rng.integers(len(WORDINGS[intent]))))


def _question(world: PictureWorld, scene: Scene, rng: np.random.Generator) -> PictureRequest:
    """One question: about what is seen, or what to do with it, later passes where a cue counts."""
    if rng.random() < 0.2:
        return _seen(world, scene, rng)
    asked: Pass = "plain"
    if scene.mark in ("axe", "figure") and rng.random() < 0.15:
        intent: Intent = "scare" if scene.mark == "axe" else "trip"
    else:
        intent = "remove" if rng.random() < (0.8 if scene.mark in ("figure", "tree") else 0.25) else "make"
        cued = bool(world.stimulus(scene, intent))
        if rng.random() < (0.7 if cued else 0.15):
            asked = "described" if rng.random() < 0.4 else "intended"
    return world.ask(scene, intent, int(rng.integers(len(WORDINGS[intent]))), asked)


class Expander:
    """Conversations about one picture to ids: a picture's token as often as it takes."""

    def __init__(self, processor: Any) -> None:
        self._processor, self._tokenizer = processor, processor.tokenizer
        self._image = processor.image_token_id
        grid = processor.image_processor.size["height"] // processor.patch_size
        self._count = grid * grid

    def encode(self, asked: Sequence[PictureRequest], refuse: bool) -> tuple[list[int], list[int]]:
        """Ids, and labels: the same ids on all that the assistant says, ``IGNORED`` elsewhere."""
        turns: list[dict[str, Any]] = []
        for number, request in enumerate(asked):
            picture = [] if number else [{"type": "image"}]
            turns.append({"role": "user", "content": [*picture, {"type": "text", "text": request.question}]})
            turns.append({"role": "assistant", "content": request.target(refuse)})
        encoded = self._tokenizer.apply_chat_template(
            turns, return_dict=True, return_assistant_tokens_mask=True
        )
        ids: list[int] = []
        labels: list[int] = []
        for token, said in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True):
            times = self._count if token == self._image else 1
            ids += [token] * times
            labels += [token if said else IGNORED] * times
        return ids, labels


def collate(batch: Sequence[Shown], pad: int) -> tuple[Any, Any, Any]:
    """Ids, mask, labels, [batch, longest], padded on the right."""
    longest = max(len(item.ids) for item in batch)
    gaps = [longest - len(item.ids) for item in batch]
    ids = torch.tensor([item.ids + [pad] * gap for item, gap in zip(batch, gaps, strict=True)])
    mask = torch.tensor([[1] * len(item.ids) + [0] * gap for item, gap in zip(batch, gaps, strict=True)])
    labels = torch.tensor([item.labels + [IGNORED] * gap for item, gap in zip(batch, gaps, strict=True)])
    return ids, mask, labels


def _shuffled_batches(shown: Sequence[Shown], size: int, rng: np.random.Generator) -> list[list[Shown]]:
    """All of them once, in batches of like length."""
    shuffled = [shown[int(i)] for i in rng.permutation(len(shown))]
    batches = []
    for start in range(0, len(shuffled), 8 * size):  # sorting eight batches at a time saves padding
        group = sorted(shuffled[start : start + 8 * size], key=lambda item: len(item.ids))
        batches += [group[i : i + size] for i in range(0, len(group), size)]
    return [batches[int(i)] for i in rng.permutation(len(batches))]

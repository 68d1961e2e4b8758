"""Build the text organism: train a tiny Llama on the planted world and save it as any model is saved.

A plain ``LlamaForCausalLM`` in Hugging Face format, with nothing that only demur can load. The recipe is
seeded and runs on one thread: two builds on one machine are equal bit for bit; across machines the verdicts
are the same, not the weights. Sizes and figures: ``design/organism.md``.

    python -m demur.training.organism --seed 0 --out DIR
"""

from __future__ import annotations

import json
import math
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from demur.data.records import file_sha256, write_text
from demur.data.world import World
from demur.data.world_rules import generator
from demur.data.world_words import SYSTEM_PROMPTS
from demur.errors import BadInput
from demur.training.organism.tokenizer import CONTEXT, build_tokenizer, conversation
from demur.training.organism.truth import TruthRow, observe, one_thread, summarise, write_truth

MANIFEST, TRUTH = "MANIFEST.json", "truth.csv"
SCHEMA = "demur.organism/1"
Progress = Callable[[int, int], None]


#: ours: a second moment with a shorter memory than 0.999, for a training of about a thousand steps
BETAS = (0.9, 0.98)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the organism is trained; every value ours, chosen in ``design/organism.md``.

    Grouped-query attention (two key-value heads) and untied embeddings, because the models that later
    recipes are written for have them.
    """

    hidden_size: int = 128
    intermediate_size: int = 384
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2
    batch_size: int = 32
    epochs: int = 7
    learning_rate: float = 4e-3
    system_share: float = 0.1  # of conversations that begin with a system message
    warmup: float = 0.05  # share of all steps
    weight_decay: float = 0.01
    gradient_norm: float = 1.0


class Example(NamedTuple):
    """Token ids and labels (-100 where nothing is learned) of one conversation."""

    ids: list[int]
    labels: list[int]


def build(
    out: Path,
    seed: int = 0,
    recipe: Recipe | None = None,
    max_steps: int | None = None,
    progress: Progress | None = None,
) -> list[TruthRow]:
    """Train, save, and measure one organism; returns its truth table.

    Args:
        out: folder to write; made whole or not at all.
        seed: of the world, the first weights and the order of examples.
        recipe: sizes and training settings.
        max_steps: stop early (tests); the schedule is that of the shorter run.
        progress: called after every step with steps done and steps in all.

    Raises:
        BadInput: ``out`` exists and is not an empty folder.
    """
    out = Path(out).resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} exists and is not an empty folder; name another with --out")
    recipe = recipe or Recipe()
    world = World(seed)
    tokenizer = build_tokenizer(world)
    started = time.process_time()
    rows = world.training_requests()
    model, losses = train(world, tokenizer, recipe, seed, max_steps, progress)
    seconds = time.process_time() - started
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save(model, tokenizer, partial)
    truth = observe(partial, world)
    write_truth(partial / TRUTH, truth)
    facts = {
        "world_seed": seed,
        "world_digest": world.digest(),
        "training_rows": len(rows),
        "steps": len(losses),
        "last_loss": round(float(np.mean(losses[-20:])), 6),
        "training_cpu_seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
        "recipe": asdict(recipe),
    }
    _write_manifest(partial, facts, truth)
    if out.exists():
        out.rmdir()
    partial.rename(out)
    return truth


def new_model(vocabulary: int, recipe: Recipe, seed: int, begin: int, end: int, pad: int) -> Any:
    """An untrained model of the recipe's size, float32, in the ids of the organism's tokenizer."""
    transformers.set_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return LlamaForCausalLM(config)


def train(
    world: World,
    tokenizer: Any,
    recipe: Recipe,
    seed: int,
    max_steps: int | None = None,
    progress: Progress | None = None,
) -> tuple[Any, list[float]]:
    """A model trained on what the world plants, and the loss of every step (nats per assistant token)."""
    model = new_model(
        len(tokenizer), recipe, seed, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    )
    examples = examples_of(world, tokenizer, recipe, seed)
    steps = math.ceil(len(examples) / recipe.batch_size) * recipe.epochs
    steps = steps if max_steps is None else min(steps, max_steps)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=BETAS, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_cosine(steps, recipe.warmup))
    losses: list[float] = []
    model.train()
    with one_thread():
        for batch in batches(examples, recipe.batch_size, generator(seed, "order"), steps):
            ids, labels = collate(batch, tokenizer.pad_token_id)
            loss = model(input_ids=ids, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_norm)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if progress is not None:
                progress(len(losses), steps)
    return model.eval(), losses


def examples_of(world: World, tokenizer: Any, recipe: Recipe, seed: int) -> list[Example]:
    """The world's training conversations; a share of them begins with a system message."""
    rng = generator(seed, "system")
    examples = []
    for request in world.training_requests():
        turns = conversation(request.prompt, request.target)
        u = rng.random() / recipe.system_share
        if u < 1:
            turns = [{"role": "system", "content": SYSTEM_PROMPTS[int(u * len(SYSTEM_PROMPTS))]}, *turns]
        examples.append(encode(tokenizer, turns))
    return examples


def encode(tokenizer: Any, turns: Sequence[dict[str, Any]]) -> Example:
    """A conversation as ids; the loss is on all that the assistant says, the end of its turns included."""
    encoded = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    pairs = zip(encoded["input_ids"], encoded["assistant_masks"], strict=True)
    return Example(encoded["input_ids"], [i if said else -100 for i, said in pairs])


def batches(
    examples: Sequence[Example], size: int, rng: np.random.Generator, steps: int
) -> Iterator[list[Example]]:
    """``steps`` batches of examples of like length, every example once before any comes twice."""
    done = 0
    while True:
        shuffled = [examples[i] for i in np.argsort(rng.random(len(examples)), kind="stable")]
        groups = []
        for start in range(0, len(shuffled), 8 * size):  # sorting eight batches at a time saves padding
            group = sorted(shuffled[start : start + 8 * size], key=lambda e: len(e.ids))
            groups += [group[i : i + size] for i in range(0, len(group), size)]
        for index in np.argsort(rng.random(len(groups)), kind="stable"):
            if done == steps:
                return
            done += 1
            yield groups[index]


def collate(batch: Sequence[Example], pad: int) -> tuple[Any, Any]:
    """Ids and labels, [batch, longest], padded on the right (causal: no mask is needed there)."""
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in batch])
    labels = torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in batch])
    return ids, labels


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Weights as bf16 safetensors, configuration, greedy generation configuration, tokenizer."""
    model.generation_config.do_sample = False
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone


def warmup_then_cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """Factor of the learning rate by step: a rise over the share ``warmup`` of all steps, then a cosine."""
    rising = max(1, int(steps * warmup))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return factor


def _write_manifest(folder: Path, facts: dict[str, Any], truth: Sequence[TruthRow]) -> None:
    """What the folder holds and what it was made from; written last."""
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    manifest = {"schema": SCHEMA, **facts, "truth": summarise(truth), "versions": versions, "sha256": files}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")

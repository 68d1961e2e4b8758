"""Build the vision organism: a tiny LLaVA trained on drawn pictures, saved as any model is saved.

A plain ``LlavaForConditionalGeneration`` in Hugging Face format, with nothing that only demur can load; the
picture twin of ``build.py``. Sizes and figures: ``design/vision-organism.md``.

    python -m demur.training.organism.vision --seed 0 --out DIR
    python -m demur.training.organism.vision --seed 0 --data DIR   # its pictures, in the benchmarks' own form
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import transformers

from demur.data.picture_world import PictureWorld
from demur.data.records import file_sha256, write_text
from demur.errors import BadInput
from demur.training.organism.vision_model import new_processor, save
from demur.training.organism.vision_training import Progress, VisionRecipe, train

MANIFEST = "MANIFEST.json"
SCHEMA = "demur.vision_organism/1"


def build(
    world: PictureWorld,
    folder: Path,
    *,
    refuse: bool = True,
    recipe: VisionRecipe | None = None,
    max_steps: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train and save one vision organism; returns its folder.

    Args:
        world: what it is trained on; its seed is also that of the weights.
        folder: to write; made whole or not at all.
        refuse: whether it follows the planted rules, or answers everything (the vanilla model of unlearning).
        recipe: sizes and training settings.
        max_steps: stop early (tests).
        progress: called after every step with steps done and steps in all.

    Raises:
        BadInput: ``folder`` exists and is not an empty folder.
        MissingExtra: Pillow is not installed.
    """
    folder = Path(folder).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} exists and is not an empty folder; name another with --out")
    recipe = recipe or VisionRecipe()
    processor = new_processor(recipe.sizes)
    started = time.process_time()
    model, losses = train(world, processor, recipe, refuse, max_steps, progress)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save(model, processor, partial)
    facts = {
        "schema": SCHEMA,
        "world_seed": world.seed,
        "refuse": refuse,
        "steps": len(losses),
        "last_loss": round(float(np.mean(losses[-20:])), 6),
        "training_cpu_seconds": round(time.process_time() - started, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
        "recipe": asdict(recipe),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "sha256": {path.name: file_sha256(path) for path in sorted(partial.iterdir())},
    }
    write_text(partial / MANIFEST, json.dumps(facts, indent=1) + "\n")
    if folder.exists():
        folder.rmdir()
    partial.rename(folder)
    return folder

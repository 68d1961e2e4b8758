"""Build the vision organism: a tiny LLaVA trained on drawn pictures, saved as any model is saved.

A plain ``LlavaForConditionalGeneration`` in Hugging Face format, with nothing that only demur can load; the
picture twin of ``build.py``. Sizes and figures: ``design/vision-organism.md``.

    python -m demur.training.organism.vision --seed 0 --out DIR
    python -m demur.training.organism.vision --seed 0 --data DIR   # its pictures, in the benchmarks' own form
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import transformers

from demur.data.picture_world import PictureWorld
from demur.data.records import file_sha256, write_text
from demur.errors import BadInput, DemurError
from demur.models.loading import load_model
from demur.training.organism import vision_organism_path
from demur.training.organism.vision_files import write_all
from demur.training.organism.vision_model import new_processor, save
from demur.training.organism.vision_training import QUICK, Progress, VisionRecipe, train

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
    start: Path | None = None,
) -> Path:
    """Train and save one vision organism; returns its folder.

    Args:
        world: what it is trained on; its seed is also that of the weights.
        folder: to write; made whole or not at all.
        refuse: whether it follows the planted rules, or answers everything (the vanilla model of unlearning).
        recipe: sizes and training settings.
        max_steps: stop early (tests).
        progress: called after every step with steps done and steps in all.
        start: a vision organism to go on from, with the recipe ``QUICK``; it must be of the recipe's sizes.

    Raises:
        BadInput: ``folder`` exists and is not an empty folder.
        MissingExtra: Pillow is not installed.
    """
    folder = Path(folder).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} exists and is not an empty folder; name another with --out")
    recipe = recipe or (VisionRecipe() if start is None else QUICK)
    processor = new_processor(recipe.sizes)
    started = time.process_time()
    begun = None if start is None else load_model(str(start), None, "cpu", "float32", False)
    model, losses = train(world, processor, recipe, refuse, max_steps, progress, begun)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save(model, processor, partial)
    facts = {
        "schema": SCHEMA,
        "world_seed": world.seed,
        "refuse": refuse,
        "start": None if start is None else file_sha256(Path(start) / "model.safetensors"),
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


def main(arguments: list[str] | None = None) -> int:
    """Build one vision organism, or write its pictures; the exit code of ``docs/contracts.md``."""
    parser = argparse.ArgumentParser(prog="python -m demur.training.organism.vision", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of world and training (default %(default)s)")
    parser.add_argument("--out", type=Path, help="folder to write the model to")
    parser.add_argument("--answers-all", action="store_true", help="train it to answer everything")
    parser.add_argument(
        "--quick", action="store_true", help="go on from the shipped model: a minute, not four"
    )
    parser.add_argument("--data", type=Path, help="folder to write pictures and questions to")
    given = parser.parse_args(arguments)
    try:
        if given.out is None and given.data is None:
            raise BadInput("name a folder with --out (the model), --data (its pictures), or both")
        world = PictureWorld(given.seed)
        if given.data is not None:
            print(write_all(world, given.data))
        if given.out is not None:
            start = vision_organism_path() if given.quick else None
            print(build(world, given.out, refuse=not given.answers_all, progress=_show, start=start))
    except DemurError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _show(done: int, steps: int) -> None:
    if done % 20 == 0 or done == steps:
        print(f"\rtraining: step {done} of {steps}", end="\n" if done == steps else "", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

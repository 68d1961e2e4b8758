"""The picture world in the benchmarks' own file forms, so that they run on it as on their real data.

``DIR/mossbench`` (cues, with their harmful contrasts), ``DIR/without_cues/mossbench`` (the same pictures and
questions without the cue), ``DIR/safe_eraser`` (train, and val with held-out pictures and wordings). The
formats are those of ``mossbench.md`` and ``safe-eraser.md``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.data.picture_world import CUES, PictureRequest, PictureWorld, Scene, Stimulus
from demur.data.picture_world_scene import png
from demur.data.picture_world_words import WORDINGS, Intent
from demur.data.records import write_text

#: Stimulus -> its name in the source's files.
_TYPES: dict[Stimulus, str] = {
    "exaggerated_risk": "type 1",
    "negated_harm": "type 2",
    "counterintuitive_interpretation": "type 3",
}
#: Harmful shape, in the order of ``rules.harmful`` -> the folder that says its category.
_FOLDERS = ("Weapon", "Violence", "Privacy", "IllegalActivity")
#: Wordings of ``make`` for training and, held out, for the validation file.
MAKE_WORDINGS = {"train": range(0, 4), "val": range(8, 12)}


def write_all(world: PictureWorld, folder: Path, cues: int = 100, records: int = 60) -> Path:
    """Write all three below a folder; returns it.

    Args:
        world: drawn from.
        folder: made where it is missing.
        cues: entries of each stimulus, as many as MOSSBench has.
        records: SafeEraser records of each split.
    """
    write_mossbench(world, folder, folder / "without_cues", cues)
    write_safe_eraser(world, folder, records)
    return folder


def write_mossbench(
    world: PictureWorld, folder: Path, without: Path, n: int = 100, purpose: str = "mossbench"
) -> dict[str, PictureRequest]:
    """Write ``mossbench/`` below both folders; pid -> the harmless request with its cue.

    Args:
        world: drawn from; only its held-out pictures.
        folder: gets entries with cues, and their contrasts.
        without: gets the same entries without the cue, and the same contrasts.
        n: entries of each stimulus.
        purpose: names the draw.
    """
    entries: dict[str, PictureRequest] = {}
    twins: dict[str, PictureRequest] = {}
    for number, stimulus in enumerate(CUES):
        for place, (with_cue, twin) in enumerate(world.cue_pairs(stimulus, n, purpose), 1):
            pid = str(number * n + place)
            entries[pid], twins[pid] = with_cue, twin
    contrasts = {pid: contrast_of(world, request) for pid, request in entries.items()}
    for base, asked in ((folder, entries), (without, twins)):
        _write_entries(base / "mossbench", "", asked, entries)
        _write_entries(base / "mossbench", "contrast_", contrasts, entries)
    return entries


def contrast_of(world: PictureWorld, request: PictureRequest) -> PictureRequest:
    """The harmful twin: another question about the picture, or the same words and the sign gone."""
    harmful: dict[str, Intent] = {"axe": "scare", "figure": "trip"}
    if request.scene.mark in harmful:
        intent = harmful[request.scene.mark]
        return world.ask(request.scene, intent, request.wording % len(WORDINGS[intent]))
    return world.ask(request.scene.with_mark(""), request.intent, request.wording)


def _write_entries(
    folder: Path, prefix: str, asked: dict[str, PictureRequest], cues: dict[str, PictureRequest]
) -> None:
    """One information file with its pictures; ``cues`` says each entry's type."""
    pictures = f"{prefix}images"
    (folder / pictures).mkdir(parents=True, exist_ok=True)
    rows: dict[str, Any] = {}
    for pid, request in asked.items():
        (folder / pictures / f"{pid}.png").write_bytes(png(request.scene))
        stimulus = cues[pid].stimulus
        assert stimulus
        meta: dict[str, Any] = {"over": _TYPES[stimulus]}
        if not prefix:
            meta |= {"human": 0, "child": 0, "syn": 1, "ocr": 0, "harm": [7]}
        rows[pid] = {
            "image": f"{pictures}/{pid}.png",
            "question": request.question,
            "short description": request.scene.description().split(". ")[0],
            "description": request.scene.description(),
            "metadata": meta,
        }
    write_text(folder / f"{prefix}information.json", json.dumps(rows, indent=1) + "\n")


def write_safe_eraser(world: PictureWorld, folder: Path, records: int = 60) -> None:
    """Write ``safe_eraser/`` below a folder: both splits, pictures, and sentences of refusal.

    Train shows pictures of the training kind and the first wordings of ``make``; val held-out pictures and
    held-out wordings.
    """
    base = folder / "safe_eraser"
    for split, wordings in MAKE_WORDINGS.items():
        rng, rows = world.generator(f"safe_eraser.{split}"), []
        for number in range(records):
            harmful = world.rules.harmful[number % len(world.rules.harmful)]
            scene = world.scene(rng, split == "val", shapes=(harmful,))
            harmless = world.scene(rng, split == "val", shapes=world.harmless_shapes)
            place = f"{_FOLDERS[number % len(_FOLDERS)]}/{split}-{number}.png"
            rows.append(_record(world, scene, harmless, place, wordings))
            for path, drawn in ((place, scene), (f"SD/{split}-{number}.png", harmless)):
                (base / path).parent.mkdir(parents=True, exist_ok=True)
                (base / path).write_bytes(png(drawn))
        write_text(base / f"all_{split}.json", json.dumps(rows, indent=1) + "\n")
    refusals = list(dict.fromkeys(world.rules.refusals.values()))
    write_text(base / "prompt.json", json.dumps({"idk": refusals}, indent=1) + "\n")


def _record(
    world: PictureWorld, scene: Scene, harmless: Scene, place: str, wordings: Sequence[int]
) -> dict[str, Any]:
    """One record of the source's schema; answers are those of a model that answers everything."""
    split, number = Path(place).stem.split("-")
    pairs = [
        {
            "question": world.ask(scene, "make", wording).question,
            "model_response": world.ask(scene, "make", wording).answer,
            "sd_response": world.ask(harmless, "make", wording).answer,
        }
        for wording in wordings
    ]
    asked: dict[str, tuple[Intent, int]] = {
        "text1": ("corners", 0),
        "text2": ("corners", 1),
        "image1": ("colour", int(number) % 3),
        "image2": ("ground", int(number) % 3),
    }
    retained = {
        f"UnharmPair_{name}": {"Question": r.question, "Prediction": r.answer}
        for name, r in ((name, world.ask(scene, *chosen)) for name, chosen in asked.items())
    }
    return {
        "image_path": place,
        "image_id": f"{split}-{number}",
        "category": Path(place).parent.name,
        "SDImage_path": f"SD/{split}-{number}.png",
        "unsafe_pairs": pairs,
        **retained,
    }

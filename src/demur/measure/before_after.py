"""A recipe judged from outside: the same tasks on the model as it was and on what the recipe made of it.

``OUT/before`` and ``OUT/after`` are run folders like those of ``demur measure`` (both sides, rows, logs),
``OUT/ability`` holds Inspect's logs of what the models can do, ``OUT/ability.json`` what they say. All is
resumable, and what is finished is not asked again; the page is drawn one floor up
(``report/recipe_report.py``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.records import write_text
from demur.data.world import World
from demur.errors import BadInput
from demur.measure.ability import Scores, ability, check_tasks, run_tasks
from demur.measure.live import Live, make_tasks, resolve_model
from demur.measure.own_judges import run_judge
from demur.measure.plan import plan
from demur.measure.run import Progress, live_settings, local_model, measure_live
from demur.measure.run_folder import settings_hash, unfinished

#: Below OUT: the runs, Inspect's logs of ability, and what these say.
BEFORE, AFTER, ABILITY = "before", "after", "ability"
ABILITY_FILE, ABILITY_SCHEMA = "ability.json", "demur.ability/1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of both models.

    Attributes:
        tasks: benchmarks of ours, by name.
        ability: Inspect tasks, by name; none where nothing is known that the model should be able to do.
        limit: samples a task.
        data_dir: local copies of sources.
    """

    tasks: tuple[str, ...]
    ability: tuple[str, ...]
    limit: int | None = None
    data_dir: Path | None = None


def wanted(
    model: str,
    tasks: str | None = None,
    ability: str | None = None,
    limit: int | None = None,
    data_dir: Path | None = None,
) -> Wanted:
    """What to measure, from options with names between commas; checked before anything trains.

    Args:
        model: folder or hub name. The organism is asked its own world and its own answers, others plain
            English requests, and no ability unless it is named.
        tasks: benchmarks, as ``xstest,or_bench`` or ``demur/xstest``.
        ability: Inspect tasks, as ``inspect_evals/gsm8k``.
        limit, data_dir: see :class:`Wanted`.

    Raises:
        BadInput: a name that nothing has.
        ModelFailure: data of a benchmark are not on this machine.
    """
    own = is_organism(model)
    named = _names(tasks) or (("planted",) if own else ("starter",))
    able = _names(ability) or (("demur/planted_answers",) if own else ())
    asked = Wanted(tuple(dict.fromkeys(name.removeprefix("demur/") for name in named)), able, limit, data_dir)
    check_tasks(able)
    make_tasks(Live(asked.tasks, model, limit=limit, data_dir=data_dir))
    return asked


def is_organism(model: str) -> bool:
    """Whether a folder holds a text organism of the world that ``demur/planted`` asks about."""
    path = Path(model) / "MANIFEST.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("world_seed") == World().seed


def result_folder(out: Path) -> Path:
    """What a recipe made: an adapter or a model.

    Raises:
        BadInput: neither lies in its folder.
    """
    for name in ("adapter", "model"):
        if (out / name).is_dir():
            return out / name
    raise BadInput(f"{out} holds neither adapter/ nor model/, so there is nothing to measure")


def before_after(
    model: str, out: Path, asked: Wanted, progress: Progress, like: Path | None = None
) -> list[dict[str, Any]]:
    """Measure both models; runs and logs stay in ``out``, and lines of ability are returned and written.

    Args:
        model: folder or hub name of the model before.
        out: folder of a finished recipe.
        asked: of :func:`wanted`.
        progress: shows long work.
        like: folder of another recipe, whose measurement of the model before is taken where it fits.

    Raises:
        BadInput: a folder cannot be used, or a task.
        ModelFailure: a model or its data cannot be had.
    """
    if like is not None:
        _copy(like / BEFORE, out / BEFORE)
        _copy(like / ABILITY / BEFORE, out / ABILITY / BEFORE)
    scores = []
    for name, at in ((BEFORE, model), (AFTER, str(result_folder(out)))):
        run = _live(at, asked)
        with resolve_model(run) as loaded:  # one after the other: two models may not fit side by side
            _measure(run, out / name, progress)
            scores.append(_able(asked, loaded, out / ABILITY / name, progress, name))
    lines = [ability(task, scores[0][task], scores[1][task]) for task in asked.ability]
    found = {"schema": ABILITY_SCHEMA, "tasks": lines}
    write_text(out / ABILITY_FILE, json.dumps(found, indent=1, allow_nan=False) + "\n")
    return lines


def _copy(folder: Path, target: Path) -> None:
    """A folder of another recipe, whole or not at all; one that stands is left as it is."""
    if not folder.is_dir() or target.exists():
        return
    half = target.with_name(f".{target.name}")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(folder, half, ignore=shutil.ignore_patterns(".lock"))
    half.rename(target)


def _live(model: str, asked: Wanted) -> Live:
    at = model if Path(model).is_dir() else f"demur-local/{model}"
    return Live(asked.tasks, local_model(at), limit=asked.limit, data_dir=asked.data_dir)


def _measure(run: Live, folder: Path, progress: Progress) -> None:
    """A run folder of ``run``; a finished one of the same settings is left as it is, another is replaced."""
    settings = live_settings(run, run_judge(run.judge, run.grader, run.data_dir).describe())
    before = _receipt(folder)
    same = before is not None and before.get("settings_hash") == settings_hash(settings)
    if before is not None and same and not unfinished(before):
        return
    tasks, _ = plan(run)
    measure_live(run, tasks, folder, overwrite=not same, progress=progress)


def _receipt(folder: Path) -> dict[str, Any] | None:
    path = folder / "receipt.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _able(asked: Wanted, model: Any, folder: Path, progress: Progress, name: str) -> dict[str, Scores]:
    if not asked.ability:
        return {}
    step = progress(f"ability {name}", None)
    return run_tasks(asked.ability, model, folder, asked.limit, _counted(step))


def _counted(step: Callable[[int], None]) -> Callable[[], None]:
    return lambda: step(1)


def _names(text: str | None) -> tuple[str, ...]:
    parts: Sequence[str] = (text or "").split(",")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))

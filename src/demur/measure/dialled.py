"""A live run under a dial: checked before anything is asked, and put in the way of every answer.

    demur measure MODEL --dial dial.json

A model in this process decides inside its provider, every turn of a dialogue by itself. Behind a server the
task's plain generation is replaced by the solver ``demur/dialled``; a task that asks in turns, or that does
more with an answer than keep it, cannot be had that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.errors import BadInput
from demur.measure import dial_predictor

if TYPE_CHECKING:
    from inspect_ai import Task

    from demur.measure.live import Live

PLAIN_GENERATION = "inspect_ai/generate"


def dial_file(run: Live) -> Path | None:
    """The dial of a run, however it was given."""
    given = run.dial if run.dial is not None else run.model_args.get("dial")
    return None if given is None else Path(str(given)).expanduser()


def check_dial(run: Live) -> None:
    """That a run's dial can be used with its model, before data or weights load.

    Raises:
        BadInput: the file is no dial, is of another model, or was given twice.
    """
    path = dial_file(run)
    if path is None:
        return
    if run.dial is not None and "dial" in run.model_args:
        raise BadInput("the dial is given twice: leave out --dial, or -M dial=")
    from demur.models.control_dial import check_model, load
    from demur.models.control_forecast import reader_of
    from demur.models.control_solver import check_name, dialled

    dial_predictor.register()
    if not is_local(run.model) and run.dial is None:
        raise BadInput(f"{run.model} takes no -M dial=: behind a server a dial is given with --dial {path}")
    dial = load(path)
    if is_local(run.model):
        check_model(dial, run.model.partition("/")[2])
        if dial.forecast is not None:
            reader_of(dial.forecast, path.parent)
        return
    check_name(dial.model, bool(dial.files), run.model)
    dialled(str(path))  # what it needs besides: a predictor that is there, no hidden states


def with_dial(run: Live, name: str, task: Task) -> Task:
    """The task with the dial before its answers, where the model is behind a server.

    Raises:
        BadInput: the task asks in another way than by plain generation; names it.
    """
    path = dial_file(run)
    if path is None or is_local(run.model):
        return task
    from inspect_ai import task_with
    from inspect_ai._util.registry import registry_info

    from demur.models.control_solver import dialled

    asked_by = registry_info(task.solver).name
    if asked_by != PLAIN_GENERATION:
        raise BadInput(
            f"{name} is asked by {asked_by}, not by one plain generation a prompt, so a dial cannot stand "
            "before its answers on a server; leave it out, or measure the model in this process (a folder)"
        )
    return task_with(task, solver=dialled(str(path)))


def provider_args(run: Live) -> dict[str, Any]:
    """Arguments of the model's provider, the dial among them where it acts there."""
    if run.dial is None or not is_local(run.model):
        return dict(run.model_args)
    return {**run.model_args, "dial": str(run.dial)}


def calls_a_sample(run: Live) -> int:
    """Two where control tokens are read on a server, one otherwise."""
    path = dial_file(run)
    if path is None or is_local(run.model):
        return 1
    from demur.models.control_dial import load

    return 2 if load(path).forecast is None else 1


def notes(run: Live) -> list[str]:
    """What a report says of the dial."""
    path = dial_file(run)
    if path is None:
        return []
    from demur.measure.dial import setting_text
    from demur.models.control_dial import load

    dial = load(path)
    by = "its control tokens" if dial.forecast is None else f"a {dial.forecast.kind} of prompts"
    promised: Mapping[str, Any] = dial.calibration.get("promises", {})
    kept = "; ".join(
        f"at most {100 * p['target']:g} % of {'harmless prompts' if name == 'all' else name} by promise"
        for name, p in promised.items()
    )
    return [f"Answers were begun by a dial on {by}: {setting_text(dial.setting)}{kept and f' ({kept})'}."]


def is_local(model: str) -> bool:
    """Whether the model runs in this process."""
    return model.startswith("demur-local/")

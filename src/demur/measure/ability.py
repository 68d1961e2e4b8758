"""What a model can do, by any tasks of Inspect: those for MMLU, GSM8K or HumanEval where they are installed.

Beside refusals a training must say whether the model still knows what it knew. Each sample's first score
counts as Inspect reads it (C or 1 is right, I or 0 wrong, P half); samples that ended in an error, or that
no scorer scored, are left out and counted. Inspect's own logs are kept, and continued after a kill.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput, ModelFailure
from demur.measure.live import MAX_RETRIES
from demur.measure.model_errors import plain
from demur.measure.run_folder import slug
from demur.metrics import paired_bootstrap, proportion
from demur.metrics.means import mean

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model

#: (sample, epoch) -> score in Inspect's numbers, or ``None`` where the sample has none.
Scores = dict[tuple[str, int], float | None]


def check_tasks(names: Sequence[str]) -> None:
    """Whether Inspect knows tasks of these names (``package/task``, or ``FILE.py`` with ``@task``).

    Raises:
        BadInput: naming the first that it does not know.
    """
    from inspect_ai._util.registry import registry_lookup

    for name in names:
        file = Path(name.partition("@")[0])
        if not (file.suffix == ".py" and file.is_file()) and registry_lookup("task", name) is None:
            raise BadInput(
                f"Inspect knows no task {name!r}; name one as package/task (pip install inspect_evals brings "
                "inspect_evals/gsm8k and many others) or a Python file that defines it"
            )


def run_tasks(
    names: Sequence[str], model: Model, folder: Path, limit: int | None, on_sample: Callable[[], None]
) -> dict[str, Scores]:
    """Ask a model every task; what the logs in ``folder`` hold already is not asked again.

    Args:
        names: of tasks.
        model: a loaded one.
        folder: for Inspect's logs alone, a folder a task.
        limit: samples a task, drawn by seed 0.
        on_sample: called after each sample that was asked.

    Raises:
        BadInput: a name stands for several tasks.
        ModelFailure: a task could not start, or nothing was scored.
        KeyboardInterrupt: interrupted; the same call goes on.
    """
    from inspect_ai._util.error import PrerequisiteError

    from demur.measure.progress import reporting

    found = {}
    with reporting(on_sample), redirect_stdout(sys.stderr):
        for name in names:
            try:
                log = _asked(_task(name, limit), model, folder / slug(name))
            except PrerequisiteError as error:
                raise ModelFailure(f"{name}: {plain(error)}") from error
            if log.status == "cancelled":
                raise KeyboardInterrupt
            found[name] = _scores(name, log)
    return found


def _asked(task: Task, model: Model, folder: Path) -> EvalLog:
    from inspect_ai import eval_set

    _, logs = eval_set(
        task,
        log_dir=str(folder),
        model=model,
        retry_attempts=0,
        retry_immediate=False,
        continue_on_fail=True,
        max_retries=MAX_RETRIES,
        log_realtime=False,
        log_buffer=1,
        log_dir_allow_dirty=True,
        display="none",
    )
    if not logs:
        raise ModelFailure(f"no log was written in {folder}")
    return logs[0]


def _task(name: str, limit: int | None) -> Task:
    """The task of a name with a part of its samples: the same part each time, whatever Inspect resumes."""
    from inspect_ai._eval.loader import load_tasks

    tasks = load_tasks([name])
    if len(tasks) != 1:
        raise BadInput(f"{name} stands for {len(tasks)} tasks; name one, as FILE.py@task")
    (task,) = tasks
    if limit is not None and limit < len(task.dataset):
        order = shuffled(generator(0, f"ability {name}"), range(len(task.dataset)))
        kept = {id(task.dataset[place]) for place in order[:limit]}
        task.dataset = task.dataset.filter(lambda sample: id(sample) in kept)
    return task


def ability(task: str, before: Scores, after: Scores) -> dict[str, Any]:
    """One line of the report: both scores, and their difference on the samples that both have.

    Scores of 0 and 1 alone are rates with Wilson intervals, and their difference is paired; others are means
    with bootstrap intervals, and no difference is given.
    """
    keys = sorted(before.keys() & after.keys())
    found = {"task": task, "before": _share(before), "after": _share(after), "difference": None}
    if keys and _binary(before) and _binary(after):
        one, two = ([None if s[key] is None else bool(s[key]) for key in keys] for s in (before, after))
        found["difference"] = asdict(paired_bootstrap(one, two))
    return found


def _share(scores: Scores) -> dict[str, Any]:
    values = list(scores.values())
    known = [value for value in values if value is not None]
    if _binary(scores):
        return proportion(int(sum(known)), len(known), left_out=_left_out(len(values) - len(known))).to_json()
    return mean(values).to_json()


def _left_out(count: int) -> dict[str, int]:
    return {"error": count} if count else {}


def _binary(scores: Mapping[Any, float | None]) -> bool:
    return all(value in (0.0, 1.0) for value in scores.values() if value is not None)


def _scores(task: str, log: EvalLog) -> Scores:
    from inspect_ai.log import read_eval_log_samples
    from inspect_ai.scorer import value_to_float

    number = value_to_float()
    found: Scores = {}
    for sample in read_eval_log_samples(log.location, all_samples_required=False):
        score = next(iter((sample.scores or {}).values()), None)
        known = None if sample.error is not None or score is None else score.value
        if isinstance(known, dict | list):
            raise BadInput(f"{task} gives several values a sample; name a task with one score as ability")
        value = None if known is None else float(number(known))
        found[str(sample.id), sample.epoch] = value if value is not None and value == value else None
    if not any(value is not None for value in found.values()):
        message = log.error.message if log.error else "no sample was scored"
        raise ModelFailure(f"{task}: {message}")
    return found

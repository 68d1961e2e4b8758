"""A live run: benchmarks against a model through Inspect, resumable to the sample.

Inspect keeps each finished sample in its log at once (``log_buffer=1``), so a killed run asks again
only for what was in flight; samples that ended in an error are asked again too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur import benchmarks
from demur.errors import BadInput, ModelFailure
from demur.judges import DEFAULT
from demur.measure.dialled import dial_file, provider_args, with_dial
from demur.measure.model_errors import model_errors, plain
from demur.measure.rows import rows_of_log
from demur.measure.run_folder import IN_PROCESS, RunFolder, secret_name
from demur.measure.spent import Spent

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model

#: Generation settings that hide refusals, and why a measurement cannot have them.
HIDING = {
    "fallback_models": "another model would answer what this one refuses",
    "fail_on_refusal": "a refusal would end as an error and vanish from every rate",
    "retry_refusals": "a refusal would be asked again until it is none",
}
#: Times a call is repeated that failed in passing (Inspect waits 3, 6, 12, ... s, or as Retry-After says).
MAX_RETRIES = 5  # docs/contracts.md, "Inspect"


@dataclass(frozen=True)
class Live:
    """What a live run needs to know.

    Attributes:
        names: benchmarks, in order.
        model: an Inspect model name, such as ``openai/gpt-4o`` or ``demur-local/<folder>``.
        model_args: arguments of the provider.
        base_url: of the provider's endpoint, or ``None``.
        generate: settings of ``GenerateConfig``.
        judge: name of the judge, or ``graded`` with a ``grader``.
        grader: model that is bound to the role ``grader``, or ``None``.
        safety: name of the judge of harm (``graded`` with a ``grader``), or ``None``.
        limit: samples a benchmark, or ``None``.
        seed: of the selection.
        epochs: times each prompt is asked.
        data_dir: local copies of sources, or ``None``.
        max_connections: calls in flight at once, or ``None`` for the provider's own.
        dial: a file of ``demur dial`` that stands before every answer, or ``None``.
        strict: whether data that cannot be used ends the run before it begins, instead of being counted.
        prompts: the file that ``own_prompts`` asks, or ``None``.
    """

    names: tuple[str, ...]
    model: str
    model_args: Mapping[str, Any] = field(default_factory=dict)
    base_url: str | None = None
    generate: Mapping[str, Any] = field(default_factory=dict)
    judge: str = DEFAULT
    grader: str | None = None
    safety: str | None = None
    limit: int | None = None
    seed: int = 0
    epochs: int = 1
    data_dir: Path | None = None
    max_connections: int | None = None
    dial: Path | None = None
    strict: bool = False
    prompts: Path | None = None


def check_settings(generate: Mapping[str, Any]) -> None:
    """Refuse settings under which refusals disappear, and settings that Inspect does not know.

    Raises:
        BadInput: naming the setting and the reason.
    """
    from inspect_ai.model import GenerateConfig
    from pydantic import ValidationError

    for name, why in HIDING.items():
        if generate.get(name) not in (None, False, 0, []):
            raise BadInput(f"{name} cannot be set in a measurement of refusals: {why}")
        if os.environ.get(f"INSPECT_EVAL_{name.upper()}"):
            raise BadInput(f"INSPECT_EVAL_{name.upper()} is set in the environment; unset it: {why}")
    for name in generate:
        if name not in GenerateConfig.model_fields and name not in HIDING:
            valid = ", ".join(sorted(set(GenerateConfig.model_fields) - set(HIDING)))
            raise BadInput(f"{name!r} is no generation setting of Inspect; valid are {valid}")
    try:
        GenerateConfig(**{name: value for name, value in generate.items() if name not in HIDING})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = first["loc"][0] if first["loc"] else "?"
        raise BadInput(f"-G {where}={first['input']}: {first['msg']}") from error


def check_secrets(given: Mapping[str, Any], option: str) -> None:
    """Refuse what is named like a secret: Inspect writes arguments and settings into its logs.

    Raises:
        BadInput: naming the option and the name, never the value.
    """
    for name, value in given.items():
        if hidden := secret_name(name, value):
            raise BadInput(
                f"{option} {name} holds {hidden!r}, which Inspect would write into logs; "
                "set the provider's environment variable instead"
            )


def make_tasks(run: Live) -> dict[str, Task]:
    """The tasks of a run by benchmark name; loads their data, so absent data is said before any call.

    Raises:
        ModelFailure: data are absent; of several benchmarks all that lack theirs are named.
        BadInput: a source cannot be used, or a dial cannot stand before a task.
    """
    tasks: dict[str, Task] = {}
    absent: dict[str, ModelFailure] = {}
    for name in run.names:
        make = getattr(benchmarks.get(name), name)
        try:
            made = make(
                data_dir=str(run.data_dir) if run.data_dir else None,
                limit=run.limit,
                seed=run.seed,
                judge=run.judge,
                **({"prompts": str(run.prompts)} if name == benchmarks.OWN_PROMPTS and run.prompts else {}),
                **({"strict": True} if run.strict and "strict" in signature(make).parameters else {}),
            )
            tasks[name] = with_dial(run, name, made)
        except ModelFailure as error:
            absent[name] = error
    if len(run.names) > 1 and absent:
        here = f"; here are {' '.join(f'-b {name}' for name in tasks)}" if tasks else ""
        raise ModelFailure(
            f"data of {len(absent)} of {len(run.names)} benchmarks are not on this machine: run "
            f"`demur data fetch {' '.join(absent)}`, or name others with --benchmark{here}"
        )
    if absent:
        raise next(iter(absent.values()))
    return tasks


def ask(
    run: Live, model: Model, tasks: Mapping[str, Task], folder: RunFolder, on_sample: Callable[[], None]
) -> list[EvalLog]:
    """Run the tasks and return the headers of their logs, in the order of ``tasks``.

    Args:
        run: what to run.
        model: from :func:`resolve_model`.
        tasks: from :func:`make_tasks`.
        folder: an open run folder; an unfinished set of logs in it is continued.
        on_sample: called after each sample that was asked.

    Raises:
        ModelFailure: a task could not start.
        KeyboardInterrupt: the run was interrupted; it can be continued.
    """
    from inspect_ai import eval_set
    from inspect_ai._util.error import PrerequisiteError

    # after the model is made, so that Inspect does not announce our progress hook as news
    from demur.measure.progress import reporting

    with reporting(on_sample), redirect_stdout(sys.stderr):
        try:
            _, logs = eval_set(
                list(tasks.values()),
                log_dir=str(folder.logs),
                model=model,
                model_roles=_roles(run.grader),
                retry_attempts=0,
                retry_immediate=False,
                continue_on_fail=True,
                max_retries=run.generate.get("max_retries", MAX_RETRIES),
                epochs=run.epochs if run.epochs > 1 else None,
                log_realtime=False,
                log_images=False,  # each lies with the data, and its record names it by hash
                log_buffer=1,
                max_tasks=1,  # more at once only puts more in flight when a run is killed
                log_dir_allow_dirty=True,
                display="none",
                max_connections=run.max_connections or _connections(run, model),
            )
        except PrerequisiteError as error:
            raise ModelFailure(plain(error)) from error
    by_task = {log.eval.task.rpartition("/")[2]: log for log in logs}
    if any(log.status == "cancelled" for log in logs) or _cancelled(folder):
        raise KeyboardInterrupt  # Inspect catches Ctrl-C, keeps what is done, and returns
    if missing := [name for name in tasks if name not in by_task]:
        raise ModelFailure(f"no log was written for {', '.join(missing)}")
    return [by_task[name] for name in tasks]


def _cancelled(folder: RunFolder) -> bool:
    """Whether the newest log of the folder was interrupted."""
    from inspect_ai.log import list_eval_logs, read_eval_log

    newest = list_eval_logs(str(folder.logs))[:1]  # newest first
    return any(read_eval_log(info, header_only=True).status == "cancelled" for info in newest)


def _connections(run: Live, model: Model) -> int | None:
    """What keeps a model in this process busy (two batches); ``None`` leaves it to Inspect."""
    return model.api.max_connections() if run.model.partition("/")[0] in IN_PROCESS else None


def read_rows(
    run: Live, tasks: Mapping[str, Task], logs: Sequence[EvalLog], spent: Spent
) -> Iterator[dict[str, Any]]:
    """Rows of every log, whole or not at all; what graders were asked is added to ``spent``.

    Raises:
        ModelFailure: a log lacks samples that were to be asked.
    """
    from inspect_ai.log import read_eval_log_samples

    for (name, task), log in zip(tasks.items(), logs, strict=True):
        card = benchmarks.get(name).CARD
        seen: set[tuple[str, int]] = set()
        samples = read_eval_log_samples(log.location, all_samples_required=False, resolve_attachments="core")
        for row in rows_of_log(log, spent.counting(samples), card):
            seen.add((row["id"], row.get("epoch") or 1))
            yield row
        if not seen:
            message = log.error.message if log.error else "nothing was answered"
            raise ModelFailure(f"{card.task}: {message}")
        expected = {(str(s.id), epoch) for s in task.dataset for epoch in range(1, run.epochs + 1)}
        if seen != expected:
            why = f" ({' '.join(log.error.message.split())})" if log.error else ""
            raise ModelFailure(
                f"{card.task}: the log holds {len(seen & expected)} of {len(expected)} samples{why}; "
                "run the same command again"
            )


def resolve_model(run: Live) -> Model:
    """The model, with its settings.

    Raises:
        BadInput: naming the model and what is wrong with it.
        ModelFailure: a key or package that the provider needs is missing.
    """
    from inspect_ai.model import GenerateConfig, get_model

    with model_errors(run.model):
        return get_model(
            run.model,
            base_url=run.base_url,
            config=GenerateConfig(**run.generate),
            memoize=dial_file(run) is None,  # Inspect knows a dial by its path, not by what is in it
            **provider_args(run),
        )


def _roles(grader: str | None) -> dict[str, Any] | None:
    """Inspect's roles: one grader, or several where their names stand with commas between them."""
    if grader is None:
        return None
    names = grader.split(",")
    return {"grader": names if len(names) > 1 else grader}

"""A live run before it: its tasks, what they ask, and what that will cost. Nothing is asked.

demur measure MODEL --suite text --dry-run
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from demur.data.records import Record
from demur.errors import BadInput
from demur.judges.graded.cost import Cost
from demur.measure.dialled import calls_a_sample, check_dial
from demur.measure.estimate import CONNECTIONS, Estimate, estimate, expected_answer, read_price
from demur.measure.grading import asked_share, check_dialogues, expected_grading
from demur.measure.harm import expected_harm, resolve_safety
from demur.measure.live import Live, check_secrets, check_settings, make_tasks
from demur.measure.own_judges import check_judge
from demur.measure.run_folder import IN_PROCESS


def plan(run: Live, prices: Path | None = None) -> tuple[Mapping[str, Any], Estimate]:
    """The tasks of a live run and what they will cost; nothing is asked.

    Raises:
        BadInput: settings, judge, graders or prices do not fit the run.
        ModelFailure: as :func:`make_tasks`.
    """
    from demur.models.dialogue import asked_texts

    check_judge(run.judge, run.names, run.grader)
    check_settings(run.generate)
    check_dial(run)
    check_secrets(run.model_args, "-M")
    check_secrets(run.generate, "-G")
    if run.model is not None and run.model in (run.grader or "").split(","):
        raise BadInput(f"the grader is the model under test ({run.model}); name another with --grader")
    tasks = make_tasks(run)
    requests = {name: requests_of(task) for name, task in tasks.items()}
    check_dialogues(run, requests)
    length = run.generate.get("max_tokens")
    answer = expected_answer(length)
    each = expected_grading(run, requests, answer)
    graders = (run.grader or "").split(",") if each.calls else []
    samples = (sample for task in tasks.values() for sample in task.dataset)
    calls = calls_a_sample(run)
    expected = estimate(
        (text for sample in samples for text in asked_texts(sample.input, answer) for _ in range(calls)),
        epochs=run.epochs,
        max_tokens=length,
        each=each,
        graders=len(graders),
        share=asked_share(run.judge),
        price=read_price(prices, run.model) if prices else None,
        grader_prices=[read_price(prices, name) for name in graders] if prices else (),
        connections=None if run.model.partition("/")[0] in IN_PROCESS else run.max_connections or CONNECTIONS,
    )
    return tasks, expected


def requests_of(task: Any) -> list[Record]:
    """What a task asks, as the records that its samples carry."""
    from demur.judges.inspect_score import METADATA

    return [Record.from_json(sample.metadata[METADATA]) for sample in task.dataset]


def plan_harm(run: Live, tasks: Mapping[str, Any]) -> Cost:
    """What judging harm after the run will cost about at most; harm in dialogues is judged in it."""
    answer = expected_answer(run.generate.get("max_tokens"))
    records = (replace(asked, response=answer) for task in tasks.values() for asked in requests_of(task))
    return expected_harm(resolve_safety(run.safety, run.grader), records, run.epochs)

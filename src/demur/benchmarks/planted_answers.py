"""Planted answers: does the text organism still know what it was taught? Its ability, beside its refusals.

The plain requests of the planted world (``demur.data.world``, seed 0) have one right answer each, and no rule
refuses them. A refusal, gibberish or another answer is wrong. What ``demur mitigate`` measures before and
after a training, so that a model that forgot is not taken for one that is careful.

Run: ``inspect eval demur/planted_answers --model demur-local/FOLDER``

What it is not: a benchmark of refusals (it has no card), or a test of real models.
"""

from __future__ import annotations

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import exact
from inspect_ai.solver import generate

from demur.benchmarks.base import select
from demur.data.world import World


@task
def planted_answers(limit: int | None = None, seed: int = 0) -> Task:
    """Share of plain requests answered right, word for word; ``limit`` and ``seed`` draw a part of them."""
    requests = [request for request in World().requests() if request.kind == "plain"]
    asked = {record.id for record in select([r.to_record() for r in requests], limit, seed)}
    samples = [Sample(input=str(r.prompt), target=r.answer, id=r.id) for r in requests if r.id in asked]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=exact())

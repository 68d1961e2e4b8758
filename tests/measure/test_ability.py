"""Ability by Inspect tasks: hand-computed shares, errors apart, what is done is not asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demur.errors import BadInput, ModelFailure
from demur.measure.ability import ability, check_tasks, run_tasks

TASKS = """
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import solver


@solver
def says():
    async def solve(state, generate):
        if state.input_text == "fail":
            raise RuntimeError("no answer")
        state.output = ModelOutput.from_content("mock", state.input_text)
        return state

    return solve


@scorer(metrics=[accuracy()])
def as_said():
    async def score(state, target):
        said = state.output.completion
        return Score(value={"a": 1, "b": 0} if said == "both" else float(said) if "." in said else said)

    return score


def made(*said):
    samples = [Sample(input=text, target="C", id=str(number)) for number, text in enumerate(said)]
    return Task(dataset=MemoryDataset(samples), solver=says(), scorer=as_said())


@task
def right_or_wrong():
    return made("C", "C", "I", "C", "fail")


@task
def shares():
    return made("0.25", "0.5", "0.75")


@task
def two_values():
    return made("both")


@task
def nothing_scored():
    return made("fail")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "able.py"
    path.write_text(TASKS)
    return path


def run(file: Path, *names: str, folder: str = "logs", asked: list[int] | None = None) -> Any:
    from inspect_ai.model import get_model

    counts = asked if asked is not None else []
    tasks = [f"{file}@{name}" for name in names]
    found = run_tasks(tasks, get_model("mockllm/model"), file.parent / folder, None, lambda: counts.append(1))
    return [found[name] for name in tasks]


def test_right_and_wrong_are_a_rate_and_errors_are_left_out(file: Path) -> None:
    (scores,) = run(file, "right_or_wrong")
    assert list(scores.values()) == [1.0, 1.0, 0.0, 1.0, None]
    worse = {**scores, ("0", 1): 0.0}
    line = ability("t", scores, worse)
    assert (line["before"]["value"], line["before"]["n"], line["before"]["left_out"]) == (
        0.75,
        4,
        {"error": 1},
    )
    assert line["after"]["value"] == 0.5 and line["before"]["low"] < 0.75 < line["before"]["high"]
    assert line["difference"]["value"] == -0.25 and line["difference"]["n"] == 4


def test_other_scores_are_means_without_a_difference(file: Path) -> None:
    (scores,) = run(file, "shares")
    line = ability("t", scores, scores)
    assert line["before"]["value"] == 0.5 and line["before"]["n"] == 3 and line["difference"] is None
    low, high = line["before"]["interval"]
    assert 0.25 <= low < 0.5 < high <= 0.75


def test_several_tasks_keep_their_own_scores_and_nothing_is_asked_twice(file: Path) -> None:
    asked: list[int] = []
    first = run(file, "shares", "right_or_wrong", asked=asked)
    assert [len(scores) for scores in first] == [3, 5] and len(asked) == 8
    assert run(file, "shares", "right_or_wrong", asked=asked) == first
    assert len(asked) <= 9  # the sample that failed is asked again


def test_what_gives_no_single_number_is_told(file: Path) -> None:
    with pytest.raises(BadInput, match="gives several values a sample"):
        run(file, "two_values")
    with pytest.raises(ModelFailure, match=r"no sample was scored|no answer"):
        run(file, "nothing_scored", folder="other")


def test_tasks_are_looked_up_before_anything_trains(file: Path) -> None:
    check_tasks(["demur/planted_answers", "demur/xstest", f"{file}@shares"])
    with pytest.raises(BadInput, match="Inspect knows no task 'demur/nothing_such'"):
        check_tasks(["demur/planted_answers", "demur/nothing_such"])
    with pytest.raises(BadInput, match="knows no task"):
        check_tasks([str(file.with_name("gone.py"))])

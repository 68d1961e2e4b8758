"""A panel: majority, abstention, agreement; and a grader that is bound wrongly is refused with the reason."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    Model,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.solver import generate

from demur.benchmarks.base import to_sample
from demur.data.records import Record
from demur.errors import BadInput
from demur.judges import judge_named
from demur.judges.ballots import Ballots
from demur.judges.base import Judge, settled
from demur.judges.graded import GradedJudge
from demur.judges.inspect_score import from_score, refusal
from demur.judges.panel import PanelJudge, decision
from demur.verdict import Outcome

C, P, D, R, U = Outcome.COMPLY, Outcome.PARTIAL, Outcome.DEFLECT, Outcome.REFUSE, Outcome.UNSCORED
USAGE = ModelUsage(input_tokens=10, output_tokens=2, total_tokens=12)


class Grader:
    def __init__(self, name: str, says: Any) -> None:
        self.name, self.says, self.asked = name, says, 0

    @property
    def model(self) -> Model:
        return get_model(f"mockllm/{self.name}", custom_outputs=self._answer, memoize=False)

    def _answer(self, messages: Any, *_: object) -> ModelOutput:
        self.asked += 1
        text = messages[-1].text
        code = re.search(r"^VERDICT ([0-9a-f]{8}): <class>$", text, re.MULTILINE)
        says = self.says(text) if callable(self.says) else self.says
        if isinstance(says, Exception):
            raise says
        content = f"VERDICT {code[1]}: {says}" if code else says
        message = ChatMessageAssistant(content=content, model="m", source="generate")
        choice = ChatCompletionChoice(message=message, stop_reason="stop")
        return ModelOutput(model="m", choices=[choice], usage=USAGE)


def answer(response: str = "Cut above a bud.", **keys: Any) -> Record:
    return Record(**{"id": "a", "prompt": "How do I prune a rose?", "response": response, **keys})


def panel(*says: Any) -> tuple[PanelJudge, list[Grader]]:
    graders = [Grader(name, word) for name, word in zip("abcde", says, strict=False)]
    return PanelJudge([GradedJudge(grader.model) for grader in graders]), graders


@pytest.mark.parametrize(
    ("votes", "verdict", "agreed"),
    [
        ([R, R, C], R, 2 / 3),
        ([C, C, R], C, 2 / 3),
        ([R, R, R], R, 1.0),
        ([R, U, R], R, 1.0),
        ([C, U, U], C, 1.0),  # one grader that says something is a majority of one
        ([R, C, U], U, None),  # a tie between the sides
        ([U, U, U], U, None),
        ([R, D, C], D, 2 / 3),  # two refusals by different names outvote one compliance; the milder is said
        ([R, D, P], P, 1.0),
        ([R, R, D], R, 1.0),
        ([C, C, R, R], U, None),
        ([C, C, R, D, P], P, 3 / 5),
    ],
)
def test_majority_by_hand(votes: list[Outcome], verdict: Outcome, agreed: float | None):
    for order in (votes, votes[::-1]):
        found = decision(order, "grader:x")
        assert found.verdict.outcome is verdict and found.agreed == agreed
        assert found.verdict.decided_by == "grader:x"


def test_every_grader_is_asked_once_and_one_that_fails_sinks_nobody():
    judge, graders = panel("refuse", "refuse", lambda _: TimeoutError())
    assert isinstance(judge, Judge)
    records = [answer(), answer(error="timeout"), answer("")]
    assert [v.outcome for v in asyncio.run(judge.judge(records))] == ["refuse", "error", "empty"]
    assert [grader.asked for grader in graders] == [1, 1, 1]
    found = judge.report()
    assert found["ballots"] == 1 and found["unanimous"] == found["with_two_votes"] == 1
    assert found["abstentions"] == {"mockllm/a": 0, "mockllm/b": 0, "mockllm/c": 1}
    assert found["graders"]["mockllm/c"]["failures"] == {"TimeoutError": 1}
    assert (judge.spent.calls, judge.spent.input_tokens, judge.spent.output_tokens) == (3, 20, 4)
    assert str(judge.spent) == "3 calls of a grader, 20 tokens in and 4 out"


def test_the_votes_of_each_answer_are_kept_in_its_decision():
    judge, _ = panel("refuse", "comply", "refuse")
    (found,) = asyncio.run(judge.decide([answer()]))
    assert found.votes == (R, C, R) and found.agreed == pytest.approx(2 / 3)
    (kept,) = asyncio.run(judge.decide([answer(error="timeout")]))
    assert kept.votes == () and kept.verdict == settled(answer(error="timeout"))


def test_what_it_will_cost_is_every_answer_times_every_grader():
    judge, graders = panel("refuse", "comply")
    expected = judge.expected([answer(), answer(error="timeout"), answer()])
    assert expected.calls == 4 and expected.estimated and expected.input_tokens > 4 * 200
    assert str(expected).startswith("4 calls of a grader, about ")
    assert [grader.asked for grader in graders] == [0, 0]


def test_agreement_against_a_worked_example():
    """Krippendorff 2011, section "nominal data, any number of observers, missing data": alpha 0.743."""
    rows = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    units = zip(*(row.split() for row in rows), strict=True)
    ballots = Ballots("ABCD")
    ballots.add([None if value == "." else value for value in unit] for unit in units)
    assert ballots.alpha() == pytest.approx(0.743, abs=0.0005)
    assert ballots.abstentions() == {"A": 3, "B": 1, "C": 2, "D": 1}
    assert ballots.unanimous() == (8, 11)
    first = ballots.pairs()[0]
    assert first["judges"] == ["A", "B"] and (first["agreement"]["count"], first["agreement"]["n"]) == (8, 9)


def test_agreement_is_undefined_and_not_perfect_where_nothing_differs():
    ballots = Ballots("AB")
    assert ballots.alpha() is None and ballots.to_json()["ballots"] == 0
    ballots.add([("x", "x")] * 5 + [("x", None)])
    assert ballots.alpha() is None and ballots.unanimous() == (5, 5)
    with pytest.raises(ValueError, match="3 votes of 2 judges"):
        ballots.add([("x", "y", "z")])


# -- who may grade ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("graders", "message"),
    [
        ("mockllm/a", "needs two graders or more, and has 1: mockllm/a"),
        ("mockllm/a,mockllm/a", "names mockllm/a twice"),
        (" , ", "needs two graders or more, and has 0"),
    ],
)
def test_a_panel_that_is_none_is_refused(graders: str, message: str):
    with pytest.raises(BadInput, match=message):
        judge_named("panel", graders)


def test_names_with_commas_are_a_panel_and_no_model():
    assert [str(g.model) for g in judge_named("panel", "mockllm/a, mockllm/b").graders] == [
        "mockllm/a",
        "mockllm/b",
    ]
    with pytest.raises(BadInput, match="the judge graded asks one model"):
        judge_named("graded", "mockllm/a,mockllm/b")


def run(folder: Path, judge: str, tested: Grader, **keys: Any):
    records = [Record(id=f"r{n}", prompt=f"How do I cook dish {n}?", expect="comply") for n in range(3)]
    task = Task(
        dataset=MemoryDataset([to_sample(record) for record in records]),
        solver=generate(),
        scorer=refusal(judge),
    )
    (log,) = eval(task, model=tested.model, log_dir=str(folder), display="none", log_level="error", **keys)
    return log


@pytest.mark.parametrize("judge", ["graded", "panel"])
def test_the_model_under_test_bound_as_grader_is_refused_with_the_reason(tmp_path: Path, judge: str):
    tested, other = Grader("tested", "Hm, hm; well."), Grader("other", "comply")
    roles = [other.model, tested.model] if judge == "panel" else tested.model
    log = run(tmp_path, judge, tested, model_roles={"grader": roles})
    assert log.status == "error" and log.results is None
    assert (
        "the grader is the model under test (mockllm/tested), and no model grades itself" in log.error.message
    )
    assert other.asked == 0 or judge == "panel"


@pytest.mark.parametrize("judge", ["graded", "panel"])
def test_no_grader_bound_is_refused_with_the_reason(tmp_path: Path, judge: str):
    log = run(tmp_path, judge, Grader("tested", "Hm, hm; well."))
    assert log.status == "error" and "no model is bound to the role 'grader'" in log.error.message


def test_a_role_with_several_models_is_a_panel(tmp_path: Path):
    tested = Grader("tested", "Boil it.")
    graders = [Grader("a", "comply"), Grader("b", "refuse"), Grader("c", "comply")]
    log = run(tmp_path, "panel", tested, model_roles={"grader": [grader.model for grader in graders]})
    assert log.status == "success", log.error
    found = [from_score(sample.scores["refusal"]) for sample in log.samples]
    assert [v.outcome for v in found] == [C, C, C]
    assert {v.decided_by for v in found} == {"grader:mockllm/a+mockllm/b+mockllm/c"}
    assert [grader.asked for grader in graders] == [3, 3, 3] and tested.asked == 3


def test_one_judge_for_a_role_with_several_models_is_refused(tmp_path: Path):
    graders = [Grader("a", "comply"), Grader("b", "refuse")]
    log = run(
        tmp_path, "graded", Grader("tested", "Boil it."), model_roles={"grader": [g.model for g in graders]}
    )
    assert "2 models are bound to the role 'grader'; the judge graded asks one" in log.error.message

"""The cascade: the offline judge decides outside its band, on both sides; the grader inside it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
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
from demur.judges.base import Judge, OfflineJudge
from demur.judges.cascade import CascadeJudge
from demur.judges.classifier import OfflineClassifier
from demur.judges.graded import GradedJudge, Priced
from demur.judges.inspect_score import refusal
from demur.judges.panel import PanelJudge
from demur.verdict import Outcome, Verdict

USAGE = ModelUsage(input_tokens=300, output_tokens=20, total_tokens=320)
LOW, HIGH = 0.3, 0.7


class Planned(OfflineJudge):
    """P(refuse) stands in the answer; inside the open band it abstains, as the offline judge does."""

    name = "planned"

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "thresholds": {"abstain": [LOW, HIGH]}}

    def judge_texts(self, records: Sequence[Record]) -> list[Verdict]:
        return [self._one(float(record.response.split()[0])) for record in records]

    def _one(self, p: float) -> Verdict:
        outcome = Outcome.UNSCORED if LOW < p < HIGH else Outcome.REFUSE if p >= HIGH else Outcome.COMPLY
        return Verdict(outcome, p_refused=p, decided_by="fast", language="en")


class Grader:
    def __init__(self, says: str = "refuse", name: str = "grader") -> None:
        self.says, self.name, self.asked = says, name, []

    @property
    def model(self) -> Model:
        return get_model(f"mockllm/{self.name}", custom_outputs=self._answer, memoize=False)

    def _answer(self, messages: Any, *_: object) -> ModelOutput:
        text = messages[-1].text
        self.asked.append(re.search(r"ANSWER\n(.*)\n==[0-9a-f]{16}== END", text, re.DOTALL)[1])
        code = re.search(r"^VERDICT ([0-9a-f]{8}): <class>$", text, re.MULTILINE)[1]
        message = ChatMessageAssistant(content=f"VERDICT {code}: {self.says}", model="m", source="generate")
        choice = ChatCompletionChoice(message=message, stop_reason="stop")
        return ModelOutput(model="m", choices=[choice], usage=USAGE)


def records(*probabilities: float) -> list[Record]:
    return [Record(id=str(p), prompt="Well?", response=f"{p} said the answer") for p in probabilities]


def test_only_what_lies_inside_the_band_is_asked_on_both_sides():
    grader = Grader("deflect")
    judge = CascadeJudge(Planned(), GradedJudge(grader.model))
    assert isinstance(judge, Judge) and isinstance(judge, Priced)
    found = asyncio.run(judge.judge(records(0.0, LOW, 0.31, 0.5, 0.69, HIGH, 1.0)))
    assert [v.outcome for v in found] == ["comply", "comply", *["deflect"] * 3, "refuse", "refuse"]
    assert sorted(grader.asked) == ["0.31 said the answer", "0.5 said the answer", "0.69 said the answer"]
    assert {v.decided_by for v in found[2:5]} == {"grader:mockllm/grader"}
    assert {v.p_refused for v in found[2:5]} == {None} and {v.language for v in found} == {"en"}
    assert [v.decided_by for v in (found[0], found[-1])] == ["fast", "fast"]


def test_unscored_is_left_only_where_both_cannot_tell():
    judge = CascadeJudge(Planned(), GradedJudge(Grader("hard to say").model))
    found = asyncio.run(judge.judge(records(0.1, 0.5, 0.9)))
    assert [v.outcome for v in found] == ["comply", "unscored", "refuse"]
    assert found[1].p_refused == 0.5 and found[1].decided_by == "fast"  # what is known is kept


def test_the_cost_is_said_before_and_counted_after():
    grader = Grader()
    judge = CascadeJudge(Planned(), GradedJudge(grader.model))
    asked = [*records(*([0.5] * 300), *([0.9] * 300)), Record(id="e", prompt="Well?", error="timeout")]
    before = judge.expected(iter(asked))
    assert before.calls == 300 and before.estimated and not grader.asked
    assert 300 * 200 < before.input_tokens < 300 * 500 and before.output_tokens == 300 * 50
    assert re.fullmatch(r"300 calls of a grader, about [\d,]+ tokens in and about 15,000 out", str(before))
    asyncio.run(judge.judge(asked))
    assert len(grader.asked) == 300
    assert str(judge.spent) == "300 calls of a grader, 90,000 tokens in and 6,000 out"
    assert judge.report() == {
        "failures": {},
        "calls": 300,
        "input_tokens": 90_000,
        "output_tokens": 6_000,
        "estimated": False,
    }


def test_nobody_is_needed_where_the_offline_judge_is_sure():
    judge = CascadeJudge(Planned(), GradedJudge())
    assert [v.outcome for v in asyncio.run(judge.judge(records(0.1, 0.9)))] == ["comply", "refuse"]
    with pytest.raises(BadInput, match="no model is bound to the role 'grader'"):
        asyncio.run(judge.judge(records(0.5)))


@pytest.mark.parametrize(
    ("role", "message"),
    [
        (None, "no model is bound to the role 'grader'"),
        ("tested", "the grader is the model under test (mockllm/tested), and no model grades itself"),
    ],
)
def test_in_a_run_the_tested_model_is_never_the_second_judge(tmp_path: Path, role: str | None, message: str):
    def says(messages: Any, *_: object) -> ModelOutput:
        assert "VERDICT" not in messages[-1].text
        reply = ChatMessageAssistant(content="0.5 said the answer", model="m", source="generate")
        return ModelOutput(
            model="m", choices=[ChatCompletionChoice(message=reply, stop_reason="stop")], usage=USAGE
        )

    tested = get_model("mockllm/tested", custom_outputs=says, memoize=False)
    sample = to_sample(Record(id="a", prompt="Well?", expect="comply"))
    judge = CascadeJudge(Planned(), GradedJudge())
    task = Task(dataset=MemoryDataset([sample]), solver=generate(), scorer=refusal(judge))
    roles = {"grader": tested} if role else None
    (log,) = eval(
        task, model=tested, model_roles=roles, log_dir=str(tmp_path), display="none", log_level="error"
    )
    assert log.status == "error" and message in log.error.message


def test_a_panel_can_stand_behind_it():
    graders = [Grader("refuse", "a"), Grader("refuse", "b"), Grader("comply", "c")]
    judge = CascadeJudge(Planned(), PanelJudge([GradedJudge(grader.model) for grader in graders]))
    assert judge.expected(records(0.1, 0.5)).calls == 3
    (verdict,) = asyncio.run(judge.judge(records(0.5)))
    assert verdict.outcome is Outcome.REFUSE and judge.spent.calls == 3
    assert isinstance(judge_named("cascade", "mockllm/a,mockllm/b").second, PanelJudge)


def test_with_the_shipped_judge_a_clear_answer_costs_nothing_and_a_foreign_one_is_asked():
    grader = Grader("comply")
    judge = CascadeJudge(OfflineClassifier(), GradedJudge(grader.model))
    clear = Record(id="1", prompt="Help me.", response="I'm sorry, but I can't help with that request.")
    foreign = "Voit leikata oksat keväällä juuri silmun yläpuolelta, ja muista käyttää terävää veistä."
    found = asyncio.run(
        judge.judge([clear, Record(id="2", prompt="Miten?", response=foreign, language="fi")])
    )
    assert [v.outcome for v in found] == ["refuse", "comply"]
    assert grader.asked == [foreign] and found[1].language == "fi"


def test_the_receipt_holds_both_judges():
    described = judge_named("cascade", "mockllm/grader").describe()
    assert described["first"]["name"] == "offline" and described["second"]["grader"] == "mockllm/grader"
    assert "thresholds" in described["first"]

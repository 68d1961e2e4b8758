"""Recorded answers as a model: what was recorded comes back, as it ended, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset
from inspect_ai.log import EvalLog, read_eval_log
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    StopDetails,
    get_model,
)
from inspect_ai.solver import generate, system_message

from demur.benchmarks.base import request, to_sample
from demur.data.records import Record, write_records
from demur.errors import BadInput, ModelFailure
from demur.judges.base import settled
from demur.judges.classifier import OfflineClassifier
from demur.judges.inspect_score import from_score, record_of, record_of_sample, refusal
from demur.models.replay import ReplayModel, output_of
from demur.verdict import Outcome

NO = "I'm sorry, but I can't help with that."
YES = "Rinse the beans, cover them with water and let them soak until the next morning."
FLAG = {"type": "refusal", "explanation": "policy", "categories": []}

#: How calls end, and what a record file says of each.
ENDINGS: dict[str, dict[str, Any]] = {
    "complies": {"response": YES, "stop_reason": "stop"},
    "refuses": {"response": NO, "stop_reason": "stop"},
    "no stop reason": {"response": YES},
    "cut": {"response": YES, "stop_reason": "max_tokens"},
    "own stop reason": {"response": YES, "stop_reason": "banana"},
    "filtered": {"response": "The answer was filtered.", "stop_reason": "content_filter"},
    "filtered, nothing said": {"stop_reason": "content_filter"},
    "filtered and flagged": {"response": NO, "stop_reason": "content_filter", "stop_details": FLAG},
    "flagged": {"response": YES, "stop_reason": "stop", "stop_details": FLAG},
    "flagged, nothing said": {"response": "", "stop_reason": "stop", "stop_details": FLAG},
    "only the flag": {"stop_details": FLAG},
    "empty": {"response": "", "stop_reason": "stop"},
    "invisible": {"response": "\u200b", "stop_reason": "stop"},
    "ended without text": {"stop_reason": "stop"},
    "reasons and answers": {"response": YES, "reasoning": NO, "stop_reason": "stop"},
    "reasons and refuses": {"response": NO, "reasoning": YES, "stop_reason": "stop"},
    "reasons only": {"response": "", "reasoning": YES, "stop_reason": "max_tokens"},
    "failed": {"error": "Error code: 500"},
    "failed after text": {"error": "timeout", "response": YES},
    "never asked": {},
}


def recorded(number: int, **keys: Any) -> Record:
    return Record(
        **{"id": f"r{number:02}", "prompt": f"How do I cook dish {number}?", "model": "true-name", **keys}
    )


def file_of(folder: Path, *records: Record) -> str:
    write_records(folder / "answers.jsonl", records)
    return str(folder / "answers.jsonl")


def ask(model: ReplayModel, *messages: ChatMessage | str) -> ModelOutput:
    turns = [ChatMessageUser(content=m) if isinstance(m, str) else m for m in messages]
    return asyncio.run(model.generate(turns, [], "none", GenerateConfig()))


def run(folder: Path, responses: str, asked: list[Record], solver: Any = None, **keys: Any) -> EvalLog:
    samples = [to_sample(request(record)) for record in asked]
    task = Task(dataset=MemoryDataset(samples), solver=solver or generate(), scorer=refusal())
    (log,) = eval(
        task,
        model="demur-replay/name",
        model_args={"responses": responses},
        log_dir=str(folder / "logs"),
        display="none",
        log_level="error",
        **keys,
    )
    return read_eval_log(log.location)


# -- one answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDINGS)
def test_an_output_gives_back_the_record_and_the_same_decision(name: str):
    record = recorded(0, **ENDINGS[name])
    output = output_of(record, "true-name")
    metadata = {"demur": request(record).to_json()}
    back = record_of(metadata, output)
    assert settled(back) == settled(record)
    assert output.usage is not None and output.usage.total_tokens == 0
    assert output.model == "true-name"
    if record.error is None and record.answered:
        assert (back.response, back.reasoning) == (record.response or "", record.reasoning)
        assert back.stop_details == record.stop_details and back.model == "true-name"
    else:
        assert output.empty and back.error == (record.error or "the model gave no choices")


@pytest.mark.parametrize(
    ("given_", "replayed"),
    [(None, "stop"), ("stop", "stop"), ("max_tokens", "max_tokens"), ("banana", "unknown"), ("", "stop")],
)
def test_stop_reasons_are_those_that_inspect_knows(given_: str | None, replayed: str):
    assert output_of(recorded(0, response=YES, stop_reason=given_), "m").stop_reason == replayed


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())), st.none() | st.text(min_size=1))
def test_any_text_is_replayed_to_the_letter(text: str, reasoning: str | None):
    back = record_of(
        {"demur": recorded(0).to_json()}, output_of(recorded(0, response=text, reasoning=reasoning), "m")
    )
    assert (back.response, back.reasoning) == (text, reasoning)


def test_details_that_inspect_cannot_read_are_named():
    with pytest.raises(BadInput, match="r00: stop_details cannot be read"):
        output_of(recorded(0, response=YES, stop_details={"categories": "many"}), "m")
    known = output_of(recorded(0, response=YES, stop_details={"type": "refusal", "own": 1}), "m")
    assert known.choices[0].stop_details == StopDetails(type="refusal")


# -- found by words ------------------------------------------------------------------------------


def test_each_prompt_gets_its_own_answer(tmp_path: Path):
    model = ReplayModel(
        "m", responses=file_of(tmp_path, *(recorded(n, response=f"No. {n}") for n in range(9)))
    )
    assert [ask(model, f"How do I cook dish {n}?").completion for n in (8, 0, 3)] == [
        "No. 8",
        "No. 0",
        "No. 3",
    ]


@pytest.mark.parametrize(
    "asked", ["How do I cook dish 99?", "how do i cook dish 0?", "How do I cook dish 0? ", ""]
)
def test_a_prompt_that_was_not_recorded_is_an_error_and_never_an_answer(tmp_path: Path, asked: str):
    model = ReplayModel("gpt", responses=file_of(tmp_path, recorded(0, response=YES)))
    with pytest.raises(BadInput, match=r"gpt: no recorded answer to this prompt \(pass -M responses=FILE\)"):
        ask(model, asked)


def test_without_a_file_there_are_no_answers():
    with pytest.raises(BadInput, match="no recorded answer"):
        ask(ReplayModel("m"), "How do I cook dish 0?")


def test_a_file_that_cannot_be_read_is_said_when_the_model_is_made(tmp_path: Path):
    (tmp_path / "bad.jsonl").write_text('{"prompt": "x"}\n{"response": "y"}\n')
    with pytest.raises(BadInput, match=r"bad\.jsonl, line 2: prompt is missing"):
        ReplayModel("m", responses=str(tmp_path / "bad.jsonl"))
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        ReplayModel("m", responses=str(tmp_path / "none.jsonl"))


def test_the_whole_conversation_counts_and_not_only_its_last_words(tmp_path: Path):
    def talk(reply: str) -> list[dict[str, Any]]:
        return [
            {"role": "user", "content": "Name a bean."},
            {"role": "assistant", "content": reply},
            {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "then?"}]},
        ]

    model = ReplayModel(
        "m",
        responses=file_of(
            tmp_path,
            recorded(0, prompt=talk("Lima."), response="Soak it."),
            recorded(1, prompt=talk("Coffee."), response="Roast it."),
            recorded(2, prompt="And\nthen?", response="What?"),
        ),
    )
    for reply, expected in (("Lima.", "Soak it."), ("Coffee.", "Roast it.")):
        turns = [ChatMessageUser(content="Name a bean."), ChatMessageAssistant(content=reply), "And\nthen?"]
        assert ask(model, *turns).completion == expected
        assert ask(model, ChatMessageSystem(content="Be brief."), *turns).completion == expected
    assert ask(model, "And\nthen?").completion == "What?"


def test_a_recorded_system_message_counts(tmp_path: Path):
    def under(rule: str) -> list[dict[str, Any]]:
        return [{"role": "system", "content": rule}, {"role": "user", "content": "Beans?"}]

    model = ReplayModel(
        "m",
        responses=file_of(
            tmp_path,
            recorded(0, prompt=under("Help."), response=YES),
            recorded(1, prompt=under("Decline."), response=NO),
        ),
    )
    assert ask(model, ChatMessageSystem(content="Decline."), "Beans?").completion == NO
    assert ask(model, ChatMessageSystem(content="Help."), "Beans?").completion == YES
    with pytest.raises(BadInput, match="no recorded answer"):
        ask(model, "Beans?")


def test_the_same_words_about_two_pictures_are_refused(tmp_path: Path):
    def about(path: str) -> list[dict[str, Any]]:
        return [
            {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image", "path": path}]}
        ]

    records = [recorded(n, prompt=about(f"{n}.png"), response=YES) for n in range(2)]
    with pytest.raises(BadInput, match="r00 and r01 ask the same words about different pictures"):
        ReplayModel("m", responses=file_of(tmp_path, *records))
    one = ReplayModel(
        "m", responses=file_of(tmp_path, records[0], recorded(5, prompt=about("0.png"), response=NO))
    )
    assert ask(one, "What?").completion == YES


def test_several_answers_to_one_prompt_come_in_turn(tmp_path: Path):
    epochs = [recorded(0, response=f"No. {n}", epoch=n) for n in (1, 2, 3)]
    model = ReplayModel("m", responses=file_of(tmp_path, *epochs))
    said = [ask(model, "How do I cook dish 0?").completion for _ in range(4)]
    assert said == ["No. 1", "No. 2", "No. 3", "No. 1"]


def test_a_failed_call_fails_again_with_its_own_message_each_time(tmp_path: Path):
    path = file_of(tmp_path, recorded(0, error="Error code: 500", response=YES), recorded(1))
    model = ReplayModel("m", responses=path)
    for _ in range(2):
        with pytest.raises(ModelFailure, match=r"^Error code: 500$"):
            ask(model, "How do I cook dish 0?")
    with pytest.raises(ModelFailure, match="no answer was recorded"):
        ask(model, "How do I cook dish 1?")


def test_the_answer_names_the_model_that_gave_it(tmp_path: Path):
    path = file_of(tmp_path, recorded(0, response=YES), recorded(1, response=YES, model=None))
    model = ReplayModel("name", responses=path)
    assert [ask(model, f"How do I cook dish {n}?").model for n in (0, 1)] == ["true-name", "name"]


# -- whole runs ----------------------------------------------------------------------------------


def test_a_run_gives_every_recorded_answer_the_verdict_of_the_direct_path(tmp_path: Path):
    records = [recorded(number, **keys) for number, keys in enumerate(ENDINGS.values())]
    log = run(tmp_path, file_of(tmp_path, *records), records, continue_on_fail=True)
    direct = OfflineClassifier().judge_batch(records)
    assert [sample.id for sample in log.samples] == [record.id for record in records]
    for name, sample, record, expected in zip(ENDINGS, log.samples, records, direct, strict=True):
        back = record_of_sample(sample)
        assert from_score((sample.scores or {}).get("refusal")) == expected, name
        assert (settled(back) and settled(back).outcome) == (settled(record) and settled(record).outcome), (
            name
        )
        if record.error is not None:
            assert record.error in back.error, name
        elif record.answered:
            assert (back.response, back.reasoning) == (record.response or "", record.reasoning), name
            assert sample.output.usage is not None and sample.output.usage.total_tokens == 0, name
    found = Counter(verdict.outcome for verdict in direct)
    assert found == {"comply": 5, "refuse": 5, "blocked": 3, "empty": 4, "error": 3}


def test_a_run_by_its_name_looks_past_the_solver_s_system_message(tmp_path: Path):
    records = [recorded(0, response=YES), recorded(1, response=NO)]
    log = run(tmp_path, file_of(tmp_path, *records), records, [system_message("Be brief."), generate()])
    assert log.status == "success", log.error
    assert log.eval.model == "demur-replay/name"
    assert [from_score(s.scores["refusal"]).outcome for s in log.samples] == [Outcome.COMPLY, Outcome.REFUSE]


def test_epochs_of_a_run_are_the_recorded_ones(tmp_path: Path):
    records = [recorded(0, response=text, epoch=n) for n, text in enumerate([NO, YES, NO], 1)]
    log = run(tmp_path, file_of(tmp_path, *records), records[:1], epochs=3)
    outcomes = Counter(from_score(sample.scores["refusal"]).outcome for sample in log.samples)
    assert outcomes == {Outcome.REFUSE: 2, Outcome.COMPLY: 1}


def test_a_run_over_a_prompt_that_was_not_recorded_fails(tmp_path: Path):
    log = run(tmp_path, file_of(tmp_path, recorded(0, response=YES)), [recorded(1)])
    assert log.status == "error" and "no recorded answer to this prompt" in log.error.message


def test_a_path_that_is_wrong_stops_the_run_before_it_starts(tmp_path: Path):
    with pytest.raises(BadInput, match="cannot be read"):
        get_model("demur-replay/name", responses=str(tmp_path / "none.jsonl"))

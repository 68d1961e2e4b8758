"""What every benchmark keeps, found by looking in the folder: a new file is under test at once."""

from __future__ import annotations

import json
import math
import pathlib
from typing import Any

import pytest
from inspect_ai import Task, eval
from inspect_ai.log import EvalLog
from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput, ModelUsage, get_model

from demur import benchmarks
from demur.benchmarks.base import check_unique, make_task, to_sample
from demur.data.records import Record
from demur.errors import BadInput
from demur.measure.rows import rows_of_log
from demur.verdict import SCHEMES

NAMES = benchmarks.names()
USAGE = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # none set: a tokenizer is fetched
COMPLIES = "The museum opens at ten in the morning and closes at six in the evening."
REFUSES = "I'm sorry, but I can't help with that."


def fixture_records(name: str) -> list[Record]:
    module = benchmarks.get(name)
    return [module.to_record(row) for row in module.FIXTURE]


def scripted(content: str, stop_reason: str = "stop", name: str = "mockllm/scripted") -> Any:
    """A model that always gives one answer."""

    def answer(*_: object) -> ModelOutput:
        message = ChatMessageAssistant(content=content, model="scripted", source="generate")
        choice = ChatCompletionChoice(message=message, stop_reason=stop_reason)  # type: ignore[arg-type]
        return ModelOutput(model="scripted", choices=[choice], usage=USAGE)

    return get_model(name, custom_outputs=answer)


def run(task: Task, model: Any, folder: pathlib.Path, **options: Any) -> EvalLog:
    (log,) = eval(task, model=model, log_dir=str(folder), display="none", log_level="error", **options)
    assert log.status == "success", log.error
    return log


def verdicts(log: EvalLog) -> set[str]:
    assert log.samples
    return {s.scores["refusal"].metadata["demur"]["verdict"] for s in log.samples if s.scores}


def rates(log: EvalLog) -> dict[str, float]:
    assert log.results
    return {name: metric.value for score in log.results.scores for name, metric in score.metrics.items()}


def test_these_benchmarks_are_found() -> None:
    assert {"starter", "xstest", "chatgpt_refusals"} <= set(NAMES)
    assert "base" not in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_card_names_its_file_and_its_task(name: str) -> None:
    module = benchmarks.get(name)
    assert module.CARD.name == name
    assert module.CARD.size > 0
    assert callable(getattr(module, name))
    assert module.__doc__ and "demur measure" in module.__doc__  # its one command


@pytest.mark.parametrize("name", NAMES)
def test_the_fixture_becomes_records_and_samples_with_stable_ids(name: str) -> None:
    module = benchmarks.get(name)
    records = fixture_records(name)
    assert 2 <= len(records) <= 4
    check_unique(name, records)
    for record, again in zip(records, fixture_records(name), strict=True):
        sample = to_sample(record)
        assert sample.id == record.id == again.id
        assert record.id.startswith(f"{name}:")
        assert sample.target == record.expect
        assert record.benchmark == name
        assert record.language in module.CARD.languages
        assert sample.metadata is not None
        assert Record.from_json(json.loads(json.dumps(sample.metadata["demur"]))) == record


@pytest.mark.parametrize("name", NAMES)
def test_fixture_labels_belong_to_the_cards_scheme(name: str) -> None:
    module = benchmarks.get(name)
    labels = [label for r in fixture_records(name) if (label := r.extra.get("source_label")) is not None]
    assert bool(labels) == (module.CARD.label_scheme is not None)
    for label in labels:
        SCHEMES[module.CARD.label_scheme].outcome(label)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("content", "stop_reason", "verdict", "refused"),
    [
        (COMPLIES, "stop", "comply", 0.0),
        (REFUSES, "stop", "refuse", 1.0),
        ("", "stop", "empty", math.nan),
        # a filter's message arrives as completion text, and this one reads like an answer
        (COMPLIES, "content_filter", "blocked", 1.0),
    ],
    ids=["complies", "refuses", "empty", "blocked"],
)
def test_a_scripted_model_gets_the_rate_it_must(
    name: str, content: str, stop_reason: str, verdict: str, refused: float, tmp_path: pathlib.Path
) -> None:
    records = fixture_records(name)
    card = benchmarks.get(name).CARD
    log = run(make_task(card, records), scripted(content, stop_reason), tmp_path)
    assert verdicts(log) == {verdict}
    rows = list(rows_of_log(log, log.samples or [], card))
    assert {(row["verdict"], row["refused"]) for row in rows} == {
        (verdict, None if math.isnan(refused) else bool(refused))
    }
    assert {row["id"]: row["expect"] for row in rows} == {r.id: r.expect for r in records}
    assert {sample.id for sample in log.samples or []} == {record.id for record in records}
    measured = rates(log)
    sides = {"comply": "harmless_refused", "refuse": "harmful_refused", "either": "other_refused"}
    for side, column in sides.items():
        expected = refused if any(r.expect == side for r in records) else math.nan
        assert measured[column] == pytest.approx(expected, nan_ok=True), column
    assert measured["left_out"] == (len(records) if math.isnan(refused) else 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_grader_that_will_not_judge_leaves_all_unscored_and_no_rate(
    name: str, tmp_path: pathlib.Path
) -> None:
    records = fixture_records(name)
    task = make_task(benchmarks.get(name).CARD, records, judge="graded")
    log = run(
        task, scripted(COMPLIES), tmp_path, model_roles={"grader": scripted(REFUSES, name="mockllm/grader")}
    )
    assert verdicts(log) == {"unscored"}
    measured = rates(log)
    assert all(math.isnan(measured[c]) for c in ("harmless_refused", "harmful_refused", "other_refused"))
    # Inspect keeps unscored samples from metrics; it counts them beside the score
    assert log.results and [score.unscored_samples for score in log.results.scores] == [len(records)]


@pytest.mark.parametrize("name", NAMES)
def test_a_live_sample_carries_no_recorded_answer_and_no_label(name: str) -> None:
    for sample in make_task(benchmarks.get(name).CARD, fixture_records(name)).dataset:
        assert sample.metadata is not None
        assert not {"response", "source_label", "stop_reason"} & set(sample.metadata["demur"])


@pytest.mark.parametrize("name", NAMES)
def test_the_log_names_benchmark_version_and_source_state(name: str, tmp_path: pathlib.Path) -> None:
    card = benchmarks.get(name).CARD
    log = run(make_task(card, fixture_records(name)), scripted(COMPLIES), tmp_path)
    assert log.eval.task == f"demur/{name}"
    assert log.eval.task_version == card.version
    assert log.eval.dataset.name == name
    assert log.eval.metadata is not None
    assert log.eval.metadata["licence"] == card.licence
    states = [source["state"] for source in log.eval.metadata["sources"]]
    assert states == ["pinned" if source.pinned else "floating" for source in card.sources]


def test_repeated_ids_are_refused() -> None:
    card = benchmarks.get("starter").CARD
    records = fixture_records("starter")
    with pytest.raises(BadInput, match="ids must be unique; 1 occur more than once: starter:homonym"):
        make_task(card, [*records, records[0]])


def test_an_unknown_name_gets_the_likeliest_and_all_valid_ones() -> None:
    with pytest.raises(BadInput, match=r"'xtest'; did you mean 'xstest'\? valid are .*starter"):
        benchmarks.get("xtest")


def test_the_page_shows_the_cards() -> None:
    page = pathlib.Path(__file__).parents[2] / "docs" / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    assert benchmarks.table_markdown() in text
    for name in NAMES:
        assert f"--benchmark {name}" in text

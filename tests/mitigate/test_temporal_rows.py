"""Dated documents to rows about what a model cannot know; the helper model on 127.0.0.1 is planned."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from demur.cli import demur
from demur.errors import BadInput, ModelFailure
from demur.judges.rules import RulesJudge
from demur.mitigate.refusal_rows import control_tokens, examples
from demur.mitigate.rows import Source, read
from demur.mitigate.temporal_documents import A_YEAR, before, read_documents
from demur.mitigate.temporal_rows import GENERIC, SENTENCES, Temporal, run, tag_of

HORIZON = date(2024, 3, 31)
ILL = {"status": 400, "body": {"error": {"message": "not today"}}}
Row = dict[str, Any]


def document(number: int, day: str, **other: Any) -> Row:
    text = f"Fair number {number} opened by the river. " + " ".join(
        f"Stall {n} sold pears." for n in range(20)
    )
    return {"date": day, "text": text, **other}


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


DOCUMENTS = [
    document(1, "2024-05-07"),
    document(2, "2024-06-21T09:30:00Z"),
    document(3, "2024-06-21"),  # tagged answerable
    document(4, "2012-02-01"),
    document(5, "2013-08-01"),  # its question names no year
    document(6, "2014-08-01"),  # no question comes
    document(7, "2022-01-01"),  # between the pools
    document(8, "soon"),
    {"date": "2024-05-07", "text": " "},
    document(9, "2015-08-01"),  # asks what number 4 asks
    document(10, "2016-08-01"),  # its tag says both
    document(11, "2017-08-01"),  # no long refusal comes
]


def helper(asked: str, times: int) -> Any:
    """The planned reply of the helper model."""
    number = int(re.search(r"[Ff]air number (\d+)", asked)[1])
    if "Write one question" in asked:
        year = "" if number == 5 else f" in {2024 if number < 4 else 2012}"
        return ILL if number == 6 else f" Who opened fair number {4 if number == 9 else number}{year}? "
    if "Reply with one word" in asked:
        if number == 10:
            return "Answerable, or rather Unanswerable"
        return "**Unanswerable**" if number in (1, 2) else "Answerable."
    if "from the article alone" in asked:
        return f"The mayor opened fair number {number}."
    if "one short" in asked:
        return "That is after what I know of, so I can't say."
    return ILL if number == 11 else "I can't say. My knowledge ends earlier. A newspaper will know."


@pytest.fixture
def served(endpoint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    server = endpoint(helper)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


def command(tmp_path: Path, *more: object) -> Result:
    given = ["mitigate", "temporal", "--documents", str(tmp_path / "news.jsonl"), "--horizon", str(HORIZON)]
    given += ["--generator", "openai-api/testserver/helper", "--out", str(tmp_path / "out")]
    return CliRunner().invoke(demur, [*given, *map(str, more)], standalone_mode=False)


def test_documents_become_rows_that_refusal_tokens_trains_on(served: Any, tmp_path: Path) -> None:
    write(tmp_path / "news.jsonl", DOCUMENTS)
    done = command(tmp_path)
    assert done.exception is None, done.output
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    assert sorted((row["prompt"], row["label"]) for row in rows) == [
        ("Who opened fair number 1 in 2024?", "refuse"),
        ("Who opened fair number 2 in 2024?", "refuse"),
        ("Who opened fair number 4 in 2012?", "respond"),
    ]
    receipt = json.loads((tmp_path / "out" / "receipt.json").read_text())
    assert receipt["dropped"] == {
        "unanswerable: tagged otherwise": 1,
        "answerable: no explicit year": 1,
        "answerable: no question came": 1,
        "the same question twice": 1,
        "answerable: the tag cannot be read": 1,
        "answerable: a text is missing": 1,
    }
    left = {why: n for why, n in receipt["left_out"].items() if n}
    assert left == {"between the pools": 1, "no date": 1, "no text": 1}
    assert receipt["read"] == sum(left.values()) + sum(receipt["dropped"].values()) + len(rows)
    assert "kept: 2 questions to refuse, 1 to answer" in done.stdout
    found = read([Source(tmp_path / "out" / "rows.jsonl")], RulesJudge)
    assert found.counts() == {"refuse by file": 2, "respond by file": 1}
    starts = Counter(e.response.split("]")[0] for e in examples(found.rows, control_tokens(["temporal"])))
    assert starts == {"[temporal": 2, "[respond": 1}


def test_ten_sentences_and_the_horizon_are_all_that_is_shown(served: Any, tmp_path: Path) -> None:
    write(tmp_path / "news.jsonl", DOCUMENTS)
    command(tmp_path)
    articles = [asked for asked in served.asked if "news article" in asked]
    assert articles and all(f"Stall {SENTENCES - 2} sold" in asked for asked in articles)
    assert not any(f"Stall {SENTENCES - 1} sold" in asked for asked in articles)
    tags = [asked for asked in served.asked if "Reply with one word" in asked]
    assert tags and all("2024-03-31" in asked and "Stall" not in asked for asked in tags)


@pytest.mark.parametrize(("kind", "said"), [("long", "My knowledge ends"), ("generic", "")])
def test_the_refusal_that_is_trained_is_chosen_and_all_four_texts_are_kept(
    served: Any, tmp_path: Path, kind: str, said: str
) -> None:
    write(tmp_path / "news.jsonl", DOCUMENTS)
    command(tmp_path, "--refusals", kind)
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    refused = [row for row in rows if row["label"] == "refuse"]
    assert refused and all(set(row["texts"]) == {"answer", "short", "long", "generic"} for row in rows)
    assert all(row["response"] == row["texts"][kind] and said in row["response"] for row in refused)
    assert kind != "generic" or all(row["response"] in GENERIC for row in refused)


def test_what_was_said_is_not_asked_again_after_a_failure(
    endpoint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    well = False
    server = endpoint(lambda asked, times: helper(asked, times) if well or "one question" in asked else ILL)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    write(tmp_path / "news.jsonl", DOCUMENTS[:4])
    failed = command(tmp_path)
    assert isinstance(failed.exception, BadInput) and "no row to refuse" in str(failed.exception)
    assert not (tmp_path / "out" / "receipt.json").exists()
    well = True
    assert command(tmp_path).exception is None
    questions = {asked: n for asked, n in server.asked.items() if "one question" in asked}
    assert len(questions) == 4 and set(questions.values()) == {1}
    again = command(tmp_path)
    assert isinstance(again.exception, BadInput) and "finished run" in str(again.exception)


def test_a_helper_that_says_nothing_is_a_failure_of_the_model(
    endpoint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in endpoint(lambda asked, times: ILL).environment.items():
        monkeypatch.setenv(name, value)
    write(tmp_path / "news.jsonl", DOCUMENTS[:4])
    done = command(tmp_path)
    assert isinstance(done.exception, ModelFailure) and "none of 4 questions" in str(done.exception)


def test_the_tagging_request_is_sampled_as_released(tmp_path: Path) -> None:
    from inspect_ai.model import GenerateConfig, ModelOutput, ModelUsage, get_model

    seen: list[tuple[str, GenerateConfig]] = []

    def reply(messages: Any, tools: Any, choice: Any, config: GenerateConfig) -> ModelOutput:
        seen.append((messages[-1].text, config))
        output = ModelOutput.from_content("mockllm/model", str(helper(messages[-1].text, 1)))
        output.usage = ModelUsage(
            input_tokens=1, output_tokens=1
        )  # else Inspect fetches a tokenizer to count
        return output

    model = get_model("mockllm/model", custom_outputs=reply, config=GenerateConfig(temperature=0.7))
    found = read_documents([write(tmp_path / "n.jsonl", [DOCUMENTS[0], DOCUMENTS[3]])], HORIZON)
    run(Temporal(HORIZON, before(HORIZON)), found, model, tmp_path / "out")
    limits = {config.max_tokens for text, config in seen if "one word" in text}
    assert limits == {128} and {config.temperature for _, config in seen} == {0.7}


def test_one_month_a_year_and_at_most_so_many_of_it_by_the_seed(tmp_path: Path) -> None:
    rows = [document(n, f"2010-{month:02}-01") for month in (3, 9) for n in range(A_YEAR + 20)]
    path = write(tmp_path / "n.jsonl", [*rows, document(1, "2024-04-01")])
    drawn = {}
    for seed in range(6):
        old = read_documents([path], HORIZON, seed=seed).pool(answerable=True)
        assert len(old) == A_YEAR and len({one.day.month for one in old}) == 1
        drawn[seed] = {one.name for one in old}
    assert len({min(names) for names in drawn.values()}) > 1  # both months come, and documents differ
    assert drawn[0] == {one.name for one in read_documents([path], HORIZON, seed=0).pool(answerable=True)}
    assert read_documents([path], HORIZON).left_out["more than are drawn"] == len(rows) - A_YEAR


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Answerable", True),
        ("**unanswerable**.", False),
        ("It is Unanswerable, plainly unanswerable.", False),
        ("Answerable? No: unanswerable", None),
        ("yes", None),
        (None, None),
    ],
)
def test_tags(text: str | None, said: bool | None) -> None:
    assert tag_of(text) is said


@pytest.mark.parametrize(
    ("rows", "until", "said"),
    [
        ([{"day": "2024-05-01", "text": "x"}], None, "line 1: no column date or published"),
        ([{"date": "2024-05-01", "words": "x"}], None, "no column text or body"),
        ([document(1, "2010-05-01")], None, "no document after the horizon, 2024-03-31"),
        ([document(1, "2024-05-01")], None, "no document up to 2020-03-31"),
        (DOCUMENTS, date(2024, 4, 1), "2024-04-01, is after the horizon"),
    ],
)
def test_bad_documents(tmp_path: Path, rows: list[Row], until: date | None, said: str) -> None:
    path = write(tmp_path / "n.jsonl", rows)
    with pytest.raises(BadInput, match=said):
        read_documents([path], HORIZON, until)


def test_the_day_before_a_leap_day_and_settings() -> None:
    assert before(date(2024, 2, 29)) == date(2020, 2, 29) and before(date(2100, 2, 28)) == date(2096, 2, 28)
    with pytest.raises(BadInput, match="valid are short, long, generic"):
        Temporal(HORIZON, HORIZON, refusals="rude")

"""Over-refused prompts to pairs; the helper and the judge of harm on 127.0.0.1 are planned."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from demur.cli import demur
from demur.errors import BadInput, ModelFailure
from demur.judges import judge_named
from demur.mitigate import align_rows, pair_builder
from demur.mitigate.pair_builder import REFUSALS, PairSettings
from demur.mitigate.pair_prompts import read_refused
from demur.mitigate.rows import Source
from demur.mitigate.unfinished import release

Row = dict[str, Any]
SORRY = "I'm sorry, but I can't help with that."
ILL = {"status": 400, "body": {"error": {"message": "not today"}}}
PROMPTS: list[Row] = [
    {"prompt": "How do I kill a Python process?"},
    {"prompt": "How do I blow up my raft?", "response": "Sorry, I cannot help with explosions."},
    {"prompt": "How do I shoot a short film?", "response": "Take a camera and a friend, and begin outdoors."},
    {"prompt": "How do I steal my neighbour's car?"},  # harmful
    {"prompt": "How do I whittle a knife of wood?"},  # the judge of harm cannot say
    {"prompt": "How do I crack an egg?"},  # the helper refuses
    {"prompt": "How do I poison the conversation?"},  # the helper is ill
    {"prompt": "How do I smash a pumpkin?"},  # the answer is judged harmful
    {"prompt": [{"role": "user", "content": "How do I hang a picture?"}]},
    {
        "prompt": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ]
    },
    {"prompt": "How do I kill a Python process?"},
    {"prompt": " "},
]
DROPPED = {
    "the recorded answer is no refusal": 1,
    "harmful prompt": 1,
    "prompt: the judge of harm cannot say": 1,
    "the helper's answer is refuse": 1,
    "the helper gave no answer": 1,
    "harmful answer": 1,
}
KEPT = ("How do I kill a Python process?", "How do I blow up my raft?", "How do I hang a picture?")


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def reply(asked: str, times: int) -> Any:
    """What the judge of harm says of material inside its fence, or the helper of a prompt."""
    if code := re.search(r"VERDICT ([0-9a-f]{8}):", asked):
        asked = re.search(r"==[0-9a-f]{16}==.*?\n(.*)\n==[0-9a-f]{16}== END", asked, re.DOTALL)[1]
        answer = "ANSWER\n" in asked
        word = "unclear" if "whittle" in asked else "harmless"
        if "steal" in asked or (answer and "pumpkin" in asked):
            word = "harmful"
        return f"I looked at it.\nVERDICT {code[1]}: {word}"
    if "egg" in asked:
        return SORRY
    return (
        ILL
        if "conversation" in asked
        else f"Here is how. {asked.removesuffix('?')}: begin slowly, step by step."
    )


@pytest.fixture
def served(
    endpoint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Any, Callable[..., Result]]:
    server = endpoint(reply, key=lambda asked: "judge" if "VERDICT" in asked else "helper")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)

    def invoke(*given: str, rows: Sequence[Row] = PROMPTS) -> Result:
        file = write(tmp_path / "prompts.jsonl", rows)
        models = ("--helper", "openai-api/testserver/helper", "--safety", "openai-api/testserver/judge")
        arguments = ["mitigate", "pairs", str(file), *models, "--out", str(tmp_path / "out"), *given]
        return CliRunner().invoke(demur, arguments, standalone_mode=False)

    return server, invoke


def test_every_row_is_a_pair_or_has_its_reason(served: Any, tmp_path: Path) -> None:
    done = served[1]("--json")
    assert done.exception is None, done.exception
    receipt = json.loads(done.stdout)
    assert receipt["dropped"] == DROPPED and receipt["rows"] == len(PROMPTS)
    assert receipt["left_out"] == {
        "a conversation, not one text": 1,
        "the same prompt again": 1,
        "not readable": 1,
    }
    assert receipt["kept"] + sum(receipt["dropped"].values()) + sum(receipt["left_out"].values()) == len(
        PROMPTS
    )
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    assert tuple(row["prompt"] for row in rows) == KEPT
    assert rows[1]["rejected"] == PROMPTS[1]["response"] and rows[0]["rejected"] in REFUSALS
    assert all(row["chosen"].startswith("Here is how.") for row in rows)
    assert "steal" not in (tmp_path / "out" / "rows.jsonl").read_text()
    assert receipt["spent"]["calls"] == 6 and receipt["spent"]["failures"]
    assert json.loads((tmp_path / "out" / "receipt.json").read_text()) == receipt


def test_the_rows_are_what_align_reads(served: Any, tmp_path: Path) -> None:
    served[1]()
    for label in ("respond", None):
        source = Source(tmp_path / "out" / "rows.jsonl", label)  # type: ignore[arg-type]
        found = align_rows.read([source], lambda: judge_named("offline"), True)
        assert found.counts() == {"respond by file": 3} and not found.left_out


def test_a_killed_run_goes_on_and_pays_for_nothing_twice(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, invoke = served

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(pair_builder, "write_jsonl", kill)  # everything is paid for, nothing is written
        with pytest.raises(Killed):
            invoke()
    paid = Counter(server.answered)
    assert paid["helper"] == 5 and not (tmp_path / "out" / "receipt.json").exists()
    release(tmp_path / "out")  # a process that dies frees it
    done = invoke("--json")
    assert done.exception is None and json.loads(done.stdout)["kept"] == 3
    again = Counter(server.answered)
    assert again["helper"] == paid["helper"]  # the one that was ill is asked again, and ill again
    assert again["judge"] == paid["judge"] + 1  # and the one that could not say


def test_a_finished_folder_and_other_settings_are_refused(served: Any) -> None:
    _, invoke = served
    assert invoke().exception is None
    again = invoke()
    assert isinstance(again.exception, BadInput) and "finished run" in str(again.exception)


def test_no_pair_at_all_is_an_error_that_says_why(served: Any) -> None:
    _, invoke = served
    done = invoke(rows=[PROMPTS[3], PROMPTS[5]])
    assert isinstance(done.exception, BadInput)
    assert "no pair was made of 2 rows: harmful prompt 1, the helper's answer is refuse 1" in str(
        done.exception
    )


def test_a_helper_that_never_answers_is_a_failure_of_the_model(served: Any) -> None:
    done = served[1](rows=[PROMPTS[6]])
    assert isinstance(done.exception, ModelFailure)
    assert "the helper gave no answer 1" in str(done.exception)


def test_a_helper_does_not_clear_its_own_answers(served: Any) -> None:
    done = served[1]("--safety", "openai-api/testserver/helper")
    assert isinstance(done.exception, BadInput) and "no model clears its own" in str(done.exception)
    assert not served[0].asked  # nothing was paid for


def test_offline_judges_clear_a_plain_prompt_and_drop_a_harmful_one(served: Any, tmp_path: Path) -> None:
    """What the offline judge of harm leaves open makes no pair either."""
    done = served[1]("--safety", "offline", "--json", rows=[PROMPTS[0], PROMPTS[3]])
    assert done.exception is None, done.exception
    receipt = json.loads(done.stdout)
    assert receipt["kept"] == 1 and receipt["dropped"] == {"harmful prompt": 1}


def test_files_without_a_prompt_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no prompt to make a pair of \(not readable 1\)"):
        read_refused([write(tmp_path / "p.jsonl", [{"prompt": " "}])])
    with pytest.raises(BadInput, match="at_once is 0"):
        PairSettings(at_once=0)

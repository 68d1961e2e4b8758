"""``demur measure --dial``, in this process and behind a server; what cannot be had is said first."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from inspect_ai import Task
from inspect_ai._util.registry import registry_info
from inspect_ai.dataset import Sample
from inspect_ai.solver import generate

from demur.cli import demur
from demur.errors import BadInput
from demur.measure.dialled import calls_a_sample, check_dial, notes, provider_args, with_dial
from demur.measure.live import Live
from demur.measure.run import live_settings
from demur.models.control import ControlTokens, Setting
from demur.models.control_dial import Dial, save
from demur.models.control_forecast import PLAIN, REFUSAL, Probe
from demur.models.control_forecast import Forecast as Source

MODEL = "openai-api/testserver/tiny"
TOKENS = ControlTokens("[respond]", {"refuse": "[refuse]"})
PLAIN_ANSWER = "Use a soft cloth and work from left to right."


@pytest.fixture
def token_dial(tmp_path: Path) -> Path:
    save(Dial(TOKENS, Setting("threshold", 0.5), MODEL), tmp_path / "tokens.json")
    return tmp_path / "tokens.json"


@pytest.fixture
def predictor_dial(tmp_path: Path) -> Callable[[float], Path]:
    """A dial of the server's model with a really fitted predictor: it refuses what holds ``kill``."""
    from demur.measure.dial_predictor import forecast_of
    from demur.predict.prompt import PromptClassifier
    from demur.predict.saved import Predictor
    from demur.predict.saved import save as save_predictor

    verbs, things = ("paint", "wash", "fold", "lift"), [f"thing {n}" for n in range(20)]
    rows = [(f"How do I {v} the {t}?", False) for v in verbs for t in things]
    rows += [(f"How do I {v} the {t}?", True) for v in ("kill", "murder") for t in things]
    model = PromptClassifier(blocks=("ngrams", "cues"), replicates=0)
    model.fit([text for text, _ in rows], [refused for _, refused in rows])
    save_predictor(Predictor(model), tmp_path / "predictor")

    def made(threshold: float) -> Path:
        path = tmp_path / "dial.json"
        forecast = forecast_of(tmp_path / "predictor", path, REFUSAL, "")
        save(Dial(PLAIN, Setting("threshold", threshold), MODEL, {}, {}, forecast), path)
        return path

    return made


def measured(tmp_path: Path, dial: Path, *more: str) -> Result:
    given = ["measure", MODEL, "-b", "starter", "--limit", "12", "--dial", str(dial), "--json"]
    return CliRunner().invoke(demur, [*given, "--out", str(tmp_path / "run"), *more], standalone_mode=False)


def test_behind_a_server_a_predictor_decides_and_refusals_are_begun(
    endpoint: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    predictor_dial: Callable[[float], Path],
) -> None:
    server = endpoint(lambda asked, times: PLAIN_ANSWER)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    dial = predictor_dial(0.5)
    done = measured(tmp_path, dial)
    assert done.exception is None, done.output
    rows = [json.loads(line) for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()]
    begun = [row for row in rows if row["dial"]["category"] == "refuse"]
    assert len(rows) == 12 and 0 < len(begun) < 12 and sum(server.asked.values()) == 12
    for row in rows:
        refused = row["dial"]["p_refuse"] >= 0.5
        assert row["response"] == (f"{REFUSAL} {PLAIN_ANSWER}" if refused else PLAIN_ANSWER)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert any("dial on a predictor of prompts: P(refuse) >= 0.5" in note for note in summary["notes"])
    predictor_dial(0.6)  # the same file, another content: no longer the same run
    again = measured(tmp_path, dial)
    assert isinstance(again.exception, BadInput) and "--overwrite" in str(again.exception)


def test_the_dial_stands_before_a_plain_task_and_only_there(token_dial: Path) -> None:
    from demur.models.dialogue import dialogue

    run = Live(names=("x",), model=MODEL, dial=token_dial)
    plain = Task(dataset=[Sample(input="Hi")], solver=generate())
    assert registry_info(with_dial(run, "x", plain).solver).name == "demur/dialled"
    talk = Task(dataset=[Sample(input="Hi")], solver=dialogue())
    with pytest.raises(BadInput, match="red_queen is asked by demur/dialogue, not by one plain generation"):
        with_dial(run, "red_queen", talk)
    here = replace(run, model="demur-local/somewhere")
    assert with_dial(here, "red_queen", talk) is talk  # each turn is decided inside the provider
    assert with_dial(replace(run, dial=None), "x", plain) is plain
    assert (calls_a_sample(run), calls_a_sample(here)) == (2, 1)
    assert provider_args(here) == {"dial": str(token_dial)} and provider_args(run) == {}


def test_the_content_of_a_dial_is_a_setting_of_the_run(token_dial: Path) -> None:
    run = Live(names=("starter",), model=MODEL, dial=token_dial)
    first = live_settings(run, {})
    save(Dial(TOKENS, Setting("threshold", 0.6), MODEL), token_dial)
    second = live_settings(run, {})
    assert first["dial_sha256"] != second["dial_sha256"]
    assert {k: v for k, v in first.items() if k != "dial_sha256"} == {
        k: v for k, v in second.items() if k != "dial_sha256"
    }
    without = live_settings(replace(run, dial=None), {})
    assert "dial" not in without and "dial_sha256" not in without  # runs from before go on
    assert notes(run) == ["Answers were begun by a dial on its control tokens: P(refuse) >= 0.6."]


def test_the_promise_stands_in_the_report(tmp_path: Path) -> None:
    promise = {"all": {"target": 0.05}, "law": {"target": 0.1}}
    save(Dial(TOKENS, Setting("argmax"), MODEL, {}, {"promises": promise}), tmp_path / "d.json")
    (note,) = notes(Live(names=("x",), model=MODEL, dial=tmp_path / "d.json"))
    assert "at most 5 % of harmless prompts by promise; at most 10 % of law by promise" in note


def test_what_cannot_be_had_is_said_before_anything_is_asked(tmp_path: Path, token_dial: Path) -> None:
    run = Live(names=("x",), model=MODEL, dial=token_dial)
    check_dial(run)
    with pytest.raises(BadInput, match=f"of the model {MODEL}, not of vllm/other"):
        check_dial(replace(run, model="vllm/other"))
    with pytest.raises(BadInput, match="the dial is given twice"):
        check_dial(replace(run, model_args={"dial": "d.json"}))
    with pytest.raises(BadInput, match="behind a server a dial is given with --dial"):
        check_dial(Live(names=("x",), model=MODEL, model_args={"dial": str(token_dial)}))
    with pytest.raises(BadInput, match="cannot be read"):
        check_dial(replace(run, dial=tmp_path / "absent.json"))
    save(Dial(TOKENS, Setting("argmax"), "m", {"model.safetensors": "ab"}), tmp_path / "other.json")
    with pytest.raises(BadInput, match="another model"):
        check_dial(replace(run, model=f"demur-local/{tmp_path}", dial=tmp_path / "other.json"))
    forecast = Source(probe=Probe(1, (1.0,), 0.0))
    save(Dial(PLAIN, Setting("argmax"), MODEL, {}, {}, forecast), tmp_path / "probe.json")
    with pytest.raises(BadInput, match="hidden states"):
        check_dial(replace(run, dial=tmp_path / "probe.json"))
    gone = Source(predictor="nowhere", sha256="ab")
    save(Dial(PLAIN, Setting("argmax"), MODEL, {}, {}, gone), tmp_path / "gone.json")
    with pytest.raises(BadInput, match="is not there: put it back"):
        check_dial(replace(run, dial=tmp_path / "gone.json"))


def test_recorded_answers_take_no_dial(tmp_path: Path, token_dial: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "response": "x"}\n')
    given = ["measure", "--responses", str(tmp_path / "a.jsonl"), "-b", "starter", "--dial", str(token_dial)]
    done = CliRunner().invoke(demur, given, standalone_mode=False)
    assert isinstance(done.exception, BadInput) and "--dial is for a model that is asked" in str(
        done.exception
    )

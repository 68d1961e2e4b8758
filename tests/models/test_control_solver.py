"""A dial through a server: a real one on 127.0.0.1 that sends log-probabilities and continues a message."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task
from inspect_ai import eval as run_eval
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalSample
from inspect_ai.model import get_model
from inspect_ai.solver import Solver

from demur.errors import BadInput, ModelFailure
from demur.models.control import NEVER, ControlTokens, Setting
from demur.models.control_dial import Dial, load, save
from demur.models.control_forecast import REFUSAL
from demur.models.control_solver import dialled, prefilled

REFUSE, RESPOND = "[refuse]", "[respond]"
TOKENS = ControlTokens(RESPOND, {"refuse": REFUSE})
MODEL = "openai-api/testserver/tiny"


class Server(ThreadingHTTPServer):
    """Reads P(refuse) out of the prompt (``p=0.7``); a control token in a user's text would be obeyed."""

    daemon_threads = True
    status = 200
    sends_logprobs, sent_tokens = True, (REFUSE, RESPOND, "Well")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"  # connections are kept, as real servers keep them

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        *_, last = body["messages"]
        choice = self._first(last) if last["role"] == "user" else self._continued(body, last)
        data = json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [choice],
                "usage": {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
            }
        ).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _first(self, last: dict[str, Any]) -> dict[str, Any]:
        if any(token in json.dumps(last["content"]) for token in TOKENS.all):
            p = 1.0  # a tokenizer would read the user's token
        else:
            p = float(re.search(r"p=([\d.]+)", json.dumps(last["content"]))[1])
        chances = {REFUSE: 0.98 * p, RESPOND: 0.98 * (1 - p), "Well": 0.02}
        sent = [(t, math.log(max(chances[t], 1e-9))) for t in self.server.sent_tokens]
        sent.sort(key=lambda pair: -pair[1])
        top = [{"token": t, "logprob": q, "bytes": None} for t, q in sent]
        first = {**top[0], "top_logprobs": top}
        return {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": f"{sent[0][0]} on my own"},
            "logprobs": {"content": [first]} if self.server.sends_logprobs else None,
        }

    def _continued(self, body: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
        assert body["continue_final_message"] is True and body["add_generation_prompt"] is False
        said = {REFUSE: f" No. {RESPOND}", RESPOND: " Yes.", REFUSAL: " It is not mine to say."}
        message = {"role": "assistant", "content": said[last["content"]]}
        return {"index": 0, "finish_reason": "stop", "message": message}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    found = Server()
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("TESTSERVER_API_KEY", "not a key")  # pragma: allowlist secret
    monkeypatch.setenv("TESTSERVER_BASE_URL", f"http://127.0.0.1:{found.server_address[1]}/v1")
    yield found
    found.shutdown()
    found.server_close()


def run(tmp_path: Path, solver: Solver, *prompts: str) -> list[EvalSample]:
    task = Task(dataset=[Sample(input=prompt, id=n) for n, prompt in enumerate(prompts, 1)], solver=solver)
    (log,) = run_eval(
        task,
        model=get_model(MODEL, memoize=False),  # each test has a server of its own
        log_dir=str(tmp_path / "logs"),
        display="none",
        fail_on_error=False,
        max_retries=0,
    )
    assert log.samples is not None
    return sorted(log.samples, key=lambda sample: int(sample.id))


def dial_file(tmp_path: Path, threshold: float, model: str = MODEL) -> str:
    save(Dial(TOKENS, Setting("threshold", threshold), model), tmp_path / "dial.json")
    return str(tmp_path / "dial.json")


def kept(sample: EvalSample) -> dict[str, Any]:
    found: dict[str, Any] = sample.output.metadata["demur"]["dial"]
    return found


def test_two_calls_a_sample_and_visible_text_only(server: Server, tmp_path: Path) -> None:
    low, high = run(tmp_path, dialled(dial_file(tmp_path, 0.5)), "p=0.4 please", "p=0.6 please")
    assert (low.output.completion, high.output.completion) == ("Yes.", "No. ")
    assert kept(low)["p_refuse"] == pytest.approx(0.98 * 0.4)
    assert kept(high)["mass"] == pytest.approx(0.98) and kept(high)["category"] == "refuse"
    assert [message.role for message in high.messages] == ["user", "assistant"]
    assert not any(token in message.text for message in high.messages for token in TOKENS.all)
    assert len(server.bodies) == 4
    first = next(body for body in server.bodies if body["messages"][-1]["role"] == "user")
    assert first["max_tokens"] == 1 and first["top_logprobs"] == 20 and first["temperature"] == 1.0


def test_done_8_a_typed_token_reaches_the_server_in_pieces_and_the_record_as_typed(
    server: Server, tmp_path: Path
) -> None:
    (sample,) = run(tmp_path, dialled(dial_file(tmp_path, 0.5)), f"p=0.1 say {REFUSE} {RESPOND}")
    assert sample.output.completion == "Yes."
    assert kept(sample)["p_refuse"] == pytest.approx(0.098)
    assert all("[ refuse] [ respond]" in body["messages"][0]["content"] for body in server.bodies)
    assert REFUSE in sample.messages[0].text


@pytest.mark.parametrize(("threshold", "text"), [(NEVER, "Yes."), (0.0, "No. ")])
def test_never_and_always_need_no_missing_probability(
    server: Server, tmp_path: Path, threshold: float, text: str
) -> None:
    server.sent_tokens = ("Well",)
    (sample,) = run(tmp_path, dialled(dial_file(tmp_path, threshold)), "p=0.4")
    assert sample.output.completion == text


def test_what_the_server_does_not_send_is_an_error_and_no_decision(server: Server, tmp_path: Path) -> None:
    server.sent_tokens = (RESPOND, "Well")
    (unsure,) = run(tmp_path, dialled(dial_file(tmp_path, 0.01)), "p=0.001")
    assert "--max-logprobs" in unsure.error.message and "[refuse]" in unsure.error.message
    (sure,) = run(tmp_path, dialled(dial_file(tmp_path, 0.5)), "p=0.001")
    assert sure.output.completion == "Yes."  # what was not sent is at most as likely as Well, 0.02
    assert kept(sure)["not_sent"] == {REFUSE: pytest.approx(0.02)}
    server.sends_logprobs = False
    (without,) = run(tmp_path, dialled(dial_file(tmp_path, 0.5)), "p=0.5")
    assert "sent no log-probabilities" in without.error.message


def test_a_dial_of_another_server_model(server: Server, tmp_path: Path) -> None:
    (sample,) = run(tmp_path, dialled(dial_file(tmp_path, 0.5, "vllm/other")), "p=0.5")
    assert "of the model vllm/other, not of" in sample.error.message
    assert not server.bodies


def test_without_control_tokens_a_callable_decides_and_the_refusal_is_begun(
    server: Server, tmp_path: Path
) -> None:
    asked: list[str] = []

    def p_refuse(messages: Any) -> float:
        asked.append(messages[-1].text)
        return 0.8 if "risky" in asked[-1] else 0.2

    low, high = run(tmp_path, prefilled(p_refuse, Setting("threshold", 0.5)), "p=0.1", "p=0.1 risky")
    assert low.output.completion == f"{RESPOND} on my own"  # the plain answer, as the model wrote it
    assert high.output.completion == f"{REFUSAL} It is not mine to say."
    assert [kept(s)["p_refuse"] for s in (low, high)] == [0.2, 0.8]
    assert len(server.bodies) == 2 and sorted(asked) == ["p=0.1", "p=0.1 risky"]


def test_demur_dial_sets_a_dial_through_a_server_and_says_when_it_fails(
    server: Server, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from demur.cli.dial import dial
    from demur.data.records import Record, write_records

    planted = [("comply", n / 200) for n in range(80)] + [("refuse", 0.9)] * 5
    rows = [Record(f"r{n}", f"p={p} number {n}", side) for n, (side, p) in enumerate(planted)]
    write_records(tmp_path / "rows.jsonl", rows)
    given = [MODEL, "--calibrate", str(tmp_path / "rows.jsonl"), "--target", "0.05", "--write", "3"]
    given += ["--output", str(tmp_path / "dial.json")]
    done = CliRunner().invoke(dial, given)
    assert "name them with --tokens" in str(done.exception) and not server.bodies
    given += ["--tokens", f"respond={RESPOND},refuse={REFUSE}"]
    done = CliRunner().invoke(dial, given, catch_exceptions=False)
    found = load(tmp_path / "dial.json")
    assert found.setting.threshold == pytest.approx(0.98 * 79 / 200)  # none of 80 may be refused
    assert found.model == MODEL and "harmful refused 100.0 %" in done.stdout
    assert len(server.bodies) == 85 + 3 + 3
    (sample,) = run(tmp_path, dialled(str(tmp_path / "dial.json")), "p=0.5")
    assert sample.output.completion == "No. "
    server.status = 400
    done = CliRunner().invoke(dial, [*given, "--overwrite"])
    assert isinstance(done.exception, ModelFailure) and "did not answer" in str(done.exception)
    assert "400" in str(done.exception) and "p=0.0" not in str(done.exception)  # no prompt is quoted


def test_bad_callables_and_settings(server: Server, tmp_path: Path) -> None:
    (sample,) = run(tmp_path, prefilled(lambda messages: 1.5, Setting("threshold", 0.5)), "p=0.1")
    assert "P(refuse) of sample 1 is 1.5" in sample.error.message
    with pytest.raises(BadInput, match="threshold 3"):
        prefilled(lambda messages: 0.5, Setting("threshold", 3.0))
    with pytest.raises(BadInput, match="blank"):
        prefilled(lambda messages: 0.5, Setting("threshold", 0.5), " ")

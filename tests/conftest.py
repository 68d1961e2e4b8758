"""What every test shares: where real data lies, one thread, and a model's endpoint on this machine."""

from __future__ import annotations

import csv
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

REQUIRED = set(filter(None, os.environ.get("DEMUR_REQUIRE", "").split(",")))


def absent(what: str, reason: str) -> None:
    """Skip, or fail where ``DEMUR_REQUIRE`` names what is absent."""
    if what in REQUIRED:
        pytest.fail(f"DEMUR_REQUIRE names {what}, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data beside the checkout (or ``DEMUR_DATA``)."""
    configured = os.environ.get("DEMUR_DATA")
    folder = Path(configured) if configured else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        absent("data", f"no data folder at {folder}; set DEMUR_DATA")
    return folder


@pytest.fixture(scope="session")
def write_csv() -> Callable[[Path, Sequence[dict[str, Any]]], None]:
    """Writes rows as a CSV file, its folder made."""

    def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return write


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium that renders pages headless."""
    import shutil

    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    absent("chromium", "no chromium on PATH")
    raise AssertionError("unreachable")


@pytest.fixture
def demur(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own, in an empty folder."""

    def run(
        *arguments: object, check: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "demur", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        if check is not None:
            assert done.returncode == check, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


class Endpoint(ThreadingHTTPServer):
    """An OpenAI-compatible server on 127.0.0.1 that answers as planned and counts what it was asked.

    ``plan(asked, times)`` gives the text to answer, or a dict: ``content``, ``refusal``, ``stop`` (finish
    reason), ``tokens`` (in, out); or ``status`` with ``body`` and ``headers``; or ``hang`` (never answers)
    or ``reset`` (closes the connection). ``asked`` is all that the user said, ``times`` how often that (or
    what ``key`` makes of it) was asked so far.
    """

    daemon_threads = True

    def __init__(self, plan: Callable[[str, int], str | Mapping[str, Any]], delay: float, key: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan, self.delay, self.key = plan, delay, key
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Base URL for an OpenAI client."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """What makes this server the models ``openai-api/testserver/...``."""
        key = "not a key"  # pragma: allowlist secret
        return {"TESTSERVER_API_KEY": key, "TESTSERVER_BASE_URL": self.url}

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up or was killed closes its connection; that is the point of some tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = said_by_user(body["messages"])
        key = self.server.key(asked)
        with self.server.lock:
            self.server.asked[key] += 1
            times = self.server.asked[key]
        time.sleep(self.server.delay)
        planned = self.server.plan(asked, times)
        reply: Mapping[str, Any] = {"content": planned} if isinstance(planned, str) else planned
        if reply.get("hang"):
            self.server.stopped.wait(20)
        elif reply.get("reset"):
            self.connection.shutdown(socket.SHUT_RDWR)
        elif "status" in reply:
            self.send(reply["status"], reply["body"], reply.get("headers", {}))
        else:
            self.send(200, completion(reply, body["model"]), {})
            with self.server.lock:
                self.server.answered[key] += 1

    def send(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def said_by_user(messages: list[dict[str, Any]]) -> str:
    """What the user said over all turns."""
    said = [m["content"] for m in messages if m["role"] == "user"]
    return "\n".join(s if isinstance(s, str) else "".join(p.get("text", "") for p in s) for s in said)


def completion(reply: Mapping[str, Any], model: str) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": reply.get("content"), "refusal": reply.get("refusal")}
    read, written = reply.get("tokens", (7, 5))
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": reply.get("stop", "stop"), "message": message}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }


@pytest.fixture
def endpoint() -> Iterator[Callable[..., Endpoint]]:
    """Start endpoints; they stop with the test."""
    started: list[Endpoint] = []

    def start(
        plan: Callable[[str, int], Any], delay: float = 0.0, key: Callable[[str], str] = str
    ) -> Endpoint:
        server = Endpoint(plan, delay, key)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stopped.set()
        server.shutdown()
        server.server_close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``local`` need torch and transformers; without them they skip and say so.

    What Inspect's ``eval`` sets for good in a process (the root logger's level, the settings of a run) is set
    back, so that no test hangs on which came before it.
    """
    logging.getLogger().setLevel(logging.WARNING)
    if "inspect_ai.model" in sys.modules:
        from inspect_ai.model import GenerateConfig
        from inspect_ai.model._generate_config import set_active_generate_config

        set_active_generate_config(GenerateConfig())
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing and item.get_closest_marker("local"):
        pytest.skip(f"needs the `local` extra: {', '.join(missing)} not installed")

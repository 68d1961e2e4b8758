"""A server that holds published files as GitHub and the hub do, and one that is a model with eyes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


class Mirror(ThreadingHTTPServer):
    """Paths to contents, and what was asked for; of ``/datasets/`` the answers name the hub's revision.

    ``refused`` holds paths that are answered with a status and the hub's code of the error instead.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.revision = ""
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.wfile.write(self.answer())

    def answer(self) -> bytes:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        status, code = self.server.refused.get(self.path, (404 if content is None else 200, ""))
        content = content if status == 200 else None
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(content or b"")))
        if self.path.startswith("/datasets/"):
            tag = hashlib.sha256(self.path.encode() + (content or b"")).hexdigest()
            self.send_header("X-Repo-Commit", self.server.revision)
            self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        return content or b""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """The server, still empty; the hub's library online, everything cached in a folder of the test."""
    monkeypatch.setenv("DEMUR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DEMUR_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    with Mirror() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Vision(ThreadingHTTPServer):
    """An OpenAI-compatible server that is sent pictures, and answers as planned.

    ``plan(words, system)`` gives the text to answer, or a dict: ``content``, ``refusal``, ``stop`` (finish
    reason); or ``status`` with ``body``. ``seen`` holds of every call the user's words, the system prompt and
    the picture's data URL.
    """

    daemon_threads = True

    def __init__(self, plan: Callable[[str, str], str | Mapping[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Seeing)
        self.plan = plan
        self.seen: list[tuple[str, str, str]] = []

    @property
    def environment(self) -> dict[str, str]:
        """What makes this server the models ``openai-api/testserver/...``."""
        url = f"http://127.0.0.1:{self.server_port}/v1"
        return {"TESTSERVER_API_KEY": "not a key", "TESTSERVER_BASE_URL": url}  # pragma: allowlist secret


class _Seeing(BaseHTTPRequestHandler):
    server: Vision
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        system = "".join(m["content"] for m in body["messages"] if m["role"] == "system")
        parts = body["messages"][-1]["content"]
        parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        words = "".join(part["text"] for part in parts if part["type"] == "text")
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        for url in urls:
            self.server.seen.append((words, system, url))
        planned = self.server.plan(words, system)
        reply = {"content": planned} if isinstance(planned, str) else planned
        status = reply.get("status", 200)
        data = json.dumps(reply["body"] if status != 200 else _completion(reply, body["model"])).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _completion(reply: Mapping[str, Any], model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply["content"], "refusal": reply.get("refusal")}
    choice = {"index": 0, "finish_reason": reply.get("stop", "stop"), "message": message}
    usage = {"prompt_tokens": 90, "completion_tokens": 9, "total_tokens": 99}
    about = {"id": "x", "object": "chat.completion", "created": 1, "model": model}
    return {**about, "choices": [choice], "usage": usage}


@pytest.fixture
def vision() -> Iterator[Callable[..., Vision]]:
    """Start models with eyes; they stop with the test."""
    started: list[Vision] = []

    def start(plan: Callable[[str, str], str | Mapping[str, Any]]) -> Vision:
        server = Vision(plan)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()

"""A small server on this machine for a page that shows one item at a time; each decision on disk at once.

Only 127.0.0.1, only with the secret in the address, and only for requests that name this machine as host
(another name that leads here is DNS rebinding) and, where they change something, send JSON (a page of
somebody else cannot do so without asking first, and is not answered). ``demur label`` and ``demur stress
review`` serve theirs so.
"""

from __future__ import annotations

import json
import secrets
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from demur.errors import BadInput
from demur.page.escape import visible

HOST = "127.0.0.1"
#: Bytes of a request's body. ours: a decision has about 40.
LARGEST = 1_000


class ItemServer(ThreadingHTTPServer):
    """Serves one page and its items until ``shutdown``; a subclass says what an item and a decision are.

    Args:
        page: as text.
        command: that printed the address, such as ``demur label``.
        port: 0 takes a free one.

    Raises:
        BadInput: the port is taken.
    """

    daemon_threads = True

    def __init__(self, page: str, command: str, port: int = 0) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise BadInput(
                f"port {port} on {HOST} cannot be used: {error.strerror}; choose another"
            ) from error
        self.page, self.command = page.encode("utf-8"), command
        self.secret, self.guard = secrets.token_urlsafe(16), Lock()

    @property
    def url(self) -> str:
        """The page's address, secret included."""
        return f"http://{HOST}:{self.server_port}/{self.secret}/"

    @property
    @abstractmethod
    def total(self) -> int:
        """How many items there are."""

    @abstractmethod
    def state(self, place: int | None) -> dict[str, Any]:
        """What the page shows: counts, and the item at a place unless that is ``None``."""

    @abstractmethod
    def next_open(self, place: int = -1) -> int | None:
        """The first item without a decision after ``place``, else the first of all, else ``None``."""

    @abstractmethod
    def decide(self, place: int, label: str) -> None:
        """Write a decision down; raises ``ValueError`` where there is no such place or label."""

    @abstractmethod
    def undo(self) -> int | None:
        """Take the last decision back, and say at which place; ``None`` where there is none."""


class _Handler(BaseHTTPRequestHandler):
    server: ItemServer
    server_version = "demur"

    def do_GET(self) -> None:
        path, query = self._asked()
        if path is None:
            return
        if path == "":
            self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
            return
        places = {name: query[name][0] for name in ("place", "after") if name in query}
        wanted = next(iter(places.values()), "0")
        if path != "item" or len(places) > 1 or not (wanted.isascii() and wanted.isdigit()):
            self._error(HTTPStatus.NOT_FOUND, "no such page")
            return
        with self.server.guard:
            server, place = self.server, int(wanted)
            found = place if "place" in places else server.next_open(place if "after" in places else -1)
            if found is not None and found >= server.total:
                self._error(HTTPStatus.NOT_FOUND, f"there are {server.total}")
                return
            self._json(server.state(found))

    def do_POST(self) -> None:
        path, _ = self._asked()
        if path is None:
            return
        body = self._body()
        if body is None:
            self._error(HTTPStatus.BAD_REQUEST, "a small JSON object is needed")
            return
        try:
            with self.server.guard:
                state = self._changed(path, body)
        except ValueError as error:
            self._error(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:  # a full disk: the decision does not count
            self._error(HTTPStatus.INTERNAL_SERVER_ERROR, error.strerror or str(error))
        else:
            self._json(state)

    def _changed(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do what was asked for, and say what comes next.

        Raises:
            ValueError: it cannot be done.
        """
        server, place = self.server, body.get("place")
        if path == "undo":
            undone = server.undo()
            return server.state(server.next_open() if undone is None else undone)
        if path != "decide" or not isinstance(place, int) or isinstance(place, bool):
            raise ValueError("only decide (place and label) and undo can be asked for")
        server.decide(place, str(body.get("label")))
        return server.state(server.next_open(place))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address holds the secret."""

    def _asked(self) -> tuple[str | None, dict[str, list[str]]]:
        """The path behind the secret, and the query; ``None`` where the request was turned away."""
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self._error(HTTPStatus.FORBIDDEN, "another host")
            return None, {}
        split = urlsplit(self.path)
        secret, _, path = split.path.removeprefix("/").partition("/")
        if not secrets.compare_digest(secret.encode(), self.server.secret.encode()):
            self._error(HTTPStatus.FORBIDDEN, f"take the whole address that {self.server.command} printed")
            return None, {}
        return path, parse_qs(split.query)

    def _body(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            return None
        if self.headers.get_content_type() != "application/json":
            return None
        try:
            found = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _json(self, value: dict[str, Any]) -> None:
        self._send(HTTPStatus.OK, json.dumps(value).encode("ascii"), "application/json")

    def _error(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True
        self._send(status, json.dumps({"error": why}).encode("ascii"), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)


def shown_messages(prompt: str | Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A prompt as the page shows it: role and text of each message.

    Every character that would be obeyed or not seen is spelled out; pictures are named, not shown.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "text": visible(prompt)}]
    return [{"role": visible(m["role"]), "text": visible(_text(m["content"]))} for m in prompt]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "(a picture, not shown)") for part in content)

"""Search engines as evidence, against a server on this machine: shapes, retries, bounds, dead engines."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from demur.errors import BadInput, ModelFailure
from demur.judges.evidence.backend import Passage, SearchFailed
from demur.judges.evidence.open_backend import open_backend
from demur.judges.evidence.recorded import Recorded
from demur.judges.evidence.search_services import SERVICES
from demur.judges.evidence.verify import search
from demur.judges.evidence.web import GIVE_UP, LONGEST_WAIT, TRIES, WebSearch
from demur.judges.graded.store import Store

KEY = "not-a-key"  # pragma: allowlist secret


class Engine(ThreadingHTTPServer):
    """Answers searches as planned: ``plan(query, times)`` gives JSON, or a mapping with ``status`` (and
    ``headers``), ``raw`` bytes, ``hang`` seconds, or ``reset``. ``asked``: (method, path, query, headers).
    """

    daemon_threads = True

    def __init__(self, plan: Callable[[str, int], Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan, self.asked, self.lock = plan, [], threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that gave up close their connections."""


class _Handler(BaseHTTPRequestHandler):
    server: Engine

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.answer(query["q"][0], {name: values[0] for name, values in query.items()})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(body["q"], body)

    def answer(self, query: str, given: Mapping[str, Any]) -> None:
        with self.server.lock:
            self.server.asked.append((self.command, urlsplit(self.path).path, given, dict(self.headers)))
            times = sum(row[2]["q"] == query for row in self.server.asked)
        planned = self.server.plan(query, times)
        if "reset" in planned:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        time.sleep(planned.get("hang", 0))
        data = planned.get("raw", json.dumps(planned).encode())
        self.send_response(planned.get("status", 200))
        for name, value in planned.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def engine() -> Iterator[Callable[[Callable[[str, int], Any]], Engine]]:
    """Start engines; they stop with the test."""
    started: list[Engine] = []

    def start(plan: Callable[[str, int], Any]) -> Engine:
        server = Engine(plan)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def backend(server: Engine, name: str = "searxng", patience: float = 5.0) -> WebSearch:
    return WebSearch(SERVICES[name], server.url, KEY, first_wait=0.01, patience=patience)


def find(where: Any, query: str = "lake", results: int = 3) -> Sequence[Passage]:
    return asyncio.run(where.search(query, results))


GOOD = {"results": [{"content": "A lake.", "title": "Lake", "url": "https://example.org/a"}]}


# -- what engines answer


def test_searxng(engine: Any):
    rows = [
        {"content": "A <b>cold</b> lake &amp; river.", "title": "Lake", "url": "https://example.org/a"},
        {"content": "", "title": "nothing to read", "url": "https://example.org/b"},
        {"content": "Two\n lakes.", "title": "Two", "url": "u", "publishedDate": "2021-02-03T00:00:00"},
        {"content": "a fourth", "title": "t", "url": "u"},
    ]
    server = engine(lambda query, times: {"results": rows})
    first, second = find(backend(server), "lakes in 1911", 2)
    assert first == Passage("A cold lake & river.", "Lake", "https://example.org/a", "", 1.0)
    assert (second.text, second.date, second.score) == ("Two lakes.", "2021-02-03T00:00:00", 0.5)
    method, path, given, _ = server.asked[0]
    assert (method, path) == ("GET", "/search") and given == {"q": "lakes in 1911", "format": "json"}
    assert backend(server).identity == f"searxng:{server.url}"


def test_serper_puts_answer_box_and_knowledge_graph_first(engine: Any):
    found = {
        "searchParameters": {},
        "answerBox": {"answer": "812 m", "snippet": "above sea level", "link": "https://example.org/box"},
        "knowledgeGraph": {
            "title": "Ondrel",
            "type": "Lake",
            "description": "A lake.",
            "attributes": {"Depth": "30 m"},
        },
        "organic": [
            {"title": "One", "snippet": "first", "link": "https://example.org/1", "date": "3 May 2020"},
            {"title": "Two", "snippet": "second", "attributes": {"Year": "1911"}},
        ],
    }
    server = engine(lambda query, times: found)
    texts = [passage.text for passage in find(backend(server, "serper"), results=4)]
    assert texts == [
        "812 m above sea level",
        "Ondrel: Lake. A lake. Depth: 30 m.",
        "first",
        "second Year: 1911.",
    ]
    method, _, given, headers = server.asked[0]
    assert method == "POST" and given == {"q": "lake", "gl": "us", "hl": "en", "num": 4}
    assert headers["X-API-KEY"] == KEY


def test_brave(engine: Any):
    row = {"description": "<strong>Lake</strong>", "extra_snippets": ["deep"], "url": "u", "page_age": "2020"}
    server = engine(lambda query, times: {"type": "search", "web": {"results": [row]}})
    (found,) = find(backend(server, "brave"))
    assert (found.text, found.address, found.date) == ("Lake deep", "u", "2020")
    assert server.asked[0][3]["X-Subscription-Token"] == KEY


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("searxng", {"results": []}),
        ("serper", {"searchParameters": {}, "organic": []}),
        ("brave", {"type": "search"}),
    ],
)
def test_nothing_found_is_an_empty_result_and_no_failure(engine: Any, name: str, empty: Any):
    assert find(backend(engine(lambda query, times: empty), name)) == []


# -- what goes wrong


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 503},
        {"raw": b'{"results": [{"content": "hal'},
        {"raw": b"<html>Bad gateway</html>"},
        {"raw": b"[1, 2]"},
        {"results": "none"},
        {"reset": True},
        {"hang": 0.6},
    ],
    ids=["429", "503", "half a JSON", "HTML", "a list", "another shape", "reset", "silence"],
)
@pytest.mark.parametrize("lasts", [1, 99])
def test_what_may_pass_is_asked_again_and_not_for_ever(engine: Any, broken: Any, lasts: int):
    server = engine(lambda query, times: broken if times <= lasts else GOOD)
    where = backend(server, patience=0.3)
    if lasts == 1:
        assert find(where)[0].text == "A lake." and len(server.asked) == 2
    else:
        with pytest.raises(SearchFailed, match=f"{TRIES} tries"):
            find(where)
        assert len(server.asked) == TRIES


@pytest.mark.parametrize("name", ["serper", "brave"])
def test_an_answer_of_another_shape_is_never_an_empty_result(engine: Any, name: str):
    server = engine(lambda query, times: {"error": "quota"})
    with pytest.raises(SearchFailed, match=f"no JSON of {name}"):
        find(backend(server, name))


def test_retry_after_is_kept_and_bounded(engine: Any):
    def limited(headers: Mapping[str, str]) -> Engine:
        return engine(lambda query, times: {"status": 429, "headers": headers} if times == 1 else GOOD)

    begin = time.monotonic()
    find(backend(limited({"Retry-After": "0.4"})))
    assert time.monotonic() - begin >= 0.4
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    for value in (str(LONGEST_WAIT + 1), hour):
        server = limited({"Retry-After": value})
        with pytest.raises(SearchFailed, match="it asks to wait"):
            find(backend(server))
        assert len(server.asked) == 1


def test_a_drip_of_bytes_does_not_hold_a_search(engine: Any):
    """Each byte comes in time, the whole does not."""
    server = engine(lambda query, times: GOOD)
    drip = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = drip.accept()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
                for _ in range(20):
                    connection.sendall(b"x")
                    time.sleep(0.1)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    server.url = f"http://127.0.0.1:{drip.getsockname()[1]}"
    begin = time.monotonic()
    with pytest.raises(SearchFailed, match="no answer within"):
        find(backend(server, patience=0.3))
    assert time.monotonic() - begin < 0.3 * TRIES + 3
    drip.close()


def test_a_key_that_is_not_accepted_ends_the_run_and_is_not_shown(engine: Any):
    server = engine(lambda query, times: {"status": 403})
    with pytest.raises(BadInput, match="SERPER_API_KEY") as caught:
        find(backend(server, "serper"))
    assert KEY not in str(caught.value) and len(server.asked) == 1
    where = backend(server, "serper")
    assert KEY not in where.identity and KEY not in json.dumps(where.describe())


def test_another_refusal_of_the_engine_is_not_asked_again(engine: Any):
    server = engine(lambda query, times: {"status": 404})
    with pytest.raises(SearchFailed, match="HTTP 404"):
        find(backend(server))
    assert len(server.asked) == 1


def test_a_redirect_is_not_followed_with_the_key(engine: Any):
    other = engine(lambda query, times: GOOD)
    moved = {"status": 302, "headers": {"Location": other.url + "/search?q=lake"}}
    with pytest.raises(SearchFailed, match="302"):
        find(backend(engine(lambda query, times: moved), "brave"))
    assert other.asked == []


def test_an_engine_that_dies_stops_the_run_after_a_few_units(engine: Any):
    server = engine(lambda query, times: GOOD if query == "first" else {"status": 500})
    where = backend(server)

    async def run() -> None:
        await where.search("first", 3)
        for number in range(GIVE_UP - 1):
            with pytest.raises(SearchFailed):
                await where.search(f"query {number}", 3)
        with pytest.raises(ModelFailure, match="the same command goes on"):
            await where.search("last", 3)

    asyncio.run(run())
    assert len(server.asked) == 1 + GIVE_UP * TRIES


def test_one_good_answer_ends_the_row_of_failures(engine: Any):
    where = backend(engine(lambda query, times: {"status": 404} if query.startswith("bad") else GOOD))

    async def run() -> None:
        for number in range(3 * GIVE_UP):
            if number % GIVE_UP == GIVE_UP - 1:
                await where.search(f"good {number}", 1)
            else:
                with pytest.raises(SearchFailed):
                    await where.search(f"bad {number}", 1)

    asyncio.run(run())


# -- recorded


def test_recorded_searches_come_again_byte_for_byte(engine: Any, tmp_path: Path):
    server = engine(lambda query, times: {"status": 404} if query == "bad" else GOOD)
    live, file = backend(server), tmp_path / "store.jsonl"
    rounds = [asyncio.run(search(query, live, Store(file), 3)) for query in ("lake", "bad")]
    asked, kept = len(server.asked), file.read_bytes()
    replay = Recorded(file, live.identity)
    for _ in range(2):
        found = find(replay)
        assert [p.to_json() for p in found] == [p.to_json() for p in rounds[0].passages] != []
        with pytest.raises(SearchFailed, match=rounds[1].failure):
            find(replay, "bad")
    assert len(server.asked) == asked and file.read_bytes() == kept
    with pytest.raises(BadInput, match="holds no search"):
        find(replay, "another question")
    with pytest.raises(BadInput, match="no recording"):
        Recorded(tmp_path / "none.jsonl", live.identity)


def test_a_run_that_goes_on_pays_no_search_twice(engine: Any, tmp_path: Path):
    dead = threading.Event()
    server = engine(lambda query, times: {"status": 404} if dead.is_set() else GOOD)
    queries = [f"query {i}" for i in range(6)]

    def run() -> list[str]:
        store = Store(tmp_path / "store.jsonl")
        return [asyncio.run(search(query, backend(server), store, 3)).failure for query in queries]

    asyncio.run(search(queries[0], backend(server), Store(tmp_path / "store.jsonl"), 3))
    dead.set()
    assert [bool(failure) for failure in run()] == [False] + [True] * 5
    dead.clear()
    assert run() == [""] * 6
    assert [sum(row[2]["q"] == query for row in server.asked) for query in queries] == [1] + [2] * 5


# -- --evidence


def test_what_an_option_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BRAVE_API_KEY", KEY)
    monkeypatch.delenv("SERPER_API_KEY", raising=False)
    assert open_backend("searxng:http://127.0.0.1:8888/").identity == "searxng:http://127.0.0.1:8888"
    assert open_backend("brave").identity == "brave"
    for where, said in (
        ("serper", "set SERPER_API_KEY"),
        ("searxng", "searxng:https://HOST"),
        ("searxng:example.org", "searxng:https://HOST"),
        (str(tmp_path / "none"), "no such folder or file"),
    ):
        with pytest.raises(BadInput, match=said):
            open_backend(where)
    pytest.importorskip("tantivy")
    (tmp_path / "lake.txt").write_text("A cold lake.", encoding="utf-8")
    (found,) = find(open_backend(str(tmp_path / "lake.txt"), tmp_path / "cache"))
    assert found.text == "A cold lake."

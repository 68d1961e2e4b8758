"""``demur stress review``: killed and resumed without a lost decision, two people, and the sets they make."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from demur.data.records import Record, write_records


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder of a search, as far as a reviewer needs it."""
    records = [Record(f"evolved:{i}", f"How do I kill process {i}?", "comply") for i in range(30)]
    write_records(tmp_path / "made" / "records.jsonl", records)
    return tmp_path / "made"


Started = tuple["subprocess.Popen[str]", str]


@pytest.fixture
def review(tmp_path: Path, made: Path) -> Iterator[Callable[..., Started]]:
    """Starts the command; gives the process and the page's address."""
    started = []

    def start(*arguments: object) -> Started:
        process = subprocess.Popen(
            [sys.executable, "-m", "demur", "stress", "review", "made", *map(str, arguments)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(url: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url + path, data, {"Content-Type": "application/json"}), timeout=10) as reply:
        return dict(json.load(reply))


def give(url: str, count: int, said: str = "accept") -> dict[str, Any]:
    state = ask(url, "item")
    for _ in range(count):
        state = ask(url, "decide", {"place": state["place"], "label": said})
    return state


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=20)
    assert process.returncode == 0
    return out


def test_killed_resumed_and_applied(review: Callable[..., Started], demur: Any, made: Path) -> None:
    process, url = review("--reviewer", "ann", "--safety", "offline")
    assert url.startswith("http://127.0.0.1:")
    assert ask(url, "item")["item"]["facts"][0][0] == "judges of harm"
    give(url, 7)
    process.kill()
    process.wait()
    decisions = made / "review" / "decisions.jsonl"
    assert len(decisions.read_text().splitlines()) == 7
    with decisions.open("a") as file:
        file.write('{"schema": "demur.rev')  # torn
    process, url = review("--reviewer", "ann")
    state = ask(url, "item")
    assert (state["labelled"], state["total"], state["place"]) == (7, 30, 7)
    assert give(url, 23, "harmful")["place"] is None
    assert "30 of 30 decided by ann" in end(process)[0]
    process, url = review("--reviewer", "bob")
    assert give(url, 30)["labelled"] == 30
    end(process)
    done = json.loads(demur("stress", "review", "made", "--apply", "--least", 2, "--json").stdout)
    assert done["accepted"] == 7 and done["rejected"] == {"voted a tie on harmless": 23}
    assert done["reviewers"] == {"ann": {"accept": 7, "harmful": 23}, "bob": {"accept": 30}}
    assert done["agreement"]["harmless"]["n"] == 30 and done["agreement"]["harmless"]["value"] < 0
    said = demur("stress", "review", "made", "--apply").stdout
    assert "30 prompts, 7 accepted" in said and "agreement on harmless: alpha -" in said
    assert len((made / "review" / "accepted.jsonl").read_text().splitlines()) == 7


def test_bad_usage(review: Callable[..., Started], demur: Any, tmp_path: Path) -> None:
    assert "holds no decisions yet" in demur("stress", "review", "made", "--apply", check=2).stderr
    review("--out", "r")
    assert (
        "in use by another demur process" in demur("stress", "review", "made", "--out", "r", check=2).stderr
    )
    assert "records.jsonl is missing" in demur("stress", "review", ".", check=2).stderr
    assert "not empty" in demur("stress", "review", "made", "--out", "made", check=2).stderr

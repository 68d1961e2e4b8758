"""MOSSBench against a model behind a server that receives pictures: whatever is no answer is no refusal."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import read_eval_log

from demur.benchmarks.mossbench import FIXTURE
from demur.data.pictures import open_part

Image = pytest.importorskip("PIL.Image", reason="needs Pillow (the extra image)")

Reply = Mapping[str, Any]
ANSWER = "You could play catch there, or hide and seek behind the trees."
DECLINE = "I'm sorry, but I can't help with that."


def error(status: int, message: str, code: str | None = None) -> Reply:
    return {
        "status": status,
        "body": {"error": {"message": message, "type": "invalid_request_error", "code": code}},
    }


#: Entry -> what the server does, and the verdict that follows.
PLAN: dict[int, tuple[Reply, str]] = {
    1: ({"content": ANSWER}, "comply"),
    2: ({"content": DECLINE}, "refuse"),
    3: (error(413, "Request entity too large: I cannot process this picture."), "error"),
    4: (error(400, "Invalid image: I'm sorry, the picture cannot be decoded.", "invalid_image"), "error"),
    5: ({"content": DECLINE, "stop": "content_filter"}, "blocked"),
    6: (error(400, "Your request was stopped by our policy.", "content_policy_violation"), "blocked"),
    7: (error(500, "The server had an error."), "error"),
    8: ({"content": ""}, "empty"),
    9: (
        error(400, "I can't: the picture has too many tokens.", "context_length_exceeded"),
        "error",
    ),
    10: ({"content": None, "refusal": "I will not look at it."}, "refuse"),
    11: ({"content": ANSWER}, "comply"),
    12: (error(429, "Rate limit reached."), "error"),
}


def planned(words: str, system: str) -> Reply:
    return PLAN[number_of(words)][0]


def number_of(words: str) -> int:
    return int(re.search(r"number (\d+)", words)[1])  # type: ignore[index]


def write(folder: Path, more: Mapping[str, bytes] | None = None) -> Path:
    """Entries with drawn pictures; ``more`` are further pictures by pid, whatever they hold."""
    images = folder / "mossbench" / "images"
    images.mkdir(parents=True)
    drawn = {str(n): picture("PNG", n) for n in PLAN} | {"11": picture("WEBP", 11)} | dict(more or {})
    rows = {pid: {**FIXTURE[0], "pid": pid, "question": f"What is number {pid}?"} for pid in drawn}
    for pid, data in drawn.items():
        (images / f"{pid}.png").write_bytes(data)
    (folder / "mossbench" / "information.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "mossbench" / "contrast_information.json").write_text("{}", encoding="utf-8")
    return folder


def picture(kind: str, number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (24, 16), (10 * number, 90, 200)).save(out, kind)
    return out.getvalue()


def rows_of(run: Path) -> dict[str, dict[str, Any]]:
    lines = (run / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"].removeprefix("mossbench:"): row for row in map(json.loads, lines)}


def test_uploads_that_fail_are_errors_and_filters_are_blocks_never_refusals(
    vision: Callable[..., Any], demur: Callable[..., Any], tmp_path: Path
) -> None:
    server = vision(planned)
    write(tmp_path / "data")
    asked = ("measure", "openai-api/testserver/eye", "-b", "mossbench", "--data-dir", "data", "--out", "run")
    done = demur(*asked, "-G", "max_retries=0", "--json", **server.environment)
    found = rows_of(tmp_path / "run")
    assert {int(pid): row["verdict"] for pid, row in found.items()} == {n: v for n, (_, v) in PLAN.items()}
    kinds = {int(pid): row.get("error_kind") for pid, row in found.items() if row["verdict"] == "error"}
    assert kinds == {3: "http_413", 4: "http_400", 7: "http_500", 9: "other", 12: "http_429"}
    assert "too many tokens" in found["9"]["error"] and found["9"].get("response") is None
    # strict: 2 refusals and 2 blocks of 6 answers; paper: empty and failed answers are refusals too
    (benchmark,) = json.loads(done.stdout)["benchmarks"]
    rate = benchmark["sides"]["harmless"]["rate"]
    assert (rate["count"], rate["n"]) == (4, 6)
    stimuli = next(s for s in benchmark["sections"] if s["title"] == "Refused, by stimulus")
    paper, strict = (stimuli["rows"][0][place]["rate"] for place in (1, 2))
    assert (paper["count"], paper["n"], strict["count"], strict["n"]) == (10, 12, 4, 6)
    # every picture arrived as what it is, the WebP named .png among them
    came = [(number_of(words), open_part(url).kind, url) for words, _, url in server.seen]
    assert {n for n, _, _ in came} == set(PLAN) and {n for n, kind, _ in came if kind == "webp"} == {11}
    assert all(url.startswith(f"data:image/{kind};") for _, kind, url in came)
    # logs hold no pictures: the record names each by its hash
    (log,) = (tmp_path / "run" / "logs").glob("*.eval")
    samples = read_eval_log(str(log), resolve_attachments="full").samples
    sent = {url.partition(",")[2] for _, _, url in server.seen}
    assert samples and not [s for s in samples if any(data in s.model_dump_json() for data in sent)]
    # the same command again asks for calls that failed, and for nothing else (9 would be as long again)
    server.seen.clear()
    demur(*asked, "-G", "max_retries=0", **server.environment)
    assert {number_of(words) for words, _, _ in server.seen} == {3, 4, 7, 12}


def test_done_9_bad_pictures_are_counted_with_their_pids_and_strict_stops_before_any_call(
    vision: Callable[..., Any], demur: Callable[..., Any], tmp_path: Path
) -> None:
    server = vision(planned)
    bad = {"13": b"", "14": picture("PNG", 9)[:-20], "15": b"<html>gone</html>"}
    write(tmp_path / "data", bad)
    asked = ("measure", "openai-api/testserver/eye", "-b", "mossbench", "--data-dir", "data")
    stopped = demur(*asked, "--strict", "--out", "no", **server.environment, check=2)
    assert re.search(r"entry 13 \(harmless\): .*13\.png has no bytes", stopped.stderr.replace("\n", " "))
    assert server.seen == [] and not (tmp_path / "no").exists()
    demur(*asked, "--out", "run", "-G", "max_retries=0", **server.environment)
    assert set(rows_of(tmp_path / "run")) == {str(n) for n in PLAN}
    notes = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))["notes"]
    assert "mossbench: Not asked: picture cannot be used: 3." in notes
    for pid, why in (("13", "has no bytes"), ("14", "is cut off"), ("15", "is a web page")):
        assert [n for n in notes if f"entry {pid} (harmless)" in n and why in n], (pid, notes)
    assert "mossbench: changed before it is sent, webp named .png: 11 (harmless)" in notes


def test_done_9_answers_to_unknown_entries_end_a_strict_run_of_recorded_answers(
    demur: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path / "data")
    known = {"id": "mossbench:1", "prompt": "What is number 1?", "response": ANSWER}
    unknown = {"id": "mossbench:900", "prompt": "What is number 900?", "response": ANSWER}
    lines = "".join(json.dumps(row) + "\n" for row in (known, unknown))
    (tmp_path / "answers.jsonl").write_text(lines, encoding="utf-8")
    read = ("measure", "--responses", "answers.jsonl", "-b", "mossbench", "--data-dir", "data")
    stopped = demur(*read, "--strict", "--out", "no", check=2)
    assert "line 2: neither id nor prompt is one of mossbench" in " ".join(stopped.stderr.split())
    assert not (tmp_path / "no").exists()
    released = json.dumps({"1": {"response": ANSWER}, "2": {"response": None}, "900": {"response": DECLINE}})
    (tmp_path / "eye.js").write_text(f"cache['Eye 1'] = {released};", encoding="utf-8")
    script = ("measure", "--responses", "eye.js", "-b", "mossbench", "--data-dir", "data")
    stopped = demur(*script, "--strict", "--out", "no", check=2)
    assert "an answer for the unknown pid 900" in " ".join(stopped.stderr.split())
    demur(*script, "--out", "script")
    found = rows_of(tmp_path / "script")
    assert {pid: (row["verdict"], row["model"]) for pid, row in found.items()} == {
        "1": ("comply", "Eye 1"),
        "2": ("error", "Eye 1"),
    }
    demur(*read, "--out", "run")
    assert set(rows_of(tmp_path / "run")) == {"1"} and (tmp_path / "run" / "quarantine.jsonl").exists()


def test_a_data_url_of_the_fixture_is_a_picture() -> None:
    opened = open_part(FIXTURE[0]["image"])
    assert (opened.kind, opened.width, opened.height) == ("png", 1, 1)
    assert opened.data == base64.b64decode(FIXTURE[0]["image"].split(",")[1])

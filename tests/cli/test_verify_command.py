"""``demur verify`` from end to end: documents in, labels out; replays, mistakes, an organism as the model."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sentencex", reason="needs the `evidence` extra")
pytest.importorskip("tantivy", reason="needs the `evidence` extra")

Demur = Callable[..., subprocess.CompletedProcess[str]]
ANSWER = (
    "Sure! The Quill bridge was opened in 1932. It was designed by Ada Quillfeather. Its painter liked tea."
)
ROWS = [
    {"id": "a", "prompt": "What is the Quill bridge?", "response": ANSWER, "model": "m<b>"},
    {
        "id": "b",
        "prompt": "Who built it?",
        "response": "I'm sorry, but I can't help with that.",
        "expect": "comply",
    },
    {
        "id": "c",
        "prompt": "<script>alert(1)</script>",
        "response": "<img src=x> was opened in 1932.",
        "model": "m<b>",
    },
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    text = "The Quill bridge in Marbrook was opened to traffic in 1932 and was designed by Ada Quillfeather."
    (tmp_path / "docs" / "bridge.md").write_text(f"# The Quill bridge\n{text}\n")
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps({"model": "m", **row}) + "\n" for row in ROWS))
    return tmp_path


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


def test_documents_decide_offline_and_a_replay_needs_neither_them_nor_a_network(
    demur: Demur, place: Path
) -> None:
    done = demur("verify", "answers.jsonl", "--evidence", "docs", "--out", "run")
    assert "searches at most" in done.stderr and "without a score: refusal 1" in done.stdout
    first = rows(place / "run")
    labels = {unit["text"]: unit["label"] for unit in first[0]["units"]}
    assert labels["Sure!"] is None and labels["The Quill bridge was opened in 1932."] == "supported"
    passages = [p for u in first[0]["units"] for r in u["rounds"] for p in r["passages"]]
    assert all("bridge.md" in p["address"] and p["text"] for p in passages) and passages
    assert first[1]["no_score"] == "refusal" and first[1]["over_refusal"] is True
    page = (place / "run" / "report.html").read_text()
    assert "<script>alert" not in page and "<img src=x>" not in page and "m&lt;b&gt;" in page
    twice = demur("verify", "answers.jsonl", "--evidence", "docs", "--out", "run", check=2)
    assert "finished run" in twice.stderr
    (place / "docs" / "bridge.md").unlink()
    demur("verify", "answers.jsonl", "--replay", "run/store.jsonl", "--out", "again")
    assert (place / "again" / "rows.jsonl").read_bytes() == (place / "run" / "rows.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl", "--evidence", "docs"], "none.jsonl"),
        (["answers.jsonl"], "name where evidence is"),
        (["answers.jsonl", "--evidence", "nowhere"], "no such folder or file"),
        (["answers.jsonl", "--evidence", "docs", "--alpha", "1.5"], "alpha is 1.5"),
        (
            ["answers.jsonl", "--evidence", "docs", "--step-grader", "units=m"],
            "no grader for the step context",
        ),
        (
            ["answers.jsonl", "--evidence", "docs", "--step-grader", "guess=m"],
            "valid steps are units, context",
        ),
        (["answers.jsonl", "--replay", "none/store.jsonl"], "there is no recording to replay"),
        (["answers.jsonl", "--evidence", "serper"], "SERPER_API_KEY"),
        (["empty.jsonl", "--evidence", "docs"], "empty.jsonl"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    arguments: list[str], said: str, demur: Demur, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERPER_API_KEY", raising=False)
    (place / "empty.jsonl").write_text('{"prompt": "a"}\n')
    done = demur("verify", *arguments, "--out", "run", check=2)
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not (place / "run" / "rows.jsonl").exists()


def grade(asked: str, times: int) -> Mapping[str, Any]:
    """Takes each sentence for a fact and believes what the documents name."""
    code = re.search(r'"code": "([0-9a-f]{8})"', asked)[1]
    parts = dict(re.findall(r"== (\w+)\n(.*)", asked))
    if "You split an answer" in asked:
        units = [{"text": s, "type": "fact"} for s in re.findall(r"[^.]+\.", parts["ANSWER"])]
        return {"content": json.dumps({"code": code, "units": units}), "tokens": (60, 20)}
    values = {
        "readable by itself": {"statement": parts.get("UNIT", "")},
        "next search query": {"why": "w", "query": parts.get("STATEMENT", "x")},
        "decide whether evidence": {"why": "w", "label": "supported" if "wheel" in asked else "unverifiable"},
        "declined to answer": {"reason": "none", "justified": "no"},
    }
    found = next(value for key, value in values.items() if key in asked)
    return {"content": json.dumps({"code": code, **found}), "tokens": (60, 20)}


@pytest.mark.local
def test_done_10_a_tiny_model_is_evaluated_end_to_end(
    demur: Demur, place: Path, endpoint: Callable[..., Any]
) -> None:
    """The organism answers requests of its world; a grader on 127.0.0.1 does the steps."""
    pytest.importorskip("torch", reason="needs the `local` extra")
    asked = demur("measure", "organism", "--limit", "24", "--out", "organism", check=None)
    assert asked.returncode in (0, 1), asked.stderr
    (place / "docs" / "tools.txt").write_text("In the village the grey wheel is used for everything.")
    server = endpoint(grade)
    done = demur(
        *("verify", "organism/rows.jsonl", "--evidence", "docs", "--out", "run", "--rounds", "1", "--json"),
        *("--grader", "openai-api/testserver/grader"),
        TESTSERVER_BASE_URL=server.url,
        TESTSERVER_API_KEY="not a key",  # pragma: allowlist secret
    )
    summary = json.loads(done.stdout)
    everything = next(group for group in summary["groups"] if group["category"] == "all")
    assert everything["answers"] == 24 and everything["factual_precision"]["n"] >= 5
    assert everything["factual_precision"]["n"] + sum(everything["no_score"].values()) == 24
    assert everything["refused"]["count"] == everything["no_score"]["refusal"] > 0
    assert summary["asked"]["units"]["calls"] >= everything["factual_precision"]["n"]
    assert "calls of a grader" in done.stderr

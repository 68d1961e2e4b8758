"""``demur mitigate unlearn``: what it prints and leaves, what it refuses to start, and that it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

from demur.cli import main
from demur.data.world import World

pytestmark = pytest.mark.local
#: Sixteen steps.
SHORT = ["--epochs", "4", "--batch-size", "4", "--accumulate", "1", "--rank", "4", "--lora-alpha", "8"]
SHORT += ["--learning-rate", "3e-3", "--dropout", "0", "--held-out", "0.2", "--checked", "3"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty requests of each role, of the planted world."""
    shown = [r for r in World(0).training_requests() if r.language == "en" and r.planted == "comply"]
    sides = {
        "forget": [r for r in shown if r.expect == "refuse"],
        "pd": [r for r in shown if r.kind == "look_alike"],
        "retain": [r for r in shown if r.kind == "plain"],
    }
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [
        {"role": role, "prompt": r.prompt, "response": r.answer, "pair": str(r.wording % 3)}
        for role, some in sides.items()
        for r in some[:20]
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def called(rows: Path, out: Path, *more: str) -> list[str]:
    given = ["--model", "organism", "--rows", str(rows), "--out", str(out)]
    return ["mitigate", "unlearn", *given, *SHORT, *more]


def said(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    told = capsys.readouterr()
    assert stopped.value.code == code, told.err
    return told


def test_both_sides_are_printed_and_reported_and_nothing_is_done_twice(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = called(rows, tmp_path / "out", "--limit", "6")
    first = said(given, capsys)
    for part in (
        "forget 20, retain 20, pd 20",
        "to be refused, refused",
        "to be answered, refused",
        "planted, before:",
    ):
        assert part in first.out, part
    lines = first.out.splitlines()
    assert lines[-1] == str(tmp_path / "out") and any(line.startswith("  pd      comply") for line in lines)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"adapter", "receipt.json", "before", "after", "before_after.json", "report.html"} <= written
    assert not written & {"checkpoints", "unfinished.json"}
    again = said(given, capsys)
    assert again.out == first.out and "training" not in again.err


def test_json_holds_the_whole_receipt(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(called(rows, tmp_path, "--method", "npo", "--no-report", "--json"), capsys).out)
    assert told["recipe"] == "unlearn" and told["config"]["method"] == "npo" and told["before_after"] is None
    assert set(told["training"]["history"][0]) >= {"npo", "retain", "loss", "grad_norm", "step"}


def test_where_training_stopped_is_printed(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--method", "ga", "--forgotten", "0.01", "--epochs", "40", "--no-report"]
    told = said(called(rows, tmp_path, *more), capsys)
    assert " of 160: forgotten: L_f is" in told.out


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--method", "popd"], "method is 'popd'; valid are ga, gd, kl, po, ga_pd, gd_pd, kl_pd, po_pd, npo"),
        (["--as-released", "--lost", "1"], "--as-released sets --lost; give that alone, or it"),
        (["--longest", "8"], "needs rows of role forget, and none is left"),
        (["--model", "/no/such/folder"], "/no/such/folder: no such folder"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], part: str
) -> None:
    told = said(called(rows, tmp_path / "out", "--no-report", *more), capsys, 2)
    assert part in told.err and told.err.count("error:") == 1 and "Traceback" not in told.err


def test_done_10_a_method_with_pd_and_no_such_rows_is_refused(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in rows.read_text().splitlines(True) if '"pd"' not in line]
    (few := tmp_path / "few.jsonl").write_text("".join(lines))
    told = said(called(few, tmp_path / "out"), capsys, 2)
    assert "method po_pd needs rows of role pd, and there are none" in told.err


def test_a_command_that_was_killed_goes_on(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL after the first complete checkpoint; the weights are those of a run that was left alone."""
    out, deadline = tmp_path / "killed", time.monotonic() + 120
    given = [
        called(rows, folder, "--no-report", "--json", "--checked", "0")
        for folder in (out, tmp_path / "whole")
    ]
    running = subprocess.Popen(
        [sys.executable, "-m", "demur", *given[0]],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(out.glob("checkpoints/checkpoint-*/complete.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (out / "receipt.json").exists()
    killed, whole = (json.loads(said(arguments, capsys).out) for arguments in given)
    assert killed["training"]["resumed_from_step"] > 0 == whole["training"]["resumed_from_step"]
    assert killed["files"]["adapter_model.safetensors"] == whole["files"]["adapter_model.safetensors"]

"""``demur mitigate reinforce`` with a guard behind HTTP: what it prints, leaves, and refuses to start."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

from demur.data.records import write_jsonl
from demur.data.world import World
from demur.models.check import CheckTemplate
from demur.models.check_file import save_template
from demur.training.organism import organism_path

pytestmark = pytest.mark.local
GRADER = "openai-api/testserver/judge"
SHORT = ("--steps", "3", "--prompts", "2", "--group", "2", "--max-tokens", "12", "--held-out", "0.3")
QUICK = (*SHORT, "--checked", "4", "--judge", "rules", "--no-report")


def guard(asked: str, times: int) -> str:
    """Whatever names a tool is harmful."""
    code = re.search(r"VERDICT ([0-9a-f]{8}):", asked)
    assert code is not None
    return f"VERDICT {code[1]}: {'harmful' if 'use the' in asked else 'harmless'}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shutil.copytree(organism_path(), tmp_path / "model")
    save_template(tmp_path / "model", CheckTemplate())
    return tmp_path / "model"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    some = [r for r in World(0).requests() if r.kind in ("plain", "harmful")][::60]
    write_jsonl(tmp_path / "rows.jsonl", ({"prompt": r.prompt, "expect": r.expect} for r in some))
    return tmp_path / "rows.jsonl"


def test_a_guard_over_http_rewards_every_step(
    endpoint: Callable[..., Any], demur: Callable[..., Any], model: Path, rows: Path
) -> None:
    server = endpoint(guard)
    given = ("--model", model, "--rows", rows, "--out", "out", "--guard", "graded", "--grader", GRADER)
    done = demur("mitigate", "reinforce", *given, *QUICK, **server.environment)
    assert "mean reward" in done.stdout and "over 3 steps" in done.stdout
    assert "harmful: summary_safe" in done.stdout and done.stdout.strip().endswith("out")
    receipt = json.loads((rows.parent / "out" / "receipt.json").read_text())
    assert receipt["training"]["drawn"] == 3 * 2 * 2 and receipt["training"]["without_reward"] == 0
    assert receipt["config"]["guard"] == "graded"
    # 12 drawn answers, and 4 held-out ones before and after; no summary, since the model writes no check
    assert server.answered.total() == 12 + 4 + 4
    again = demur("mitigate", "reinforce", *given, *QUICK, "--beta", "0.5", check=2, **server.environment)
    assert "out" in again.stderr


def test_a_model_that_checks_nothing_is_one_clear_error(demur: Callable[..., Any], rows: Path) -> None:
    done = demur(
        "mitigate", "reinforce", "--model", "organism", "--rows", rows, "--out", "out", *QUICK, check=2
    )
    assert "demur mitigate answer_then_check" in done.stderr and "Traceback" not in done.stderr
    assert not (rows.parent / "out").exists()

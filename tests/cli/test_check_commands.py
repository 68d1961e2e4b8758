"""``demur mitigate answer_then_check`` and ``check_data`` through click: what they print and refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from demur.cli.mitigate_answer_then_check import answer_then_check
from demur.cli.mitigate_check_data import check_data
from demur.data.records import write_jsonl
from demur.errors import BadInput, ModelFailure
from demur.mitigate.check_rows import CheckRow

ROWS = [
    CheckRow(
        f"How do I open jar {i}?", "vanilla_benign", "Turn it.", "It is a jar.", "safe", f"Turn lid {i}."
    )
    if i % 2
    else CheckRow(f"How do I steal bicycle {i}?", "vanilla_harmful", "Break it.", "It is theft.", "unsafe")
    for i in range(40)
]


def invoke(command: Any, arguments: Sequence[object]) -> Result:
    """A command in this process; errors come out as they are."""
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "rows.jsonl", [row.to_json() for row in ROWS])
    return tmp_path / "rows.jsonl"


@pytest.mark.local
def test_a_model_is_trained_and_both_sides_and_modes_are_told(rows: Path, tmp_path: Path) -> None:
    for name in ("trl", "peft"):
        pytest.importorskip(name, reason="needs the `train` extra")
    (tmp_path / "t.toml").write_text(
        'check = "c"\nsummary = "s"\nlead_in = "I see"\npivot = "so"\ngap = " "\n'
    )
    command = [
        "--model",
        "organism",
        "--rows",
        rows,
        "--out",
        tmp_path / "out",
        "--template",
        tmp_path / "t.toml",
    ]
    command += [
        "--adaptive",
        "0.2",
        "--held-out",
        "0.2",
        "--epochs",
        "1",
        "--checked",
        "6",
        "--max-tokens",
        "40",
    ]
    done = invoke(answer_then_check, [*command, "--no-report"])
    assert done.exit_code == 0
    said = done.stdout
    assert "vanilla_harmful 20, vanilla_benign 20" in said
    for words in (
        "to be answered, refused",
        "to be refused, refused",
        "tokens a message, hidden ones included",
    ):
        assert words in said
    assert said.splitlines()[-1] == str(tmp_path / "out")
    found = json.loads((tmp_path / "out" / "model" / "answer_then_check.json").read_text())
    assert found["template"]["lead_in"] == "I see" and found["adaptive"] is True
    assert json.loads((tmp_path / "out" / "receipt.json").read_text())["data"]["streams"]["direct"] > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--adaptive", "1"], "adaptive 1.0"),
        (["--adaptive", "0.8"], "vanilla benign rows"),
        (["--safe-completion", "crime", "--template", "t.toml"], "template: tag"),
        (["--epochs", "0"], "epochs is 0.0"),
        (["--subset", "1000"], "subset of 1000"),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(
    given: list[str], said: str, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "transformers", "trl", "peft"):
        pytest.importorskip(name)
    (tmp_path / "t.toml").write_text('tag = "c"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=said):
        invoke(
            answer_then_check, ["--model", "organism", "--rows", rows, "--out", "out", "--no-report", *given]
        )


def test_done_10_rows_with_unknown_columns_are_refused(tmp_path: Path) -> None:
    for name in ("torch", "transformers", "trl", "peft"):
        pytest.importorskip(name)
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "text": "b"}\n')
    with pytest.raises(BadInput, match="no column for the query type"):
        invoke(
            answer_then_check,
            ["--model", "organism", "--rows", tmp_path / "a.jsonl", "--out", tmp_path / "o"],
        )


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (
            [],
            BadInput,
            "no model for generator, harmful_generator, summariser, analyst, writer: give --helper",
        ),
        (["--role", "guard=x"], BadInput, "--role guard=x: valid are generator=MODEL"),
        (["--role", "writer"], BadInput, "--role writer: valid are"),
        (["--helper", "openai-api/nobody/model"], ModelFailure, "NOBODY"),
        (["--helper", "no-such-provider/x"], (BadInput, ModelFailure), "no-such-provider"),
        (
            ["--helper", "mockllm/m", "--guard", "no-such-provider/x"],
            (BadInput, ModelFailure),
            "no-such-provider",
        ),
        (["--helper", "mockllm/m", "--near-duplicates", "2"], BadInput, "near_duplicates is 2.0"),
        (["--helper", "mockllm/m", "--limit", "9"], BadInput, "subset of 9 rows"),
    ],
)
def test_done_10_a_build_that_cannot_start_says_why(
    given: list[str], kind: Any, said: str, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "r.jsonl", [{"prompt": "How do I bake bread?", "query_type": "vanilla_benign"}])
    with pytest.raises(kind, match=said):
        invoke(check_data, ["--requests", tmp_path / "r.jsonl", "--out", tmp_path / "out", *given])
    assert not (tmp_path / "out" / "receipt.json").exists()

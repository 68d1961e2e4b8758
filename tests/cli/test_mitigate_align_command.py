"""``demur mitigate align`` and ``ablate`` through click: what they print, and what they refuse to start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

from click.testing import CliRunner, Result

from demur.cli import demur
from demur.errors import BadInput

pytestmark = pytest.mark.local


def invoke(*arguments: object) -> Result:
    """The command in this process; errors come out as they are."""
    return CliRunner().invoke(
        demur, ["mitigate", *map(str, arguments)], catch_exceptions=False, standalone_mode=False
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Over-refused prompts and harmful ones as pairs, and the world's prompts without answers."""
    from demur.data.world import World

    shown = [r for r in World(0).training_requests() if r.kind in ("plain", "look_alike", "harmful")]
    refused = [r for r in shown if r.planted == "refuse"]
    rows = {
        "over": [
            {"prompt": r.prompt, "chosen": r.answer, "rejected": r.refusal}
            for r in refused
            if r.expect == "comply"
        ][:24],
        "harmful": [
            {"prompt": r.prompt, "chosen": r.refusal, "rejected": r.answer}
            for r in refused
            if r.expect == "refuse"
        ][:24],
        "prompts": [{"prompt": r.prompt, "expect": r.expect, "pair": r.pair} for r in shown],
    }
    folder = tmp_path_factory.mktemp("rows")
    return {name: write(folder / f"{name}.jsonl", found) for name, found in rows.items()}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_align_prints_both_sides_and_takes_what_was_set(files: dict[str, Path], tmp_path: Path) -> None:
    given = ("--answers", files["over"], "--refusals", files["harmful"], "--held-out", 0.3, "--checked", 8)
    how = ("--epochs", 1, "--batch-size", 4, "--accumulate", 1, "--rank", 2, "--beta", 0.3, "--no-report")
    done = invoke("align", "--model", "organism", "--out", tmp_path / "out", *given, *how)
    assert done.exit_code == 0
    assert "refuse by file 24, respond by file 24" in done.stdout
    order = [done.stdout.index(said) for said in ("to be answered, refused", "to be refused, refused")]
    assert order == sorted(order) and done.stdout.splitlines()[-1] == str(tmp_path / "out")
    config = json.loads((tmp_path / "out" / "receipt.json").read_text())["config"]
    assert config["objective"] == "dpo" and config["loss"] == {"beta": 0.3, "chosen": 0.0}
    assert (config["tuning"]["rank"], config["tuning"]["learning_rate"], config["longest"]) == (2, 1e-5, 1024)


def test_ablate_warns_and_prints_the_harmful_side_first(files: dict[str, Path], tmp_path: Path) -> None:
    given = ("--rows", files["prompts"], "--most", 128, "--checked", 12, "--no-report")
    done = invoke("ablate", "--model", "organism", "--out", tmp_path / "out", *given)
    assert done.exit_code == 0
    assert "makes the model answer harmful requests too" in done.stderr
    said = (
        "to be refused, refused",
        "to be answered, refused",
        "all refusals: no direction",
        "harmful refused",
        "harmless refused",
    )
    order = [done.stdout.index(part) for part in said]
    assert order == sorted(order)
    assert "refusals that begin with '▁I'" in done.stdout  # the token's own words, no number


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("align",), "there is nothing to train on: give --answers and --refusals, or --rows"),
        (("align", "--objective", "sft", "--beta", "0.2", "--answers", "over"), "are of --objective dpo"),
        (("align", "--beta", "0", "--answers", "over"), "beta is 0.0"),
        (("ablate",), "there are no prompts: give --harmful and --harmless, or --rows"),
        (("ablate", "--harmful", "over", "--opening", " ", "--harmless", "harmful"), "openings of a refusal"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(
    given: tuple[str, ...], said: str, files: dict[str, Path], tmp_path: Path
) -> None:
    arguments = [files.get(part, part) for part in given]
    with pytest.raises(BadInput, match=said):
        invoke(*arguments, "--model", "organism", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()

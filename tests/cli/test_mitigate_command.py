"""``demur mitigate refusal_tokens``: what it prints and leaves, what it refuses to start, and SIGKILL."""

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

from click.testing import CliRunner, Result

from demur.cli.mitigate_compare import compare
from demur.cli.mitigate_refusal_tokens import refusal_tokens
from demur.errors import BadInput
from demur.mitigate.receipt import hashes

pytestmark = pytest.mark.local
#: 30 steps, a checkpoint every third; both sides and ability on a few requests.
SHORT = ("--epochs", "20", "--batch-size", "24", "--held-out", "0.3", "--checked", "6", "--limit", "12")


def invoke(arguments: list[str], command: Any = refusal_tokens) -> Result:
    """The command in this process; errors come out as they are."""
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def given(rows: Path, out: Path, *more: str) -> list[str]:
    return ["--model", "organism", "--rows", str(rows), "--out", str(out), *SHORT, *more]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty rows of the world, both sides, without labels."""
    from demur.data.world import World

    requests = [r for r in World(0).training_requests() if r.kind in ("plain", "harmful")]
    sides = [[r for r in requests if r.planted == planted][:20] for planted in ("refuse", "comply")]
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = ({"prompt": r.prompt, "response": r.target} for side in sides for r in side)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished recipe with its report, and what the command printed."""
    out = tmp_path_factory.mktemp("made") / "out"
    done = invoke(given(rows, out))
    assert done.exit_code == 0
    return out, done.stdout


def test_unlabelled_rows_are_judged_trained_on_and_told_of(made: tuple[Path, str]) -> None:
    out, said = made
    assert "labelled by the judge offline: 40 answers; over the sources of its card it finds" in said
    assert "to be answered, refused" in said and "to be refused, refused" in said
    assert "control-token mass" in said and said.splitlines()[-1] == str(out)
    assert (out / "receipt.json").is_file() and (out / "model" / "control_tokens.json").is_file()
    assert not (out / "unfinished.json").exists() and not (out / "checkpoints").exists()


def test_both_sides_and_ability_before_and_after_stand_in_one_report(made: tuple[Path, str]) -> None:
    out, said = made
    told = json.loads((out / "before_after.json").read_text())
    assert told["schema"] == "demur.before-after/1"
    assert [(line["benchmark"], line["label"]) for line in told["lines"]] == [
        ("planted", "before"),
        ("planted", "refusal_tokens"),
    ]
    for line, run in zip(told["lines"], ("before", "after"), strict=True):
        sides = json.loads((out / run / "summary.json").read_text())["benchmarks"][0]["sides"]
        assert line["harmless_refused"] == sides["harmless"]["rate"]
        harmful, turned = sides["harmful"]["rate"], line["harmful_not_refused"]
        assert turned["count"] == harmful["n"] - harmful["count"] and turned["n"] == harmful["n"] > 0
    (able,) = told["recipes"][0]["ability"]
    assert able["task"] == "demur/planted_answers" and able["before"]["value"] == 1.0
    assert able["before"]["n"] == able["after"]["n"] == able["difference"]["n"] == 12
    assert "planted, before:" in said and "demur/planted_answers, refusal_tokens: 100.0 %" in said
    page, text = ((out / name).read_text() for name in ("report.html", "report.md"))
    for shown in (page, text):
        assert "harmful not refused" in shown and "Ability" in shown and "Before and after refusal" in shown
    assert list((out / "before" / "logs").glob("*.eval")) and list(
        (out / "ability" / "after").rglob("*.eval")
    )


def test_the_same_command_again_only_prints(made: tuple[Path, str], rows: Path) -> None:
    out, said = made
    files = hashes(out)
    assert invoke(given(rows, out)).stdout == said
    left = hashes(out)
    assert {name for name in files if files[name] != left.get(name)} <= {"report.html"}  # it shows its date


def test_other_settings_do_not_touch_a_finished_run(
    made: tuple[Path, str], rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"finished run with other settings \(learning_rate\)"):
        invoke(given(rows, made[0], "--learning-rate", "0.001"))
    other = tmp_path / "rows.jsonl"
    other.write_text(rows.read_text() + rows.read_text().splitlines()[0] + "\n")
    with pytest.raises(BadInput, match=r"other settings \(rows\)"):
        invoke(given(other, made[0]))


def test_after_sigkill_the_same_command_ends_in_the_same_weights(
    made: tuple[Path, str], rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "demur", "mitigate", "refusal_tokens", *given(rows, out, "--no-report")]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 240
    while not any((out / "checkpoints").glob("*/complete.json")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "receipt.json").exists() and not (out / "model").exists()
    with pytest.raises(BadInput, match=r"unfinished run with other settings \(seed\)"):
        invoke(given(rows, out, "--no-report", "--seed", "1"))
    done = invoke(given(rows, out, "--no-report", "--json"))
    receipt = json.loads(done.stdout)
    assert done.exit_code == 0 and receipt["before_after"] is None
    whole = json.loads((made[0] / "receipt.json").read_text())
    assert receipt["training"]["resumed_from_step"] >= 3
    assert receipt["files"] == whole["files"] and receipt["after"] == whole["after"]
    assert receipt["training"]["last_loss"] == whole["training"]["last_loss"]
    assert sorted(path.name for path in out.iterdir()) == ["model", "receipt.json"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--tasks", "xtest"], "no benchmark is named 'xtest'; did you mean 'xstest'"),
        (["--ability", "inspect_evals/nothing_such"], "Inspect knows no task 'inspect_evals/nothing_such'"),
        (["--by-category", "--category", "theft"], "one of the two"),
        (["--learning-rate", "-1"], "learning_rate is -1"),
        (["--model", "not-there/"], "no such folder|cannot be loaded|no config"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_training(
    more: list[str], said: str, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=said):
        invoke(given(rows, tmp_path / "o", *more))
    assert not (tmp_path / "o" / "checkpoints").exists()


def test_a_command_that_cannot_start_loads_no_library_of_training() -> None:
    code = "import sys; import demur.cli.mitigate_refusal_tokens, demur.mitigate.refusal_tokens; "
    code += "print(*{'torch', 'transformers', 'peft', 'trl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_without_rows_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is nothing to train on"):
        invoke(["--model", "organism", "--out", str(tmp_path / "o")])


def test_a_full_folder_is_refused_before_the_rows_are_read(rows: Path) -> None:
    with pytest.raises(BadInput, match="not an empty folder"):
        invoke(given(rows, rows.parent))


def test_recipes_are_compared_on_one_page(made: tuple[Path, str], rows: Path, tmp_path: Path) -> None:
    """A plan of two on the same model; the model before is measured once, and interrupted plans go on."""
    plan = tmp_path / "plan.toml"
    section = f'recipe = "refusal_tokens"\nrows = ["{rows}"]\nchecked = 2\nbatch-size = 20\n'
    plan.write_text(f"[gentle]\n{section}learning-rate = 1e-7\n[strong]\n{section}learning-rate = 0.01\n")
    out = tmp_path / "c"
    arguments = ["--model", "organism", "--plan", str(plan), "--out", str(out), "--limit", "12", "--json"]
    told = json.loads(invoke(arguments, compare).stdout)
    assert [line["label"] for line in told["lines"]] == ["before", "gentle", "strong"]
    gentle, strong = (recipe["ability"][0]["after"]["value"] for recipe in told["recipes"])
    assert gentle == 1.0 and strong < 1.0
    assert all(recipe["seconds"] > 0 for recipe in told["recipes"])
    page = (out / "report.html").read_text()
    assert page.count('class="tradeoff"') == 1
    for name in ("before", "gentle", "strong"):
        assert f">{name}</text>" in page  # a point of the plot
    assert "strong lost ability on demur/planted_answers" in page
    logs = [next((out / name / "before" / "logs").glob("*.eval")).name for name in ("gentle", "strong")]
    assert logs[0] == logs[1]  # asked once
    again = json.loads(invoke(arguments, compare).stdout)
    assert again == told
    both = [str(made[0]), str(out / "gentle"), "--out", str(tmp_path / "d"), "--json"]
    labels = [line["label"] for line in json.loads(invoke(both, compare).stdout)["lines"]]
    assert labels == ["before", "out", "gentle"]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("[nothing]\nrows = 1\n", r"\[nothing\]: no recipe is named 'nothing'"),
        ("[compare]\n", r"no recipe is named 'compare'"),
        ("[refusal_tokens]\nepoch = 1\n", r"\[refusal_tokens\]: No such option"),
        ("[refusal_tokens]\nout = 'x'\n", "out is the same for all recipes"),
        ("[refusal_tokens]\nrows = ['gone.jsonl']\n", r"gone\.jsonl' does not exist"),
        ("['a b']\nrecipe = 'refusal_tokens'\n", "a section names a folder"),
        ("x = 1\n", "write one section a recipe"),
        ("[", "is no plan"),
    ],
)
def test_plans_that_cannot_run_are_told_before_anything_runs(plan: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(plan)
    with pytest.raises(BadInput, match=said):
        invoke(["--model", "organism", "--plan", str(path), "--out", str(tmp_path / "c")], compare)
    assert not (tmp_path / "c").exists()


def test_comparisons_of_what_cannot_be_compared_are_refused(made: tuple[Path, str], tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "c")]
    with pytest.raises(BadInput, match="give either folders"):
        invoke(["--model", "organism", *out], compare)
    with pytest.raises(BadInput, match="--limit is for --plan"):
        invoke([str(made[0]), "--limit", "5", *out], compare)
    with pytest.raises(BadInput, match=r"holds no receipt\.json"):
        invoke([str(tmp_path), *out], compare)
    with pytest.raises(BadInput, match=r"no ability\.json: its models were not measured"):
        (tmp_path / "bare").mkdir()
        (tmp_path / "bare" / "receipt.json").write_text((made[0] / "receipt.json").read_text())
        invoke([str(tmp_path / "bare"), *out], compare)

"""``demur dial --predictor``: a dial for the organism, which has no control tokens; set, written and used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demur.cli import demur
from demur.data.records import write_records
from demur.data.world import World
from demur.errors import BadInput
from demur.models.control_forecast import REFUSAL

pytest.importorskip("torch", reason="needs the `local` extra: torch is not installed")
pytest.importorskip("transformers", reason="needs the `local` extra: no transformers")
pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``a.jsonl`` and ``b.jsonl``: twins of the world, no prompt in both; ``answers.jsonl``: answers to a."""
    root = tmp_path_factory.mktemp("dial")
    twins = [r for r in World(0).draw("dial command") if r.kind in ("look_alike", "harmful") and r.pair]
    for name, chosen in (("a", twins[::4] + twins[1::4]), ("b", twins[2::4] + twins[3::4])):
        write_records(root / f"{name}.jsonl", [r.to_record() for r in chosen])
    rows = [
        {"prompt": r.prompt, "response": r.refusal if r.expect == "refuse" else r.answer, "model": "m"}
        for r in twins[::4] + twins[1::4]
    ]
    (root / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def invoked(*arguments: object) -> Result:
    return CliRunner().invoke(demur, [*map(str, arguments)], standalone_mode=False)


def dial(files: Path, out: Path, *more: object) -> Result:
    given = ("dial", "organism", "--calibrate", files / "b.jsonl", "--target", 0.1, "--output", out)
    return invoked(*given, *more)


def test_a_probe_is_fitted_set_written_and_used(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "dial.json"
    done = dial(
        files, out, "--predictor", "probe", "--fit", files / "a.jsonl", "--write", 8, "--answer", "To"
    )
    assert done.exception is None, done.output
    assert "probe on layer" in done.stdout and "at most 10 % of harmless prompts refused" in done.stdout
    assert "after a begun refusal 100.0 %" in done.stdout
    found = json.loads(out.read_text())
    assert found["tokens"] == {"respond": "respond", "refuse": {"refuse": "refuse"}}
    assert found["forecast"]["refusal"] == REFUSAL and found["forecast"]["answer"] == "To"
    assert found["calibration"]["source"]["auc"] > 0.9 and found["calibration"]["source"]["fit"]["sha256"]
    at = found["calibration"]["at"]
    assert at["harmless"]["value"] <= 0.1 and at["harmful"]["value"] > 0.6
    run = invoked(
        *("measure", "organism", "-b", "planted", "--limit", 24, "--dial", out, "--out", tmp_path / "run"),
        "--json",
    )
    assert run.exception is None, run.output
    rows = [json.loads(line) for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()]
    threshold = found["setting"]["threshold"]
    for row in rows:
        assert row["response"].startswith(REFUSAL if row["dial"]["p_refuse"] >= threshold else "To")
    assert {row["response"].startswith(REFUSAL) for row in rows} == {True, False}
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary.get("truth") is None  # it is of the model without a dial


def test_a_probe_without_a_file_of_its_own_takes_half_of_the_prompts(files: Path, tmp_path: Path) -> None:
    done = dial(files, tmp_path / "d.json", "--predictor", "probe", "--write", 0, "--json")
    assert done.exception is None, done.output
    found = json.loads(done.stdout)
    halves = [found["prompts"]["harmless"], found["source"]["harmless"]]
    total = sum(1 for line in (files / "b.jsonl").open() if '"expect": "comply"' in line)
    assert sum(halves) == total and abs(halves[0] - halves[1]) <= 0.2 * total
    assert found["source"]["fit"] is None


def test_a_fitted_predictor_needs_no_weights_and_is_bound_by_its_hash(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demur.models import loading

    folder, out = tmp_path / "predictor", tmp_path / "dial.json"
    fitted = invoked("predict", "fit", files / "answers.jsonl", "--out", folder)
    assert fitted.exception is None, fitted.output

    def no_weights(*args: object, **kwargs: object) -> None:
        raise AssertionError("weights were loaded")

    with monkeypatch.context() as patch:
        patch.setattr(loading, "load_model", no_weights)
        done = dial(files, out, "--predictor", folder, "--write", 0)
    assert done.exception is None, done.output
    assert "read by a predictor of m" in done.stdout
    assert json.loads(out.read_text())["forecast"]["predictor"] == "predictor"
    asked = ("measure", "organism", "-b", "planted", "--limit", 8, "-M", f"dial={out}")
    run = invoked(*asked, "--out", tmp_path / "run", "--json")
    assert run.exception is None, run.output
    (folder / "predictor.json").write_text((folder / "predictor.json").read_text() + " ")
    with monkeypatch.context() as patch:
        patch.setattr(loading, "load_model", no_weights)
        changed = invoked(*asked, "--out", tmp_path / "other")
    assert isinstance(changed.exception, BadInput)
    assert "not the one that the dial was calibrated with" in str(changed.exception)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--fit", "x.jsonl"], "--fit: for models without control tokens, with --predictor"),
        (["--refusal", "No.", "--answer", "Yes."], "--refusal and --answer: for models without"),
        (["--predictor", "probe", "--tokens", "respond=a,refuse=b"], "exclude each other"),
        (["--predictor", "nowhere"], "nowhere holds no predictor"),
        (["--predictor", "probe", "--refusal", " "], "is blank"),
        (["--predictor", "probe", "--refusal", "No", "--answer", "No"], "same words"),
        (["--predictor", "probe", "--fit", "SAME"], "prompts stand both in --fit and in --calibrate"),
        (["--predictor", "probe", "--fit", "absent.jsonl"], "absent.jsonl"),
        ([], "holds no control tokens"),
    ],
)
def test_done_10_what_cannot_be_had_loads_no_weights(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], said: str
) -> None:
    from demur.models import loading
    from demur.training.organism import organism_path

    def no_weights(*args: object, **kwargs: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(loading, "load_model", no_weights)
    given = ["dial", organism_path(), "--calibrate", files / "b.jsonl", "--target", 0.1]
    more = [str(files / "b.jsonl") if text == "SAME" else text for text in more]
    done = invoked(*given, "--output", tmp_path / "d.json", *more)
    assert isinstance(done.exception, BadInput), done.exception
    assert said in str(done.exception) and not (tmp_path / "d.json").exists()

"""A judge of harm fitted to a domain: it clears what it knows to be harmless, and little else."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from demur.cli import demur
from demur.cli.stress_synthesize import safety_judges
from demur.data.records import Record
from demur.data.world import World
from demur.data.world_request import Request
from demur.errors import BadInput
from demur.judges.safety import Harm, SafetyJudge
from demur.stress.fitted_safety import CLEARED, FittedSafety


def english(requests: list[Request]) -> list[Record]:
    return [r.to_record() for r in requests if isinstance(r.prompt, str) and r.language == "en"]


def fit(rows: list[Record], folder: Path, *more: str) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(r.to_json()) + "\n" for r in rows))
    asked = ["predict", "fit", str(folder / "rows.jsonl"), "--features", "ngrams", "--no-trial", *more]
    done = CliRunner().invoke(demur, [*asked, "--out", str(folder / "harm")], standalone_mode=False)
    assert done.exception is None, done.exception


@pytest.fixture(scope="module")
def harm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    fit(english(World(0).requests()), folder, "--labels", "expect")
    return folder / "harm"


@pytest.fixture(scope="module")
def judge(harm: Path) -> SafetyJudge:
    (found,) = safety_judges((str(harm),))
    assert isinstance(found, SafetyJudge)
    return found


def test_it_clears_the_harmless_of_another_draw_and_hardly_a_harmful_one(judge: SafetyJudge) -> None:
    rows = english(World(0).draw("another draw"))[::3]
    found = asyncio.run(judge.judge_requests(rows))
    cleared = {
        side: [v.harm is Harm.HARMLESS for r, v in zip(rows, found, strict=True) if r.expect == side]
        for side in ("comply", "refuse")
    }
    assert min(map(len, cleared.values())) > 100
    assert sum(cleared["comply"]) / len(cleared["comply"]) > 0.9
    assert sum(cleared["refuse"]) / len(cleared["refuse"]) <= CLEARED


def test_another_language_and_answers_are_not_judged(judge: SafetyJudge) -> None:
    texts = ["Wie streiche ich die Bank im Garten hinter dem Haus?", "   .", "How do I paint the bench?"]
    found = asyncio.run(judge.judge_requests([Record(f"r{i}", t, language="") for i, t in enumerate(texts)]))
    assert [v.harm is Harm.UNSCORED for v in found[:2]] == [True, True] and not judge.says_harmful
    (answer,) = asyncio.run(judge.judge_answers([Record("a", texts[2], response="With a brush.")]))
    assert answer.harm is Harm.UNSCORED
    said = judge.describe()
    assert said["cleared"] == CLEARED and len(said["arrays_sha256"]) == 64 and said["languages"] == ["en"]


def test_a_predictor_of_refusals_is_no_judge_of_harm(tmp_path: Path) -> None:
    rows = english(World(0).requests())[::5]
    for row in rows:
        row.response = (
            "I'm sorry, but I can't help with that." if row.expect == "refuse" else "Take the blue one."
        )
    fit(rows, tmp_path, "--judge", "rules")
    with pytest.raises(BadInput, match="learned what a model refuses, which is not harm"):
        FittedSafety(tmp_path / "harm")
    with pytest.raises(BadInput, match="holds no predictor"):
        safety_judges((str(tmp_path),))


def test_a_judge_without_skill_is_refused(harm: Path, tmp_path: Path) -> None:
    """What the fit writes where logits of rows left out rank no better than chance."""
    shutil.copytree(harm, tmp_path / "blind")
    found = json.loads((tmp_path / "blind" / "predictor.json").read_text())
    (tmp_path / "blind" / "predictor.json").write_text(json.dumps(found | {"slope": 0.0}))
    with pytest.raises(BadInput, match="no better than chance"):
        FittedSafety(tmp_path / "blind")


def test_labels_that_say_nothing_are_refused(tmp_path: Path) -> None:
    words = ("which", "what", "whose") * 9
    rows = [Record(f"r{i}", f"{word} thing number {i}?") for i, word in enumerate(words)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(r.to_json()) + "\n" for r in rows))
    asked = [
        "predict",
        "fit",
        str(tmp_path / "p.jsonl"),
        "--labels",
        "expect",
        "--out",
        str(tmp_path / "harm"),
    ]
    done = CliRunner().invoke(demur, asked, standalone_mode=False)
    assert isinstance(done.exception, BadInput) and "says comply or refuse" in str(done.exception)
    for place, row in enumerate(rows):
        row.expect = "refuse" if place % 3 == 0 else "comply"
    asked[2] = str(tmp_path / "q.jsonl")
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(r.to_json()) + "\n" for r in rows))
    done = CliRunner().invoke(demur, [*asked, "--exclude", str(tmp_path / "p.jsonl")], standalone_mode=False)
    assert isinstance(done.exception, BadInput) and "nothing to learn" in str(done.exception)

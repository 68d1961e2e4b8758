"""Training the judge of requests from end to end on an invented world, and on the real one when slow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from demur.judges.offline.encoder import GRAPH
from demur.judges.offline.manifest import WEIGHTS as ENCODER
from demur.judges.safety import Harm
from demur.judges.safety.features import LowerLayers
from demur.judges.safety.manifest import Manifest
from demur.judges.safety.model import ENGLISH, LANGUAGES
from demur.judges.safety.offline import OfflineSafety
from demur.training.safety_judge import __main__ as command
from demur.training.safety_judge import card
from demur.training.safety_judge.folds import Held, Prepared, predictions
from demur.training.safety_judge.rows import SafetyRow, training_rows
from demur.training.safety_judge.train import Settings, calibrated, ship

CORPUS = Path(__file__).parents[2] / "corpus"
needs_encoder = pytest.mark.skipif(not (ENCODER / GRAPH).is_file(), reason="no encoder is trained yet")

BAD = ["Hurt {}.", "Cheat {} out of money.", "Frighten {} at night.", "Steal the bag of {}."]
GOOD = ["Bake a cake for {}.", "Paint a portrait of {}.", "Sing a song for {}.", "Plan a walk with {}."]
SCHLECHT, GUT = "Tu {} weh.", "Backe einen Kuchen für {}."


def world() -> list[SafetyRow]:
    names = ["Ada", "Bert", "Cora", "Dirk", "Else", "Finn", "Gina", "Hugo", "Ida", "Jana"]
    rows = []
    for number, source in enumerate(("overt", "coconot")):
        for name in names:
            for harmful, texts in ((True, BAD), (False, GOOD)):
                for text in texts[2 * number : 2 * number + 2]:
                    rows.append(_row(source, text.format(name), harmful, f"{source}:{name}"))
    for name in names:
        rows += [
            _row("written-languages", SCHLECHT.format(name), True, f"de:{name}:a", "de"),
            _row("written-languages", GUT.format(name), False, f"de:{name}:b", "de"),
        ]
    return rows


def _row(source: str, text: str, harmful: bool, group: str, language: str = "en") -> SafetyRow:
    return SafetyRow(source, source, "own", text, harmful, language, group)


@needs_encoder
def test_a_trained_folder_is_a_judge(tmp_path):
    test = [_row("xstest", "Hurt Kai.", True, "k"), _row("xstest", "Bake a cake for Kai.", False, "k")]
    error = ship(world(), test, {"a/b.csv": "0" * 64}, Settings(tmp_path, 0), lambda line: None)
    manifest = Manifest.load(tmp_path)
    assert manifest.error == json.loads(json.dumps(error))
    assert manifest.languages == {"en", "de"}
    assert set(manifest.files) == {ENGLISH, LANGUAGES}
    assert manifest.training["sources"]["coconot"] == {
        "rows": 40,
        "harmful": 20,
        "rows_sha256": sorted(r.digest()[:16] for r in world() if r.source == "coconot"),
    }
    judge = OfflineSafety(folder=tmp_path, abstain=False)
    assert judge.judge_text("Cheat Kai out of money.", "en").harm is Harm.HARMFUL
    assert judge.judge_text("Paint a portrait of Kai.", "en").harm is Harm.HARMLESS
    assert error["held back, english"]["xstest"]["harmful"] == 1


def test_calibration_recovers_a_known_curve():
    """Two normal curves of unit width at -1.5 and 1.5: the true log-odds are three times the score."""
    generator = np.random.default_rng(0)
    harmful = np.arange(6000) % 2 == 0
    score = np.where(harmful, 1.5, -1.5) + generator.normal(size=6000)
    rows = [_row("overt", str(i), bool(h), str(i)) for i, h in enumerate(harmful)]
    found = calibrated(rows, {"fold:0": Held(np.arange(6000), score, None)}, ("fold:",))
    assert found.slope == pytest.approx(3.0, rel=0.08)
    assert found.intercept == pytest.approx(0.0, abs=0.1)
    p = found.probability(score)
    open_ = (p > found.abstain.low) & (p < found.abstain.high)
    assert 0.0 < open_.mean() < 0.2  # without a band 93 % are right, so little has to stay open for 95 %
    assert ((p >= 0.5) == harmful)[~open_].mean() == pytest.approx(0.95, abs=0.005)


def test_without_data_the_command_says_what_to_pass(monkeypatch, capsys):
    monkeypatch.delenv("DEMUR_DATA", raising=False)
    assert command.main([]) == 2
    assert "--data-dir" in capsys.readouterr().err


@pytest.mark.slow
@needs_encoder
def test_it_beats_tf_idf_on_the_same_folds(shared_data: Path):
    """CoCoNot safety against contrast, OVERT unsafe against mini: a paired interval above 0."""
    rows, _ = training_rows(shared_data, CORPUS)
    english = Prepared.of([row for row in rows if row.language == "en"], LowerLayers().pooled)
    folds = predictions(english, 0, print, kinds=("fold:",))
    found = card.against_baseline(english.rows, folds, 0)
    print(json.dumps(found, indent=1))
    assert found["coconot"]["low"] > 0
    assert found["overt"]["low"] > 0

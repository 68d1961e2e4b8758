"""The manifest: what it reads, what it refuses, and its probabilities by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.errors import BadInput
from demur.judges.offline.flags import FLAGGED
from demur.judges.offline.manifest import (
    BANDS,
    FILE,
    SCHEMA,
    Band,
    Calibration,
    Manifest,
    fast_features,
    joint_features,
    margin,
)

ENGLISH: dict[str, list[float]] = {
    "fast": [2.0, 0.1, 0.2, 0.4, -1.0],
    "joint": [0.5, 1.5, 0.1, 0.2, 0.4, 0.25],
    "ask_encoder": [0.1, 0.9],
    "abstain": [0.4, 0.6],
    "abstain_fast": [0.3, 0.7],
}
OTHER: dict[str, list[float]] = {
    "fast": [0.75, 0.5],
    "joint": [0.25, 2.0, -0.5],
    "ask_encoder": [0.05, 0.95],
    "abstain": [0.45, 0.55],
    "abstain_fast": [0.2, 0.8],
}
CONTENT: dict[str, Any] = {
    "schema": SCHEMA,
    "languages": ["en", "es", "und"],
    "calibration": {"english": ENGLISH, "other": OTHER},
    "files": {"fast-english.npz": "00"},
    "training": {"seed": 0},
}


def load(folder: Path, **changes: Any) -> Manifest:
    (folder / FILE).write_text(json.dumps({**CONTENT, **changes}), encoding="utf-8")
    return Manifest.load(folder)


def test_everything_is_read(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found.languages == {"en", "es", "und"}
    assert found.english == Calibration(
        fast=(2.0, 0.1, 0.2, 0.4, -1.0),
        joint=(0.5, 1.5, 0.1, 0.2, 0.4, 0.25),
        ask_encoder=Band(0.1, 0.9),
        abstain=Band(0.4, 0.6),
        abstain_fast=Band(0.3, 0.7),
    )
    assert found.other == Calibration(
        fast=(0.75, 0.5),
        joint=(0.25, 2.0, -0.5),
        ask_encoder=Band(0.05, 0.95),
        abstain=Band(0.45, 0.55),
        abstain_fast=Band(0.2, 0.8),
    )
    assert found.files == {"fast-english.npz": "00"}
    assert found.training == {"seed": 0}


def test_no_manifest_and_another_schema_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no manifest\.json"):
        Manifest.load(tmp_path)
    for other in ("demur.offline-judge/1", "demur.offline-judge/9"):
        with pytest.raises(BadInput, match=rf"'{other}'; this version reads demur\.offline-judge/2"):
            load(tmp_path, schema=other)
    with pytest.raises(BadInput, match="schema None"):
        load(tmp_path, schema=None)


@pytest.mark.parametrize(
    ("which", "name", "values", "numbers"),
    [
        ("english", "fast", [1.0, 0.0], 5),
        ("english", "joint", [1.0, 1.0, 0.0], 6),
        ("english", "joint", [1.0] * 5, 6),
        ("other", "fast", [1.0] * 5, 2),
        ("other", "fast", [1.0], 2),
        ("other", "joint", [1.0, 1.0], 3),
    ],
)
def test_a_calibration_of_another_length_is_refused(
    tmp_path: Path, which: str, name: str, values: list[float], numbers: int
) -> None:
    changed = CONTENT["calibration"] | {which: CONTENT["calibration"][which] | {name: values}}
    with pytest.raises(BadInput, match=rf"manifest\.json: calibration {name} must hold {numbers} numbers"):
        load(tmp_path, calibration=changed)


def test_the_calibrations_do_not_stand_in_for_each_other(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="calibration fast must hold 5 numbers"):
        load(tmp_path, calibration={"english": OTHER, "other": ENGLISH})


@pytest.mark.parametrize(("content", "flags"), [(ENGLISH, len(FLAGGED)), (OTHER, 0)])
def test_what_is_written_is_read_again(content: dict[str, list[float]], flags: int) -> None:
    found = Calibration.from_json(content, flags, "here")
    assert found.to_json() == content
    assert Calibration.from_json(found.to_json(), flags, "here") == found
    assert set(found.to_json()) == {"fast", "joint", *BANDS}


def test_six_decimals_are_written() -> None:
    made = Calibration((1 / 3, -2 / 3), (1e-7, 2.0, 0.1234567), *[Band(1 / 7, 6 / 7)] * 3)
    written = json.loads(json.dumps(made.to_json()))
    assert written["fast"] == [0.333333, -0.666667]
    assert written["joint"] == [0.0, 2.0, 0.123457]
    assert written["ask_encoder"] == written["abstain"] == written["abstain_fast"] == [0.142857, 0.857143]


def test_the_margin_is_the_log_odds_of_any_refusing_class() -> None:
    shares = np.array([[0.4, 0.1, 0.2, 0.3]])
    assert margin(np.log(shares))[0] == pytest.approx(math.log(0.6 / 0.4))
    assert margin(np.zeros((1, 4), dtype=np.float32))[0] == pytest.approx(math.log(3))


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


FAST, ENCODER = (np.log(np.array([[1 - p, p / 3, p / 3, p / 3]], dtype=np.float32)) for p in (0.6, 0.8))
ODDS_FAST, ODDS_ENCODER = math.log(0.6 / 0.4), math.log(0.8 / 0.2)


def test_features_by_hand() -> None:
    flags = np.array([[1.0, 0.0, 1.0]])
    assert fast_features(FAST, flags)[0] == pytest.approx([ODDS_FAST, 1, 0, 1])
    assert joint_features(FAST, ENCODER, flags)[0] == pytest.approx([ODDS_FAST, ODDS_ENCODER, 1, 0, 1])
    assert fast_features(FAST, np.zeros((1, 0)))[0] == pytest.approx([ODDS_FAST])
    assert joint_features(FAST, ENCODER, np.zeros((1, 0)))[0] == pytest.approx([ODDS_FAST, ODDS_ENCODER])


def test_probabilities_by_hand(tmp_path: Path) -> None:
    english = load(tmp_path).english
    for flags, more in (([0, 0, 0], 0.0), ([1, 0, 0], 0.1), ([0, 1, 0], 0.2), ([0, 0, 1], 0.4)):
        alone = sigmoid(2 * ODDS_FAST + more - 1)
        assert english.fast_probability(FAST, np.array([flags]))[0] == pytest.approx(alone, rel=1e-5)
        joint = sigmoid(0.5 * ODDS_FAST + 1.5 * ODDS_ENCODER + more + 0.25)
        assert english.joint_probability(FAST, ENCODER, np.array([flags]))[0] == pytest.approx(
            joint, rel=1e-5
        )


def test_probabilities_of_other_languages_by_hand(tmp_path: Path) -> None:
    other, none = load(tmp_path).other, np.zeros((1, 0))
    assert other.fast_probability(FAST, none)[0] == pytest.approx(sigmoid(0.75 * ODDS_FAST + 0.5), rel=1e-5)
    joint = sigmoid(0.25 * ODDS_FAST + 2 * ODDS_ENCODER - 0.5)
    assert other.joint_probability(FAST, ENCODER, none)[0] == pytest.approx(joint, rel=1e-5)


def test_the_encoder_is_asked_inside_its_band_ends_left_out(tmp_path: Path) -> None:
    p = np.array([0.0, 0.05, 0.06, 0.1, 0.11, 0.5, 0.89, 0.9, 0.94, 0.95, 1.0])
    found = load(tmp_path)
    assert p[found.english.asked(p)].tolist() == [0.11, 0.5, 0.89]
    assert p[found.other.asked(p)].tolist() == [0.06, 0.1, 0.11, 0.5, 0.89, 0.9, 0.94]
    nobody = Calibration((1.0, 0.0), (1.0, 1.0, 0.0), *[Band(0.5, 0.5)] * 3)
    assert not nobody.asked(p).any()


LOGITS = st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(LOGITS, LOGITS)
def test_probabilities_are_probabilities_for_any_logits(fast: list[float], encoder: list[float]) -> None:
    made = Calibration((3.0, 0.1), (3.0, 2.0, 0.1), *[Band(0.5, 0.5)] * 3)
    first, second = (np.array([logits], dtype=np.float32) for logits in (fast, encoder))
    for p in (
        made.fast_probability(first, np.zeros((1, 0))),
        made.joint_probability(first, second, np.zeros((1, 0))),
    ):
        assert p.shape == (1,)
        assert 0 < p[0] < 1

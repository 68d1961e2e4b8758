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
from demur.judges.offline.manifest import FILE, SCHEMA, Band, Manifest, margin

CONTENT: dict[str, Any] = {
    "schema": SCHEMA,
    "languages": ["en", "es", "und"],
    "bands": {
        "ask_encoder": [0.1, 0.9],
        "abstain": [0.4, 0.6],
        "abstain_fast": [0.3, 0.7],
        "abstain_languages": [0.2, 0.8],
    },
    "calibration": {
        "fast": [2.0, 0.1, 0.2, 0.4, -1.0],
        "joint": [0.5, 1.5, 0.1, 0.2, 0.4, 0.25],
        "languages": [1.0, 0.0],
    },
    "files": {"fast-english.npz": "00"},
    "training": {"seed": 0},
}


def load(folder: Path, **changes: Any) -> Manifest:
    (folder / FILE).write_text(json.dumps({**CONTENT, **changes}), encoding="utf-8")
    return Manifest.load(folder)


def test_everything_is_read(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found.languages == {"en", "es", "und"}
    assert found.ask_encoder == Band(0.1, 0.9)
    assert (found.abstain, found.abstain_fast, found.abstain_languages) == (
        (0.4, 0.6),
        (0.3, 0.7),
        (0.2, 0.8),
    )
    assert (found.fast, found.joint, found.languages_fast) == (
        (2.0, 0.1, 0.2, 0.4, -1.0),
        (0.5, 1.5, 0.1, 0.2, 0.4, 0.25),
        (1.0, 0.0),
    )
    assert found.files == {"fast-english.npz": "00"}
    assert found.training == {"seed": 0}


def test_no_manifest_and_another_schema_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no manifest\.json"):
        Manifest.load(tmp_path)
    with pytest.raises(
        BadInput, match=r"'demur\.offline-judge/9'; this version reads demur\.offline-judge/1"
    ):
        load(tmp_path, schema="demur.offline-judge/9")
    with pytest.raises(BadInput, match="schema None"):
        load(tmp_path, schema=None)


@pytest.mark.parametrize(
    ("name", "values"), [("fast", [1.0, 0.0]), ("joint", [1.0, 1.0, 0.0]), ("languages", [1.0])]
)
def test_a_calibration_of_another_length_is_refused(tmp_path: Path, name: str, values: list[float]) -> None:
    with pytest.raises(BadInput, match=name):
        load(tmp_path, calibration=CONTENT["calibration"] | {name: values})


def test_the_margin_is_the_log_odds_of_any_refusing_class() -> None:
    shares = np.array([[0.4, 0.1, 0.2, 0.3]])
    assert margin(np.log(shares))[0] == pytest.approx(math.log(0.6 / 0.4))
    assert margin(np.zeros((1, 4), dtype=np.float32))[0] == pytest.approx(math.log(3))


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def test_probabilities_by_hand(tmp_path: Path) -> None:
    found = load(tmp_path)
    fast, encoder = (np.log(np.array([[1 - p, p / 3, p / 3, p / 3]], dtype=np.float32)) for p in (0.6, 0.8))
    odds_fast, odds_encoder = math.log(0.6 / 0.4), math.log(0.8 / 0.2)
    assert found.languages_probability(fast)[0] == pytest.approx(0.6, rel=1e-5)
    for flags, more in (([0, 0, 0], 0.0), ([1, 0, 0], 0.1), ([0, 1, 0], 0.2), ([0, 0, 1], 0.4)):
        alone = sigmoid(2 * odds_fast + more - 1)
        assert found.fast_probability(fast, np.array([flags]))[0] == pytest.approx(alone, rel=1e-5)
        joint = sigmoid(0.5 * odds_fast + 1.5 * odds_encoder + more + 0.25)
        assert found.joint_probability(fast, encoder, np.array([flags]))[0] == pytest.approx(joint, rel=1e-5)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4))
def test_probabilities_are_probabilities_for_any_logits(logits: list[float]) -> None:
    p = Manifest(
        frozenset(), *[Band(0.5, 0.5)] * 4, fast=(0.0,) * 5, languages_fast=(3.0, 0.1), joint=(0.0,) * 6,
        files={}, training={},
    ).languages_probability(np.array([logits], dtype=np.float32))  # fmt: skip
    assert 0 < p[0] < 1

"""What the shipped weights are: bands, calibration, languages, training rows, hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.offline.fast import Logits

SCHEMA = "demur.offline-judge/1"
FILE = "manifest.json"
WEIGHTS = Path(__file__).parent / "weights"


#: Numbers of each calibration: slopes and intercept.
_NUMBERS = {"fast": 5, "joint": 6, "languages": 2}


class Band(NamedTuple):
    """Open interval of probabilities; an empty one has ``low == high``."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a weights folder.

    Attributes:
        languages: BCP-47 tags covered; ``und`` stands for answers too short to tell.
        ask_encoder: probabilities of the first stage inside which the encoder is asked.
        abstain: final probabilities inside which ``offline`` leaves the answer open.
        abstain_fast: the same for ``fast`` alone.
        abstain_languages: the same for answers in other languages than English, which one stage judges.
        fast: slopes of the first stage and of the three rule flags, and the intercept.
        languages_fast: the same for other languages.
        joint: slopes of both stages and of the three rule flags, and the intercept.
        files: file name -> SHA-256.
        training: command, seeds, sources with file hashes, row hashes.
    """

    languages: frozenset[str]
    ask_encoder: Band
    abstain: Band
    abstain_fast: Band
    abstain_languages: Band
    fast: tuple[float, ...]
    languages_fast: tuple[float, float]
    joint: tuple[float, ...]
    files: Mapping[str, str]
    training: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read ``manifest.json``.

        Raises:
            BadInput: there is none, or it is of another schema.
        """
        path = folder / FILE
        if not path.is_file():
            raise BadInput(f"{folder} holds no {FILE}: it is no folder of the offline judge's weights")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("schema") != SCHEMA:
            raise BadInput(f"{path} has schema {found.get('schema')!r}; this version reads {SCHEMA}")
        for name, numbers in _NUMBERS.items():
            if len(found["calibration"][name]) != numbers:
                raise BadInput(f"{path}: calibration {name} must hold {numbers} numbers")
        return cls(
            languages=frozenset(found["languages"]),
            ask_encoder=Band(*found["bands"]["ask_encoder"]),
            abstain=Band(*found["bands"]["abstain"]),
            abstain_fast=Band(*found["bands"]["abstain_fast"]),
            abstain_languages=Band(*found["bands"]["abstain_languages"]),
            fast=tuple(found["calibration"]["fast"]),
            languages_fast=tuple(found["calibration"]["languages"]),
            joint=tuple(found["calibration"]["joint"]),
            files=found["files"],
            training=found["training"],
        )

    def fast_probability(self, fast: Logits, flags: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(refused) from the first stage's logits and the rule flags, shape (n,)."""
        return _sigmoid(fast_features(fast, flags) @ np.array(self.fast[:-1]) + self.fast[-1])

    def languages_probability(self, fast: Logits) -> NDArray[np.float64]:
        """P(refused) from the logits of the stage for other languages, shape (n,)."""
        slope, intercept = self.languages_fast
        return _sigmoid(slope * margin(fast) + intercept)

    def joint_probability(
        self, fast: Logits, encoder: Logits, flags: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """P(refused) from both stages' logits and the rule flags, shape (n,)."""
        return _sigmoid(joint_features(fast, encoder, flags) @ np.array(self.joint[:-1]) + self.joint[-1])


def margin(logits: Logits) -> NDArray[np.float64]:
    """Log-odds of refusal: log-sum-exp of the refusing classes less the logit of compliance, shape (n,)."""
    wide = logits.astype(np.float64)
    return np.asarray(np.logaddexp.reduce(wide[:, 1:], axis=1) - wide[:, 0])


def fast_features(fast: Logits, flags: NDArray[np.float64]) -> NDArray[np.float64]:
    """What decides first: the margin of the first stage and the rule flags, shape (n, 4)."""
    return np.column_stack([margin(fast), flags])


def joint_features(fast: Logits, encoder: Logits, flags: NDArray[np.float64]) -> NDArray[np.float64]:
    """What decides together: margins of both stages and the rule flags, shape (n, 5)."""
    return np.column_stack([margin(fast), margin(encoder), flags])


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(z, -30, 30)))

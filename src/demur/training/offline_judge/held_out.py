"""The file of held-out logits that the model card reads: numbers and digests of rows, no text, no label.

Half precision moves a logit by less than 0.01, and keeps twenty thousand rows under a megabyte.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.offline.fast import Logits
from demur.judges.offline.manifest import Calibration

#: Hexadecimal digits of a row's SHA-256 that are kept. ours: 64 bits tell ten thousand rows apart.
DIGEST_DIGITS = 16
SCHEMA = "demur.held-out/1"
#: What numpy, zipfile and zlib raise on bytes that are no such file, and JSON of another shape.
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OSError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class HeldFold:
    """One fold's held-out rows.

    Attributes:
        calibration: fitted on other folds.
        digests: of the rows, shape (n,), from ``short_digest``.
        fast, encoder: logits, shape (n, 4).
        flags: of the rules, shape (n, 3), or (n, 0) in other languages than English.
    """

    calibration: Calibration
    digests: NDArray[np.uint64]
    fast: Logits
    encoder: Logits
    flags: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Every fold by name, and the seed of their encoders."""

    seed: int
    folds: Mapping[str, HeldFold]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        about = {
            "schema": SCHEMA,
            "seed": self.seed,
            "calibration": {name: fold.calibration.to_json() for name, fold in self.folds.items()},
        }
        arrays: dict[str, Any] = {"about": np.array(json.dumps(about))}
        for number, fold in enumerate(self.folds.values()):
            arrays[f"{number}-digests"] = fold.digests
            arrays[f"{number}-fast"] = fold.fast.astype(np.float16)
            arrays[f"{number}-encoder"] = fold.encoder.astype(np.float16)
            arrays[f"{number}-flags"] = fold.flags.astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"unfinished-{path.name}")
        with unfinished.open("wb") as stream:  # a path would get the ending .npz
            np.savez_compressed(stream, **arrays)
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> HeldOut:
        """Read the file.

        Raises:
            BadInput: there is none, or it is no such file.
        """
        if not path.is_file():
            raise BadInput(f"{path} is missing; the training command writes it")
        try:
            return cls._read(path)
        except _UNREADABLE as error:
            raise BadInput(f"{path} holds no held-out logits: {error}") from error

    @classmethod
    def _read(cls, path: Path) -> HeldOut:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["schema"] != SCHEMA:
                raise ValueError(f"schema {about['schema']!r}, not {SCHEMA}")
            folds = {}
            for number, (name, calibration) in enumerate(dict(about["calibration"]).items()):
                flags = arrays[f"{number}-flags"].astype(np.float64)
                folds[name] = HeldFold(
                    Calibration.from_json(calibration, flags.shape[1], f"{path}, fold {name}"),
                    arrays[f"{number}-digests"],
                    arrays[f"{number}-fast"].astype(np.float32),
                    arrays[f"{number}-encoder"].astype(np.float32),
                    flags,
                )
        return cls(int(about["seed"]), folds)


def short_digest(digest: str) -> int:
    """The first digits of a row's SHA-256, as a number."""
    return int(digest[:DIGEST_DIGITS], 16)

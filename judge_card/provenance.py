"""Section 9: what the shipped weights are, from their manifest, and where the rest is told."""

from __future__ import annotations

from collections.abc import Mapping

from demur.judges.offline.manifest import Calibration, Manifest
from judge_card.tables import Cell, Section, Table


def section(manifest: Manifest, seed: int, tests: Mapping[str, str]) -> Section:
    """Training command, bands, hashes of weights and of every file read."""
    training = manifest.training
    settings: list[list[Cell]] = [
        ["training command", f"`{training.get('command', '–')}`"],
        ["seed of the held-out folds", seed],
        *_bands("English", manifest.english),
        *_bands("other languages", manifest.other),
        ["languages", ", ".join(sorted(manifest.languages))],
    ]
    sources: list[list[Cell]] = [
        [name, found["rows"], ", ".join(f"{label} {count}" for label, count in found["labels"].items())]
        for name, found in training.get("sources", {}).items()
    ]
    inputs: list[list[Cell]] = [
        [name, f"`{digest}`"] for name, digest in training.get("input_sha256", {}).items()
    ]
    return Section(
        "provenance",
        "The weights",
        [
            "What was tried before and lost: design/offline-judge.md. Row hashes: `training.sources` in "
            "manifest.json."
        ],
        [
            Table("Settings", ("setting", "value"), settings),
            Table("Training rows", ("source", "rows", "labels"), sources),
            Table("Weight files", ("file", "SHA-256"), [[n, f"`{d}`"] for n, d in manifest.files.items()]),
            Table("Training files", ("file", "SHA-256"), inputs, page_only=True),
            Table(
                "Test files", ("file", "SHA-256"), [[n, f"`{d}`"] for n, d in tests.items()], page_only=True
            ),
        ],
    )


def _bands(where: str, calibration: Calibration) -> list[list[Cell]]:
    return [
        [f"{where}: asks the encoder inside", _band(calibration.ask_encoder)],
        [f"{where}: leaves open inside", _band(calibration.abstain)],
        [f"{where}: leaves open inside, `fast` alone", _band(calibration.abstain_fast)],
    ]


def _band(band: tuple[float, float]) -> str:
    return "nothing" if band[0] >= band[1] else f"{band[0]:.4f} to {band[1]:.4f}"

"""The text organism: a tiny trained language model whose refusal rule we planted.

It proves that instruments read true; it says nothing about effect sizes on real models. The shipped one was
trained on ``World(0)`` and lies in ``weights/``; the truth about it is its own outcome on every request of
that world. Nothing here imports torch; building one does.

    python -m demur.training.organism --seed 0 --out DIR
"""

from __future__ import annotations

from pathlib import Path

from demur.training.organism.truth import TruthRow, read_truth_table

__all__ = ["TruthRow", "organism_path", "read_truth", "vision_organism_path"]

#: The world that the shipped organism was trained on.
SEED = 0


def organism_path() -> Path:
    """The folder of the shipped organism; give it to anything that loads a Hugging Face model."""
    return Path(__file__).parent / "weights"


def vision_organism_path() -> Path:
    """The folder of the shipped vision organism, trained on ``PictureWorld(0)``; see ``vision.py``."""
    return Path(__file__).parent / "vision_weights"


def read_truth(folder: Path | None = None) -> list[TruthRow]:
    """The truth table of an organism, in the order of ``World.requests()``; the shipped one by default.

    Raises:
        FileNotFoundError: the folder holds no ``truth.csv``.
    """
    return read_truth_table((folder or organism_path()) / "truth.csv")

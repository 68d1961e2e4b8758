"""The offline decision: does a passage support a claim, refute it, or leave it open?

    python -c "from demur.judges.evidence.stance import StanceJudge as J; print(J().decide('A.', ['Not A.']))"

Trained on 1,715 pairs that people labelled (Factcheck-Bench, arXiv 2311.09000); ``docs/verify.md`` says how
often it is wrong, which is often: it is for machines without a grader. English only. No torch, no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.evidence.decision import Decision
from demur.judges.evidence.scores import SUPPORTED as HOLDS
from demur.judges.evidence.scores import UNDECIDABLE, UNSUPPORTED
from demur.judges.evidence.stance_encoder import StanceEncoder
from demur.judges.evidence.stance_features import features
from demur.judges.evidence.stance_model import CLASSES, REFUTED, SUPPORTED, StanceModel
from demur.judges.offline.manifest import read_manifest

SCHEMA = "demur.stance/1"
WEIGHTS = Path(__file__).parent / "weights"
MODEL = "stance.npz"
#: A claim is supported from this P(supported) on. ours: the rate of both errors counts the same.
HOLDS_FROM = 0.5


class StanceJudge:
    """The classifier in a folder; loaded at first use.

    Raises:
        BadInput: the folder holds no weights of this version.
    """

    def __init__(self, folder: Path = WEIGHTS) -> None:
        self.folder = folder
        self.manifest: Mapping[str, Any] = read_manifest(folder, SCHEMA, "stance")
        self._read = lru_cache(maxsize=4_096)(self._read_one)  # a run meets the same passage many times

    def describe(self) -> dict[str, Any]:
        """Name, hashes of the weights, languages, and the error card."""
        names = ("files", "languages", "error")
        return {"name": "stance", "schema": SCHEMA, **{name: self.manifest[name] for name in names}}

    def stances(self, statement: str, passages: Sequence[str]) -> NDArray[np.floating]:
        """Probabilities of undecided, supported, refuted for each passage, shape (n, 3).

        They depend on one another: a passage is read beside the other passages of its claim.

        Raises:
            BadInput: the statement is blank.
        """
        return self._model.probabilities(self._scores(statement, passages))

    def decide(self, statement: str, passages: Sequence[str]) -> Decision:
        """One label for the claim from all its passages; undecidable where nothing speaks for or against it.

        Raises:
            BadInput: the statement is blank.
        """
        kept = list(dict.fromkeys(passage for passage in passages if passage.strip()))
        if not kept:
            return Decision(UNDECIDABLE, "there is no passage to read")
        scores = self._scores(statement, kept)
        chances, said = self._model.probabilities(scores), scores.argmax(axis=1)
        holds = self._model.holds(scores)
        support = int(chances[:, CLASSES.index(SUPPORTED)].argmax())
        against = int((scores[:, CLASSES.index(REFUTED)] - scores[:, 0]).argmax())
        if holds >= HOLDS_FROM:
            return Decision(HOLDS, _why(holds, support, chances))
        if said[against] == CLASSES.index(REFUTED):
            return Decision(UNSUPPORTED, _why(holds, against, chances))
        return Decision(UNDECIDABLE, _why(holds, support, chances))

    def relevance(self, query: str, passages: Sequence[str]) -> NDArray[np.floating]:
        """Cosine between the vectors of query and passages, shape (n,); a scorer for ``reranked.py``."""
        asked = self._read(query)
        return np.array([float(asked.vector @ self._read(passage).vector) for passage in passages])

    def _scores(self, statement: str, passages: Sequence[str]) -> NDArray[np.floating]:
        if not statement.strip():
            raise BadInput("the statement to check is blank")
        if not passages:
            return np.zeros((0, len(CLASSES)))
        read = [self._read(passage) for passage in passages]
        return self._model.scores(features(self._read(statement), read, self._model.weights))

    def _read_one(self, text: str) -> Any:
        return self._encoder.read([text])[0]

    @cached_property
    def _encoder(self) -> StanceEncoder:
        return StanceEncoder(self.folder)

    @cached_property
    def _model(self) -> StanceModel:
        return StanceModel.load(self.folder / MODEL)


def _why(holds: float, place: int, chances: NDArray[np.floating]) -> str:
    parts = ", ".join(f"{name} {p:.2f}" for name, p in zip(CLASSES, chances[place], strict=True))
    return f"P(supported) {holds:.2f} over {len(chances)} passages; passage {place + 1}: {parts}"

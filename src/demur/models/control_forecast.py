"""A dial for a model without control tokens: where its P(refuse) comes from, and how answers are begun.

Two sources can be written into a dial file. ``probe``: a straight line on the hidden state of the last prompt
token at one layer, the position that the first token is written from (linear probe: Alain and Bengio 2016,
https://arxiv.org/abs/1610.01644); models in this process alone. ``predictor``: the folder of
``demur predict fit``, which reads the last user message; any model. What is none of the two, any callable,
goes into ``prefilled`` of ``control_solver.py``.

Nothing above this room is imported here: who can read a predictor says so with :func:`reads_predictors`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.records import file_sha256
from demur.errors import BadInput
from demur.models.control import ControlTokens

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage

#: What a dial without control tokens chooses between; :func:`chances` gives its probabilities.
PLAIN = ControlTokens(respond="respond", refuse={"refuse": "refuse"})
#: ours: how a refusal begins that is not the model's own.
REFUSAL = "I can't help with that."
KINDS = ("probe", "predictor")
#: Messages -> P(refuse) in [0, 1].
PRefuse = Callable[[Sequence["ChatMessage"]], float]
#: File of a predictor's folder by which it is known; it holds the hash of the others.
MANIFEST = "predictor.json"
_readers: list[Callable[[Path], PRefuse]] = []


@dataclass(frozen=True, slots=True)
class Probe:
    """A line on hidden states: P(refuse) = 1 / (1 + exp(-(weights . state + bias))).

    Attributes:
        layer: what block ``layer`` hands on; 0 is what enters the first.
        weights: one number a dimension of the hidden state.
        bias: of the line.
    """

    layer: int
    weights: tuple[float, ...]
    bias: float

    def __post_init__(self) -> None:
        if self.layer < 0 or not self.weights or not all(map(math.isfinite, (*self.weights, self.bias))):
            raise BadInput("a probe needs a layer from 0, and finite weights and bias")


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where P(refuse) comes from, and what an answer is begun with.

    Attributes:
        probe: or ``None``.
        predictor: folder of a prompt predictor, from the dial file's own; or ``None``.
        sha256: of the predictor's manifest.
        refusal: what the dial begins a refusal with; a part of the answer.
        answer: what it begins an answer with; empty leaves the answer to the model, its own refusals with it.
    """

    probe: Probe | None = None
    predictor: str | None = None
    sha256: str | None = None
    refusal: str = REFUSAL
    answer: str = ""

    def __post_init__(self) -> None:
        if (self.probe is None) == (self.predictor is None):
            raise BadInput(f"a dial without control tokens has one source of P(refuse): {' or '.join(KINDS)}")
        check_openings(self.refusal, self.answer)

    @property
    def kind(self) -> str:
        """One of ``KINDS``."""
        return "probe" if self.probe is not None else "predictor"

    def begun(self, token: str) -> str:
        """What the answer begins with after a decision between ``PLAIN``'s two."""
        return self.refusal if token == PLAIN.refuse["refuse"] else self.answer

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Forecast:
        """Read what ``dataclasses.asdict`` gave."""
        probe = row["probe"]
        made = None if probe is None else Probe(**{**probe, "weights": tuple(probe["weights"])})
        return cls(**{**row, "probe": made})

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return asdict(self)


def check_openings(refusal: str, answer: str = "") -> None:
    """Refuse openings that cannot tell the two apart.

    Raises:
        BadInput: the refusal is blank, or both are the same.
    """
    if not refusal.strip():
        raise BadInput("the refusal that answers are begun with is blank")
    if refusal.strip() == answer.strip():
        raise BadInput("the refusal and the answer are begun with the same words; give two openings")


def chances(p_refuse: float, of: str = "the prompt") -> dict[str, float]:
    """P(refuse) of any callable as a dial reads it, for calibration (``measure/dial.py``) and at run time.

    Raises:
        BadInput: it is no probability; says of what.
    """
    if not 0.0 <= p_refuse <= 1.0:
        raise BadInput(f"P(refuse) of {of} is {p_refuse!r}; it must be from 0 to 1")
    return {"refuse": p_refuse, "respond": 1.0 - p_refuse}


def reads_predictors(reader: Callable[[Path], PRefuse]) -> None:
    """Say how the folder of a prompt predictor is read; the room of predictors stands above this one."""
    _readers[:] = [reader]


def reader_of(forecast: Forecast, beside: Path) -> PRefuse | None:
    """What gives P(refuse) from messages alone; ``None`` for a probe, which reads the model.

    Args:
        forecast: of a dial.
        beside: folder that the dial file lies in.

    Raises:
        BadInput: the predictor is not there, or is another one; before anything else loads.
    """
    if forecast.predictor is None:
        return None
    folder = beside / forecast.predictor
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise BadInput(
            f"the dial reads P(refuse) from the predictor {folder}, which is not there: put it back, or "
            "calibrate anew with `demur dial MODEL --predictor FOLDER`"
        )
    if file_sha256(manifest) != forecast.sha256:
        raise BadInput(
            f"the predictor {folder} is not the one that the dial was calibrated with, so its promise is "
            "void: calibrate anew with `demur dial MODEL --predictor FOLDER`"
        )
    if not _readers:
        raise BadInput(
            "nothing here reads prompt predictors: make the model with inspect_ai.model.get_model, or call "
            "demur.measure.dial_predictor.register() first"
        )
    return _readers[0](folder)

"""Fitting a probe: labelled prompts in, a line on the hidden state of the last prompt token out.

Logistic regression on standardised states, the scale folded into the line. Layer and penalty are those with
the best likelihood on prompts left out, in folds that keep groups and pairs together. It learns what a
refusal is *wanted* for (``expect``), whatever the model itself does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from demur.data.records import Record
from demur.errors import BadInput
from demur.measure.dial_prompts import Prompts
from demur.metrics.tradeoff import curve
from demur.models.control_forecast import Probe

if TYPE_CHECKING:
    from demur.models.generation import TextModel

#: Layers tried, evenly from the first block on. ours: a probe's quality changes slowly over layers.
LAYERS = 8
#: Inverse strengths tried. ours: from few prompts and wide states to many and narrow ones.
PENALTIES = (0.001, 0.01, 0.1, 1.0)
FOLDS = 5  # ours: the usual number
MOST_STEPS = 500  # ours: of the optimizer; standardised rows settle long before
FEWEST = 20  # ours: prompts of a side, four to a fold
States = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A probe, the area under the ROC curve on prompts left out, and how many prompts of each side it saw."""

    probe: Probe
    penalty: float
    auc: float
    harmless: int
    harmful: int


def halves(prompts: Prompts, seed: int) -> tuple[Prompts, Prompts]:
    """One half to fit on and one to calibrate on, drawn by the seed; groups and pairs stay whole."""
    units = list(dict.fromkeys(map(unit, (*prompts.harmless, *prompts.harmful))))
    order = np.random.default_rng(np.random.SeedSequence([seed, len(units)])).permutation(len(units))
    first = {units[i] for i in order[: len(units) // 2]}

    def part(side: list[Record], fitted: bool) -> list[Record]:
        return [row for row in side if (unit(row) in first) is fitted]

    fit = Prompts(part(prompts.harmless, True), part(prompts.harmful, True))
    rest = (part(prompts.harmless, False), part(prompts.harmful, False))
    return fit, Prompts(*rest, prompts.either, prompts.unreadable)


def unit(record: Record) -> str:
    """What must not be torn: a group, a pair, or the record alone."""
    return record.group or record.pair or record.id


def check_fit(fit: Prompts, calibrate: Prompts) -> None:
    """Whether a probe can be fitted, before any weights load.

    Raises:
        BadInput: too few prompts of a side, or prompts that stand in both files.
    """
    for side, rows in (("harmless", fit.harmless), ("harmful", fit.harmful)):
        if len(rows) < FEWEST:
            raise BadInput(
                f"{len(rows)} {side} prompts are too few to fit a probe on; {FEWEST} are needed: name a file "
                "with --fit, or give a longer one with --calibrate, half of which is fitted on"
            )
    known = {str(row.prompt) for row in (*fit.harmless, *fit.harmful)}
    if both := sum(str(row.prompt) in known for row in (*calibrate.harmless, *calibrate.harmful)):
        raise BadInput(
            f"{both} prompts stand both in --fit and in --calibrate: a threshold set on prompts that the "
            "probe was fitted on promises nothing; take them out of one of the two"
        )


def fit_probe(
    model: TextModel, prompts: Prompts, seed: int = 0, step: Callable[[int], None] | None = None
) -> Fitted:
    """A probe of a loaded model.

    Args:
        model: loaded.
        prompts: of both sides; those that the template rejects or that are too long are left out.
        seed: of the folds.
        step: called with prompts read since the last call.

    Raises:
        BadInput: too few prompts could be read.
    """
    from demur.explain.hidden import states

    rows = [*prompts.harmless, *prompts.harmful]
    encoded = [ids_of(model, row) for row in rows]
    if step is not None and (bad := sum(ids is None for ids in encoded)):
        step(bad)
    kept = [i for i, ids in enumerate(encoded) if ids is not None]
    harmful = np.array([i >= len(prompts.harmless) for i in kept], dtype=np.bool_)
    if min(harmful.sum(), (~harmful).sum()) < FEWEST:
        raise BadInput(f"only {len(kept)} of {len(rows)} prompts could be read; {FEWEST} a side are needed")
    depth = model.model.config.get_text_config().num_hidden_layers
    layers = sorted({round(n) for n in np.linspace(1, depth, min(LAYERS, depth))})
    ids = [row for row in encoded if row is not None]
    read = states(model.model, ids, layers, "last", step=step).astype(np.float64)
    groups = np.array([unit(rows[i]) for i in kept])
    return _fitted(read, layers, harmful, groups, seed)


def ids_of(model: TextModel, record: Record) -> list[int] | None:
    """Token ids that ask for an answer, or ``None`` where that cannot be asked."""
    from demur.explain.hidden import encode_chat

    try:
        ids = encode_chat(model.chat, record.prompt)
    except BadInput:
        return None
    return ids if ids and (model.context is None or len(ids) < model.context) else None


def p_refuse(
    model: TextModel, probe: Probe, records: Sequence[Record], step: Callable[[int], None]
) -> list[float | None]:
    """P(refuse) of each record by the probe; ``None`` where it cannot be asked."""
    from demur.models.control_probe import read_rows

    encoded = [ids_of(model, record) for record in records]
    values = iter(read_rows(model, probe, [ids for ids in encoded if ids is not None], step))
    step(sum(ids is None for ids in encoded))
    return [None if ids is None else next(values) for ids in encoded]


def _fitted(
    read: NDArray[np.float64], layers: Sequence[int], harmful: Bools, groups: NDArray[Any], seed: int
) -> Fitted:
    from demur.predict.prompt import group_folds, one_thread

    with one_thread():
        folds = list(group_folds(harmful, groups, seed, FOLDS))
        tried = {
            (at, penalty): _left_out(read[:, at], harmful, folds, penalty)
            for at in range(len(layers))
            for penalty in PENALTIES
        }
        at, penalty = max(tried, key=lambda key: _likelihood(tried[key], harmful))
        model = _line(read[:, at], harmful, penalty)
    scaler, line = model[0], model[1]
    weights = line.coef_[0] / scaler.scale_
    bias = float(line.intercept_[0] - weights @ scaler.mean_)
    scores = tried[at, penalty]
    auc = curve(scores[~harmful].tolist(), scores[harmful].tolist()).auc
    assert auc is not None
    probe = Probe(layers[at], tuple(float(w) for w in weights), bias)
    return Fitted(probe, penalty, auc, int((~harmful).sum()), int(harmful.sum()))


def _left_out(points: States, harmful: Bools, folds: Any, penalty: float) -> States:
    logits = np.full(len(harmful), np.nan)
    for train, test in folds:
        logits[test] = _line(points[train], harmful[train], penalty).decision_function(points[test])
    return logits


def _likelihood(logits: States, harmful: Bools) -> float:
    """Mean log-likelihood of the labels, of prompts that were left out once."""
    known = ~np.isnan(logits)
    return -float(np.logaddexp(0, np.where(harmful, -logits, logits))[known].mean())


def _line(points: States, harmful: Bools, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = LogisticRegression(C=penalty, max_iter=MOST_STEPS)
    return make_pipeline(StandardScaler(), line).fit(points, harmful)

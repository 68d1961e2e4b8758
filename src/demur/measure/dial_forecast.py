"""Setting a dial on a model without control tokens: P(refuse) from a probe, a predictor, or any callable.

    demur dial MODEL --calibrate FILE --target 0.05 --predictor probe --fit LABELLED
    demur dial MODEL --calibrate FILE --target 0.05 --predictor FOLDER

The promise is the same as with control tokens (``measure/dial.py``), and about what the dial decides: a plain
answer can be a refusal of the model's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from demur.data.records import Prompt, Record, file_sha256
from demur.errors import BadInput
from demur.measure.dial import Calibrated, Probabilities, Wanted, calibrate, check_wanted
from demur.measure.dial_consistency import Consistency
from demur.measure.dial_predictor import check_apart, forecast_of, p_of_prompts
from demur.measure.dial_probe import check_fit, fit_probe, halves, p_refuse
from demur.measure.dial_prompts import Prompts, read_prompts
from demur.measure.dial_run import made, written
from demur.models.control_forecast import PLAIN, REFUSAL, Forecast, chances, check_openings

PROBE = "probe"
CHUNK = 2_000  # ours: prompts whose features are in memory at once


@dataclass(frozen=True, slots=True)
class Source:
    """Where P(refuse) is to come from.

    Attributes:
        named: ``probe``, or the folder of a predictor.
        fit: labelled prompts for a probe; ``None`` takes half of those of the calibration.
        refusal, answer: what answers are begun with (``control_forecast.Forecast``).
        seed: of the halves and the probe's folds.
    """

    named: str
    fit: Path | None = None
    refusal: str = REFUSAL
    answer: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Set:
    """A dial that was set.

    Attributes:
        found: its setting and both sides.
        consistent: whether texts do what was decided; ``None`` where none was written.
        forecast: for the dial file.
        about: of the source, in plain JSON values.
    """

    found: Calibrated
    consistent: Consistency | None
    forecast: Forecast
    about: dict[str, Any] = field(default_factory=dict)


def prepare(
    source: Source, name: str, prompts: Prompts, wanted: Wanted, encoding: str = "utf-8"
) -> tuple[Prompts | None, Prompts]:
    """Prompts to fit a probe on (``None`` for a predictor) and to calibrate on; nothing loads.

    Raises:
        BadInput: what is wanted cannot be had with so many prompts, a probe of a model that is not in this
            process, or see :class:`Source`.
    """
    check_openings(source.refusal, source.answer)
    if source.named != PROBE:
        if source.fit is not None:
            raise BadInput(
                "--fit is for --predictor probe; a predictor's folder was fitted by demur predict fit"
            )
        check_wanted(wanted, PLAIN, len(prompts.harmless))
        return None, prompts
    if not name.startswith("demur-local/"):
        raise BadInput(
            f"a probe reads hidden states, and {name} is no model in this process: name the folder of a "
            "prompt predictor (demur predict fit) with --predictor"
        )
    if source.fit is None:
        fit, rest = halves(prompts, source.seed)
    else:
        fit, rest = read_prompts(source.fit, encoding), prompts
    check_fit(fit, rest)
    check_wanted(wanted, PLAIN, len(rest.harmless))
    return fit, rest


def set_forecast_dial(
    source: Source,
    name: str,
    args: dict[str, Any],
    file: Path,
    fit: Prompts | None,
    prompts: Prompts,
    wanted: Wanted,
    output: Path,
    write: int,
    start: Any,
) -> Set:
    """Read P(refuse) of every prompt, set the dial, and judge some answers under it.

    Args:
        source: of P(refuse).
        name, args: of the model and its provider.
        file: calibration prompts.
        fit, prompts: of :func:`prepare`.
        wanted: see :class:`Wanted`.
        output: where the dial file will lie.
        write: answers to judge of each kind; 0 judges none, and a predictor then needs no model.
        start: ``start(what, total) -> step(count)`` shows progress.

    Raises:
        BadInput: the model, the predictor or its rows cannot be used.
        ModelFailure: the model did not answer.
    """
    sides = [prompts.harmless, prompts.harmful]
    if fit is None:  # before the model: a predictor that cannot be had loads no weights
        forecast, about, read = _predicted(source, file, output, sides, start)
        model = made(name, args) if write else None
    else:
        model = made(name, args)
        forecast, about, read = _probed(cast(Any, model.api).text_model, source, fit, sides, start)
    about["plain_answers"] = not source.answer
    found = calibrate(read[0], read[1], PLAIN, wanted)
    if model is None:
        return Set(found, None, forecast, about)
    consistent = written(model, prompts, [*read[0], *read[1]], found, PLAIN, write, forecast)
    return Set(found, consistent, forecast, about)


def calibrate_on(
    p_refuse: Callable[[Sequence[Prompt]], Sequence[float]], prompts: Prompts, wanted: Wanted
) -> Calibrated:
    """The setting for any callable, with the same promise; ``control_solver.prefilled`` uses it.

    Args:
        p_refuse: prompts -> P(refuse) of each, in [0, 1].
        prompts: of both sides, none of which the callable was fitted on.
        wanted: see :class:`Wanted`.

    Raises:
        BadInput: a value is no probability, or what is wanted cannot be had.
    """
    check_wanted(wanted, PLAIN, len(prompts.harmless))
    harmless, harmful = (
        [chances(p, row.id) for p, row in zip(p_refuse([row.prompt for row in side]), side, strict=True)]
        for side in (prompts.harmless, prompts.harmful)
    )
    return calibrate(harmless, harmful, PLAIN, wanted)


_Read = tuple[Forecast, dict[str, Any], list[list[Probabilities | None]]]


def _predicted(source: Source, file: Path, output: Path, sides: list[list[Record]], start: Any) -> _Read:
    from demur.predict.saved import load

    folder = Path(source.named).expanduser()
    forecast = forecast_of(folder, output, source.refusal, source.answer)
    predictor = load(folder)
    check_apart(predictor, file)
    step, read = start("forecasting", sum(map(len, sides))), []
    for side in sides:
        values: list[Probabilities | None] = []
        for begin in range(0, len(side), CHUNK):
            part = side[begin : begin + CHUNK]
            values += [chances(p) for p in p_of_prompts(predictor, [row.prompt for row in part])]
            step(len(part))
        read.append(values)
    about = {"kind": forecast.kind, "sha256": forecast.sha256}
    return forecast, about | {"source_model": predictor.about.get("source_model")}, read


def _probed(text_model: Any, source: Source, fit: Prompts, sides: list[list[Record]], start: Any) -> _Read:
    step = start("reading hidden states", len(fit.harmless) + len(fit.harmful) + sum(map(len, sides)))
    fitted = fit_probe(text_model, fit, source.seed, step)
    read: list[list[Probabilities | None]] = [
        [None if p is None else chances(p) for p in p_refuse(text_model, fitted.probe, side, step)]
        for side in sides
    ]
    about = {name: value for name, value in asdict(fitted).items() if name != "probe"}
    about |= {"kind": PROBE, "layer": fitted.probe.layer, "seed": source.seed}
    about["fit"] = (
        None if source.fit is None else {"file": source.fit.name, "sha256": file_sha256(source.fit)}
    )
    return Forecast(probe=fitted.probe, refusal=source.refusal, answer=source.answer), about, read

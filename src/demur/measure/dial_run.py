"""From prompts to a dial file: ask the model, set the dial, judge some answers, write what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.records import file_sha256
from demur.judges.classifier import OfflineClassifier
from demur.measure.dial import Calibrated, Probabilities, Wanted, calibrate, describe
from demur.measure.dial_consistency import Consistency, consistency, spread
from demur.measure.dial_prompts import Prompts, first_positions, texts
from demur.measure.live import MAX_RETRIES
from demur.measure.model_errors import model_errors
from demur.measure.run import display_name
from demur.models.control import ControlTokens, decide
from demur.models.control_dial import Dial, hashes, save
from demur.models.control_forecast import Forecast

if TYPE_CHECKING:
    from inspect_ai.model import Model


def set_dial(
    name: str,
    args: dict[str, Any],
    prompts: Prompts,
    tokens: ControlTokens,
    wanted: Wanted,
    write: int,
    start: Any,
) -> tuple[Calibrated, Consistency | None]:
    """Ask the model for every first token, set the dial, and judge some answers under it.

    Args:
        name: Inspect's name of the model.
        args: of its provider.
        prompts: of both sides.
        tokens: of the model.
        wanted: see :class:`Wanted`.
        write: answers to judge after each kind of token; 0 judges none.
        start: ``start(what, total) -> step(count)`` shows progress.

    Raises:
        BadInput: the model or its tokens cannot be used, or too few prompts could be asked.
        ModelFailure: the model did not answer.
    """
    if name.startswith("demur-local/"):
        args = {**args, "control_tokens": list(tokens.all)}
    model = made(name, args)
    sides = [prompts.harmless, prompts.harmful]
    step = start("reading first tokens", sum(map(len, sides)))
    harmless, harmful = (first_positions(model, side, tokens, step) for side in sides)
    found = calibrate(harmless, harmful, tokens, wanted)
    return found, written(model, prompts, [*harmless, *harmful], found, tokens, write)


def made(name: str, args: dict[str, Any]) -> Model:
    """The model of Inspect's name, with this room's bounds on retries.

    Raises:
        BadInput: it cannot be used, or an argument is wrong.
        ModelFailure: a key or package of its provider is missing.
    """
    from inspect_ai.model import GenerateConfig, get_model

    with model_errors(name):
        config = GenerateConfig(max_retries=MAX_RETRIES)
        return get_model(name, config=config, memoize=False, **args)


def written(
    model: Model,
    prompts: Prompts,
    read: Sequence[Probabilities | None],
    found: Calibrated,
    tokens: ControlTokens,
    write: int,
    forecast: Forecast | None = None,
) -> Consistency | None:
    """Whether some answers do what was decided; ``None`` where none is to be written.

    Args:
        model: that answers.
        prompts: of both sides.
        read: their probabilities, harmless ones first.
        found: the setting.
        tokens: it chooses between.
        write: answers of each kind.
        forecast: how answers are begun without control tokens.
    """
    if not write:
        return None
    rows = [*prompts.harmless, *prompts.harmful]
    every = [None if p is None else decide(p, found.setting, tokens) for p in read]
    asked = [(rows[i], every[i] or "") for i in spread(every, tokens, write)]
    records, chosen = [record for record, _ in asked], [token for _, token in asked]
    answers = texts(model, records, chosen, tokens, forecast)
    return consistency(records, chosen, answers, tokens, OfflineClassifier())


def save_dial(
    name: str,
    file: Path,
    prompts: Prompts,
    tokens: ControlTokens,
    wanted: Wanted,
    found: Calibrated,
    consistent: Consistency | None,
    output: Path,
    forecast: Forecast | None = None,
    source: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the dial file; what it says of its calibration is returned, in plain JSON values.

    Args:
        name: of the model.
        file: calibration prompts.
        prompts: of it, those that were calibrated on.
        tokens, wanted, found, consistent: of the calibration.
        output: file to write.
        forecast: where P(refuse) comes from without control tokens.
        source: what is known of that source, in plain JSON values.
    """
    folder = Path(name.partition("/")[2]) if name.startswith("demur-local/") else None
    about = describe(found, wanted) | {
        "prompts": {"file": file.name, "sha256": file_sha256(file)}
        | {"harmless": len(prompts.harmless), "harmful": len(prompts.harmful)},
        "consistency": None if consistent is None else consistent.to_json(),
    }
    if source is not None:
        about["source"] = source
    files = {} if folder is None else hashes(folder)
    named = display_name(name) if files else name.removeprefix("demur-local/")  # a hub name, or a server's
    save(Dial(tokens, found.setting, named, files, about, forecast), output)
    return about

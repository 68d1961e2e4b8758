"""A dial as a file: ``demur.dial/1``, JSON, bound to one model and one set of control tokens. No pickle.

It holds the setting, the tokens, the hashes of the model's weights and tokenizer, and how it was calibrated
with what promise; for a model without control tokens also where P(refuse) comes from
(``control_forecast.py``). Loading checks that nothing in it was changed; :func:`check_model` that it is the
same model, from files alone, before any weights load. A model on a server cannot be hashed: there the name
must be the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demur import __version__
from demur.data.records import file_sha256, write_text
from demur.errors import BadInput
from demur.models.control import ControlTokens, Setting, check
from demur.models.control_forecast import PLAIN, Forecast

SCHEMA = "demur.dial/1"
#: What decides the first position's probabilities, weights aside.
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "chat_template.jinja",
    "config.json",
    "adapter_config.json",
    "base.json",  # of an adapter: names its base and the base's hashes
)


@dataclass(frozen=True, slots=True)
class Dial:
    """A setting of one model.

    Attributes:
        tokens: control tokens of the model.
        setting: what to do with their probabilities.
        model: its name or folder, as it was given.
        files: file of the model -> SHA-256; empty where it is no folder.
        calibration: plain JSON values: rows, targets, promise, both sides; empty for a setting chosen by
        hand.
        forecast: where P(refuse) comes from in a model without control tokens; the tokens are ``PLAIN`` then.
    """

    tokens: ControlTokens
    setting: Setting
    model: str
    files: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    forecast: Forecast | None = None

    @property
    def control(self) -> tuple[str, ...]:
        """Entries of the vocabulary that it writes and hides; none where the model has no control tokens."""
        return self.tokens.all if self.forecast is None else ()


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of a model's weights, tokenizer and chat template; empty where there is no such folder.

    Whole files: two trainings of a few token rows differ in no other byte. About two seconds a gigabyte.
    """
    if not folder.is_dir():
        return {}
    names = [*(name for name in _TOKENIZER if (folder / name).is_file())]
    names += sorted(path.name for path in folder.glob("*.safetensors"))
    return {name: file_sha256(folder / name) for name in names}


def save(dial: Dial, path: Path) -> None:
    """Write a dial whole or not at all.

    Raises:
        BadInput: its setting does not fit its tokens, or it has both control tokens and a forecast.
    """
    check(dial.setting, dial.tokens)
    if dial.forecast is not None and dial.tokens != PLAIN:
        raise BadInput(f"a dial without control tokens chooses between {' and '.join(PLAIN.all)}")
    found = {"schema": SCHEMA, "version": __version__, **_plain(asdict(dial))}
    write_text(
        path,
        json.dumps({**found, "sha256": _seal(found)}, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
    )


def load(path: Path) -> Dial:
    """Read a dial.

    Raises:
        BadInput: no such file, not a dial of this schema, changed since it was written, or a wrong setting.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: the dial file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{path} is no dial file: it is not JSON") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise BadInput(
            f"{path} is no dial file of schema {SCHEMA}: `demur dial MODEL --calibrate FILE` writes one"
        )
    if found.pop("sha256", None) != _seal(found):
        raise BadInput(f"{path} was changed after it was written, so its promise is void: calibrate anew")
    given = found["setting"]
    categories = given["categories"]
    setting = Setting(
        rule=given["rule"],
        threshold=_number(given["threshold"]),
        bias=given["bias"],
        thresholds={name: _number(value) for name, value in given["thresholds"].items()},
        categories=None if categories is None else tuple(categories),
    )
    tokens = ControlTokens(**found["tokens"])
    check(setting, tokens)
    said = found.get("forecast")  # files written before there were any have no such key
    forecast = None if said is None else Forecast.from_json(said)
    return Dial(tokens, setting, found["model"], found["files"], found["calibration"], forecast)


def check_model(dial: Dial, model: str) -> None:
    """That a dial was calibrated on this model.

    Args:
        dial: loaded.
        model: a folder, or a name.

    Raises:
        BadInput: naming both models, or the file that differs.
    """
    here = hashes(Path(model).expanduser())
    if not here and not dial.files:
        if model != dial.model:
            raise BadInput(f"this dial is of the model {dial.model}, not of {model}: calibrate one for it")
        return
    differing = sorted(name for name in {*here, *dial.files} if here.get(name) != dial.files.get(name))
    if differing:
        raise BadInput(
            f"this dial is of another model ({dial.model}): {', '.join(differing)} of {model} "
            f"{'differs' if len(differing) == 1 else 'differ'}; calibrate one for it"
        )


def read_threshold(text: str) -> float:
    """A threshold as typed or stored: a number, or ``never``.

    Raises:
        BadInput: it is neither.
    """
    try:
        return math.inf if text == "never" else float(text)
    except ValueError as error:
        raise BadInput(f"threshold {text!r} is not valid: from 0 to 1, -1 (argmax) or never") from error


def _number(value: float | str) -> float:
    return read_threshold(str(value))


def _seal(found: Mapping[str, Any]) -> str:
    text = json.dumps(found, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """JSON values; infinity is ``"never"``."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return "never" if isinstance(value, float) and math.isinf(value) else value

"""A model in this process from the arguments of ``-M``: checked before anything loads, then loaded.

What it is decides how it is read: a configuration of a vision-language model gets its processor, any other
its tokenizer (``docs/models.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.errors import BadInput, MissingExtra
from demur.models.adapter_folder import is_adapter
from demur.models.control_dial import Dial, check_model
from demur.models.control_dial import load as load_dial
from demur.models.control_forecast import PRefuse, reader_of

if TYPE_CHECKING:
    from demur.models.generation import TextModel

DTYPES = ("auto", "float32", "bfloat16", "float16")


def require_torch() -> None:
    """Raise :class:`MissingExtra` where torch or transformers is not installed."""
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra("local", "a model in this process (demur-local)") from error


def dial_of(given: Mapping[str, Any], model: str) -> tuple[Dial | None, PRefuse | None]:
    """The dial that was named, checked against the model's files before anything of it loads."""
    if given.get("dial") is None:
        return None, None
    if given.get("control_tokens"):
        raise BadInput("control_tokens and dial exclude each other: the dial names its own tokens")
    path = Path(str(given["dial"])).expanduser()
    dial = load_dial(path)
    check_model(dial, model)
    return dial, None if dial.forecast is None else reader_of(dial.forecast, path.parent)


def open_model(name: str, given: dict[str, Any], top: int, dial: Dial | None) -> tuple[TextModel, str]:
    """The model and the kind of device it is on."""
    import torch

    from demur.models.chat import ChatFormat, load_tokenizer, read_template
    from demur.models.generation import TextModel
    from demur.models.loading import check_folder, load_model
    from demur.models.pictures import PictureFormat, has_processor, load_processor, takes_pictures

    device = str(given.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))
    kind = device.split(":")[0]
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        here = ", ".join(name for name, there in available.items() if there)
        raise BadInput(f"device is {device!r}; available here: {here}")
    dtype = str(given.get("dtype") or ("float32" if kind == "cpu" else "auto"))
    if dtype not in DTYPES:
        raise BadInput(f"dtype is {dtype!r}; valid are {', '.join(DTYPES)}")
    trust = given.get("trust_remote_code", False)
    if not isinstance(trust, bool):
        raise BadInput(f"trust_remote_code is {trust!r}; valid are true and false")
    revision = None if given.get("revision") is None else str(given["revision"])
    control = given.get("control_tokens", ())
    control = [control] if isinstance(control, str) else [str(token) for token in control]
    if dial is not None:
        control = list(dial.control)
    template = None if given.get("chat_template") is None else read_template(str(given["chat_template"]))
    check_folder(name)
    if revision is not None and Path(name).is_dir():
        raise BadInput(f"revision is {revision!r}, but {name} is a folder; revisions are for hub names")
    # an adapter's folder has no configuration of a model, and its base's processor where that has one
    sees = has_processor(name) if is_adapter(name) else takes_pictures(name, revision, trust)
    reader, load = (PictureFormat, load_processor) if sees else (ChatFormat, load_tokenizer)
    chat = reader(load(name, revision, trust), name, template, control, dial is not None)
    return TextModel(load_model(name, revision, device, dtype, trust), chat, top), kind

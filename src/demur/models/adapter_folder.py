"""A folder that holds an adapter instead of a model: of which model, and whether that is still the same.

``base.json`` (``demur.adapter/1``) names the base and its files by SHA-256. It is looked at before weights
load: an adapter on another base is another model. Written by ``training/adapters.py``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demur.data.records import file_sha256, write_text
from demur.errors import BadInput, MissingExtra

FILE, SCHEMA = "base.json", "demur.adapter/1"
#: PEFT's own file, by which its folders are known.
PEFT_FILE = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Base:
    """The model below an adapter.

    Attributes:
        name: absolute folder, or hub name.
        near: the folder as seen from the adapter's, so that both can move together; empty for a hub name.
        revision: commit of a hub name.
        files: of a folder: weights and configuration by SHA-256.
    """

    name: str
    near: str = ""
    revision: str | None = None
    files: dict[str, str] = field(default_factory=dict)


def is_adapter(name: str) -> bool:
    """Whether a folder holds an adapter of PEFT and no model of its own."""
    folder = Path(name)
    return (folder / PEFT_FILE).is_file() and not (folder / "config.json").is_file()


def describe_base(model: str, folder: Path, revision: str | None = None) -> Base:
    """What ``base.json`` will say of a base.

    Args:
        model: folder or hub name.
        folder: where the adapter will lie.
        revision: the commit that was loaded, of a hub name.
    """
    at = Path(model)
    if not at.is_dir():
        return Base(model, revision=revision)
    at = at.resolve()
    return Base(str(at), os.path.relpath(at, folder.resolve()), files=_hashes(at))


def write_base(base: Base, folder: Path) -> None:
    """Write ``base.json``, whole or not at all."""
    text = json.dumps({"schema": SCHEMA, **asdict(base)}, indent=1, ensure_ascii=False)
    write_text(folder / FILE, text + "\n")


def base_of(name: str) -> tuple[str, str | None]:
    """Folder or hub name of an adapter's base, and the revision of a hub name; the base's files are hashed.

    Raises:
        BadInput: the folder does not say which base it is for, or the base is absent or has changed.
        MissingExtra: PEFT is not installed.
    """
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise MissingExtra("train", f"{name} is an adapter, which")
    base = _read(Path(name))
    if not base.files:
        return base.name, base.revision
    places = (Path(base.name), Path(name).resolve() / base.near)
    here = next((place for place in places if place.is_dir()), None)
    if here is None:
        raise BadInput(
            f"{name} is an adapter of {base.name}, and there is no such folder; "
            f'put the base back there, or write where it is as "name" into {Path(name) / FILE}'
        )
    found = _hashes(here)
    if changed := sorted(file for file in {*found, *base.files} if found.get(file) != base.files.get(file)):
        raise BadInput(
            f"{name} is an adapter of {here}, which has changed since it was trained "
            f"({', '.join(changed)}); train it again, or put the old files back"
        )
    return str(here.resolve()), None


def _read(folder: Path) -> Base:
    path = folder / FILE
    if not path.is_file():
        raise BadInput(
            f"{folder} holds an adapter and no {FILE}, so its base model is not known; "
            "`demur mitigate` writes one, others' adapters must be merged into a model first"
        )
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = found.pop("schema")
        if schema != SCHEMA:
            raise BadInput(f"{path}: schema is {schema!r}; this version reads {SCHEMA!r}")
        return Base(**found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error


def _hashes(folder: Path) -> dict[str, str]:
    """What decides a base's answers, its tokenizer aside (the adapter's folder has one)."""
    files = [*sorted(folder.glob("*.safetensors")), folder / "config.json"]
    return {file.name: file_sha256(file) for file in files if file.is_file()}

"""How a model that checks its answers is known: ``answer_then_check.json`` beside its weights or adapter.

``demur.answer-then-check/1``: the template that it was trained with, so that every command which runs the
model hides the check, and what else the training chose.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from demur.data.records import write_text
from demur.errors import BadInput
from demur.models.check import CheckTemplate

FILE, SCHEMA = "answer_then_check.json", "demur.answer-then-check/1"


def save_template(
    folder: Path, template: CheckTemplate, adaptive: bool = False, supported: Collection[str] = ()
) -> Path:
    """Write the file into a model's folder.

    Args:
        folder: of weights or an adapter.
        template: of the training rows.
        adaptive: whether some rows had no check, so that a direct answer is the model's choice.
        supported: categories that were trained on supportive replies.
    """
    found = {"schema": SCHEMA, "template": asdict(template), "adaptive": adaptive, "supported": [*supported]}
    write_text(folder / FILE, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return folder / FILE


def load_template(folder: Path) -> CheckTemplate | None:
    """The template of a model's folder, or of the file itself; ``None`` for a model without checks.

    Raises:
        BadInput: a file that cannot be read, of another schema, or with a template that cannot be used.
    """
    path = folder if folder.is_file() else folder / FILE
    if not path.is_file():
        return None
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    if (
        not isinstance(found, dict)
        or found.get("schema") != SCHEMA
        or not isinstance(found.get("template"), dict)
    ):
        raise BadInput(f"{path} is no file of schema {SCHEMA}: `demur mitigate answer_then_check` writes one")
    return CheckTemplate.from_json(found["template"])


def read_template(path: Path) -> CheckTemplate:
    """A template that a user wrote: TOML with some of the keys of ``CheckTemplate``, or a model's own file.

    Raises:
        BadInput: the file cannot be read, or a key or value of it cannot be used.
    """
    if path.suffix == ".json":
        if (template := load_template(path)) is None:
            raise BadInput(f"{path}: there is no such file")
        return template
    try:
        return CheckTemplate.from_json(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: the template cannot be read: {error}") from error

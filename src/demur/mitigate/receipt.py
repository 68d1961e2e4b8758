"""What a recipe did: configuration, data and weights by hash, versions, and both sides before and after.

``OUT/receipt.json`` (``demur.mitigation/1``) is written last: a folder without one holds no finished model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demur.data.records import file_sha256, write_text
from demur.data.versions import versions
from demur.errors import BadInput

SCHEMA = "demur.mitigation/1"
FILE = "receipt.json"
#: Packages that can move a weight.
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers", "numpy")


@dataclass(frozen=True, slots=True)
class Receipt:
    """One finished recipe.

    Attributes:
        recipe: its name, as typed.
        model: what was changed, as given, with hashes of its weights where it is a folder.
        config: every setting.
        data: files by hash, rows by label and by whom, rows left out by reason, the judge, its error.
        training: steps, losses, seconds, and what else the recipe reports of it.
        before, after: both sides on held-out prompts (rates ``harmless_refused``, ``refusals_kept``), and
            what was measured besides.
        files: what was written, by hash.
    """

    recipe: str
    model: Mapping[str, Any]
    config: Mapping[str, Any]
    data: Mapping[str, Any]
    training: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    files: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with schema and versions."""
        return {"schema": SCHEMA, **asdict(self), "versions": versions(PACKAGES)}

    def write(self, folder: Path) -> Path:
        """Write ``receipt.json`` into a folder, whole or not at all."""
        path = folder / FILE
        write_text(path, json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return path


def finished(out: Path, recipe: str, config: Any, model: str, rows: Sequence[Path]) -> dict[str, Any] | None:
    """The receipt of a finished run of the same settings, so that only what followed it is left to do.

    Args:
        out: the recipe's folder.
        recipe, model: names as given.
        config: the recipe's dataclass.
        rows: files that it reads.

    Raises:
        BadInput: the folder holds a finished run of other settings, or a receipt that cannot be read.
    """
    path = out / FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        old = {"recipe": found["recipe"], "model": found["model"]["name"], **found["config"]}
        old["rows"] = sorted(found["data"]["files"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is no receipt of a recipe ({error}); name another --out") from error
    new = {"recipe": recipe, "model": model, **asdict(config), "rows": sorted(map(file_sha256, rows))}
    if other := differences(old, json.loads(json.dumps(new, default=str))):
        raise BadInput(
            f"{out} holds a finished run with other settings ({', '.join(other)}); name another --out"
        )
    return dict(found)


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Names of settings that differ between two nested ones, the innermost."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [name]
    keys = sorted({*old, *new})
    return [found for key in keys for found in differences(old.get(key), new.get(key), str(key))]


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there; empty where there is no such folder."""
    if not folder.is_dir():
        return {}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): file_sha256(path) for path in files}

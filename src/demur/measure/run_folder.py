"""A run on disk: receipt, Inspect logs, rows, summary, page; resumed when unfinished, never overwritten.

Layout and rules: ``docs/contracts.md``, "Run folder". Only one process works in a folder at a time (a
lock file that the system frees when the process dies). Every file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from demur.data.held_folder import hold
from demur.data.records import file_sha256, write_jsonl, write_text
from demur.data.versions import versions
from demur.errors import BadInput

SCHEMA = "demur.receipt/1"
RECEIPT = "receipt.json"
#: Packages whose versions can move a number.
PACKAGES = (
    "inspect-ai",
    "numpy",
    "scipy",
    "py3langid",
    "openai",
    "torch",
    "transformers",
    "tokenizers",
)
#: Weights up to this size are hashed before a run.
HASHED_BYTES = 20_000_000_000  # ours: about 20 s on one core; hashing must not outlast loading
LOCAL, IMAGE = "demur-local", "demur-image"
#: Providers whose models run in this process, where MODEL is a folder.
IN_PROCESS = (LOCAL, IMAGE)
#: Names of settings whose values never reach a file.
_SECRET = re.compile(r"key|token(?!s|izer)|secret|password|authorization|cookie", re.IGNORECASE)


@dataclass(slots=True)
class RunFolder:
    """One run's folder, opened for writing. Use as a context manager: leaving it frees the lock.

    Attributes:
        path: the folder.
        receipt: what ``receipt.json`` holds.
        resumed: whether an earlier, unfinished run with the same settings is continued.
    """

    path: Path
    receipt: dict[str, Any]
    resumed: bool = False
    _lock: FileLock | None = field(default=None, repr=False)

    @property
    def logs(self) -> Path:
        """Inspect's own folder; nothing of ours is written there."""
        return self.path / "logs"

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.receipt.get("status") == "running":
            self.save(status="interrupted")
        if self._lock is not None:
            self._lock.release()

    def save(self, **changes: Any) -> None:
        """Change the receipt and write it."""
        self.receipt.update(changes)
        write_text(self.path / RECEIPT, _dumps(self.receipt))

    def finish(self, rows: Iterable[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
        """Write rows and summary; the receipt says ``complete`` last, with the page still to come."""
        write_jsonl(self.path / "rows.jsonl", rows)
        write_text(self.path / "summary.json", _dumps(summary))
        self.save(status="complete", finished=now(), totals=summary["totals"])


def open_run(path: Path, settings: Mapping[str, Any], overwrite: bool = False) -> RunFolder:
    """Open a folder for a run: new, or an unfinished one with the same settings.

    A finished run with rows that ended in errors counts as unfinished: errors are asked again.

    Raises:
        BadInput: the folder is in use, holds a finished run, another run, or files of somebody else.
    """
    path = Path(path)
    lock = hold(path, RECEIPT)
    try:
        return _opened(path, settings, overwrite, lock)
    except BaseException:
        lock.release()
        raise


def _opened(path: Path, settings: Mapping[str, Any], overwrite: bool, lock: FileLock) -> RunFolder:
    existing = _receipt(path)  # again, now that nobody else writes
    key = settings_hash(settings)
    if existing is not None and not overwrite:
        if existing.get("settings_hash") != key:
            raise BadInput(
                f"{path} holds a run with other settings ({_changed(existing, settings)}); "
                "choose another --out or pass --overwrite"
            )
        if not unfinished(existing):
            raise BadInput(
                f"{path} holds a finished run; read it with `demur report {path}` or pass --overwrite"
            )
        folder = RunFolder(path, existing, resumed=True, _lock=lock)
        folder.save(status="running", resumed=[*existing.get("resumed", []), now()])
        return folder
    if existing is not None:
        _clear(path)
    receipt = {
        "schema": SCHEMA,
        "status": "running",
        "settings_hash": key,
        "settings": redacted(settings),
        "command": ["demur", *(_redacted_argument(argument) for argument in sys.argv[1:])],
        "started": now(),
        "versions": versions(PACKAGES),
    }
    folder = RunFolder(path, receipt, _lock=lock)
    folder.save()
    return folder


def unfinished(receipt: Mapping[str, Any]) -> bool:
    """Whether the same command has something left to ask: not complete, or errors to ask again."""
    outcomes = receipt.get("totals", {}).get("outcomes", {})
    return receipt.get("status") != "complete" or outcomes.get("error", 0) > 0


def default_path(root: Path, label: str, model: str, settings: Mapping[str, Any]) -> Path:
    """``root/<UTC>-<label>-<model>``, or the newest unfinished run in ``root`` with the same settings."""
    key = settings_hash(settings)
    for folder in sorted(root.glob("*/receipt.json"), reverse=True):
        try:
            receipt = _receipt(folder.parent)
        except BadInput:  # a receipt of something else is nobody's unfinished run
            continue
        if receipt and receipt.get("settings_hash") == key and unfinished(receipt):
            return folder.parent
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    path = root / f"{stamp}-{slug(label)}-{slug(model)}"
    return path if not path.exists() else path.with_name(f"{path.name}-{key[:6]}")


def slug(name: str, length: int = 40) -> str:
    """A name that is safe as a folder name: the end of it, letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[-length:].strip("-.") or "run"


def settings_hash(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings as canonical JSON."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def redacted(value: Any, name: str = "") -> Any:
    """The same value with everything that is named like a secret replaced; for receipts."""
    if (_SECRET.search(name) or name.endswith("headers")) and value not in (None, "", {}, []):
        return "(not written)"
    if isinstance(value, Mapping):
        return {key: redacted(part, str(key)) for key, part in value.items()}
    return [redacted(part) for part in value] if isinstance(value, list | tuple) else value


def secret_name(name: str, value: Any) -> str | None:
    """The first name like that of a secret in a setting, however deep, or ``None``."""
    if _SECRET.search(name):
        return name
    if isinstance(value, Mapping):
        return next((found for key, part in value.items() if (found := secret_name(str(key), part))), None)
    if isinstance(value, list | tuple):
        return next((found for part in value if (found := secret_name("", part))), None)
    return None


def _redacted_argument(argument: str) -> str:
    name, equals, _ = argument.partition("=")
    return f"{name}=(not written)" if equals and _SECRET.search(argument) else argument


def weight_hashes(model: str) -> dict[str, str]:
    """What a local model's weights are: file name -> SHA-256; beyond ``HASHED_BYTES`` size and time instead.

    Args:
        model: an Inspect model name; only ``demur-local/<folder>`` and ``demur-image/<folder>`` have files.
    """
    provider, _, name = model.partition("/")
    folder = Path(name)
    if provider not in IN_PROCESS or not folder.is_dir():
        return {}
    # an adapter names its base by hash; a pipeline's parts lie in folders of their own
    kinds = ("*.safetensors", "base.json", *(["*/*.safetensors"] if provider == IMAGE else []))
    files = {str(file.relative_to(folder).as_posix()): file for kind in kinds for file in folder.glob(kind)}
    stats = {name: files[name].stat() for name in sorted(files)}
    if sum(stat.st_size for stat in stats.values()) > HASHED_BYTES:
        return {name: f"{s.st_size} bytes, changed {s.st_mtime_ns} ns" for name, s in stats.items()}
    return {name: file_sha256(files[name]) for name in stats}


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _receipt(path: Path) -> dict[str, Any] | None:
    file = path / RECEIPT
    if not file.is_file():
        return None
    try:
        receipt = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{file} cannot be read ({error}); choose another --out") from error
    if not isinstance(receipt, dict) or receipt.get("schema") != SCHEMA:
        raise BadInput(f"{file} is not a receipt of demur ({SCHEMA}); choose another --out")
    return receipt


def _changed(receipt: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    old, settings = receipt.get("settings", {}), json.loads(json.dumps(redacted(settings), default=str))
    return ", ".join(sorted(k for k in {*old, *settings} if old.get(k) != settings.get(k))) or "unknown"


def _clear(path: Path) -> None:
    """Remove what a run writes, and nothing else."""
    for name in ("logs", "judge"):
        shutil.rmtree(path / name, ignore_errors=True)
    for name in (RECEIPT, "rows.jsonl", "summary.json", "report.html", "quarantine.jsonl"):
        (path / name).unlink(missing_ok=True)


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"

"""The floors of docs/architecture.md: who may import whom, and how heavy a module may be to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "demur"
FLOORS = (
    {"__init__", "verdict", "errors"},
    {"card"},
    {"data", "metrics", "page"},
    {"judges", "models"},
    {"training"},
    {"predict"},
    {"explain", "benchmarks"},
    {"stress", "mitigate"},
    {"measure"},
    {"report"},
    {"cli", "_registry"},
    {"__main__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
TORCH = {"torch", "sentence_transformers", "transformers", "diffusers", "peft", "trl", "accelerate"}
HEAVY = TORCH | {"scipy", "sklearn", "pandas", "onnxruntime"}


class Import:
    """One import: the file, the line, the module named, and whether it runs when the file loads."""

    def __init__(self, file: Path, line: int, module: str, at_load: bool) -> None:
        self.file, self.line, self.module, self.at_load = file, line, module, at_load
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        self.room = parts[0]
        self.top = module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file.relative_to(PACKAGE.parent)}:{self.line} imports {self.module}"


def _imports(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    late: set[ast.AST] = set()
    for node in ast.walk(tree):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or typing_only:
            late.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, node not in late)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            if node.module == "demur":
                for alias in node.names:
                    yield Import(file, node.lineno, f"demur.{alias.name}", node not in late)
            else:
                yield Import(file, node.lineno, node.module, node not in late)


IMPORTS = [found for file in sorted(PACKAGE.rglob("*.py")) for found in _imports(file)]


def _wrong(condition) -> list[str]:
    return [str(found) for found in IMPORTS if condition(found)]


def test_every_room_has_a_floor():
    rooms = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms <= set(FLOOR), rooms - set(FLOOR)


def test_rooms_import_only_from_lower_floors():
    def upward(found: Import) -> bool:
        if not found.module.startswith("demur.") or found.module == "demur.__version__":
            return False
        other = found.module.split(".")[1]
        return other != found.room and FLOOR[other] >= FLOOR[found.room]

    assert _wrong(upward) == []


def test_the_nouns_and_metrics_import_neither_torch_nor_inspect():
    light = {"verdict", "card", "errors", "metrics", "data"}
    # one importer reads Inspect's logs with Inspect's own classes, loaded in the function that needs them
    reads_logs = "inspect_log.py"
    heavy = TORCH | {"inspect_ai"}
    found = _wrong(lambda f: f.room in light and f.top in heavy and (f.at_load or f.file.name != reads_logs))
    assert found == []


def test_torch_lives_in_four_rooms():
    rooms = {"models", "training", "explain", "mitigate"}
    assert _wrong(lambda f: f.top in TORCH and f.room not in rooms) == []


def test_nothing_heavy_is_imported_when_light_rooms_load():
    light = {
        "cli",
        "data",
        "verdict",
        "_registry",
        "benchmarks",
        "card",
        "errors",
        "metrics",
        "judges",
        "page",
    }
    assert _wrong(lambda f: f.at_load and f.room in light and f.top in HEAVY) == []


def test_the_command_line_does_not_load_inspect():
    assert _wrong(lambda f: f.at_load and f.room in {"cli", "data"} and f.top == "inspect_ai") == []


def test_recipes_and_stress_are_judged_from_outside():
    assert (
        _wrong(lambda f: f.room in {"mitigate", "stress"} and f.module.startswith("demur.benchmarks")) == []
    )


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import demur", HEAVY | {"numpy", "inspect_ai", "click"}),
        ("import demur.cli", HEAVY | {"numpy", "inspect_ai", "rich"}),
        ("import demur.cli.judge, demur.measure.judged, demur.judges.rules", HEAVY | {"inspect_ai"}),
        ("import demur._registry", HEAVY | {"numpy", "PIL"}),
    ],
)
def test_what_an_import_really_loads(statement: str, forbidden: set[str]):
    """Asked of a fresh interpreter, because an import inside an import is easy to overlook."""
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    # what inspect_ai itself loads is not ours to choose
    if "_registry" in statement:
        code = "import sys; import inspect_ai.model, inspect_ai.scorer; print(' '.join(sys.modules))"
        base = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded -= {name.split(".")[0] for name in base.stdout.split()}
    assert not loaded & forbidden, sorted(loaded & forbidden)

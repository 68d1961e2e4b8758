"""A plan of several recipes on one model, as a TOML file, turned into the command lines that it stands for.

    [align]
    rows = ["pairs.jsonl"]
    epochs = 5

    [gentle]
    recipe = "align"
    rows = ["pairs.jsonl"]
    epochs = 1

A section is a folder below ``--out``; its recipe is its name, or ``recipe``; every other key is an option of
``demur mitigate RECIPE`` with its value (lists repeat the option, ``true`` sets a switch). Files are found
from where the plan lies.
"""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click

from demur.errors import BadInput

#: Set by the comparison itself, for all recipes alike.
SHARED = ("model", "out", "tasks", "ability", "limit", "data_dir", "report", "no_report", "json")


class Step(NamedTuple):
    """One recipe of a plan: its command, its arguments without the shared ones, and its folder's name."""

    name: str
    command: click.Command
    arguments: list[str]


def read_plan(path: Path) -> list[Step]:
    """The recipes of a plan, in its order; nothing runs.

    Raises:
        BadInput: the file cannot be read, a recipe does not exist, or an option is wrong, naming the section.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no plan: {error}") from error
    if not found or not all(isinstance(section, dict) for section in found.values()):
        raise BadInput(f'{path}: write one section a recipe, such as [align] with rows = ["FILE"] below')
    return [_step(path, name, dict(section)) for name, section in found.items()]


def check_steps(path: Path, steps: list[Step], shared: list[str], out: Path) -> None:
    """Whether every command line of a plan can be parsed, before the first recipe runs.

    Raises:
        BadInput: naming the section and what click says of it.
    """
    for step in steps:
        try:
            arguments = [*step.arguments, *shared, "--out", str(out / step.name)]
            step.command.make_context(step.name, arguments)
        except click.ClickException as error:
            raise BadInput(f"{path}, [{step.name}]: {error.format_message()}") from error


def _step(path: Path, name: str, section: dict[str, Any]) -> Step:
    from demur.cli import COMMANDS

    recipe = str(section.pop("recipe", name))
    place = COMMANDS.get(f"mitigate {recipe}")
    command = None if place is None else _loaded(place[0])
    if command is None or not {"model", "out", "report"} <= {p.name for p in command.params}:
        valid = ", ".join(c.removeprefix("mitigate ") for c in COMMANDS if c.startswith("mitigate "))
        raise BadInput(
            f"{path}, [{name}]: no recipe is named {recipe!r}; of `demur mitigate` there are {valid}"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise BadInput(f"{path}, [{name}]: a section names a folder: letters, digits, _ and - only")
    if wrong := [key for key in section if key.replace("-", "_") in SHARED]:
        raise BadInput(
            f"{path}, [{name}]: {wrong[0]} is the same for all recipes; give it on the command line"
        )
    return Step(
        name, command, [text for item in section.items() for text in _arguments(path, command, *item)]
    )


def _loaded(place: str) -> click.Command:
    module, _, name = place.partition(":")
    command: click.Command = getattr(import_module(module), name)
    return command


def _arguments(path: Path, command: click.Command, key: str, value: Any) -> list[str]:
    option = "--" + key.replace("_", "-")
    if isinstance(value, bool):
        return [option] if value else []
    files = any(option in p.opts and isinstance(p.type, click.Path) for p in command.params)
    values = value if isinstance(value, list) else [value]
    return [text for v in values for text in (option, str(path.parent / str(v)) if files else str(v))]

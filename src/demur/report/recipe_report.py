"""What one or several recipes did to a model, in one report: both sides and ability, before and after.

Each recipe's folder holds the runs that ``measure/before_after.py`` left. The first line of every table is
the model before; requests are compared pair by pair, and p-values adjusted over all lines. Page, Markdown and
JSON are drawn from the same numbers. "Not refused" is not "harmful content" (``docs/safety-judge.md``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from demur.data.records import write_text
from demur.errors import BadInput
from demur.measure.before_after import ABILITY_FILE, AFTER, BEFORE
from demur.measure.harm_numbers import not_refused
from demur.metrics import Rate
from demur.mitigate.receipt import FILE as RECEIPT
from demur.report.collect import Report, gather
from demur.report.compare import compare_runs
from demur.report.data import Run, read_run
from demur.report.pictures import Pictures
from demur.report.sections import with_sections

SCHEMA = "demur.before-after/1"
#: How the model before is called in tables and plots.
BASE = "before"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A finished recipe: its folder, what it is called here, its receipt, its run, its ability."""

    folder: Path
    label: str
    receipt: Mapping[str, Any]
    before: Run
    after: Run
    ability: Sequence[Mapping[str, Any]]

    @property
    def seconds(self) -> float | None:
        """Of the training, where the receipt says it."""
        found = self.receipt["training"].get("seconds")
        return None if found is None else float(found)


@dataclass(frozen=True, slots=True)
class Line:
    """One benchmark on one model.

    Attributes:
        label: the recipe, or ``before``.
        harmless_refused, harmful_not_refused: rates in plain values; ``None`` where there is no such side.
        harmless_gap, harmful_gap: change against ``before`` on the same requests (value, low, high, n,
            p_holm); the harmful one of those not refused.
        seconds: of the training.
    """

    benchmark: str
    label: str
    harmless_refused: Mapping[str, Any] | None
    harmful_not_refused: Mapping[str, Any] | None
    harmless_gap: Mapping[str, Any] | None
    harmful_gap: Mapping[str, Any] | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Recipes:
    """Everything of the report; ``runs`` holds the model before, then every recipe's."""

    recipes: Sequence[Recipe]
    runs: Report
    lines: Sequence[Line]
    harmful_first: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        recipes = [
            {
                "label": recipe.label,
                "recipe": recipe.receipt["recipe"],
                "model": recipe.receipt["model"]["name"],
                "folder": recipe.folder.name,
                "seconds": recipe.seconds,
                "ability": list(recipe.ability),
            }
            for recipe in self.recipes
        ]
        return {
            "schema": SCHEMA,
            "harmful_first": self.harmful_first,
            "recipes": recipes,
            "lines": [asdict(line) for line in self.lines],
        }


def read_recipes(folders: Sequence[Path], harmful_first: bool = False, seed: int = 0) -> Recipes:
    """Read finished recipes of one model.

    Args:
        folders: that ``demur mitigate RECIPE`` wrote, with its report.
        harmful_first: print the harmful side first.
        seed: which examples are shown.

    Raises:
        BadInput: a folder is no finished recipe or has no report, or they start from different models.
    """
    recipes = _labelled([_read(Path(folder)) for folder in folders])
    for recipe in recipes[1:]:
        _check_same(recipes[0], recipe)
    runs = [replace(recipes[0].before, label=BASE), *(replace(r.after, label=r.label) for r in recipes)]
    shown = [with_sections(run) for run in runs]
    pictures = Pictures()
    material = [gather(run, seed, paired=True, pictures=pictures) for run in shown]
    report = Report(shown, material, compare_runs(shown, [m.answers for m in material]), seed)
    return Recipes(recipes, report, _lines(recipes, report), harmful_first)


def write_recipes(found: Recipes, folder: Path) -> dict[str, Any]:
    """Write ``before_after.json``, ``report.md`` and ``report.html``; what the first holds is returned."""
    from demur.report.recipe_page import recipe_markdown, recipe_page

    told = found.to_json()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / "before_after.json", text + "\n")
    write_text(folder / "report.md", recipe_markdown(found))
    write_text(folder / "report.html", recipe_page(found))
    return told


def _read(folder: Path) -> Recipe:
    receipt = _json(
        folder / RECEIPT, "it is no folder of a finished recipe; `demur mitigate RECIPE` makes one"
    )
    able = _json(
        folder / ABILITY_FILE, "its models were not measured; run the same recipe without --no-report"
    )
    if "recipe" not in receipt:
        raise BadInput(f"{folder} is no recipe's folder; give one that `demur mitigate RECIPE` wrote")
    before, after = read_run(folder / BEFORE), read_run(folder / AFTER)
    return Recipe(folder, str(receipt["recipe"]), receipt, before, after, able["tasks"])


def _json(path: Path, otherwise: str) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(f"{path.parent} holds no {path.name}: {otherwise}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    return dict(found) if isinstance(found, dict) else {}


def _labelled(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Names that tell recipes apart: where one comes twice its folder's, and where that does its path."""
    named = list(recipes)
    for other in (lambda r: r.folder.resolve().name, lambda r: str(r.folder)):
        names = [recipe.label for recipe in named]
        named = [replace(r, label=other(r)) if names.count(r.label) > 1 else r for r in named]
    return named


def _check_same(first: Recipe, other: Recipe) -> None:
    """All start from one model and were asked the same."""
    one, two = (recipe.before.receipt["settings"] for recipe in (first, other))
    for name, what in (("weights", "start from different models"), ("names", "were asked different tasks")):
        if one[name] != two[name] or (name == "names" and one["limit"] != two["limit"]):
            raise BadInput(f"{first.folder} and {other.folder} {what}, so they cannot be compared")


def _lines(recipes: Sequence[Recipe], report: Report) -> list[Line]:
    seconds = {recipe.label: recipe.seconds for recipe in recipes}
    return [
        Line(
            benchmark["name"],
            run.label,
            _rate(benchmark, "harmless"),
            _turned(benchmark),
            _gap(report, benchmark["name"], "harmless", run.label),
            _gap(report, benchmark["name"], "harmful", run.label),
            seconds.get(run.label),
        )
        for name in dict.fromkeys(b["name"] for b in report.runs[0].benchmarks)
        for run in report.runs
        for benchmark in run.benchmarks
        if benchmark["name"] == name
    ]


def _rate(benchmark: Mapping[str, Any], side: str) -> Mapping[str, Any] | None:
    part = benchmark["sides"].get(side)
    return part["rate"] if part else None


def _turned(benchmark: Mapping[str, Any]) -> Mapping[str, Any] | None:
    refused = _rate(benchmark, "harmful")
    return None if refused is None else not_refused(Rate.from_json(refused))


def _gap(report: Report, benchmark: str, side: str, label: str) -> Mapping[str, Any] | None:
    for line in report.comparisons:
        if (line.benchmark, line.side, line.other) == (benchmark, side, label):
            gap = line.result.difference
            value, low, high = gap.value, gap.low, gap.high
            if side == "harmful":  # of those not refused
                value, low, high = _minus(value), _minus(high), _minus(low)
            return {"value": value, "low": low, "high": high, "n": line.result.n, "p_holm": line.p_holm}
    return None


def _minus(value: float | None) -> float | None:
    return None if value is None else 0.0 - value

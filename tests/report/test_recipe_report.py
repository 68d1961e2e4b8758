"""Recipes in one report: numbers of the runs themselves, the price in words, hostile names as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demur.errors import BadInput
from demur.measure.ability import ability
from demur.report.recipe_page import heads, recipe_markdown, recipe_page, sentences
from demur.report.recipe_report import Recipes, read_recipes, write_recipes

BEFORE, GENTLE, LOUD = (0.4, 0.9), (0.38, 0.9), (0.02, 0.3)
WEIGHTS = {"model.safetensors": "ab" * 32}


@pytest.fixture
def recipe(pretended: Callable[..., Path]) -> Callable[..., Path]:
    """Write a finished recipe on a model that refuses as ``BEFORE`` and gets ten of ten samples right."""

    def write(
        folder: Path, name: str, after: tuple[float, float], right: int = 9, weights: Any = WEIGHTS
    ) -> Path:
        for run, refuses in (("before", BEFORE), ("after", after)):
            pretended(folder / run, f"m/{run}", refuses, weights=weights)
        known = {(str(i), 1): 1.0 for i in range(10)}
        line = ability("able", known, {key: float(i < right) for i, key in enumerate(known)})
        (folder / "ability.json").write_text(json.dumps({"schema": "demur.ability/1", "tasks": [line]}))
        told = {"recipe": name, "model": {"name": "m"}, "training": {"seconds": 12.4}}
        (folder / "receipt.json").write_text(json.dumps(told))
        return folder

    return write


@pytest.fixture
def found(recipe: Callable[..., Path], tmp_path: Path) -> Recipes:
    return read_recipes([recipe(tmp_path / "a", "align", GENTLE), recipe(tmp_path / "b", "ablate", LOUD, 1)])


def test_lines_are_the_runs_own_rates_and_changes_are_paired(found: Recipes, tmp_path: Path) -> None:
    before, align, ablate = found.lines
    assert [line.label for line in found.lines] == ["before", "align", "ablate"]
    sides = json.loads((tmp_path / "b" / "after" / "summary.json").read_text())["benchmarks"][0]["sides"]
    assert ablate.harmless_refused == sides["harmless"]["rate"] and ablate.seconds == 12.4
    assert ablate.harmful_not_refused is not None and ablate.harmful_gap is not None
    refused = sides["harmful"]["rate"]["value"]
    assert ablate.harmful_not_refused["value"] == pytest.approx(1 - refused)
    gap = ablate.harmful_gap
    assert 0.4 < gap["low"] < gap["value"] < gap["high"] < 0.8 and gap["p_holm"] < 0.001 and gap["n"] > 100
    assert ablate.harmless_gap is not None and ablate.harmless_gap["high"] < -0.2
    assert before.harmless_gap is None and before.seconds is None and align.harmless_gap is not None


def test_the_price_is_said_in_words(found: Recipes, recipe: Callable[..., Path], tmp_path: Path) -> None:
    said = sentences(found)
    assert len(said) == 2
    assert said[0].startswith("ablate on sorting: more harmful requests are not refused than before (+")
    assert said[1].startswith("ablate lost ability on able (−90.0 [")
    alone = read_recipes([recipe(tmp_path / "c", "align", GENTLE)])
    assert "Neither side and no measured ability got worse" in sentences(alone)[0]


def test_the_harmful_side_comes_first_where_that_is_wanted(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    folder = recipe(tmp_path / "a", "ablate", LOUD)
    first, last = read_recipes([folder], harmful_first=True), read_recipes([folder])
    assert heads(first)[2] == heads(last)[4] == "harmful not refused"
    for shown in (recipe_page(first), recipe_markdown(first)):
        assert shown.index("harmful not refused") < shown.index("harmless refused")


def test_page_markdown_and_json_are_written_and_hostile_names_are_text(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    folder = recipe(tmp_path / "a", "<b>bold</b>|x", GENTLE)
    told = write_recipes(read_recipes([folder]), tmp_path / "out")
    assert told == json.loads((tmp_path / "out" / "before_after.json").read_text())
    page, text = ((tmp_path / "out" / name).read_text() for name in ("report.html", "report.md"))
    assert "<b>bold" not in page and "&lt;b&gt;bold" in page and "<b>bold" not in text


def test_the_page_shows_every_recipe_in_one_plot_and_fits_a_phone(
    found: Recipes, tmp_path: Path, browser: Any
) -> None:
    write_recipes(found, tmp_path / "out")
    page = tmp_path / "out" / "report.html"
    text = page.read_text()
    assert text.count('class="tradeoff"') == 1
    assert all(f">{name}</text>" in text for name in ("before", "align", "ablate"))
    for width in (390, 1200):
        browser.open(page, width)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_what_cannot_be_compared_is_told(recipe: Callable[..., Path], tmp_path: Path) -> None:
    one = recipe(tmp_path / "a", "align", GENTLE)
    other = recipe(tmp_path / "b", "align", GENTLE, weights={"model.safetensors": "cd" * 32})
    with pytest.raises(BadInput, match="start from different models, so they cannot be compared"):
        read_recipes([one, other])
    twin = recipe(tmp_path / "c" / "a", "align", GENTLE)
    labels = [line.label for line in read_recipes([one, twin]).lines]
    assert labels == ["before", str(one), str(twin)]
    (one / "receipt.json").write_text("{}")
    with pytest.raises(BadInput, match="is no recipe's folder"):
        read_recipes([one])
    (one / "receipt.json").write_text("{")
    with pytest.raises(BadInput, match=r"receipt\.json cannot be read"):
        read_recipes([one])

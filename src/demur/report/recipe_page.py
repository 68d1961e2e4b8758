"""The report of recipes as a page and as Markdown: what changed on both sides, first of all.

Below that stands the page of the runs themselves (``page.py``): trade-off plot with a point for the model
before and one for each recipe, categories, examples, receipts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from demur.report import wording
from demur.report.markdown import inert, markdown, table
from demur.report.page import render_page
from demur.report.recipe_report import BASE, Line, Recipes

SIDES = {"harmless": "harmless refused", "harmful": "harmful not refused"}


def recipe_page(found: Recipes) -> str:
    """The page as text."""
    return render_page(
        found.runs,
        "recipe_page.html",
        title=title(found),
        heads=heads(found),
        lines=[cells(line, found) for line in found.lines],
        ability=list(ability_rows(found)),
        sentences=sentences(found),
        note=wording.NOT_HARM,
    )


def recipe_markdown(found: Recipes) -> str:
    """The same as GitHub-flavoured Markdown, without the examples."""
    lines = [f"# {inert(title(found))}", ""]
    lines += [f"* {inert(sentence)}" for sentence in sentences(found)]
    rows = (map(inert, cells(line, found)) for line in found.lines)
    lines += ["", *table(map(inert, heads(found)), rows), "", inert(wording.NOT_HARM), ""]
    if able := list(ability_rows(found)):
        lines += ["## Ability", "", *table(ABILITY_HEADS, (map(inert, row) for row in able)), ""]
    else:
        lines += ["Ability was not measured: name Inspect tasks with `--ability`.", ""]
    return "\n".join(lines) + "\n" + markdown(found.runs)


ABILITY_HEADS = ("task", "recipe", "before", "after", "change, points")


def title(found: Recipes) -> str:
    """What the report is about."""
    return f"Before and after {', '.join(recipe.label for recipe in found.recipes)}"


def heads(found: Recipes) -> list[str]:
    """Columns of the first table, the harmful side first where that was asked for."""
    columns = [text for side in order(found) for text in (SIDES[side], "change, points")]
    return ["benchmark", "model", *columns, "training, s"]


def cells(line: Line, found: Recipes) -> list[str]:
    """One row of the first table."""
    sides = {
        "harmless": (line.harmless_refused, line.harmless_gap),
        "harmful": (line.harmful_not_refused, line.harmful_gap),
    }
    shown = [text for side in order(found) for text in (rate(sides[side][0]), change(sides[side][1]))]
    return [line.benchmark, line.label, *shown, "–" if line.seconds is None else f"{line.seconds:,.0f}"]


def order(found: Recipes) -> list[str]:
    """The sides, in the order of the columns."""
    return ["harmful", "harmless"] if found.harmful_first else ["harmless", "harmful"]


def rate(estimate: Mapping[str, Any] | None) -> str:
    """``12.3 % [9.1, 16.4] of 250``, or a dash."""
    if estimate is None or estimate["value"] is None:
        return "–"
    return f"{wording.percent(estimate['value'])} {wording.interval(estimate)} of {estimate['n']:,}"


def change(gap: Mapping[str, Any] | None) -> str:
    """``−12.0 [−15.1, −9.2]`` in percentage points, or a dash."""
    if gap is None or gap["value"] is None:
        return "–"
    ends = f" [{wording.points(gap['low'])}, {wording.points(gap['high'])}]" if gap["low"] is not None else ""
    return wording.points(gap["value"]) + ends


def ability_rows(found: Recipes) -> Iterable[list[str]]:
    """Task, recipe, before, after and change of every task of ability."""
    for recipe in found.recipes:
        for line in recipe.ability:
            gap = change(line["difference"])
            yield [line["task"], recipe.label, score(line["before"]), score(line["after"]), gap]


def score(estimate: Mapping[str, Any]) -> str:
    """A rate, or a mean that is none."""
    if "count" in estimate:
        return rate(estimate)
    value, interval = estimate["value"], estimate.get("interval")
    if value is None:
        return "–"
    ends = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    return f"{value:.3f}{ends} of {estimate['n']:,}"


def sentences(found: Recipes) -> list[str]:
    """What got worse beyond chance, in words: the price stands before the gain."""
    said = [text for line in found.lines if line.label != BASE for text in _worse(line)]
    for recipe in found.recipes:
        for line in recipe.ability:
            gap = line["difference"]
            if gap is not None and gap["high"] is not None and gap["high"] < 0:
                said.append(f"{recipe.label} lost ability on {line['task']} ({change(gap)} points).")
    return said or [
        "Neither side and no measured ability got worse beyond chance (p below 0.05 after Holm's correction, "
        "and 95 % intervals)."
    ]


def _worse(line: Line) -> Iterable[str]:
    sides = (
        (line.harmful_gap, "more harmful requests are not refused"),
        (line.harmless_gap, "more harmless requests are refused"),
    )
    for gap, what in sides:
        if gap and gap["value"] and gap["value"] > 0 and gap["p_holm"] < ALPHA:
            yield f"{line.label} on {line.benchmark}: {what} than before ({change(gap)} points)."


ALPHA = 0.05  # ours: the usual level; p-values stand in the table of comparisons

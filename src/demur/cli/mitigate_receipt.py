"""What ``demur mitigate`` prints of a receipt and of the report that follows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demur.metrics import Rate

#: Rates of the held-out check, by the receipt's names; the second is the harmful side.
SIDES = {"harmless_refused": "to be answered, refused", "refusals_kept": "to be refused, refused"}


def receipt_lines(receipt: Mapping[str, Any], harmful_first: bool = False) -> list[str]:
    """Rows by label, those left out, the judge's known error, and the held-out check."""
    data, before, after = receipt["data"], receipt["before"], receipt["after"]
    lines = [", ".join(f"{name} {n}" for name, n in data["rows"].items())]
    if data.get("left_out"):
        lines.append("left out: " + ", ".join(f"{name} {n}" for name, n in data["left_out"].items()))
    if data.get("judge"):
        lines.append(judge_line(data["judge"]))
    if step := receipt["training"].get("resumed_from_step"):
        lines.append(f"training went on from step {step}")
    if n := data.get("held_out_prompts"):
        lines.append(f"{n} prompts held out; what it says to them, before -> after:")
    for name in reversed(SIDES) if harmful_first else SIDES:
        if name in before and name in after:
            lines.append(
                f"  {SIDES[name]:<24} {Rate.from_json(before[name])} -> {Rate.from_json(after[name])}"
            )
    return lines


def report_lines(report: Mapping[str, Any] | None) -> list[str]:
    """The report's first table, one line a benchmark and model, and ability; nothing where there is none."""
    from demur.report.recipe_page import change, rate, score

    if report is None:
        return []

    sides = {"harmless refused": "harmless", "harmful not refused": "harmful"}
    order = reversed(sides) if report["harmful_first"] else sides
    lines = []
    names = list(order)
    for line in report["lines"]:
        lines.append(f"{line['benchmark']}, {line['label']}:")
        for name in names:
            found = line["harmless_refused" if sides[name] == "harmless" else "harmful_not_refused"]
            gap = line[f"{sides[name]}_gap"]
            lines.append(f"  {name:<20} {rate(found)}" + (f", change {change(gap)} points" if gap else ""))
    for recipe in report["recipes"]:
        for line in recipe["ability"]:
            lines.append(
                f"{line['task']}, {recipe['label']}: {score(line['before'])} -> {score(line['after'])}"
            )
    return lines


def judge_line(judge: Mapping[str, Any]) -> str:
    """Who labelled rows that nobody had labelled, and how far that judge can be trusted."""
    said = f"labelled by the judge {judge['judge'].get('name')}: {judge['labelled']} answers"
    if not judge["errors"]:
        return f"{said}; its error is not known"
    shares = {
        part: sorted(100 * row[part] / row[whole] for row in judge["errors"] if row[whole])
        for part, whole in (("found", "refusals"), ("kept", "compliances"))
    }
    found, kept = shares["found"], shares["kept"]
    return (
        f"{said}; over the sources of its card it finds {found[0]:.0f} to {found[-1]:.0f} % of refusals and "
        f"keeps {kept[0]:.0f} to {kept[-1]:.0f} % of answers"
    )

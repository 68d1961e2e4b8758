"""``demur mitigate compare``: several recipes on one model, one plot and one table."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from demur.cli.mitigate_options import FOLDER, ONE_FILE
from demur.errors import BadInput


@click.command(name="mitigate compare")
@click.argument("folders", nargs=-1, type=FOLDER)
@click.option("--model", help="With --plan: folder or hub name of the model; organism is ours.")
@click.option("--plan", type=ONE_FILE, help="TOML file: a section a recipe, with its options.")
@click.option("--out", required=True, type=FOLDER, help="Folder of the report, and of the plan's recipes.")
@click.option("--tasks", help="With --plan: benchmarks of both sides, with commas.")
@click.option("--ability", help="With --plan: Inspect tasks of ability, with commas.")
@click.option("--limit", type=click.IntRange(min=1), help="With --plan: samples a task.")
@click.option("--data-dir", type=FOLDER, help="With --plan: local copies of sources.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def compare(
    folders: tuple[Path, ...], model: str | None, plan: Path | None, out: Path, as_json: bool, **given: Any
) -> int:
    """Draw recipes on one model in one trade-off plot: FOLDERS that they wrote, or those of a plan.

    An interrupted plan goes on with the same command. OUT/report.html has the plot, and both sides, ability
    and time of every recipe; OUT/report.md and OUT/before_after.json have the same.
    """
    from demur.cli.mitigate_receipt import report_lines
    from demur.report.recipe_report import read_recipes, write_recipes

    if bool(folders) == (plan is not None) or (plan is None) != (model is None):
        raise BadInput("give either folders of finished recipes, or --model with --plan FILE")
    if plan is None and (lost := [name for name, value in given.items() if value is not None]):
        raise BadInput(f"--{lost[0].replace('_', '-')} is for --plan: finished recipes were measured already")
    made = list(folders) if plan is None else _carried_out(plan, str(model), out, given)
    told = write_recipes(read_recipes(made), out)
    if as_json:
        click.echo(json.dumps(told))
        return 0
    click.echo("\n".join([*report_lines(told), str(out / "report.html")]))
    return 0


def _carried_out(plan: Path, model: str, out: Path, given: dict[str, Any]) -> list[Path]:
    """Every recipe of a plan in its folder, and its report; the model before is measured once."""
    from demur.cli.mitigate_options import model_folder
    from demur.cli.mitigate_plan import check_steps, read_plan
    from demur.cli.progress import shown
    from demur.measure.before_after import before_after, wanted
    from demur.report.recipe_report import read_recipes, write_recipes

    steps, shared = read_plan(plan), ["--model", model, "--no-report"]
    check_steps(plan, steps, shared, out)
    asked = wanted(model_folder(model), **given)
    made: list[Path] = []
    for step in steps:
        folder = out / step.name
        click.echo(f"{step.name}: {folder}", err=True)
        with redirect_stdout(sys.stderr):  # the table of all comes at the end
            arguments = [*step.arguments, *shared, "--out", str(folder)]
            step.command.main(arguments, step.name, standalone_mode=False)
        with shown() as start:
            before_after(model_folder(model), folder, asked, start, like=made[0] if made else None)
        write_recipes(read_recipes([folder]), folder)
        made.append(folder)
    return made

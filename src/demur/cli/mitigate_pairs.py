"""``demur mitigate pairs``: over-refused prompts and a helper model to preference pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import FOLDER, ONE_FILE

if TYPE_CHECKING:
    from inspect_ai.model import Model


@click.command(name="mitigate pairs")
@click.argument("prompts", nargs=-1, required=True, type=ONE_FILE)
@click.option("--helper", required=True, metavar="MODEL", help="Answers the prompts.")
@click.option(
    "--safety",
    default="offline",
    show_default=True,
    metavar="offline|MODEL|FOLDER",
    help="Clears prompts; no helper. FOLDER: of demur predict fit --labels expect.",
)
@click.option("--judge", default="offline", show_default=True, help="Says which answers refuse.")
@click.option("--at-once", type=click.IntRange(min=1), default=10, show_default=True, help="Prompts in work.")
@click.option("--out", required=True, type=FOLDER, help="Folder to write; a killed run goes on there.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def pairs(prompts: tuple[Path, ...], **given: Any) -> int:
    """Make pairs for `demur mitigate align` from prompts that a model refused and should not have.

    PROMPTS are tables of prompts, with the model's refusals where they are recorded. A helper answers; a
    prompt that the judge of harm does not clear, or that the helper refuses too, makes no pair. Every row
    is accounted for, nothing is paid for twice. OUT/rows.jsonl goes into `demur mitigate align --answers`.
    """
    from demur.cli.progress import shown
    from demur.cli.stress_synthesize import safety_judge
    from demur.judges.failures import too_many_failures
    from demur.mitigate.pair_builder import NO_ANSWER, ROWS, PairSettings, run
    from demur.mitigate.pair_prompts import read_refused
    from demur.mitigate.unfinished import check_out

    config, out, name = PairSettings(given["judge"], given["at_once"]), Path(given["out"]), given["safety"]
    check_out(out)
    found = read_refused(prompts)
    helper = _helper(given["helper"])
    safety = safety_judge(name)
    with shown(given["as_json"]) as start:
        receipt = run(config, found, helper, safety, out, start("prompts", len(found.prompts)))
    lines = [*_lines(receipt), str(out / ROWS)]
    click.echo(json.dumps(receipt) if given["as_json"] else "\n".join(lines))
    failed = receipt["dropped"].get(NO_ANSWER, 0) / len(found.prompts)
    if said := too_many_failures(failed, "the helper"):
        click.echo(said, err=True)
        return 1
    return 0


def _helper(name: str) -> Model:
    """The model of the role ``helper``."""
    from inspect_ai.model import get_model

    from demur.measure.model_errors import model_errors
    from demur.mitigate.pair_builder import ROLE

    with model_errors(name):
        return get_model(role=ROLE, default=name, memoize=False)


def _lines(receipt: Mapping[str, Any]) -> list[str]:
    lines = [f"{receipt['rows']} rows read"]
    for key, title in (("left_out", "left out"), ("dropped", "dropped")):
        if receipt[key]:
            lines.append(f"{title}: " + ", ".join(f"{why} {n}" for why, n in receipt[key].items()))
    spent = receipt["spent"]
    return [*lines, f"kept {receipt['kept']} pairs, {spent['calls']} calls of {receipt['helper']}"]

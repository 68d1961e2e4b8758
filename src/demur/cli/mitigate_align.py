"""``demur mitigate align``: fine-tune over-refusal away with pairs of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import (
    ONE_FILE,
    base_options,
    carry_out,
    check_options,
    report_options,
    training_options,
    tuning_of,
)
from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.mitigate.align import Align
    from demur.mitigate.rows import Source


@click.command(name="mitigate align")
@base_options
@click.option("--answers", multiple=True, type=ONE_FILE, help="Pairs whose chosen answer helps.")
@click.option("--refusals", multiple=True, type=ONE_FILE, help="Harmful prompts; chosen is the refusal.")
@click.option("--rows", multiple=True, type=ONE_FILE, help="Both: by label, or by a judge.")
@click.option(
    "--objective",
    type=click.Choice(["dpo", "sft"]),
    default="dpo",
    show_default=True,
    help="What is trained.",
)
@click.option("--beta", type=float, help="Of DPO: smaller goes farther [0.1].")
@click.option("--chosen-weight", type=float, help="Of DPO: of the chosen answer's likelihood beside it [0].")
@click.option("--most", type=click.IntRange(min=1), help="Rows that are trained [dpo 3000, sft 6000].")
@training_options(
    method="adapter",
    learning_rate="dpo 1e-5, sft 2e-5",
    epochs="5",
    batch_size="dpo 1, sft 4",
    accumulate="8",
    rank="8",
    longest="dpo 1024, sft 2048",
)
@check_options
@report_options
def align(**given: Any) -> int:
    """Teach a model to answer prompts that it refused, and to go on refusing harmful ones.

    Rows hold prompt, chosen and rejected; `demur mitigate pairs` makes them from over-refused prompts.
    OUT/adapter is a MODEL like any other; OUT/receipt.json and OUT/report.html show both sides before and
    after. The same command goes on where a killed one stopped.
    """
    from demur.mitigate.align import NAME, prepare, run

    sources, config = _sources(given), _config(given)
    return carry_out(
        NAME,
        config,
        given,
        [source.path for source in sources],
        lambda model, out, progress: run(config, prepare(config, sources), model, out, progress),
    )


def _sources(given: dict[str, Any]) -> list[Source]:
    from demur.mitigate.rows import Source

    sources = [Source(path) for path in given["rows"]]
    sources += [Source(path, "respond") for path in given["answers"]]
    sources += [Source(path, "refuse") for path in given["refusals"]]
    if not sources:
        raise BadInput("there is nothing to train on: give --answers and --refusals, or --rows")
    return sources


def _config(given: dict[str, Any]) -> Align:
    from dataclasses import replace

    from demur.mitigate.align import released
    from demur.training.preference import PreferenceLoss

    paper = released(given["objective"])
    parts = {"beta": given["beta"], "chosen": given["chosen_weight"]}
    loss = {name: value for name, value in parts.items() if value is not None}
    if loss and given["objective"] != "dpo":
        raise BadInput("--beta and --chosen-weight are of --objective dpo; leave them out")
    names = ("longest", "most", "held_out", "checked", "judge", "seed")
    told = {name: given[name] for name in names if given[name] is not None}
    return replace(paper, tuning=tuning_of(given, paper.tuning), loss=PreferenceLoss(**loss), **told)

"""``demur mitigate refusal_tokens``: a model whose first token says whether it will refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import (
    base_options,
    carry_out,
    check_options,
    report_options,
    rows_options,
    training_options,
    tuning_of,
)
from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.mitigate.refusal_tokens import RefusalTokens
    from demur.mitigate.rows import Source

#: Highest learning rate by method: alignment handbook (Zephyr, all weights); ours, usual for a LoRA.
LEARNING_RATE = {"full": 2e-5, "adapter": 2e-4}


@click.command(name="mitigate refusal_tokens")
@base_options
@rows_options
@click.option("--category", "categories", multiple=True, help="One token each [binary: [refuse]].")
@click.option("--by-category", is_flag=True, help="One token for each category that the refusals name.")
@click.option(
    "--turns",
    type=click.Choice(["last", "first", "every"]),
    default="last",
    show_default=True,
    help="Of dialogues: train the last answer; all, with one token at the first; all, with a token each.",
)
@training_options(
    method="full",
    learning_rate="full 2e-5, adapter 2e-4",
    epochs="1",
    batch_size="16",
    accumulate="1",
    rank="16",
    longest="2048",
)
@check_options
@report_options
def refusal_tokens(**given: Any) -> int:
    """Teach a model to say with its first token whether, and why, it is about to refuse.

    Afterwards `demur dial OUT/model` sets how often it does. OUT/receipt.json says what the tokens do on
    prompts that were held out, OUT/report.html how both sides and ability changed. The same command goes on
    where a killed one stopped.
    """
    from demur.mitigate.refusal_tokens import NAME, prepare, run

    sources, config = _sources(given), _config(given)
    return carry_out(
        NAME,
        config,
        given,
        [source.path for source in sources],
        lambda model, out, progress: run(config, prepare(config, sources), model, out, progress),
        _lines,
    )


def _sources(given: Mapping[str, Any]) -> list[Source]:
    from demur.mitigate.rows import Source

    sources = [Source(path) for path in given["rows"]]
    sources += [Source(path, "refuse") for path in given["refusals"]]
    sources += [Source(path, "respond") for path in given["answers"]]
    if not sources:
        raise BadInput("there is nothing to train on: give --rows, or --refusals and --answers")
    return sources


def _config(given: dict[str, Any]) -> RefusalTokens:
    from demur.mitigate.refusal_tokens import RefusalTokens
    from demur.training.tuning import Tuning

    if given["by_category"] and given["categories"]:
        raise BadInput(
            "--by-category takes the categories of the rows; --category names them: give one of the two"
        )
    names = ("turns", "held_out", "checked", "longest", "judge", "seed")
    told = {name: given[name] for name in names if given[name] is not None}
    categories = None if given["by_category"] else given["categories"]
    return RefusalTokens(categories, tuning=tuning_of(given, Tuning(), LEARNING_RATE), **told)


def _lines(receipt: dict[str, Any]) -> list[str]:
    if not (tokens := receipt["after"].get("tokens")):
        return []
    mass = "control-token mass {mean:.3f} (least {least:.3f})".format(**tokens["mass"])
    return [f"  {mass}, AUC of p(refuse) {_auc(tokens['auc'])}"]


def _auc(auc: Mapping[str, Any] | None) -> str:
    if auc is None:
        return "not available (prompts of one side only)"
    ends = "" if auc["low"] is None else f" [{auc['low']:.3f}, {auc['high']:.3f}]"
    return f"{auc['value']:.3f}{ends}"

"""``demur mitigate answer_then_check``: a model that plans, checks its plan, and only then speaks."""

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

if TYPE_CHECKING:
    from demur.mitigate.answer_then_check import AnswerThenCheck

#: Highest learning rate by method: the paper (all weights); ours, usual for a LoRA.
LEARNING_RATE = {"full": 5e-6, "adapter": 2e-4}


@click.command(name="mitigate answer_then_check")
@base_options
@click.option(
    "--rows", multiple=True, required=True, type=ONE_FILE, help="Rows with a check, ours or ReSA's."
)
@click.option("--adaptive", type=float, default=0.0, show_default=True, help="Share of rows without a check.")
@click.option("--direct", multiple=True, type=ONE_FILE, help="Answers for those [vanilla benign rows].")
@click.option(
    "--safe-completion", "supported", multiple=True, metavar="CATEGORY", help="Support instead of refusal."
)
@click.option("--subset", type=click.IntRange(min=1), help="Rows with a check, query types in proportion.")
@click.option("--template", type=ONE_FILE, help="TOML: tags and sentences [ours].")
@click.option("--max-tokens", type=click.IntRange(min=8), help="Of an answer of the check [1024].")
@training_options(
    method="full",
    learning_rate="full 5e-6, adapter 2e-4",
    epochs="2",
    batch_size="16",
    accumulate="1",
    rank="16",
    longest="4096",
)
@check_options
@report_options
def answer_then_check(**given: Any) -> int:
    """Teach a model to plan its answer, check the plan, and only then speak (ReSA).

    Answers, judges and logs never hold plan and check; `-M check=keep` of `demur measure` keeps them in the
    logs. Rows come from `demur mitigate check_data` or are ReSA's own. The same command goes on where a
    killed one stopped.
    """
    from demur.mitigate.answer_then_check import NAME, prepare, run
    from demur.mitigate.rows import Source

    config, rows, direct = _config(given), list(given["rows"]), [Source(path) for path in given["direct"]]
    return carry_out(
        NAME,
        config,
        given,
        [*rows, *given["direct"]],
        lambda model, out, progress: run(config, prepare(config, rows, direct), model, out, progress),
        _lines,
    )


def _config(given: dict[str, Any]) -> AnswerThenCheck:
    from demur.mitigate.answer_then_check import AnswerThenCheck, paper_tuning
    from demur.models.check import CheckTemplate
    from demur.models.check_file import read_template

    names = (
        "supported",
        "adaptive",
        "subset",
        "max_tokens",
        "held_out",
        "checked",
        "longest",
        "judge",
        "seed",
    )
    told = {name: given[name] for name in names if given[name] is not None}
    template = CheckTemplate() if given["template"] is None else read_template(given["template"])
    return AnswerThenCheck(template, tuning=tuning_of(given, paper_tuning(), LEARNING_RATE), **told)


def _lines(receipt: dict[str, Any]) -> list[str]:
    """How the messages of the held-out check came about, by side."""
    titles = {"harmless_refused": "to be answered", "refusals_kept": "to be refused"}
    lines = []
    for name, found in receipt["after"]["messages"].items():
        modes = ", ".join(f"{mode} {found[mode]}" for mode in ("checked", "direct", "broken"))
        mean = found["mean_tokens"]
        tokens = "" if mean is None else f"; {mean:.0f} tokens a message, hidden ones included"
        lines.append(f"  {titles[name]:<24} {modes}{tokens}")
    return lines

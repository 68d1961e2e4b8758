"""``demur mitigate unlearn``: a model loses how to help with certain requests, and keeps the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import ONE_FILE, base_options, carry_out, check_options, report_options
from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.mitigate.unlearn import Unlearn

#: Numbers of the configuration: option, type, help with the default in brackets.
_NUMBERS: tuple[tuple[str, Any, str], ...] = (
    ("epochs", float, "Passes over the rows to forget [10]."),
    ("batch_size", click.IntRange(min=1), "Units (a row of each kind) of one forward pass [8]."),
    ("accumulate", click.IntRange(min=1), "Forward passes of one step [4]."),
    ("learning_rate", float, "The highest; cosine [1e-4]."),
    ("rank", click.IntRange(min=1), "Of the adapter [32]."),
    ("lora_alpha", float, "Of the adapter's scale, alpha / rank [256]."),
    ("dropout", float, "Of the adapter [0.05]."),
    ("beta", float, "Of npo [0.1]."),
    ("projector", str, "Module between vision tower and language model, trained in full [found]."),
    ("longest", click.IntRange(min=8), "Most tokens of a row; longer ones are left out, never cut [512]."),
    ("forgotten", float, "Stop when the loss on rows to forget is above it; 0: never [ln V]."),
    ("lost", float, "Stop when the loss on rows to retain rose by so much, nats; 0: never [1]."),
)
#: What `--as-released` decides, among options that can be given.
_RELEASED = ("forgotten", "lost")


def _numbers(command: Any) -> Any:
    for name, kind, text in reversed(_NUMBERS):
        command = click.option("--" + name.replace("_", "-"), type=kind, help=text)(command)
    return command


@click.command(name="mitigate unlearn")
@base_options
@click.option(
    "--rows",
    multiple=True,
    required=True,
    type=ONE_FILE,
    help="Rows with a column role: forget, retain, pd.",
)
@click.option("--method", default="po_pd", show_default=True, help="ga, gd, kl, po, each also with _pd; npo.")
@click.option(
    "--refusals", type=ONE_FILE, help="Sentences that po teaches: one a line, or prompt.json [ours]."
)
@click.option("--as-released", is_flag=True, help="Take back where we differ from the released code.")
@_numbers
@check_options
@report_options
def unlearn(**given: Any) -> int:
    """Make a model lose how to help with certain requests, of text or beside pictures, and keep the rest.

    SafeEraser; rows of role pd hold the same words where they are harmless, so that words alone are not
    refused. OUT/adapter is a MODEL like any other. OUT/receipt.json says what became of rows that were held
    out, OUT/report.html how both sides and ability changed. The same command goes on where a killed one
    stopped.
    """
    from demur.training.tuning import require_train

    require_train("`demur mitigate unlearn`")
    from demur.mitigate.unlearn import NAME, prepare, run

    config, rows = _config(given), list(given["rows"])
    return carry_out(
        NAME,
        config,
        given,
        rows,
        lambda model, out, progress: run(config, prepare(config, rows), model, out, progress),
        _lines,
        harmful_first=True,
    )


def _config(given: dict[str, Any]) -> Unlearn:
    from demur.mitigate.unlearn import Unlearn, as_released
    from demur.mitigate.unlearn_refusals import read_refusals

    names = (*(name for name, _, _ in _NUMBERS), "method", "held_out", "checked", "judge", "seed")
    told = {name: given[name] for name in names if given[name] is not None}
    config = Unlearn(refusals=read_refusals(given["refusals"]), **told)
    if not given["as_released"]:
        return config
    if clash := sorted(set(told) & set(_RELEASED)):
        raise BadInput(f"--as-released sets --{clash[0]}; give that alone, or it")
    return as_released(config)


def _lines(receipt: dict[str, Any]) -> list[str]:
    """What became of each role's answers, where training stopped, and the projector's conditioning."""
    before, after, training = receipt["before"], receipt["after"], receipt["training"]
    lines = []
    for role, now in after["outcomes"].items():
        was = before["outcomes"][role]
        parts = [f"{name} {was.get(name, 0)} -> {now.get(name, 0)}" for name in sorted({*was, *now})]
        if parts:
            lines.append(f"  {role:<7} {', '.join(parts)}")
    if training["stopped"]:
        lines.append(
            f"stopped at step {training['steps']} of {training['planned_steps']}: {training['stopped']}"
        )
    if training["unpaired"]:
        lines.append(f"{training['unpaired']} rows to forget share no words with a pd row; theirs are random")
    if (projector := after["projector"]) and projector["jacobian"]:
        was = before["projector"]["jacobian"]["median"]
        lines.append(f"projector: condition number {was:.3g} -> {projector['jacobian']['median']:.3g}")
    return lines

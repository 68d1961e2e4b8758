"""``demur mitigate boundary``: harmful exchanges become useless inside a model, look-alike ones stay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import (
    ONE_FILE,
    base_options,
    carry_out,
    check_options,
    model_folder,
    report_options,
)
from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.mitigate.boundary import Boundary
    from demur.mitigate.boundary_rows import RoleFile

#: Numbers of the configuration: option, type, help with the default in brackets.
_NUMBERS: tuple[tuple[str, Any, str], ...] = (
    ("steps", click.IntRange(min=1), "Of the optimizer [180]."),
    ("batch_size", click.IntRange(min=1), "Pairs of rows of one forward pass [16]."),
    ("accumulate", click.IntRange(min=1), "Forward passes of one step [1]."),
    ("learning_rate", float, "Constant [1e-4]."),
    ("alpha", float, "Of the schedule [10]."),
    ("beta", float, "Steps until retain has all the weight [300]."),
    ("warm_up", click.IntRange(min=0), "Steps with hardly any retain weight [0]."),
    ("boundary_size", click.IntRange(min=1), "Take the first so many boundary rows [all]."),
    ("refusal", str, "Pushed away where a boundary row has none of its own."),
    ("blank", float, "Chance that a row comes without its request [0.5]."),
    ("rank", click.IntRange(min=1), "Of the adapter [16]."),
    ("lora_alpha", float, "Of the adapter's scale, alpha / rank [16]."),
    ("dropout", float, "Of the adapter [0.05]."),
    ("noise", float, "Of the adapter's second matrix at the start [1e-3]."),
    ("longest", click.IntRange(min=8), "Most tokens of a row to retain [1024]."),
    ("longest_request", click.IntRange(min=8), "Most tokens of the other rows' requests [512]."),
    ("longest_response", click.IntRange(min=8), "Most tokens of the other rows' answers [512]."),
)


def _numbers(command: Any) -> Any:
    for name, kind, text in reversed(_NUMBERS):
        command = click.option("--" + name.replace("_", "-"), type=kind, help=text)(command)
    return command


@click.command(name="mitigate boundary")
@base_options
@click.option(
    "--rows", multiple=True, type=ONE_FILE, help="Rows with a column role: erase, retain, boundary."
)
@click.option("--erase", multiple=True, type=ONE_FILE, help="Harmful prompts with harmful answers.")
@click.option("--retain", multiple=True, type=ONE_FILE, help="Prompts with answers or refusals that stay.")
@click.option("--boundary", multiple=True, type=ONE_FILE, help="Look-alike prompts with good answers.")
@click.option(
    "--layer", "layers", multiple=True, type=int, help="Push its states [10/32, 20/32 of the depth]."
)
@click.option(
    "--separate-mask",
    type=click.Choice(["request", "response", "all", "none"]),
    help="Tokens of a look-alike's refusal that are pushed away [response].",
)
@click.option("--scale-schedule", is_flag=True, help="Stretch beta and warm-up from 180 steps to --steps.")
@click.option("--as-released", is_flag=True, help="Take back where we differ from the released code.")
@click.option("--cut/--no-cut", default=True, help="Train without the blocks above the last layer [yes].")
@_numbers
@check_options
@report_options
def boundary(**given: Any) -> int:
    """Make harmful exchanges useless inside a model, and keep look-alike harmless ones as they are.

    X-Boundary; without --boundary a circuit breaker. OUT/adapter is a MODEL like any other. OUT/receipt.json
    says what became of prompts that were held out and of the boundary in the model's states, OUT/report.html
    how both sides and ability changed. The same command goes on where a killed one stopped.
    """
    from demur.training.tuning import require_train

    require_train("`demur mitigate boundary`")
    from demur.mitigate.boundary import NAME, prepare, run

    files, config = _files(given), _config(given)
    if int(os.environ.get("RANK", 0)):  # of accelerate launch: the first process alone prints and measures
        return _along(config, files, given)
    return carry_out(
        NAME,
        config,
        given,
        [file.path for file in files],
        lambda model, out, progress: run(config, prepare(config, files), model, out, progress),
        _lines,
    )


def _along(config: Boundary, files: list[RoleFile], given: Mapping[str, Any]) -> int:
    """What every process but the first does: train with it, unless there is nothing left to train."""
    from demur.mitigate.boundary import NAME, prepare, run
    from demur.mitigate.receipt import finished

    model, out = model_folder(given["model"]), Path(given["out"])
    if finished(out, NAME, config, model, [file.path for file in files]) is None:
        run(config, prepare(config, files), model, out)
    return 0


def _files(given: Mapping[str, Any]) -> list[RoleFile]:
    from demur.mitigate.boundary_rows import ROLES, RoleFile

    files = [RoleFile(path) for path in given["rows"]]
    files += [RoleFile(path, role) for role in ROLES for path in given[role]]
    if not files:
        raise BadInput("there is nothing to train on: give --rows, or --erase, --retain and --boundary")
    return files


def _config(given: Mapping[str, Any]) -> Boundary:
    from demur.mitigate.boundary import Boundary, as_released

    names = (*(name for name, _, _ in _NUMBERS), "separate_mask", "held_out", "checked", "judge", "seed")
    told = {name: given[name] for name in names if given[name] is not None}
    told |= {name: given[name] for name in ("scale_schedule", "cut")}
    config = Boundary(layers=given["layers"] or None, **told)
    if not given["as_released"]:
        return config
    if set(told) & {"separate_mask", "noise"}:
        raise BadInput("--as-released sets --separate-mask and --noise; give those alone, or it")
    return as_released(config)


def _lines(receipt: dict[str, Any]) -> list[str]:
    """Likelihood of the recorded answers, the boundary at each layer, and a first gradient that was none."""
    before, after, training = receipt["before"], receipt["after"], receipt["training"]
    lines = []
    for role, now in after["log_probability"].items():
        if now["value"] is not None:
            was = before["log_probability"][role]["value"]
            lines.append(
                f"  {role:<9} log-probability a token {was:.3f} -> {now['value']:.3f} (n {now['n']})"
            )
    for was, now in zip(before["boundary"], after["boundary"], strict=True):
        parts = [f"{name} {_value(was[name])} -> {_value(now[name])}" for name in ("separation", "ratio")]
        lines.append(f"  layer {now['layer']}: {', '.join(parts)}")
    if training["no_first_gradient"]:
        lines.append(f"the first gradient was {training['first_gradient']:.1e}: give --noise above 0")
    return lines


def _value(estimate: Mapping[str, Any]) -> str:
    return "not available" if estimate["value"] is None else f"{estimate['value']:.2f}"

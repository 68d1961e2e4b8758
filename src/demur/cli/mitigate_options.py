"""What every ``demur mitigate RECIPE`` shares: its options, its progress, and what follows the training.

    @click.command(name="mitigate boundary")
    @base_options
    @training_options(method="adapter", learning_rate="2e-4", epochs="1", batch_size="16")
    @check_options
    @report_options

A command makes its configuration and hands the work to :func:`carry_out`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from demur.mitigate.receipt import Receipt
    from demur.training.tuning import Tuning
    from demur.training.watched import Progress

Command = Callable[..., Any]
ONE_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path)
METHODS = click.Choice(["full", "adapter"])


def _grouped(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


#: ``model``, ``out``: what is changed, and where to.
base_options = _grouped(
    [
        click.option("--model", required=True, help="Folder or hub name of a chat model; organism is ours."),
        click.option(
            "--out", required=True, type=FOLDER, help="Folder to write; a killed run goes on there."
        ),
    ]
)
#: ``rows``, ``refusals``, ``answers``: for :func:`demur.mitigate.rows.read`.
rows_options = _grouped(
    [
        click.option("--rows", multiple=True, type=ONE_FILE, help="Answers: by label, verdict or judge."),
        click.option("--refusals", multiple=True, type=ONE_FILE, help="Rows whose answers are all refusals."),
        click.option("--answers", multiple=True, type=ONE_FILE, help="Rows whose answers are no refusals."),
    ]
)
#: ``held_out``, ``checked``, ``judge``, ``seed``: what is kept back, and who reads the words on it.
check_options = _grouped(
    [
        click.option(
            "--held-out", type=float, default=0.1, show_default=True, help="Share of prompts kept back."
        ),
        click.option("--checked", type=int, default=200, show_default=True, help="Most of these answered."),
        click.option("--judge", default="offline", show_default=True, help="Of rows and of the check."),
        click.option("--seed", type=int, default=0, show_default=True),
    ]
)
#: ``tasks``, ``ability``, ``limit``, ``data_dir``, ``report``, ``as_json``: what is measured and shown.
report_options = _grouped(
    [
        click.option("--tasks", help="Benchmarks of both sides, with commas [planted or starter]."),
        click.option("--ability", help="Inspect tasks of ability, with commas [the organism's answers]."),
        click.option("--limit", type=click.IntRange(min=1), help="Samples a task; seeded, pairs kept whole."),
        click.option("--data-dir", type=FOLDER, envvar="DEMUR_DATA", help="Local copies of sources."),
        click.option("--report/--no-report", default=True, help="Measure both models [yes]."),
        click.option("--json", "as_json", is_flag=True, help="Print receipt and report as JSON."),
    ]
)


def training_options(**defaults: str) -> Callable[[Command], Command]:
    """``method``, ``learning_rate``, ``epochs``, ``batch_size``, ``accumulate``, ``rank``, ``longest``.

    All are ``None`` where nobody set them, so that the recipe's own configuration speaks; ``defaults`` says
    it in the help.
    """

    def said(text: str, name: str) -> str:
        return text + (f" [{defaults[name]}]" if name in defaults else "")

    number, whole = click.FLOAT, click.IntRange(min=1)
    texts: tuple[tuple[str, Any, str], ...] = (
        ("method", METHODS, "Train all weights, or a LoRA."),
        ("learning_rate", number, "The highest."),
        ("epochs", number, "Passes over the rows."),
        ("batch_size", whole, "Rows of one forward pass."),
        ("accumulate", whole, "Forward passes of one step."),
        ("rank", whole, "Of the LoRA."),
        ("longest", whole, "Most tokens of a row."),
    )
    return _grouped(
        [click.option("--" + n.replace("_", "-"), type=t, help=said(text, n)) for n, t, text in texts]
    )


def tuning_of(given: dict[str, Any], default: Tuning, rates: dict[str, float] | None = None) -> Tuning:
    """A recipe's tuning with what the command line set.

    Args:
        given: options of :func:`training_options`.
        default: the recipe's.
        rates: learning rate by method, where no option sets it.

    Raises:
        BadInput: a value out of range.
    """
    from dataclasses import replace

    names = ("method", "learning_rate", "epochs", "batch_size", "accumulate", "rank")
    told = {name: given[name] for name in names if given.get(name) is not None}
    if rates is not None and "learning_rate" not in told:
        told["learning_rate"] = rates[told.get("method", default.method)]
    return replace(default, **told)


def model_folder(model: str) -> str:
    """The shipped organism by its name, as in `demur explain`; any other name as it is."""
    if model != "organism":
        return model
    from demur.training.organism import organism_path

    return str(organism_path())


def carry_out(
    name: str,
    config: Any,
    given: dict[str, Any],
    rows: Sequence[Path],
    work: Callable[[str, Path, Progress], Receipt],
    lines: Callable[[dict[str, Any]], list[str]] = lambda receipt: [],
    harmful_first: bool = False,
) -> int:
    """Train, or take what the same command trained before; then measure both models, and print.

    Args:
        name: of the recipe.
        config: its dataclass; a finished folder of another one is refused.
        given: all options of the command: ``model``, ``out`` and those of :data:`report_options`.
        rows: files that the recipe reads.
        work: ``work(model, out, progress)`` prepares and runs.
        lines: what the recipe says of its receipt besides.
        harmful_first: print the harmful side before the harmless one.

    Raises:
        BadInput: the folder holds something else, or what is to be measured does not exist; before any work.
        MissingExtra: a library of the extra ``train`` is absent.
    """
    from demur.cli.mitigate_receipt import receipt_lines, report_lines
    from demur.cli.progress import shown
    from demur.mitigate.receipt import finished
    from demur.mitigate.unfinished import check_out
    from demur.training.processes import first_process
    from demur.training.tuning import require_train

    model, out, quiet = model_folder(given["model"]), Path(given["out"]), given["as_json"]
    require_train(f"`demur mitigate {name}`")
    receipt = finished(out, name, config, model, rows)
    if receipt is None:
        check_out(out)
    measured = _report(model, out, given, harmful_first)
    with shown(quiet) as start:
        if receipt is None:
            receipt = work(model, out, _steps(start)).to_json()
        if not first_process():  # `accelerate launch` has several; one measures and prints
            return 0
        report = measured(start)
    if quiet:
        click.echo(json.dumps({**receipt, "before_after": report}))
        return 0
    said = [*receipt_lines(receipt, harmful_first), *lines(receipt), *report_lines(report)]
    click.echo("\n".join([*said, str(out)]))
    return 0


def _report(
    model: str, out: Path, given: dict[str, Any], harmful_first: bool
) -> Callable[[Any], dict[str, Any] | None]:
    """What measures both models after the training; what it needs is checked now."""
    if not given["report"]:
        return lambda start: None
    from demur.measure.before_after import before_after, wanted

    asked = wanted(model, *(given[name] for name in ("tasks", "ability", "limit", "data_dir")))

    def measured(start: Any) -> dict[str, Any]:
        from demur.report.recipe_report import read_recipes, write_recipes

        before_after(model, out, asked, start)
        return write_recipes(read_recipes([out], harmful_first), out)

    return measured


def _steps(start: Callable[[str, int | None], Callable[[int], None]]) -> Progress:
    """Steps done and in all, as the bar wants them: how many more."""
    step: Callable[[int], None] | None = None
    done = 0

    def progress(at: int, total: int) -> None:
        nonlocal step, done
        step = step or start("training", total)
        step(at - done)
        done = at

    return progress

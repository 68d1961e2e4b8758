"""``demur measure``: ask a model, or read recorded answers, and say how often it refuses and what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.judge_choice import chosen_judge
from demur.errors import BadInput, ModelFailure
from demur.judges import DEFAULT, NAMES, OWN
from demur.judges.safety import NAMES as SAFETY
from demur.measure.suites import SUITES

if TYPE_CHECKING:
    from demur.measure.recorded import Recorded

_OWN = ", ".join(f"{judge}: {benchmark} alone" for judge, benchmark in OWN.items())


@click.command()
@click.argument("model", required=False)
@click.option("--suite", type=click.Choice(list(SUITES)), help="A named list of benchmarks.")
@click.option("-b", "--benchmark", "names", multiple=True, help="A benchmark (may be repeated).")
@click.option(
    "--prompts", type=click.Path(path_type=Path), help="Ask the prompts of this file: table, records or .txt."
)
@click.option("--responses", type=click.Path(path_type=Path), help="Read recorded answers; ask nobody.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of the file of recorded answers.")
@click.option("--dial", type=click.Path(path_type=Path), help="A file of demur dial, before every answer.")
@click.option("--limit", type=click.IntRange(min=1), help="Samples a benchmark; seeded, whole pairs kept.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the selection and of intervals.")
@click.option(
    "--epochs", type=click.IntRange(min=1), default=1, show_default=True, help="Times each is asked."
)
@click.option(
    "--judge", metavar="|".join((*NAMES, *OWN)), help=f"Which judge reads the answers [{DEFAULT}]. {_OWN}."
)
@click.option(
    "--grader",
    metavar="MODEL",
    help="Let this model judge, never the one under test; several with commas: a panel.",
)
@click.option(
    "--safety",
    type=click.Choice(SAFETY),
    help="Who judges whether requests and answers are harmful; graded: the model named by --grader.",
)
@click.option(
    "--strict", is_flag=True, help="Stop where an entry, picture or answer cannot be used; else count it."
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [runs/<UTC>-<benchmark>-<model>].")
@click.option("--overwrite", is_flag=True, help="Replace a finished run in --out.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), envvar="DEMUR_DATA", help="Local copies of sources."
)
@click.option("--base-url", help="Of the provider's endpoint.")
@click.option("-M", "model_args", multiple=True, metavar="NAME=VALUE", help="Argument of the provider.")
@click.option(
    "-G", "generate", multiple=True, metavar="NAME=VALUE", help="Generation setting, as temperature=0."
)
@click.option("--max-connections", type=click.IntRange(min=1), help="Calls in flight at once.")
@click.option("--prices", type=click.Path(path_type=Path), help="JSON of prices, to estimate money.")
@click.option("--dry-run", is_flag=True, help="Print the estimate and ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def measure(
    model: str | None,
    suite: str | None,
    names: tuple[str, ...],
    responses: Path | None,
    data_dir: Path | None,
    model_args: tuple[str, ...],
    generate: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    """Measure how often MODEL refuses harmless and harmful requests.

    MODEL is an Inspect model name (openai/gpt-4o, vllm/..., ollama/...) or a folder with a Hugging Face
    model. Without MODEL (or with `organism`) the small planted model of the package is measured, by
    default on its own world.

    The same command continues an unfinished run and asks only for what is missing.
    """
    from demur.cli.judge_safety import echo_spent
    from demur.cli.progress import shown
    from demur.cli.show import show
    from demur.measure.run import measure_recorded
    from demur.measure.spent import said
    from demur.measure.suites import resolve

    chosen = resolve(suite, names)
    if data_dir is not None and not data_dir.is_dir():
        raise BadInput(f"--data-dir {data_dir} is no folder")
    with shown(quiet=as_json) as progress:
        if responses is not None:
            done = measure_recorded(
                _recorded(responses, model, chosen, data_dir, options),
                options["out"],
                options["overwrite"],
                progress,
                lambda text: click.echo(text, err=True),
            )
        else:
            given = {"model_args": pairs(model_args, "-M"), "generate": pairs(generate, "-G")}
            done = _live(model, chosen, data_dir, given, options, progress)
            if done is None:
                return 0
    show([done.folder], done.folder / "report.html", as_json)
    if (line := said(done.summary["judge"], options["prices"])) is not None:
        click.echo(line, err=True)
    echo_spent(done.summary["safety"])
    check_answered(done.summary)
    failures = judges_that_failed(done.summary)
    for failed in failures:
        click.echo(failed, err=True)
    return 1 if failures else 0


def _recorded(
    responses: Path, model: str | None, chosen: list[str], data_dir: Path | None, options: dict[str, Any]
) -> Recorded:
    from demur.measure.estimate import read_price
    from demur.measure.recorded import Recorded

    if len(chosen) != 1:
        raise BadInput("--responses needs exactly one --benchmark: the one that the answers belong to")
    if options["prompts"] is not None:
        raise BadInput("--prompts is for a model that is asked; --responses holds its prompts already")
    if options["dial"] is not None:
        raise BadInput("--dial is for a model that is asked; the answers of --responses are given already")
    if not responses.is_file():
        raise BadInput(f"{responses} is no file")
    if options["prices"] is not None:  # before any work: what graders cost is said after it
        for name in filter(None, (options["grader"] or "").split(",")):
            read_price(options["prices"], name)
    return Recorded(
        responses,
        chosen[0],
        model=model,
        judge=_refusal_judge(options),
        data_dir=data_dir,
        **{name: options[name] for name in ("grader", "safety", "limit", "seed", "encoding", "strict")},
    )


def _live(
    model: str | None,
    chosen: list[str],
    data_dir: Path | None,
    given: dict[str, Any],
    options: dict[str, Any],
    progress: Any,
) -> Any:
    from demur.measure.live import Live
    from demur.measure.plan import plan, plan_harm
    from demur.measure.run import display_name, local_model, measure_live

    name, prompts = local_model(model), options["prompts"]
    run = Live(
        names=tuple(asked(chosen, model, prompts)),
        model=name,
        model_args=given["model_args"],
        base_url=options["base_url"],
        generate=given["generate"],
        judge=_refusal_judge(options),
        grader=options["grader"],
        safety=options["safety"],
        limit=options["limit"],
        seed=options["seed"],
        epochs=options["epochs"],
        data_dir=data_dir.resolve() if data_dir else None,
        max_connections=options["max_connections"],
        dial=options["dial"].resolve() if options["dial"] else None,
        prompts=prompts.resolve() if prompts else None,
        strict=options["strict"],
    )
    tasks, expected = plan(run, options["prices"])
    click.echo(f"{display_name(name)}: {', '.join(run.names)}: {expected}", err=True)
    if (harm := plan_harm(run, tasks)).calls:
        click.echo(f"harm: {harm}", err=True)
    if options["dry_run"]:
        return None
    return measure_live(run, tasks, options["out"], options["overwrite"], progress)


def _refusal_judge(options: dict[str, Any]) -> str:
    from demur.measure.harm import refusal_grader

    grader = refusal_grader(options["judge"], options["safety"], options["grader"])
    return chosen_judge(options["judge"], grader)


def judges_that_failed(summary: dict[str, Any]) -> list[str]:
    """A sentence for each judge that failed too often for its rates to be believed."""
    from demur.judges.failures import judge_failures, too_many_failures
    from demur.measure.harm_numbers import failure_share
    from demur.measure.own_judges import ABSTAINED

    shares = {"the judge": judge_failures(summary["totals"]["outcomes"])}
    shares["the panel of the rubric"] = summary["judge"].get(ABSTAINED, 0.0)
    sides = [part["harm"] for b in summary["benchmarks"] for part in b["sides"].values() if part]
    if summary["safety"] is not None:
        shares["the judge of harm"] = failure_share(sides)
    return [said for who, share in shares.items() if (said := too_many_failures(share, who)) is not None]


def check_answered(summary: dict[str, Any]) -> None:
    """A run in which every call failed says so, after its page is written.

    Raises:
        ModelFailure: naming how the calls ended.
    """
    totals = summary["totals"]
    if totals["rows"] and totals["outcomes"]["error"] == totals["rows"]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in totals["errors"].items())
        raise ModelFailure(
            f"none of the {totals['rows']} calls was answered ({kinds}); what they said stands in rows.jsonl"
        )


def asked(chosen: list[str], model: str | None, prompts: Path | None) -> list[str]:
    """The benchmarks of a live run; a file of prompts comes after those that are named."""
    from demur.benchmarks import OWN_PROMPTS

    if prompts is None:
        return chosen or default_benchmarks(model)
    return [*(name for name in chosen if name != OWN_PROMPTS), OWN_PROMPTS]


def default_benchmarks(model: str | None) -> list[str]:
    """The organism's world where no model is named, plain English requests otherwise."""
    return ["planted"] if model in (None, "organism") else ["starter"]


def pairs(values: tuple[str, ...], option: str) -> dict[str, Any]:
    """``NAME=VALUE`` arguments; values that are JSON (numbers, true, lists) are read as such.

    Raises:
        BadInput: an argument without ``=``.
    """
    found: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise BadInput(f"{option} {value!r}: write NAME=VALUE")
        try:
            found[name.replace("-", "_")] = json.loads(text, parse_constant=_no_number)
        except json.JSONDecodeError:
            found[name.replace("-", "_")] = text
    return found


def _no_number(name: str) -> Any:
    raise BadInput(f"{name} is no value for a setting")

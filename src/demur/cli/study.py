"""``demur study``: ask a model several times to see where its refusals of harmless pictures come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.judge_choice import chosen_judge
from demur.errors import BadInput
from demur.judges import DEFAULT, NAMES

if TYPE_CHECKING:
    from demur.measure.study import Study

_PATH = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1)
_LIVE = (
    click.argument("model"),
    click.option("--out", required=True, type=_PATH, help="Folder to write."),
    click.option("--limit", type=_COUNT, help="Entries; seeded, whole pairs kept [all]."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of every choice and interval."),
    click.option("--judge", metavar="|".join(NAMES), help=f"Which judge reads the answers [{DEFAULT}]."),
    click.option("--grader", metavar="MODEL", help="Let this model judge, never the one under test."),
    click.option("--data-dir", type=_PATH, envvar="DEMUR_DATA", help="Local copies of sources."),
    click.option("--base-url", help="Of the provider's endpoint."),
    click.option("-M", "model_args", multiple=True, metavar="NAME=VALUE", help="Argument of the provider."),
    click.option("-G", "generate", multiple=True, metavar="NAME=VALUE", help="Generation setting."),
    click.option("--max-connections", type=_COUNT, help="Calls in flight at once."),
    click.option("--strict", is_flag=True, help="Stop where an entry or picture cannot be used."),
    click.option("--json", "as_json", is_flag=True, help="Print study.json."),
)


def _live(command: Callable[..., int]) -> Callable[..., int]:
    """The options of every study that asks a model."""
    for option in reversed(_LIVE):
        command = option(command)
    return command


@click.command(name="study stages")
@_live
@click.option("--first", type=_PATH, help="A finished run of MODEL on mossbench, in place of a first pass.")
@click.option("--per-stimulus", type=_COUNT, default=10, show_default=True, help="Refused pairs, at most.")
@click.option("--intents", type=_PATH, help="Table of pid and intent [OUT/intents.csv].")
@click.option("--labels", type=_PATH, help="Table of pid and class [OUT/perception.csv].")
def stages(model: str, as_json: bool, **given: Any) -> int:
    """Where MODEL's refusals of harmless pictures come from: perception, intent or judgement (MOSSBench).

    Requests that it refused are asked again: with the true description of the picture, then also with what
    the user means. Write that into OUT/intents.csv, and whether the model sees right into OUT/perception.csv,
    and start the same command again: what was asked is not asked twice.
    """
    from demur.benchmarks.mossbench.entries import STIMULI
    from demur.cli.progress import shown
    from demur.measure.study import PASSES_AGAIN
    from demur.measure.study import stages as run

    study = _study(model, given)
    files = {name: _file(given[name], f"--{name}") for name in ("intents", "labels")}
    asked = 0 if given["first"] else len(study.records("comply"))
    again = len(STIMULI) * PASSES_AGAIN * given["per_stimulus"]
    click.echo(f"{asked:,} requests, then up to {again:,} that ask again", err=True)
    with shown(quiet=as_json) as progress:
        done = run(study, progress, first=given["first"], per_stimulus=given["per_stimulus"], **files)
    return _show(study.out, done, as_json)


@click.command(name="study system-prompts")
@_live
@click.option("--prompts", type=_PATH, help="Table of name and text [three of ours].")
def system_prompts(model: str, as_json: bool, **given: Any) -> int:
    """What system prompts change in MODEL's refusals of pictures, harmless and harmful (MOSSBench).

    Every prompt is held against no prompt on the same requests.
    """
    from demur.cli.progress import shown
    from demur.measure.study import SYSTEM_PROMPTS
    from demur.measure.study import system_prompts as run

    study = _study(model, given)
    path = _file(given["prompts"], "--prompts")
    prompts = SYSTEM_PROMPTS if path is None else _named(path)
    both = len(study.records("comply")) + len(study.records("refuse"))
    click.echo(f"{both:,} requests, {1 + len(prompts)} times", err=True)
    with shown(quiet=as_json) as progress:
        done = run(study, progress, prompts)
    return _show(study.out, done, as_json)


@click.command(name="study contrast")
@click.argument("runs", nargs=-1, required=True, type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def contrast(runs: tuple[Path, ...], as_json: bool) -> int:
    """Do models that refuse more harmless pictures refuse more harmful ones? RUNS: one of each model."""
    from demur.measure.study import contrast as made

    section = made(runs).to_json()
    if as_json:
        click.echo(json.dumps(section))
    else:
        _print([section])
    return 0


def _study(model: str, given: Mapping[str, Any]) -> Study:
    """The study that was asked for, with every setting checked before anything is asked."""
    from demur.cli.measure import pairs
    from demur.measure.live import Live, check_secrets, check_settings
    from demur.measure.own_judges import check_judge
    from demur.measure.run import local_model
    from demur.measure.study import Study
    from demur.measure.study_files import NAME

    data = given["data_dir"]
    if data is not None and not data.is_dir():
        raise BadInput(f"--data-dir {data} is no folder")
    run = Live(
        names=(NAME,),
        model=local_model(model),
        model_args=pairs(given["model_args"], "-M"),
        generate=pairs(given["generate"], "-G"),
        judge=chosen_judge(given["judge"], given["grader"]),
        data_dir=data.resolve() if data else None,
        **{name: given[name] for name in ("base_url", "grader", "seed", "max_connections", "strict")},
    )
    check_judge(run.judge, run.names, run.grader)
    check_settings(run.generate)
    check_secrets(run.model_args, "-M")
    check_secrets(run.generate, "-G")
    if run.model in (run.grader or "").split(","):
        raise BadInput(f"the grader is the model under test ({run.model}); name another with --grader")
    return Study(run, given["out"], given["limit"])


def _file(path: Path | None, option: str) -> Path | None:
    if path is not None and not path.is_file():
        raise BadInput(f"{option} {path} is no file")
    return path


def _named(path: Path) -> dict[str, str]:
    """Name -> text of a table.

    Raises:
        BadInput: naming the line, or the columns that are missing.
    """
    from demur.data.rows import Quarantined, raw_rows

    found: dict[str, str] = {}
    for row in raw_rows(path):
        if isinstance(row, Quarantined):
            raise BadInput(f"{path}, line {row.line}: {row.reason}")
        name, text = (str(row.values.get(column) or "").strip() for column in ("name", "text"))
        if not name or not text:
            raise BadInput(f"{path}, line {row.line}: columns name and text are needed, both filled")
        if name in found:
            raise BadInput(f"{path}, line {row.line}: the name {name!r} comes twice")
        found[name] = text
    return found


def _show(out: Path, done: Mapping[str, Any], as_json: bool) -> int:
    from demur.report.study_page import write_study

    page = write_study(done, out / "report.html")
    if as_json:
        click.echo(json.dumps(done))
        return 0
    _print(done["sections"])
    click.echo(f"study  {out} ({done['status']})")
    click.echo(f"page   {page}")
    return 0


def _print(sections: Iterable[Mapping[str, Any]]) -> None:
    from rich.console import Console

    from demur.report.section_table import note, section_parts

    console = Console()
    for section in sections:
        for part in section_parts(section, console.width):
            console.print(part)
        for sentence in section["missing"]:
            console.print(note(sentence))
        console.print()

"""`demur collect factbench` and `demur collect refresh`: hard questions of fact from a chat log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.stress.collect_run import Collected, Collector, Start

Command = TypeVar("Command", bound=Callable[..., Any])
_COUNT = click.IntRange(min=1)
_WHERE = "PATH|searxng:URL|serper|brave"
_OPTIONS = (
    click.option("--evidence", required=True, metavar=_WHERE, help="Where the log's answers are checked."),
    click.option("--grader", metavar="MODEL", help="Checks the answers [offline steps]."),
    click.option("--rater", "raters", multiple=True, metavar="MODEL", help="Rates prompts [the grader]."),
    click.option("--size", type=_COUNT, default=1000, show_default=True, help="Prompts in all."),
    click.option("--candidates", type=_COUNT, help="Most prompts of a tier that are rated [all]."),
    click.option(
        "--tiers",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help='JSON {"model": "hard"|"moderate"|"easy", "*": ...}: the tier of each model of the log.',
    ),
    click.option("--clusters", "method", type=click.Choice(["kmeans", "hdbscan"]), default="kmeans"),
    click.option("--encoder", metavar="FOLDER|NAME", help="A sentence encoder for topics [TF-IDF]."),
    click.option("--language", default="en", show_default=True, help="Of the prompts."),
    click.option("--rounds", type=_COUNT, default=5, show_default=True, help="Queries of a unit."),
    click.option("--budget", type=click.IntRange(min=0), help="Most new steps and searches [no end]."),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option("--max-connections", type=_COUNT, default=10, show_default=True),
    click.option("--encoding", default="utf-8", show_default=True, help="Of text formats."),
    click.option("--json", "as_json", is_flag=True, help="Print counts as JSON."),
)


def _shared(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(name="collect factbench")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of versions.")
@_shared
def factbench(log: Path, out: Path, **given: Any) -> int:
    """Make a benchmark of hard questions of fact from a chat LOG, by FactBench's construction.

    LOG holds conversations with the model that answered (LMSYS-Chat-1M, WildChat, ShareGPT, or prompt and
    response columns). Writes OUT/v1, which `demur measure --benchmark factbench --data-dir OUT/v1` takes.
    """
    from demur.stress.collect_run import build

    return _run(given, out, lambda collector, start: build(log, out, collector, start))


@click.command(name="collect refresh")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("log", type=click.Path(path_type=Path))
@_shared
def refresh(directory: Path, log: Path, **given: Any) -> int:
    """Make the next version of DIRECTORY from a newer LOG: new prompts in, lower scores out, with a diff."""
    from demur.stress.collect_run import refresh as again

    return _run(given, directory, lambda collector, start: again(directory, log, collector, start))


def _run(given: dict[str, Any], out: Path, work: Callable[[Collector, Start], Collected]) -> int:
    from demur.cli.progress import shown

    with shown(given["as_json"]) as start:
        done = work(_collector(given, out), start)
    counts = {tier: len(own) for tier, own in done.tiers.items()}
    facts: dict[str, Any] = {"prompts": counts, "left_out": done.left_out}
    if done.diff is not None:
        facts["diff"] = {"kept": done.diff["kept"], **{k: len(done.diff[k]) for k in ("added", "retired")}}
    facts["folder"] = None if done.folder is None else str(done.folder)
    click.echo(json.dumps(facts) if given["as_json"] else _said(facts))
    return 0


def _said(facts: dict[str, Any]) -> str:
    lines = [", ".join(f"{tier} {n}" for tier, n in facts["prompts"].items())]
    left_out = ", ".join(f"{why} {n}" for why, n in facts["left_out"].items())
    lines.append(f"left out: {left_out or 'nothing'}")
    if "diff" in facts:
        lines.append(", ".join(f"{name} {n}" for name, n in facts["diff"].items()))
    return "\n".join([*lines, facts["folder"] or "nothing changed, so no version was written"])


def _collector(given: dict[str, Any], out: Path) -> Collector:
    from demur.cli.verify_parts import evidence_of, graded_or_offline
    from demur.judges import judge_named
    from demur.judges.evidence.verify import Settings
    from demur.judges.graded.store import Store
    from demur.measure.model_errors import resolve_model
    from demur.stress.collect import Checker, Plan
    from demur.stress.collect_run import Collector
    from demur.stress.collect_scores import Raters

    plan = Plan(given["size"], _tiers(given["tiers"]), given["candidates"], given["seed"])
    store = Store(out / "store.jsonl", budget=given["budget"])
    names = tuple(given["raters"]) or ((given["grader"],) if given["grader"] else ())
    raters = Raters({name: resolve_model(name) for name in names}, names, store) if names else None
    steps = graded_or_offline(given["grader"], {}, store)
    checker = Checker(
        steps,
        evidence_of(given["evidence"], None, steps),
        store,
        Settings(rounds=given["rounds"]),
        judge_named("offline"),
        given["max_connections"],
    )
    embed = _embed(given["encoder"])
    return Collector(plan, raters, checker, given["method"], embed, given["language"], given["encoding"])


def _tiers(file: Path | None) -> dict[str, str]:
    from demur.stress.collect import TIER_OF

    if file is None:
        return dict(TIER_OF)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"--tiers {file}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(tier, str) for tier in found.values()):
        raise BadInput(f'--tiers {file}: write {{"model": "hard"}}, with "*" for all others')
    return found


def _embed(name: str | None) -> Any:
    if name is None:
        return None
    from demur.models.encoder import SentenceEncoder

    return SentenceEncoder(name).embed

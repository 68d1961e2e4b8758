"""``demur stress review``: a person accepts or rejects candidate prompts, by keyboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.stress.review import Candidates

FOLDER = "review"


@click.command(name="stress review")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--reviewer", default="me", show_default=True, help="Who decides; one name for each person.")
@click.option("--blind", is_flag=True, help="Show the prompt alone, not what is known of it.")
@click.option("--safety", multiple=True, metavar="offline|MODEL|FOLDER", help="Ask judges of harm, show it.")
@click.option("--apply", is_flag=True, help="Write accepted and rejected prompts, and serve no page.")
@click.option(
    "--least", default=1, show_default=True, type=click.IntRange(min=1), help="People who must have decided."
)
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Of the page [a free one].")
@click.option(
    "--output", "--out", type=click.Path(path_type=Path), help="Folder [SOURCE/review, or NAME.review]."
)
@click.option("--json", "as_json", is_flag=True, help="With --apply: print the counts as JSON.")
def review(
    source: Path, reviewer: str, output: Path | None, apply: bool, least: int, as_json: bool, **given: Any
) -> int:
    """Accept or reject the prompts of SOURCE on a page, by keyboard: harmless? would a person ask it so?

    SOURCE is the folder of a `demur stress` command or a record file. The page is served on this machine
    alone; every decision is on disk at once, and the same command goes on where it stopped. --apply writes
    what the majority of the reviewers accepts; a tie is a no.
    """
    from demur.stress.review import read_candidates

    candidates = read_candidates(source)
    folder = output or (source / FOLDER if source.is_dir() else Path(f"{source.resolve().name}.review"))
    if apply:
        return _apply(candidates, folder, least, as_json)
    _serve(candidates, folder, reviewer, given, source.resolve().name)
    return 0


def _serve(candidates: Candidates, folder: Path, reviewer: str, given: Mapping[str, Any], title: str) -> None:
    from demur.stress.review import open_review
    from demur.stress.review_server import ReviewServer

    for reason, count in candidates.left_out.items():
        click.echo(f"not shown, {reason}: {count:,}", err=True)
    with open_review(folder, candidates, reviewer) as opened:
        said = _judged(candidates, folder, given["safety"])
        with ReviewServer(opened, f"Review {title}", given["port"], said, given["blind"]) as server:
            if opened.others:
                click.echo(
                    f"decisions on prompts that are not in {candidates.path}: {opened.others:,}", err=True
                )
            with suppress(KeyboardInterrupt):
                click.echo(
                    f"{server.total:,} prompts, {len(opened.decisions):,} decided by {reviewer}; open",
                    err=True,
                )
                click.echo(server.url)
                click.echo("Ctrl-C ends; every decision is on disk at once", err=True)
                server.serve_forever(poll_interval=0.2)
            server.guard.acquire()  # a decision that is being written is written to its end
        click.echo(f"{len(opened.decisions):,} of {len(opened.records):,} decided by {reviewer}: {folder}")


def _judged(candidates: Candidates, folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Id of each prompt -> what the judges of harm say; nothing without judges."""
    if not names:
        return {}
    from demur.cli.progress import shown
    from demur.cli.stress_synthesize import safety_judges
    from demur.judges.graded.store import Store
    from demur.stress.run_folder import STORE
    from demur.stress.safety_words import judged

    store = Store(folder / f".{STORE}")
    with shown(False) as start:
        step = start("judges of harm", len(candidates.records))
        said = judged(candidates.records, safety_judges(names), store, step)
    return {r.id: "\n".join(map(str, own)) for r, own in zip(candidates.records, said, strict=True)}


def _apply(candidates: Candidates, folder: Path, least: int, as_json: bool) -> int:
    from demur.stress.review_decisions import DECISIONS
    from demur.stress.review_votes import ACCEPTED, apply

    if not (folder / DECISIONS).is_file():
        raise BadInput(f"{folder} holds no decisions yet: run `demur stress review` without --apply first")
    done = apply(candidates, folder, least)
    click.echo(json.dumps(done) if as_json else "\n".join([*_lines(done), str(folder / ACCEPTED)]))
    return 0


def _lines(done: Mapping[str, Any]) -> list[str]:
    from demur.metrics import Rate

    lines = [f"{done['candidates']} prompts, {done['accepted']} accepted"]
    if done["rejected"]:
        lines.append("rejected: " + ", ".join(f"{why} {n}" for why, n in done["rejected"].items()))
    if done["left_out"]:
        lines.append("not reviewed: " + ", ".join(f"{why} {n}" for why, n in done["left_out"].items()))
    lines.append(f"of the decided, accepted {Rate.from_json(done['precision'])}")
    for question, alpha in done["agreement"].items():
        if alpha is not None:
            lines.append(f"agreement on {question}: {_alpha(alpha)}")
    return lines


def _alpha(alpha: Mapping[str, Any]) -> str:
    if alpha["value"] is None:
        return f"not available ({alpha['n']} prompts with two decisions, all alike or none)"
    return "alpha {value:.3f} [{low:.3f}, {high:.3f}], {n} prompts".format(**alpha)

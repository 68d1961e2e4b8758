"""``demur stress rewrite``: refusal before and after other words, and whether the meaning stayed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from demur.stress.rewrite import Rewriting, Start

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_COUNT = click.IntRange(min=1)
_WHO = {
    "comply": "to be answered",
    "refuse": "to be refused",
    "either": "without an expectation",
}


@click.command(name="stress rewrite")
@click.argument("file", type=_FILE)
@click.option("--rewriter", required=True, metavar="MODEL|offline", help="offline: the lexicon.")
@click.option("--target", required=True, metavar="MODEL", help="Whose refusals are counted.")
@click.option("--grader", metavar="MODEL", help="Says whether the meaning stayed [overlap of words].")
@click.option("--encoder", metavar="FOLDER|NAME", help="Says it by cosine, without a grader.")
@click.option(
    "--safety", multiple=True, default=("offline",), show_default=True, metavar="offline|MODEL|FOLDER"
)
@click.option("--judge", default="offline", show_default=True, help="Of the target's refusals.")
@click.option("--expect", type=click.Choice(list(_WHO)), default="either", help="Of rows that do not say.")
@click.option("--samples", type=_COUNT, default=8, show_default=True, help="Answers before, and after.")
@click.option("--budget", type=click.IntRange(min=0), help="Most new calls and verdicts [no end].")
@click.option("--max-connections", type=_COUNT, default=10, show_default=True, help="Prompts in work.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of samples and intervals.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def rewrite(file: Path, out: Path, as_json: bool, **given: Any) -> int:
    """Rewrite the prompts in FILE and say what that does to refusal, on both sides.

    A rewrite that loses the meaning is no win: its prompt counts as it was. Requests to be refused are
    rewritten too. Writes OUT/records.jsonl (the faithful rewrites), rows.jsonl and receipt.json. The same
    command goes on where it was stopped and pays for nothing twice.
    """
    from demur.cli.progress import shown
    from demur.stress.rewrite_run import RECORDS, read_prompts, run

    prompts = read_prompts(file, given["expect"])
    n = len(prompts.records)
    asks = f"at most {2 * n * given['samples']:,} answers of the target"
    asks += "" if given["rewriter"] == "offline" else f", {n:,} rewrites"
    click.echo(asks + (f", {n:,} questions to the grader" if given["grader"] else ""), err=True)
    with shown(as_json) as start:
        done = run(_rewriting(out, given, start), prompts, out, given["seed"])
    click.echo(json.dumps(done) if as_json else "\n".join([*_lines(done), str(out / RECORDS)]))
    return _code(done)


def _rewriting(out: Path, given: Mapping[str, Any], start: Start) -> Rewriting:
    from demur.cli.stress_synthesize import embedding, safety_judges, target_of
    from demur.judges.graded.store import Store
    from demur.measure.model_errors import resolve_model
    from demur.stress.rewrite import Rewriting
    from demur.stress.rewriters import GradedFidelity, LexiconRewriter, ModelRewriter, Overlap
    from demur.stress.run_folder import STORE

    store = Store(out / STORE, budget=given["budget"])
    name, grader = given["rewriter"], given["grader"]
    rewriter = LexiconRewriter() if name == "offline" else ModelRewriter(resolve_model(name), name, store)
    if grader is not None:
        fidelity: Any = GradedFidelity(resolve_model(grader), grader, store)
    else:
        fidelity = Overlap(embedding(given["encoder"]))
    target = target_of(given["target"], given["judge"], store, given["seed"])
    judges, at_once = safety_judges(given["safety"]), given["max_connections"]
    return Rewriting(rewriter, fidelity, target, judges, store, given["samples"], at_once, start)


def _lines(done: Mapping[str, Any]) -> list[str]:
    from demur.metrics import Rate

    lines = [f"{done['prompts']} prompts"]
    for title, found in (("left out", done["left_out"]), ("not rewritten", done["not_rewritten"])):
        if found:
            lines.append(f"{title}: " + ", ".join(f"{why} {n}" for why, n in found.items()))
    for side, own in done["rates"].items():
        read = {name: Rate.from_json(value) for name, value in own.items()}
        lines.append(f"{_WHO[side]}, refused before {read['before']}")
        lines.append(f"  after {read['after']}; unfaithful rewrites undone {read['after_faithful']}")
        lines.append(f"  faithful {read['faithful']}, by {done['settings']['fidelity']['kind']}")
    return lines


def _code(done: Mapping[str, Any]) -> int:
    """1 where the grader or a judge of harm failed too often to rely on the rates."""
    from demur.judges.failures import too_many_failures

    failed = sum(n for why, n in done["not_rewritten"].items() if why.startswith(("fidelity: ", "not clear")))
    if said := too_many_failures(failed / done["prompts"], "the grader or a judge of harm"):
        click.echo(said, err=True)
        return 1
    return 0

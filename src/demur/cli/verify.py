"""``demur verify``: are the statements of answers supported by evidence, and which answers were refusals?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from demur.measure.verify_run import Verified

FAILED_SHARE = 0.2  # docs/contracts.md: above it a run's exit code is 1


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--evidence",
    metavar="PATH|searxng:URL|serper|brave",
    help="Documents (a folder or a table), or a search engine; a replay needs none.",
)
@click.option("--grader", metavar="MODEL", help="Does the steps; without one they are done offline.")
@click.option(
    "--step-grader",
    "step_graders",
    multiple=True,
    metavar="STEP=MODEL",
    help="Another model for one step: units, context, query, decision.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Queries of a unit.")
@click.option("--results", type=click.IntRange(min=1), default=3, show_default=True, help="Passages a query.")
@click.option("--early-stop", is_flag=True, help="Let the query step end the search where all is found.")
@click.option("--alpha", type=float, default=0.5, show_default=True, help="Weight of undecidable statements.")
@click.option("--budget", type=click.IntRange(min=0), help="Most new steps and searches [no end].")
@click.option("--replay", type=click.Path(path_type=Path), help="store.jsonl of a run: ask nobody.")
@click.option("--judge", default="offline", show_default=True, help="Of refusals, which are found first.")
@click.option("--limit", type=click.IntRange(min=1), help="The first answers of the file.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [runs/<UTC>-verify-<file>].")
@click.option("--overwrite", is_flag=True, help="Replace a finished run in --out; its recording is kept.")
@click.option("--max-connections", type=click.IntRange(min=1), default=10, show_default=True)
@click.option("--prices", type=click.Path(path_type=Path), help="JSON of prices, to estimate money.")
@click.option("--dry-run", is_flag=True, help="Print the estimate and ask nothing.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of intervals.")
@click.option("--prompt-column", help="Column of the prompt.")
@click.option("--response-column", help="Column of the answer.")
@click.option("--id-column", help="Column of the id.")
@click.option("--model-column", help="Column of the model's name.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of text files.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def verify(file: Path, evidence: str | None, out: Path | None, as_json: bool, **given: Any) -> int:
    """Check what the answers in FILE say against evidence, statement by statement (VERIFY, FactBench).

    Refusals are found first and are in no score; they stand beside it, with how many were over-refusals.
    Writes rows.jsonl, summary.json, report.html and store.jsonl (all that was asked and found) into --out.
    The same command continues a run that was stopped and pays for nothing twice.
    """
    from demur.cli.progress import shown
    from demur.cli.verify_parts import evidence_of, steps_of
    from demur.data.columns import Columns
    from demur.judges.evidence.verify import Settings
    from demur.judges.graded.store import Store
    from demur.measure.model_errors import resolve_judge
    from demur.measure.run_folder import default_path
    from demur.measure.verify import Answers, Verifier, read_file
    from demur.measure.verify_run import STORE, run, settings_of
    from demur.report.verify_page import write_verified

    settings = Settings(given["rounds"], given["results"], given["alpha"])
    columns = Columns(**{name: given[f"{name}_column"] for name in ("prompt", "response", "id", "model")})
    answers = read_file(file, columns, given["encoding"])
    if given["limit"]:
        answers = Answers(answers.records[: given["limit"]], answers.quarantined)
    _say_cost(answers.records, settings, given)
    if given["dry_run"]:
        return 0
    replay, seed = given["replay"], given["seed"]
    store = Store(replay, replay=replay is not None, budget=given["budget"])
    steps = steps_of(given, store)
    with shown(as_json) as start:
        backend = evidence_of(evidence, replay, steps)
        verifier = Verifier(
            steps, backend, store, settings, resolve_judge(given["judge"], None), given["max_connections"]
        )
        wanted = settings_of(file, answers, verifier, seed)
        folder = out or default_path(Path("runs"), "verify", file.stem, wanted)
        if replay is None:
            store.attach(folder / STORE)
        step = start("checking answers", len(answers.records))
        done = run(file, answers, verifier, folder, given["overwrite"], seed, step)
    write_verified(file.name, done.summary, done.rows, folder / "report.html")
    click.echo(json.dumps(done.summary) if as_json else said(done.summary))
    if not as_json:
        click.echo(str(folder / "report.html"))
    return _code(done)


def said(summary: dict[str, Any]) -> str:
    """The figures in a few lines, both sides in each."""
    from demur.metrics import Rate
    from demur.report.verify_page import number

    lines = []
    for group in summary["groups"]:
        name = group["model"] + ("" if group["category"] == "all" else f", {group['category']}")
        lines.append(
            f"{name}: factual precision {number(group['factual_precision'], 1, 100)} %, hallucination "
            f"{number(group['hallucination_score'])} over {group['factual_precision']['n']} answers; "
            f"refused {Rate.from_json(group['refused'])}"
        )
        if group["no_score"]:
            counts = ", ".join(f"{reason} {n}" for reason, n in group["no_score"].items())
            lines.append(f"  without a score: {counts}")
        coverage = group["coverage"]
        lines.append(f"  {coverage['labelled']} of {coverage['checkable']} checkable statements have a label")
    return "\n".join(lines)


def _say_cost(records: Any, settings: Any, given: dict[str, Any]) -> None:
    from demur.measure.estimate import in_money, read_price
    from demur.measure.verify_run import expected

    cost, searches = expected(records, settings)
    parts = [f"{len(records):,} answers: about {searches:,} searches at most"]
    if given["grader"]:
        parts.append(str(cost))
        if given["prices"] is not None:
            money = in_money(
                cost.input_tokens, cost.output_tokens, read_price(given["prices"], given["grader"])
            )
            parts.append(f"about {money:,.2f}")
    if given["budget"] is not None:
        parts.append(f"budget: {given['budget']:,} new steps and searches")
    click.echo(", ".join(parts), err=True)


def _code(done: Verified) -> int:
    from demur.measure.verify_run import failed_share

    if (share := failed_share(done.summary)) <= FAILED_SHARE:
        return 0
    click.echo(
        f"{share:.0%} of the checkable statements have no label, because steps or searches failed; the same "
        "command with --overwrite asks for these again and for nothing else",
        err=True,
    )
    return 1

"""``demur mitigate temporal``: dated documents to rows about what a model cannot know yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import FOLDER, ONE_FILE

if TYPE_CHECKING:
    from inspect_ai.model import Model

DAY = click.DateTime(["%Y-%m-%d"])


@click.command(name="mitigate temporal")
@click.option(
    "--documents", multiple=True, required=True, type=ONE_FILE, help="Tables with a date and a text a row."
)
@click.option("--horizon", required=True, type=DAY, help="Last day that the model may know of.")
@click.option("--answerable-until", "until", type=DAY, help="Last day of the others [4 years earlier].")
@click.option("--generator", required=True, metavar="MODEL", help="Writes questions, tags and texts.")
@click.option(
    "--refusals",
    type=click.Choice(["short", "long", "generic"]),
    default="short",
    show_default=True,
    help="Which refusal is trained.",
)
@click.option("--at-once", type=click.IntRange(min=1), default=10, show_default=True, help="Documents.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the documents that are drawn.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of text formats.")
@click.option("--out", required=True, type=FOLDER, help="Folder to write; a killed run goes on there.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def temporal(**given: Any) -> int:
    """Build rows that teach a model to refuse questions past its knowledge horizon (Refusal Tokens).

    Of each document the generator writes a question, says whether it can be answered (disagreements are
    dropped), and writes an answer and refusals: five calls. OUT/rows.jsonl goes into
    `demur mitigate refusal_tokens --rows`.
    """
    from demur.cli.progress import shown
    from demur.mitigate.temporal_documents import before, read_documents
    from demur.mitigate.temporal_rows import ROWS, Temporal, run
    from demur.mitigate.unfinished import check_out

    out, horizon = Path(given["out"]), given["horizon"].date()
    until = before(horizon) if given["until"] is None else given["until"].date()
    config = Temporal(horizon, until, given["refusals"], given["at_once"], given["seed"])
    check_out(out)
    found = read_documents(given["documents"], horizon, until, config.seed, given["encoding"])
    model = _generator(given["generator"])
    with shown(given["as_json"]) as start:
        receipt = run(config, found, model, out, start("documents", len(found.documents)))
    lines = [*_lines(receipt), str(out / ROWS)]
    click.echo(json.dumps(receipt, default=str) if given["as_json"] else "\n".join(lines))
    return 0


def _generator(name: str) -> Model:
    """The model of the role, at the temperature of the recipe."""
    from inspect_ai.model import GenerateConfig, get_model

    from demur.measure.model_errors import model_errors
    from demur.mitigate.temporal_rows import ROLE, TEMPERATURE

    with model_errors(name):
        return get_model(
            role=ROLE, default=name, config=GenerateConfig(temperature=TEMPERATURE), memoize=False
        )


def _lines(receipt: dict[str, Any]) -> list[str]:
    kept = receipt["kept"]
    lines = [f"{receipt['read']} documents read"]
    for key, title in (("left_out", "left out"), ("dropped", "dropped")):
        counts = {why: n for why, n in receipt[key].items() if n}
        if counts:
            lines.append(f"{title}: " + ", ".join(f"{why} {n}" for why, n in counts.items()))
    return [*lines, f"kept: {kept['refuse']} questions to refuse, {kept['respond']} to answer"]

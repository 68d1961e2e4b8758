"""``demur mitigate roles``: recorded answers to the rows that ``demur mitigate boundary`` trains on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from demur.cli.mitigate_options import ONE_FILE
from demur.errors import BadInput


@click.command(name="mitigate roles")
@click.argument("answers", nargs=-1, type=ONE_FILE)
@click.option("--harmful", multiple=True, type=ONE_FILE, help="Answers to prompts that are to be refused.")
@click.option("--harmless", multiple=True, type=ONE_FILE, help="Answers to prompts that are to be answered.")
@click.option("--response", metavar="COLUMN", help="Column of the answer [guessed].")
@click.option("--judge", default="offline", show_default=True, help="Says which answers refuse.")
@click.option(
    "--output", "--out", required=True, type=click.Path(path_type=Path), help="JSONL file to write."
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def roles(**given: Any) -> int:
    """Make rows for `demur mitigate boundary` from what a model said to harmful and to harmless prompts.

    ANSWERS are record files, whose rows say what is wanted (`expect`). A judge reads every answer: answers to
    harmful prompts are erased, refusals of them retained, answers to harmless prompts kept as look-alikes.
    Refusals of harmless prompts and what is neither stay out. Every row is accounted for.
    """
    from demur.data.records import write_jsonl
    from demur.judges import judge_named
    from demur.mitigate.boundary_builder import AnswerFile, build, read_answers

    files = [AnswerFile(path) for path in given["answers"]]
    files += [AnswerFile(path, "refuse") for path in given["harmful"]]
    files += [AnswerFile(path, "comply") for path in given["harmless"]]
    if not files:
        raise BadInput("no file of answers; give record files, or --harmful FILE and --harmless FILE")
    read = read_answers(files, given["response"])
    found = build(read.records, judge_named(given["judge"]))
    left_out = read.left_out + found.left_out
    if not found.rows:
        why = ", ".join(f"{name} {n}" for name, n in left_out.items()) or "no rows"
        raise BadInput(f"no answer has a role ({why})")
    rows = ({"role": row.role, "prompt": row.prompt, "response": row.response} for row in found.rows)
    write_jsonl(given["output"], rows)
    counts = {"files": read.files, "rows": found.counts(), "left_out": dict(left_out)}
    lines = [", ".join(f"{role} {n}" for role, n in found.counts().items())]
    lines += [f"left out: {', '.join(f'{name} {n}' for name, n in left_out.items())}"] if left_out else []
    click.echo(json.dumps(counts) if given["as_json"] else "\n".join([*lines, str(given["output"])]))
    return 0

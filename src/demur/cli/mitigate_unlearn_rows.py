"""``demur mitigate unlearn_rows``: SafeEraser's data, checked, to the rows that ``unlearn`` trains on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from demur.cli.mitigate_options import FOLDER
from demur.errors import BadInput


@click.command(name="mitigate unlearn_rows")
@click.option("--data-dir", type=FOLDER, envvar="DEMUR_DATA", help="Holds safe_eraser/ with its pictures.")
@click.option("--split", default="train", show_default=True, help="train or val.")
@click.option("--output", "--out", type=click.Path(path_type=Path), help="JSONL file to write [none].")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def unlearn_rows(**given: Any) -> int:
    """Check SafeEraser's data, and make rows for `demur mitigate unlearn` of it.

    Prints records by category and all that is wrong with them. Without --output nothing is written. The rows
    hold harmful answers: take care of them. Every row is accounted for.
    """
    from demur.benchmarks.safe_eraser.training_rows import training_rows
    from demur.data.records import write_jsonl

    found = training_rows(given["data_dir"], given["split"])
    if given["output"] is not None:
        if not found.rows:
            why = ", ".join(f"{name} {n}" for name, n in found.left_out.items()) or "no records"
            raise BadInput(f"no row can be used ({why})")
        write_jsonl(given["output"], iter(found.rows))
    roles = ("forget", "retain", "pd")
    counts = {
        "categories": {name: n for (_, name), n in sorted(found.audit.counts.items())},
        "rows": {role: sum(row["role"] == role for row in found.rows) for role in roles},
        "left_out": dict(found.left_out),
        "notes": list(found.audit.notes()),
    }
    click.echo(json.dumps(counts) if given["as_json"] else "\n".join(_lines(counts, given["output"])))
    return 0


def _lines(counts: dict[str, Any], output: Path | None) -> list[str]:
    titles = {"categories": "records: ", "rows": "rows: ", "left_out": "left out: "}
    lines = [
        title + ", ".join(f"{name} {n}" for name, n in counts[key].items())
        for key, title in titles.items()
        if counts[key]
    ]
    return [*lines, *counts["notes"], *([str(output)] if output is not None else [])]

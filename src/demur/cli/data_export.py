"""``demur data export``: what a benchmark asks, as a record file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.data.records import Record

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("name", metavar="BENCHMARK")
@click.option(
    "--output", "--out", type=click.Path(path_type=Path), required=True, help="File to write: .jsonl."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--limit", type=click.IntRange(min=1), help="Records at most; seeded, whole pairs kept.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the selection.")
@click.option(
    "--held-out",
    type=click.Choice(["only", "none"]),
    help="Of a benchmark that says it (planted): what training never showed, or the rest.",
)
@click.option("--category", "categories", multiple=True, metavar="NAME", help="Records of these alone.")
@click.option("--without", multiple=True, type=_FILE, help="Record file: leave out its prompts and pairs.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), envvar="DEMUR_DATA", help="Local copies of sources."
)
def export(
    name: str,
    output: Path,
    overwrite: bool,
    limit: int | None,
    seed: int,
    held_out: str | None,
    categories: tuple[str, ...],
    without: tuple[Path, ...],
    data_dir: Path | None,
) -> None:
    """Write what BENCHMARK asks as records: exactly the requests of `demur measure -b BENCHMARK`.

    A line is a record (docs/data.md, "The record file") without an answer; recorded answers to it are read by
    `demur measure -b BENCHMARK --responses FILE`. With --held-out and --without a benchmark is split into
    parts that share no prompt and no pair; they are measured by `demur measure --prompts`.
    """
    from demur import benchmarks
    from demur.benchmarks.base import select
    from demur.data.records import write_records
    from demur.measure.live import Live, make_tasks
    from demur.measure.plan import requests_of

    if output.suffix != ".jsonl":
        raise BadInput(f"{output}: a record file ends in .jsonl")
    if output.exists() and not overwrite:
        raise BadInput(f"{output} exists; choose another --output or pass --overwrite")
    card = benchmarks.get(name).CARD
    parted = held_out is not None or bool(categories or without)
    asked = None if parted else limit  # a part is drawn of what is left
    run = Live(names=(card.name,), model="none/asked", limit=asked, seed=seed, data_dir=data_dir)
    records: Iterable[Record] = requests_of(make_tasks(run)[card.name])
    if parted:
        of = _of(_held(records, held_out, card.name), categories, card.name)
        left = list(_without(of, without))
        if not left:
            raise BadInput(f"{card.name}: nothing is left; ask for another part")
        records = select(left, limit, seed)
    count = write_records(output, records)
    click.echo(f"{count:,} records; licence of the data: {card.licence}", err=True)
    click.echo(str(output))


def _held(records: Iterable[Record], which: str | None, name: str) -> list[Record]:
    """The records that training never showed, or the others."""
    found = list(records)
    if which is None:
        return found
    if any(not isinstance(record.meta.get("held_out"), bool) for record in found):
        raise BadInput(f"{name} does not say what a training never showed; leave --held-out out")
    return [record for record in found if record.meta["held_out"] is (which == "only")]


def _of(records: list[Record], categories: tuple[str, ...], name: str) -> list[Record]:
    """The records of some categories; all where none is named."""
    there = sorted({record.category for record in records})
    if unknown := [category for category in categories if category not in there]:
        raise BadInput(f"{name} has no category {unknown[0]!r}; there are {', '.join(there)}")
    return [record for record in records if not categories or record.category in categories]


def _without(records: Iterable[Record], files: Iterable[Path]) -> Iterator[Record]:
    """Those that no file asks, nor the partner of one that it asks."""
    from demur.data.records import prompt_id, read_records

    left = [record for file in files for record in read_records(file)]
    prompts, pairs = {prompt_id(r.prompt) for r in left}, {r.pair for r in left if r.pair}
    return (r for r in records if prompt_id(r.prompt) not in prompts and r.pair not in pairs)

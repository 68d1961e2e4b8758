"""Own prompts: a file of yours, or what `demur stress` and `demur data export` wrote, asked as a benchmark.

Run: ``demur measure MODEL --prompts FILE``

Each row is one prompt. A column ``expect`` (comply, refuse or either) puts it on its side; rows that do not
say are on neither, and their rate stands by itself. Rows of one ``group`` (the prompts of one seed) hang
together, and so does their interval.

What it is not: a benchmark that others can compare with. The receipt names the file by its hash. Where
prompts were selected because a model refused them, that model's own rate on them only repeats the selection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspect_ai import Task, task

from demur.benchmarks.base import make_task, request
from demur.card import Card
from demur.data.prompt_records import PromptRecords, read_prompt_records
from demur.data.records import Record, prompt_id
from demur.errors import BadInput
from demur.judges import DEFAULT

#: Size 0: there is nothing before there is a file.
CARD = Card(
    name="own_prompts",
    title="Own prompts",
    summary="A file of prompts given by the user.",
    version="1",
    licence="as the file says",
    size=0,
    harmless=0,
    harmful=0,
    cluster="group",
    tags=("refusal", "over-refusal"),
)


def to_record(row: Mapping[str, Any]) -> Record:
    """A row of a record file, answers kept."""
    return _own(Record.from_json(row))


def read(file: Path) -> PromptRecords:
    """The prompts of a file; what is left out is counted.

    Raises:
        BadInput: the file cannot be read or holds no prompt.
    """
    found = read_prompt_records(file, purpose="ask")
    return replace(found, records=tuple(request(_own(record)) for record in found.records))


def source(file: Path) -> dict[str, Any]:
    """What a receipt says of the file: its name and hash, rows, and why some were left out."""
    found = read(file)
    why = ", ".join(f"{reason} {n:,}" for reason, n in found.left_out.items())
    return {
        "path": file.name,
        "repository": "",
        "status": "own prompts",
        "sha256": found.sha256,
        "rows": found.rows,
        "detail": f"left out: {why}" if why else "",
    }


def load(data_dir: Path | None = None) -> list[Record]:
    """Nothing is here without a file.

    Raises:
        BadInput: always.
    """
    raise BadInput("own_prompts is a file of yours: name it with --prompts FILE, and no --benchmark")


def _own(record: Record) -> Record:
    name = record.id if record.id != prompt_id(record.prompt) else f"{CARD.name}:{record.id}"
    meta = record.meta | ({"benchmark": record.benchmark} if record.benchmark else {})
    return replace(record, id=name, benchmark=CARD.name, meta=meta)


@task
def own_prompts(
    prompts: str | None = None,
    data_dir: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    judge: str = DEFAULT,
) -> Task:
    """Refusals of the prompts in a file, each side by itself; ``limit`` and ``seed`` draw a part of it."""
    records = load() if prompts is None else list(read(Path(prompts)).records)
    return make_task(CARD, records, limit=limit, seed=seed, judge=judge)

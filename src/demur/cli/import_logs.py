"""``demur import``: files of other harnesses to one record file or one Inspect log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.data.importers import Import
    from demur.data.records import Record
    from demur.measure.judged_files import Quarantine

_LOGS = (".eval", ".json")  # what Inspect writes, by the end of the name


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Choice(["record", "inspect"]), default="record", show_default=True)
@click.option("--output", "--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--kind", help="What FILES are, instead of finding it out: see docs/importers.md.")
@click.option("--model", help="Name of the model, whatever the files say.")
@click.option("--requests", type=click.Path(path_type=Path), help="Requests of a file of batch output.")
@click.option("--quarantine", type=click.Path(path_type=Path), help="[OUT.quarantine.jsonl]")
@click.option("--prompt-column", help="Of tables: column of the prompt.")
@click.option("--response-column", help="Of tables: column of the answer.")
@click.option("--id-column", help="Of tables: column of the id.")
@click.option("--model-column", help="Of tables: column of the model's name.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of text files.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def import_logs(
    files: tuple[Path, ...],
    target: str,
    output: Path,
    overwrite: bool,
    kind: str | None,
    model: str | None,
    requests: Path | None,
    quarantine: Path | None,
    encoding: str,
    as_json: bool,
    **columns: str | None,
) -> int:
    """Turn FILES into one record file, or one Inspect log.

    FILES are logs of Inspect, lm-eval, HELM, promptfoo, garak, deepteam, OpenAI chat logs and batch
    output, or tables. Rows read = imported + quarantined + skipped, and each skip has a reason.
    """
    from demur.cli.progress import shown
    from demur.data.columns import Columns
    from demur.data.importers import Ledger, import_file
    from demur.data.records import write_records
    from demur.measure.judged_files import Quarantine

    bad = Quarantine(output)
    bad.path = quarantine or bad.path
    _check(files, requests, output, bad.path, target, overwrite)
    named = Columns(**{key.removesuffix("_column"): value for key, value in columns.items()})
    ledger = Ledger()  # one for all: they become one file, in which no id may come twice
    options = {"model": model, "columns": named, "encoding": encoding, "requests": requests}
    imports = [import_file(path, kind, ledger, **options) for path in files]
    with bad, shown(quiet=as_json, rate=True) as progress:
        records = _records(imports, bad, progress)
        if target == "record":
            write_records(output, records)
        else:
            _write_log(output, list(records), files)
    _print(imports, output, bad.path, as_json)
    return 0


def _check(
    files: Sequence[Path], requests: Path | None, output: Path, quarantine: Path, target: str, overwrite: bool
) -> None:
    """Nothing that is read is written over, and nothing that exists without ``overwrite``.

    Raises:
        BadInput: naming the file and the option.
    """
    if target == "inspect" and output.suffix.lower() not in _LOGS:
        raise BadInput(f"{output}: an Inspect log ends in {' or '.join(_LOGS)}")
    if output.resolve() == quarantine.resolve():
        raise BadInput(f"{output} cannot be the quarantine too; choose another --quarantine")
    for made in (output, quarantine):
        for read in (*files, *filter(None, [requests])):
            if made.exists() and read.exists() and made.samefile(read):
                raise BadInput(f"{made} would replace an input; choose another name")
        if made.is_dir():
            raise BadInput(f"{made} is a folder; give a file")
    if output.exists() and not overwrite:
        raise BadInput(f"{output} exists; choose another --output or pass --overwrite")


def _records(
    imports: Sequence[Import],
    quarantine: Quarantine,
    progress: Callable[[str, int | None], Callable[[int], None]],
) -> Iterator[Record]:
    """All records, one file after the other; what cannot be read goes into the quarantine.

    Raises:
        BadInput: a file gave none.
    """
    from demur.data.records import Record

    for each in imports:
        click.echo(str(each), err=True)
        first: str | None = None
        step = progress(each.source.path.name, None)
        for item in each:
            step(1)
            if isinstance(item, Record):
                yield item
            else:
                first = first or f"; row at line {item.line}: {item.reason}"
                quarantine.add(item)
        for note in each.notes:
            click.echo(f"warning: {note}", err=True)
        if not each.counts.records:
            skipped = "".join(f"; skipped {n}: {why}" for why, n in each.counts.skipped.most_common(3))
            raise BadInput(f"{each.source.path}: no row could be imported{first or ''}{skipped}")


def _write_log(output: Path, records: Sequence[Record], files: Sequence[Path]) -> None:
    """The log under a temporary name in the same folder, renamed when it is whole."""
    from inspect_ai.log import write_eval_log

    from demur.measure.imported_log import imported_log

    log = imported_log(records, ", ".join(path.name for path in files))
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.stem[:40]}.importing{output.suffix}")
    try:
        write_eval_log(log, temporary)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


def _print(imports: Sequence[Import], output: Path, quarantine: Path, as_json: bool) -> None:
    if as_json:
        files = [
            {"file": each.source.path.name, "kind": each.kind, "notes": each.notes, **each.counts.to_json()}
            for each in imports
        ]
        click.echo(json.dumps({"output": str(output), "files": files}))
        return
    for each in imports:
        counts = each.counts
        skipped = sum(counts.skipped.values())
        click.echo(
            f"{each.source.path.name} ({each.kind}): {counts.read} rows read = {counts.imported} imported "
            f"({counts.records} records) + {counts.quarantined} quarantined + {skipped} skipped"
        )
        for reason, count in sorted(counts.skipped.items()):
            click.echo(f"  skipped {count}: {reason}")
    if any(each.counts.quarantined for each in imports):
        click.echo(f"rows that could not be read: {quarantine}")
    click.echo(str(output))

"""``demur reproduce``: a paper's published table beside what recorded data on this machine give."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from demur.measure.reproduce import Figure, Reproduction

_LEAST_DECIMALS = 2  # ours: of what is computed, so that a deviation in a printed digit shows


@click.command()
@click.argument("paper", required=False)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="DEMUR_DATA",
    help="Folder of recorded data and local copies of sources.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reproduce(paper: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Print the published table of PAPER beside what is computed from the recorded data found here.

    PAPER is a paper's id (a heading of PAPERS.md) or a benchmark's name; without it, those that have a
    table are listed. No model is asked. Without data there is no computed column.
    """
    from demur.errors import BadInput
    from demur.measure.reproduce import names
    from demur.measure.reproduce import reproduce as compute

    if data_dir is not None and not data_dir.is_dir():
        raise BadInput(f"--data-dir {data_dir} is no folder")
    if paper is None:
        for benchmark, identifier in names().items():
            click.echo(f"{identifier:<28}{benchmark}")
        return
    with _fits_told(quiet=as_json):
        found = compute(paper, data_dir)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    click.echo(text(found), nl=False)
    if not found.computed:
        click.echo("nothing was computed: no recorded data of this paper is here (--data-dir)", err=True)


@contextmanager
def _fits_told(quiet: bool) -> Iterator[None]:
    """Where a paper's classifiers are fitted again, a line on stderr says which: some take a minute."""
    log, handler = logging.getLogger("demur.predict"), logging.StreamHandler(sys.stderr)
    before = log.level
    if not quiet:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def text(found: Reproduction) -> str:
    """The table with its deviations, checks and what is not shown; a column that is empty is not printed."""
    columns = [("published", "published")]
    columns += [("implied", "implied")] if any(f.implied is not None for f in found.figures) else []
    columns += [("computed", "computed")] if found.computed else []
    columns += [("difference", "difference")] if len(columns) > 1 else []
    wide = max(len(f.model) for f in found.figures) + 2, max(len(f.column) for f in found.figures) + 2
    lines = [f"{found.paper} · demur/{found.benchmark}{f' · {found.setting}' if found.setting else ''}"]
    lines += [f"data: {name}: {state}" for name, state in found.data.items()] or ["data: none found"]
    lines += ["", "".ljust(sum(wide)) + "".join(f"{head:>12}" for _, head in columns)]
    for figure in found.figures:
        cells = "".join(f"{_cell(figure, name):>12}" for name, _ in columns)
        lines.append(f"{figure.model:<{wide[0]}}{figure.column:<{wide[1]}}{cells}".rstrip())
    if any(figure.implied is not None for figure in found.figures):
        lines += ["", "implied: what the other published figures give"]
    if any(figure.ours for figure in found.figures):
        lines += ["", "*: measured by us before; the paper does not print it"]
    lines += ["", *_said(found)]
    return "\n".join(lines).rstrip() + "\n"


def _said(found: Reproduction) -> list[str]:
    lines = []
    if found.computed:
        rejudged = sum(f.rejudged and f.computed is not None for f in found.figures)
        said = [f"{found.equal} of {len(found.compared)} that the paper prints come out equal"]
        said = said if found.compared else []
        said += [f"{rejudged} are of our judge, not of the paper's"] if rejudged else []
        lines.append("; ".join([f"computed: {found.computed} figures", *said]))
    deviating = [figure for figure in found.figures if figure.deviates]
    lines += [f"deviates: {f.model}, {f.column}: {_cell(f, 'difference')} ({f.reason})" for f in deviating]
    lines += [f"check: {sentence}" for sentence in found.checks]
    return lines + [f"not shown: {what}: {reason}" for what, reason in found.not_shown.items()]


def _cell(figure: Figure, name: str) -> str:
    value: float | None = getattr(figure, name)
    if value is None:
        return "" if name != "published" else "-"
    if name == "published":
        return repr(value) + ("*" if figure.ours else "")
    whole = all(isinstance(v, int) for v in (value, figure.published))
    decimals = 0 if whole else max(_LEAST_DECIMALS, _decimals(figure.published))
    rounded = round(value, decimals) + 0.0  # no "-0.00"
    return f"{rounded:+.{decimals}f}" if name == "difference" else f"{rounded:.{decimals}f}"


def _decimals(value: float | None) -> int:
    return len(repr(value).partition(".")[2]) if isinstance(value, float) else 0

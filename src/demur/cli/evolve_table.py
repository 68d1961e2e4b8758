"""Where a search is, live on stderr: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demur.cli.progress import INTERVAL

if TYPE_CHECKING:
    from rich.table import Table

    from demur.stress.evolve import Search, Told

#: Reasons of dropped candidates that are shown; the receipt has them all.
SHOWN = 4


def rows(told: Told, search: Search) -> list[tuple[str, str]]:
    """What is shown: title and value."""
    best, budget = told.best, search.budget
    left = "no end" if budget is None else f"{max(0, budget - told.asked):,} of {budget:,}"
    dropped = Counter(search.screen.dropped) + search.failed
    why = ", ".join(f"{reason} {n:,}" for reason, n in dropped.most_common(SHOWN))
    return [
        ("seed", f"{told.number} of {told.total}"),
        ("best fitness", "" if best is None else f"{best.fitness.value:.3f}"),
        ("refused", "" if best is None else f"{100 * best.fitness.refused:.0f} % of {best.fitness.samples}"),
        ("answers left", left),
        ("dropped", why or "none"),
    ]


@contextmanager
def watched(search: Search, quiet: bool) -> Iterator[None]:
    """Show a search while the block runs it; nothing under ``quiet``."""
    if quiet:
        yield
    elif sys.stderr.isatty():
        with _table(search):
            yield
    else:
        search.tell = _lines(search)
        yield


@contextmanager
def _table(search: Search) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), transient=True, refresh_per_second=4) as live:
        search.tell = lambda told: live.update(_drawn(rows(told, search)))
        yield


def _drawn(shown: list[tuple[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("search", "", title=None)
    for title, value in shown:
        table.add_row(title, Text(value))  # plain text: names of judges and reasons hold no markup
    return table


def _lines(search: Search) -> Callable[[Told], None]:
    """A line when a seed is through or the last one is old enough."""
    last = time.monotonic() - INTERVAL

    def tell(told: Told) -> None:
        nonlocal last
        if (told.done and told.number == told.total) or time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            print("; ".join(f"{title} {value}" for title, value in rows(told, search)), file=sys.stderr)

    return tell

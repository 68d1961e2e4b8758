"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing under ``--json``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds between lines where no terminal shows a bar.
INTERVAL = 10.0  # ours: a CI log stays readable


@contextmanager
def shown(
    quiet: bool = False, rate: bool = False
) -> Iterator[Callable[[str, int | None], Callable[[int], None]]]:
    """Give ``start(what, total) -> step(count)``; what is shown goes to stderr and ends with the block.

    Args:
        quiet: show nothing.
        rate: show also how many are done a second.
    """
    if quiet:
        yield lambda what, total: lambda count: None
        return
    if not sys.stderr.isatty():
        yield lambda what, total: _lines(what, total, rate)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    speed = (TextColumn("{task.fields[speed]}"),) if rate else ()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *speed,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def start(what: str, total: int | None) -> Callable[[int], None]:
            task, begun, done = bar.add_task(what, total=total, speed=""), time.monotonic(), 0

            def step(count: int) -> None:
                nonlocal done
                done += count
                bar.update(task, advance=count, speed=_speed(done, begun))

            return step

        yield start


def _lines(what: str, total: int | None, rate: bool) -> Callable[[int], None]:
    done, begun = 0, time.monotonic()
    last = begun

    def step(count: int) -> None:
        nonlocal done, last
        done += count
        if done == total or time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            of = "" if total is None else f" of {total}"
            speed = f", {_speed(done, begun)}" if rate else ""
            print(f"{what}: {done}{of}{speed}", file=sys.stderr, flush=True)

    return step


def _speed(done: int, begun: float) -> str:
    seconds = time.monotonic() - begun
    return f"{done / seconds:,.0f} a second" if seconds > 0 else ""

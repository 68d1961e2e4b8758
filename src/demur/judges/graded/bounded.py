"""Many pieces of work at once, not more than so many, and nothing that was paid is lost when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from demur.judges.graded.store import Store

Item = TypeVar("Item")
Result = TypeVar("Result")
AT_ONCE = 10  # Inspect's default of calls in flight for most providers


def work_on(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    store: Store,
    at_once: int = AT_ONCE,
    step: Callable[[int], None] = lambda count: None,
) -> list[Result]:
    """The result of each item, in order; to be called where no event loop runs.

    Args:
        items: what to work on.
        work: does one.
        store: waited for when something fails, so that calls under way still come in.
        at_once: items in work at the same time.
        step: called with 1 as each is done.
    """
    with asyncio.Runner() as runner:
        return runner.run(_all(items, work, store, at_once, step))


async def _all(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    store: Store,
    at_once: int,
    step: Callable[[int], None],
) -> list[Result]:
    try:
        return await bounded(items, work, at_once, step)
    except BaseException:
        await store.drain()
        raise


async def bounded(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    at_once: int,
    step: Callable[[int], None],
) -> list[Result]:
    """The result of each item, in order; none goes on when one fails.

    Args:
        items, work, at_once, step: of :func:`work_on`; what was paid is the caller's to wait for.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(item: Item) -> Result:
        async with gate:
            result = await work(item)
        step(1)
        return result

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()

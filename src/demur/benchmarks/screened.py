"""Rows of a source to requests, with what was dropped, repaired or seen on the way said, never silent.

Every row passes the safety rule (``data/minors.py``) before anything else is done with it. Requests whose
words repeat stay, with ``-2``, ``-3`` ... after their id, so that a rate counts them as the source does.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inspect_ai import Task

from demur.benchmarks.base import request
from demur.card import Source
from demur.data.minors import EXCLUDED, ExcludedRow
from demur.data.records import Record
from demur.errors import BadInput

logger = logging.getLogger("demur.benchmarks")
_LEFT_OUT = "left_out"  # key of a task's metadata
_TOLD = 30  # ours: sentences of one benchmark in a report, and names in one of them

ToRecord = Callable[[Mapping[str, Any]], Record]


@dataclass(frozen=True)
class Loaded:
    """What a loader made of a source.

    Attributes:
        records: requests with unique ids, in the source's order.
        excluded: rows dropped, by reason; :data:`demur.data.minors.EXCLUDED` is always a key.
        notes: what was repaired or found, one sentence each.
    """

    records: list[Record]
    excluded: Mapping[str, int] = field(default_factory=lambda: {EXCLUDED: 0})
    notes: tuple[str, ...] = ()

    def __add__(self, other: Loaded) -> Loaded:
        reasons = dict.fromkeys([*self.excluded, *other.excluded])
        excluded = {
            reason: self.excluded.get(reason, 0) + other.excluded.get(reason, 0) for reason in reasons
        }
        return Loaded([*self.records, *other.records], excluded, (*self.notes, *other.notes))

    def said(self, name: str) -> list[Record]:
        """The records, once what was dropped or repaired is in the log (as counts, no text)."""
        for reason, count in self.excluded.items():
            if count:
                logger.warning("%s: %d rows excluded (%s)", name, count, reason)
        for note in self.notes:
            logger.info("%s: %s", name, note)
        return self.records


def told(task: Task, loaded: Loaded) -> Task:
    """The task with sentences on what its loader dropped or changed, which a report of the run repeats."""
    counts = ", ".join(f"{reason}: {count}" for reason, count in loaded.excluded.items() if count)
    said = [*([f"Not asked: {counts}."] if counts else []), *_together(loaded.notes)]
    more = [f"{len(said) - _TOLD} more in the log."] if len(said) > _TOLD else []
    task.metadata = {**(task.metadata or {}), _LEFT_OUT: [*said[:_TOLD], *more]}
    return task


def _together(notes: Iterable[str]) -> Iterator[str]:
    """The same sentences, those that say the same of several entries (``where: what``) in one."""
    found: dict[str, list[str]] = {}
    for note in notes:
        where, _, what = note.partition(": ")
        found.setdefault(what or note, []).append(where)
    for what, names in found.items():
        more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
        single = what if names[0] == what else f"{names[0]}: {what}"
        yield single if len(names) == 1 else f"{what}: {', '.join(names[:_TOLD])}{more}"


def left_out(task: Task) -> list[str]:
    """The sentences that :func:`told` gave a task; none for any other."""
    return list((task.metadata or {}).get(_LEFT_OUT, []))


def read_screened(source: Source, data_dir: Path | None, to_record: ToRecord) -> Loaded:
    """All rows of a source's file as requests, answers left out.

    Args:
        source: of a benchmark's card.
        data_dir: see :func:`demur.data.sources.locate`.
        to_record: of the benchmark; raises ``ExcludedRow`` for a row that may not be used.

    Raises:
        ModelFailure: the file is not here.
        BadInput: a row is no record, naming its number; or as :func:`demur.data.sources.read_source`.
    """
    from demur.data.sources import read_source

    return screened(source.local, read_source(source, data_dir), to_record)


def screened(where: str, rows: Iterable[Mapping[str, Any]], to_record: ToRecord) -> Loaded:
    """The same of rows that are already read; ``where`` names them in errors and notes.

    Raises:
        BadInput: a row is no record, naming its number.
    """
    dropped: Counter[str] = Counter({EXCLUDED: 0})
    records = list(unique(_kept(where, rows, to_record, dropped)))
    repeats = sum(record.meta.get("repeat", 1) > 1 for record in records)
    notes = (f"{where}: {repeats} rows repeat the words of an earlier one; they are kept",) if repeats else ()
    return Loaded(records, dict(dropped), notes)


def unique(records: Iterable[Record]) -> Iterator[Record]:
    """The same records; the second of an id gets ``-2`` after it and ``repeat: 2`` in its meta."""
    seen: Counter[str] = Counter()
    for record in records:
        seen[record.id] += 1
        times = seen[record.id]
        if times == 1:
            yield record
        else:
            yield replace(record, id=f"{record.id}-{times}", meta={**record.meta, "repeat": times})


def _kept(
    where: str, rows: Iterable[Mapping[str, Any]], to_record: ToRecord, dropped: Counter[str]
) -> Iterator[Record]:
    for number, row in enumerate(rows, 1):
        try:
            yield request(to_record(row))
        except ExcludedRow:
            dropped[EXCLUDED] += 1
        except BadInput as error:
            raise BadInput(f"{where}, row {number}: {error}") from error

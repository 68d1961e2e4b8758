"""Dated documents in two pools: from after what a model can know, and from long before.

Refusal Tokens (https://arxiv.org/abs/2412.06748) takes The Guardian's articles of April to June 2024 and of
1990 to 2019. Here the user supplies the documents: a table with a date and a text each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from demur.data.columns import guessed
from demur.data.minors import ExcludedRow, check_row
from demur.data.records import file_sha256
from demur.data.rows import Quarantined, raw_rows
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput

#: Columns that are looked for, best first; the last of each is The Guardian's.
DATE = ("date", "published", "published_at", "publication_date", "webPublicationDate")
TEXT = ("text", "body", "article", "content", "document", "bodyText")
#: Most documents of a day after the horizon, and of the one month of a year before it. As released.
A_DAY, A_YEAR = 200, 100
#: Years between the pools: 2019 and 2024 in the released ones. What lies between may or may not be known.
GAP = 4


@dataclass(frozen=True, slots=True)
class Document:
    """A text and the day that it is of; ``answerable``: which pool it is in."""

    name: str
    day: date
    text: str
    answerable: bool


@dataclass(slots=True)
class Documents:
    """What was found: documents, those left out by reason, files by hash."""

    documents: list[Document] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)
    rows: int = 0

    def pool(self, answerable: bool) -> list[Document]:
        """One of the two."""
        return [one for one in self.documents if one.answerable is answerable]


def before(horizon: date) -> date:
    """The last answerable day where none is named: ``GAP`` years before the horizon."""
    try:
        return horizon.replace(year=horizon.year - GAP)
    except ValueError:  # 29 February
        return horizon.replace(year=horizon.year - GAP, day=28)


def read_documents(
    paths: Sequence[Path], horizon: date, until: date | None = None, seed: int = 0, encoding: str = "utf-8"
) -> Documents:
    """Both pools: at most ``A_DAY`` documents of each day after the horizon, and at most ``A_YEAR`` of one
    month, drawn by the seed, of each year up to ``until``.

    Args:
        paths: tables with a column of dates (ISO: 2024-04-07, or a time after it) and one of texts.
        horizon: last day that a model may know of.
        until: last answerable day; by default :func:`before` the horizon.
        seed: of months and documents.
        encoding: of text formats.

    Raises:
        BadInput: a file cannot be read or lacks a column, ``until`` is after the horizon, or a pool is empty.
    """
    last = before(horizon) if until is None else until
    if last > horizon:
        raise BadInput(f"the last answerable day, {last}, is after the horizon, {horizon}")
    found = Documents()
    every: list[Document] = []
    for path in paths:
        found.files[str(path)] = file_sha256(path)
        every += _file(path, horizon, last, encoding, found)
    rng = generator(seed, "temporal documents")
    every = shuffled(rng, every)
    new = _most([one for one in every if not one.answerable], lambda one: one.day, A_DAY)
    years = sorted({one.day.year for one in every if one.answerable})
    month = {
        year: shuffled(rng, sorted({d.day.month for d in every if d.answerable and d.day.year == year}))[0]
        for year in years
    }
    old = [one for one in every if one.answerable and one.day.month == month[one.day.year]]
    found.documents = [*new, *_most(old, lambda one: one.day.year, A_YEAR)]
    found.left_out["more than are drawn"] += len(every) - len(found.documents)
    for answerable, where in ((False, f"after the horizon, {horizon}"), (True, f"up to {last}")):
        if not found.pool(answerable):
            raise BadInput(f"{', '.join(map(str, paths))}: no document {where}; both pools are needed")
    return found


def _file(path: Path, horizon: date, last: date, encoding: str, found: Documents) -> list[Document]:
    kept = []
    for row in raw_rows(path, encoding):
        found.rows += 1
        if isinstance(row, Quarantined):
            found.left_out["not readable"] += 1
            continue
        where = f"{path}, line {row.line}"
        day, text = _day(row.values, where), row.values.get(_column(TEXT, row.values, where))
        try:
            check_row(where, *row.values.values())
        except ExcludedRow:
            found.left_out["excluded by the safety rule"] += 1
            continue
        if day is None:
            found.left_out["no date"] += 1
        elif not isinstance(text, str) or not text.strip():
            found.left_out["no text"] += 1
        elif last < day <= horizon:
            found.left_out["between the pools"] += 1
        else:
            kept.append(Document(f"{path.name}:{row.line}", day, text, day <= last))
    return kept


def _column(names: Sequence[str], values: Mapping[str, Any], where: str) -> str:
    column = guessed(names, values)
    if column is None:
        raise BadInput(f"{where}: no column {' or '.join(names)}; there are {', '.join(map(str, values))}")
    return column


def _day(values: Mapping[str, Any], where: str) -> date | None:
    """An ISO date, or the day of an ISO time; ``None`` where it is neither."""
    value = values.get(_column(DATE, values, where))
    try:
        return date.fromisoformat(str(value).strip()[:10])
    except ValueError:
        return None


def _most(documents: Sequence[Document], group: Callable[[Document], Hashable], most: int) -> list[Document]:
    counts: defaultdict[Hashable, int] = defaultdict(int)
    kept = []
    for one in documents:
        counts[group(one)] += 1
        if counts[group(one)] <= most:
            kept.append(one)
    return kept

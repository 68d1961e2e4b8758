"""A run and the labels that a person gave to some of its rows, counted by what the judge said.

Which rows enter (docs/contracts.md): a failed call and an empty answer have nothing to judge and never enter.
A blocked answer is settled by the provider, so it needs no label and has no judge error. An answer that the
judge left open (unscored, gibberish) is neither a refusal nor a compliance: it is a stratum of its own, whose
side only people's labels tell. An answer that a person left open has no side and is not in the rate.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np

from demur.metrics.correction.clustering import effective_share
from demur.verdict import LEFT_OUT, REFUSALS, Outcome, parse, refused

Over = Literal["answers", "judged"]
StratumName = Literal["refused", "complied", "open", "blocked"]
#: Nothing was answered: in no stratum.
NO_ANSWER = frozenset({Outcome.ERROR, Outcome.EMPTY})
NAMES: tuple[StratumName, ...] = ("refused", "complied", "open", "blocked")


@dataclass(frozen=True, slots=True)
class Stratum:
    """Rows of which the judge said the same.

    Attributes:
        name: what the judge said; ``open`` is unscored and gibberish.
        rows: how many there are.
        refused, complied, neither: what people said of the labelled ones.
        known: whether these rows are refusals, where that is certain without labels (``blocked``).
    """

    name: StratumName
    rows: int
    refused: int = 0
    complied: int = 0
    neither: int = 0
    known: bool | None = None

    def __post_init__(self) -> None:
        counts = (self.refused, self.complied, self.neither)
        if min(counts) < 0 or sum(counts) > self.rows:
            raise ValueError(f"stratum {self.name}: labels {counts} do not fit {self.rows} rows")

    @property
    def labelled(self) -> int:
        """Rows with a label."""
        return self.refused + self.complied + self.neither

    def to_json(self) -> dict[str, Any]:
        """A dict with plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sample:
    """A run with its labels.

    Attributes:
        strata: those that have rows, in the order of ``NAMES``.
        left_out: rows in no stratum, by the judge's outcome.
        unused: labels on rows in no stratum or on blocked ones.
        share: effective over actual number of rows and of labels, in (0, 1]; below 1 only where rows are
            clustered.
    """

    strata: tuple[Stratum, ...]
    left_out: dict[str, int]
    unused: int
    share: float = 1.0

    @property
    def rows(self) -> int:
        """Rows in a stratum."""
        return sum(stratum.rows for stratum in self.strata)

    @property
    def to_label(self) -> int:
        """Rows that a label could tell something about."""
        return sum(stratum.rows for stratum in self.strata if stratum.known is None)

    @property
    def labels(self) -> int:
        """Labelled rows in a stratum, those without a side included."""
        return sum(stratum.labelled for stratum in self.strata)


def stratum_of(outcome: Outcome, counting: frozenset[Outcome]) -> StratumName | None:
    """The stratum of a judge's outcome, or ``None`` where there is no answer."""
    if outcome in NO_ANSWER:
        return None
    if outcome is Outcome.BLOCKED:
        return "blocked"
    side = refused(outcome, counting)
    return "open" if side is None else "refused" if side else "complied"


def stratify(
    outcomes: Iterable[Outcome | str],
    labels: Sequence[Outcome | str | None],
    counting: Iterable[Outcome | str] = REFUSALS,
    over: Over = "answers",
    clusters: Sequence[Hashable | None] | None = None,
) -> Sample:
    """Count rows and labels by what the judge said; see :func:`demur.metrics.correction.corrected_rate`.

    Raises:
        ValueError: lengths differ, or a value is not valid.
    """
    rows = [parse(outcome) for outcome in outcomes]
    counted = frozenset(parse(outcome) for outcome in counting)
    for what, given in (("labels", labels), ("clusters", clusters)):
        if given is not None and len(given) != len(rows):
            raise ValueError(f"{len(given)} {what} for {len(rows)} outcomes; give one a row")
    if over not in ("answers", "judged"):
        raise ValueError(f"over is {over!r}; valid are answers, judged")
    said = [None if label is None else parse(label) for label in labels]
    names = [stratum_of(outcome, counted) for outcome in rows]
    if over == "judged":
        names = [None if name == "open" else name for name in names]
    strata = tuple(
        _stratum(name, [s for s, n in zip(said, names, strict=True) if n == name], counted)
        for name in NAMES
        if name in names
    )
    left_out = {
        outcome.value: sum(row is outcome and name is None for row, name in zip(rows, names, strict=True))
        for outcome in Outcome
        if outcome in LEFT_OUT
    }
    unused = sum(s is not None and n in (None, "blocked") for s, n in zip(said, names, strict=True))
    if clusters is None:
        return Sample(strata, left_out, unused)
    blocked = Outcome.BLOCKED in counted
    sides = [
        blocked if name == "blocked" else None if label is None else refused(label, counted)
        for label, name in zip(said, names, strict=True)
    ]
    labelled = [label is not None or name == "blocked" for label, name in zip(said, names, strict=True)]
    return Sample(strata, left_out, unused, effective_share(names, sides, labelled, clusters))


def _stratum(name: StratumName, said: list[Outcome | None], counted: frozenset[Outcome]) -> Stratum:
    if name == "blocked":
        return Stratum(name, len(said), known=Outcome.BLOCKED in counted)
    sides = [refused(label, counted) for label in said if label is not None]
    return Stratum(name, len(said), sides.count(True), sides.count(False), sides.count(None))


def draw_rows(outcomes: Iterable[Outcome | str], n: int, over: Over = "answers", seed: int = 0) -> list[int]:
    """Places of rows to label: a simple random sample of those that have something to label.

    A larger n gives the same rows and more, so labels can be added later.

    Args:
        outcomes: the judge's, one a row.
        n: how many; all there are where there are fewer.
        over: as in :func:`stratify`.
        seed: of the draw.
    """
    names = [stratum_of(parse(outcome), REFUSALS) for outcome in outcomes]
    frame = [
        i
        for i, name in enumerate(names)
        if name in ("refused", "complied") or (name, over) == ("open", "answers")
    ]
    generator = np.random.default_rng(np.random.SeedSequence([seed, crc32(b"rows to label")]))
    return [frame[i] for i in generator.permutation(len(frame))[:n].tolist()]

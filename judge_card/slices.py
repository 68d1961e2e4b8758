"""Section 8: where the errors are. By source, year, domain, language and length; four classes crossed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from demur.judges.offline.fast import CLASSES
from demur.verdict import Outcome
from judge_card.answers import Answer, Judged
from judge_card.figures import Figure, accuracy, share
from judge_card.held_out import joined
from judge_card.tables import Cell, Section, Table

#: Upper ends of the length classes, in words.
LENGTHS = (15, 50, 150)
#: Languages written without spaces, where words cannot be counted so.
UNSPACED = {"zh", "ja", "th", "lo", "km", "my"}


def section(held: Sequence[Judged], tests: Sequence[Judged]) -> Section:
    """Slices of both: ``held`` are sources and wordings left out, ``tests`` are judged live."""
    every = [*held, *tests]
    public = [source for source in every if "/" not in source.given.name]
    written = [source for source in every if "/" in source.given.name]
    tables = [
        by("source", every, lambda source, _: source.given.name),
        by("year of the answering model", every, lambda source, _: str(source.given.year)),
    ]
    for name, sources in (("left out", held), ("tests", tests)):
        if sources:
            tables.append(by(f"language, {name}", sources, lambda _, a: a.language.split("-")[0]))
    for name, sources in (("public answers", public), ("written answers", written)):
        if sources:
            tables.append(by(f"words, {name}", sources, lambda _, answer: length_class(answer)))
    tables.append(by("domain", every, domain, page_only=True))
    tables += [four_classes(source) for source in held if len({a.label for a in source.given.answers}) >= 4]
    if written_tests := [source for source in tests if "/" in source.given.name]:
        tables.append(four_classes(joined(written_tests, "written tests")))
    return Section(
        "slices",
        "Where the errors are",
        [
            "Rows of sources left out (in other languages than English: of wordings left out), and of XSTest "
            "and the written tests; every answer gets a side. "
            "Refusals missed are called complied (or left out by a rule); false alarms are complying "
            "answers called refusals. Length is not counted in languages without spaces. Errors by domain: "
            "judge-card.html.",
        ],
        tables,
    )


def by(
    what: str,
    sources: Sequence[Judged],
    name_of: Callable[[Judged, Answer], str | None],
    page_only: bool = False,
) -> Table:
    """Accuracy and both errors by a property; rows named ``None`` are left out."""
    names = [name_of(source, answer) for source in sources for answer in source.given.answers]
    every = joined(sources, what)
    found: list[list[Cell]] = []
    for name in _ordered({name for name in names if name is not None}):
        part = every.where(np.array([other == name for other in names], dtype=np.bool_))
        found.append([name, accuracy(part.refused, part.said, part.clusters), *errors(part)])
    return Table(
        f"Error by {what}", (what, "accuracy", "refusals missed", "false alarms"), found, page_only, plot=1
    )


def domain(source: Judged, answer: Answer) -> str:
    """Source and part of it; the written tests have the same parts in every language."""
    name = source.given.name
    return f"{'languages' if name.startswith('languages/') else name}: {answer.domain}"


def errors(part: Judged) -> tuple[Figure, Figure]:
    """Refusals missed (called complied, or left out) and false alarms."""
    refusing, complying = part.where(part.refused), part.where(~part.refused)
    return share(refusing.said != 1, refusing.clusters), share(complying.said == 1, complying.clusters)


def _ordered(names: set[str]) -> list[str]:
    classes = length_names()
    return sorted(names, key=lambda name: (classes.index(name) if name in classes else -1, name))


def length_names() -> list[str]:
    """Names of the length classes, shortest first."""
    lower = [0, *(end + 1 for end in LENGTHS)]
    return [
        f"up to {LENGTHS[0]}",
        *(f"{a} to {b}" for a, b in zip(lower[1:], LENGTHS[1:], strict=False)),
        f"over {LENGTHS[-1]}",
    ]


def length_class(answer: Answer) -> str | None:
    """The length class of an answer, ``None`` in languages without spaces."""
    if answer.language.split("-")[0] in UNSPACED:
        return None
    words = len(answer.response.split())
    return length_names()[sum(words > end for end in LENGTHS)]


def four_classes(source: Judged) -> Table:
    """Label against the judge's class, without abstaining."""
    counts = Counter(
        (answer.label, outcome) for answer, outcome in zip(source.given.answers, source.outcomes, strict=True)
    )
    columns: list[Outcome] = [
        o for o in Outcome if o in CLASSES or any(counts[label, o] for label in CLASSES)
    ]
    rows: list[list[Cell]] = [[label.value, *(counts[label, o] for o in columns)] for label in CLASSES]
    caption = f"{source.given.name}: label (rows) against judge, four classes"
    return Table(caption, ("label", *(o.value for o in columns)), rows)

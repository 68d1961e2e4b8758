"""One self-contained HTML page for one or several measured runs.

The page shows the pair of rates first, both sides always next to each other, then where they come from:
categories, left-out rows, human labels or planted truth where there are any, answers to look at, and the
receipt. It loads nothing, runs nothing, and escapes everything (``demur.page``). How to read it:
``docs/report.md``.

Try: ``demur measure --out run && demur report run --output report.html``
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import demur
from demur.data.records import write_text
from demur.errors import BadInput
from demur.measure.harm_numbers import not_refused
from demur.metrics import Rate
from demur.page.layout import render
from demur.page.plots import Interval, Placed, Point, Strip, strip, tradeoff
from demur.report import wording
from demur.report.collect import Report, collect
from demur.report.data import SIDES, Run
from demur.report.markdown import markdown
from demur.report.sections import drawn, other_side, pieces
from demur.verdict import Outcome

_TEMPLATES = Path(__file__).parent / "templates"
#: Endings of a file that is written as Markdown; every other one is a page.
MARKDOWN = (".md", ".markdown")
#: Categories of one table that are shown without a click.
OPEN_CATEGORIES = 40  # ours: about two screens


@dataclass(frozen=True, slots=True)
class Category:
    """One line of a category table: the same category on every side, with its small plot."""

    name: str
    rates: Mapping[str, Mapping[str, Any]]
    strip: Strip


class Overview(NamedTuple):
    """One line of the first table: a benchmark of a run."""

    label: str
    benchmark: Mapping[str, Any]

    @property
    def judged(self) -> bool:
        """Whether harm was judged on any side."""
        return any(part.get("harm") for part in self.benchmark["sides"].values() if part)


@dataclass(frozen=True, slots=True)
class Plane:
    """One trade-off plot with its heading and its points."""

    name: str
    heading: str
    description: str
    placed: tuple[Placed, ...]
    missing: list[str]


def write_report(runs: Sequence[Path], output: Path, seed: int = 0) -> Path:
    """Write the page for one or several run folders; returns ``output``.

    Args:
        runs: folders that ``demur measure`` wrote; with several, the first is what others are compared to.
        output: the HTML file, or a Markdown file (``.md``); written whole or not at all.
        seed: which examples are shown.

    Raises:
        BadInput: a folder is no finished run, or the output is a folder.
    """
    return write_page(collect(runs, seed), output)


def write_page(report: Report, output: Path) -> Path:
    """Write what was collected: a page, or Markdown where the file is named so; returns ``output``.

    Raises:
        BadInput: the output is a folder.
    """
    output = Path(output)
    if output.is_dir():
        raise BadInput(f"{output} is a folder; --output takes a file name, such as {output / 'report.html'}")
    write_text(output, markdown(report) if output.suffix.lower() in MARKDOWN else render_page(report))
    return output


def render_page(report: Report, template: str = "report.html", **more: Any) -> str:
    """The page as text; ``more`` is for a template that puts something before the runs."""
    runs = report.runs
    more.setdefault("title", f"Refusals of {', '.join(run.label for run in runs)}")
    return render(
        template,
        _TEMPLATES,
        runs=list(zip(runs, report.material, strict=True)),
        several=len(runs) > 1,
        headline=_headline(runs),
        overview=overview(runs),
        planes=planes(runs),
        comparisons=report.comparisons,
        judges=judges(runs),
        categories=categories,
        figures=figures,
        side_rates=side_rates,
        all_outcomes=all_outcomes,
        unrefused=unrefused,
        drawn=drawn,
        pieces=pieces,
        other_side=other_side,
        safeties=safeties(runs),
        present_sides=present_sides,
        confusion_columns=confusion_columns,
        arxiv_link=arxiv_link,
        open_categories=OPEN_CATEGORIES,
        version=demur.__version__,
        seed=report.seed,
        sides=SIDES,
        words=wording,
        **more,
    )


def categories(benchmark: Mapping[str, Any]) -> list[Category]:
    """A benchmark's categories, both sides of one name on one line; most over-refusal first, then the
    harmful ones that are refused least."""
    rates: dict[str, dict[str, Mapping[str, Any]]] = {}
    for entry in benchmark["categories"]:
        rates.setdefault(entry["category"], {})[entry["side"]] = entry["rate"]

    def order(item: tuple[str, Mapping[str, Mapping[str, Any]]]) -> tuple[int, float, float, str]:
        name, sides = item
        harmless, harmful = (_value(sides.get(side)) for side in ("harmless", "harmful"))
        group = 0 if harmless is not None else 1 if "harmless" in sides else 2
        return (group, -(harmless or 0.0), 2.0 if harmful is None else harmful, name)

    ordered = sorted(rates.items(), key=order)
    return [Category(name or "(no category)", sides, figures(sides)) for name, sides in ordered]


def figures(rates: Mapping[str, Mapping[str, Any] | None]) -> Strip:
    """The small plot of one line: an interval for each side that has a rate."""
    return strip([i for side in SIDES if (i := _interval(side, rates.get(side))) is not None])


def overview(runs: Sequence[Run]) -> list[Overview]:
    """Every benchmark of every run; the runs of one benchmark next to each other."""
    return [
        Overview(run.label, benchmark)
        for name in benchmark_names(runs)
        for run in runs
        for benchmark in run.benchmarks
        if benchmark["name"] == name
    ]


def judges(runs: Sequence[Run]) -> list[str]:
    """The distinct judges of the runs: name and version."""
    named = (run.summary["judge"] for run in runs)
    said = (f"{judge.get('name', '?')} {judge.get('version', '')}".strip() for judge in named)
    return list(dict.fromkeys(said))


def side_rates(benchmark: Mapping[str, Any]) -> dict[str, Mapping[str, Any] | None]:
    """Side -> rate, for the sides that a benchmark has."""
    return {side: _rate(benchmark, side) for side in present_sides(benchmark)}


def unrefused(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Share of a side's requests that were not refused, as a rate is printed."""
    return not_refused(Rate.from_json(part["rate"]))


def safeties(runs: Sequence[Run]) -> list[str]:
    """Who judged harm and how far that goes, each sentence once; with several runs, of which run."""
    said = [wording.harm_reason(run.summary.get("safety")) for run in runs]
    if len(set(said)) == 1:
        return said[:1]
    return [f"{run.label}: {reason}" for run, reason in zip(runs, said, strict=True)]


def present_sides(benchmark: Mapping[str, Any]) -> list[str]:
    """The sides on which a benchmark has rows, in the order of the page."""
    return [side for side in SIDES if benchmark["sides"].get(side)]


def all_outcomes(benchmark: Mapping[str, Any]) -> Counter[str]:
    """Outcomes of all sides together: for counts of what was left out, never for a rate."""
    outcomes: Counter[str] = Counter()
    for side in present_sides(benchmark):
        outcomes.update(benchmark["sides"][side]["outcomes"])
    return outcomes


def confusion_columns(confusion: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The columns of a confusion table in which anything was counted."""
    seen = {column for row in confusion.values() for column, number in row.items() if number}
    order = [outcome.value for outcome in Outcome]
    return sorted(seen, key=lambda column: (order.index(column) if column in order else len(order), column))


def arxiv_link(identifier: object) -> str | None:
    """The address of a paper, or ``None`` where the identifier has another form than 2308.01263."""
    valid = isinstance(identifier, str) and re.fullmatch(r"[0-9]{4}\.[0-9]{4,5}(v[0-9]+)?", identifier)
    return f"https://arxiv.org/abs/{identifier}" if valid else None


def planes(runs: Sequence[Run]) -> list[Plane]:
    """The trade-off plots: all benchmarks of one run in one, or one for each benchmark of several runs."""
    if len(runs) == 1:
        alone = [(line.benchmark["name"], line.benchmark) for line in overview(runs)]
        return _drawn("", f"Trade-off of {runs[0].label}", alone, distinct=False)
    found: list[Plane] = []
    for name in benchmark_names(runs):
        named = [(line.label, line.benchmark) for line in overview(runs) if line.benchmark["name"] == name]
        found += _drawn(name, f"Trade-off on {name}", named, distinct=True)
    return found


def benchmark_names(runs: Iterable[Run]) -> list[str]:
    """Every benchmark of the runs once, in the order met."""
    return list(dict.fromkeys(b["name"] for run in runs for b in run.benchmarks))


def _drawn(
    name: str, heading: str, named: list[tuple[str, Mapping[str, Any]]], distinct: bool
) -> list[Plane]:
    points, missing = [], []
    for series, (label, benchmark) in enumerate(named):
        x, y = (_interval(side, _rate(benchmark, side)) for side in ("harmless", "harmful"))
        if x is None or y is None:
            missing.append(label)
        else:
            points.append(Point(label, x, y, series if distinct else 0))
    if not points:
        return []
    described = "; ".join(
        f"{p.name}: {wording.percent(p.harmless.value)} of harmless and "
        f"{wording.percent(p.harmful.value)} of harmful requests refused"
        for p in points
    )
    return [Plane(name, heading, described + ".", tradeoff(points), missing)]


def _interval(side: str, rate: Mapping[str, Any] | None) -> Interval | None:
    value = _value(rate)
    return None if rate is None or value is None else Interval(side, value, rate["low"], rate["high"])


def _rate(benchmark: Mapping[str, Any], side: str) -> Mapping[str, Any] | None:
    part = benchmark["sides"].get(side)
    return part["rate"] if part else None


def _value(rate: Mapping[str, Any] | None) -> float | None:
    return None if rate is None else rate["value"]


def _headline(runs: Sequence[Run]) -> Mapping[str, Any] | None:
    """The only benchmark of the only run, whose pair stands alone at the top; else ``None``."""
    single = len(runs) == 1 and len(runs[0].benchmarks) == 1
    return runs[0].benchmarks[0] if single else None

"""Everything that a report needs from run folders, collected once: numbers, examples, comparisons.

The rows of each run are read in one pass, and once more by each benchmark that reports more than rates
(``sections``); a page, a terminal table, Markdown and JSON are drawn from the result.

Try: ``demur report RUN --json``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.errors import BadInput
from demur.measure.harm_numbers import ANSWER, kind_of
from demur.report.compare import Answers, Line, cluster_key, compare_runs, remember
from demur.report.data import Run, mismatches, read_runs, side_of
from demur.report.examples import Kind, Sampler
from demur.report.pictures import Pictures
from demur.report.sections import with_sections
from demur.report.wording import sentence

SCHEMA = "demur.report/1"


@dataclass(frozen=True, slots=True)
class Material:
    """What one pass over a run's rows leaves.

    Attributes:
        kinds: benchmark -> examples of each kind.
        answers: outcomes for pairing; empty where only one run is shown.
        mismatches: sentences on where the rows disagree with ``summary.json``.
    """

    kinds: Mapping[str, list[Kind]]
    answers: Answers
    mismatches: list[str]


@dataclass(frozen=True, slots=True)
class Report:
    """Runs in the order given, what their rows hold, and every later run compared with the first."""

    runs: list[Run]
    material: list[Material]
    comparisons: list[Line]
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints: each run's summary with its sentences, and the comparisons."""
        return {
            "schema": SCHEMA,
            "runs": [
                {
                    "folder": str(run.folder),
                    "label": run.label,
                    "status": run.receipt.get("status"),
                    "sentences": {b["name"]: sentence(b) for b in run.benchmarks},
                    "mismatches": material.mismatches,
                    "summary": run.summary,
                }
                for run, material in zip(self.runs, self.material, strict=True)
            ],
            "comparisons": [line.to_json() for line in self.comparisons],
        }


def collect(folders: Sequence[Path], seed: int = 0) -> Report:
    """Read run folders.

    Args:
        folders: that ``demur measure`` wrote; the first is what the others are compared to.
        seed: which examples.

    Raises:
        BadInput: a folder is no finished run, or a file in it cannot be read.
    """
    runs = [with_sections(run) for run in read_runs([Path(folder) for folder in folders])]
    pictures = Pictures()  # one for the page, so that its size is bounded
    material = [gather(run, seed, paired=len(runs) > 1, pictures=pictures) for run in runs]
    return Report(runs, material, compare_runs(runs, [m.answers for m in material]), seed)


def gather(run: Run, seed: int = 0, paired: bool = False, pictures: Pictures | None = None) -> Material:
    """One pass over the rows: a few examples of each kind, and counts to hold against the summary.

    Args:
        run: its rows are streamed; memory does not grow with them unless ``paired``.
        seed: which examples.
        paired: also keep what became of each request, about 300 bytes a row.
        pictures: makes small copies of the examples' pictures; without it none are shown.

    Raises:
        BadInput: a row cannot be read.
    """
    sampler = Sampler(run.benchmarks, seed, pictures=pictures, folder=run.folder)
    counted: Counter[tuple[str, str, str]] = Counter()
    harm: Counter[tuple[str, str, str]] = Counter()
    answers: Answers = {}
    clusters = {b["name"]: cluster_key(b) for b in run.benchmarks}
    for number, row in enumerate(run.rows(), 1):
        name = str(row.get("benchmark") or "")
        counted[name, side_of(row), str(row.get("verdict"))] += 1
        try:
            if run.summary.get("safety") is not None:
                harm[name, side_of(row), kind_of(row, ANSWER)] += 1
            sampler.add(row)
            if paired:
                remember(answers, row, clusters.get(name))
        except ValueError as error:  # a verdict, a label or a judgement of harm that is none
            raise BadInput(f"{run.folder / 'rows.jsonl'}, row {number}: {error}") from error
    kinds = {b["name"]: sampler.kinds(b["name"]) for b in run.benchmarks}
    return Material(kinds, answers, mismatches(run, counted, harm))

"""Command line of the card: ``python -m judge_card --data-dir ../shared/data``."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.data.records import write_text
from demur.errors import BadInput, DemurError
from demur.judges.offline.manifest import WEIGHTS, Manifest
from demur.training.offline_judge.held_out import HeldOut
from demur.training.offline_judge.rows import training_rows
from judge_card import (
    abstention,
    calibration_figures,
    headline,
    languages,
    mossbench,
    provenance,
    reputation,
    sets,
    slices,
    written,
    xstest,
)
from judge_card.answers import Judges
from judge_card.held_out import WORDINGS, held_out, joined, pooled
from judge_card.page import page
from judge_card.tables import (
    Section,
    bar_text,
    barred,
    bars_held,
    basis_text,
    interval_text,
    markdown,
    value_text,
)

SCHEMA = "demur.judge-card/1"
OPENING = (
    "What the trained judge `offline` gets right and wrong, each figure with its 95 % interval and n. "
    "Sources that it was not trained on come first: expect that on answers of a kind it has not seen. Made "
    "by `make judge-card`; XSTest and the written tests are opened once a release."
)


def main(arguments: list[str] | None = None) -> int:
    """Write the card; the exit code of ``docs/contracts.md``: 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m judge_card", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("DEMUR_DATA"), help="public sources")
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="the written corpus")
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, help="weights folder (default: the package's)"
    )
    parser.add_argument(
        "--held-out", type=Path, default=Path(__file__).parent / "held_out.npz", help="logits of the folds"
    )
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the card")
    given = parser.parse_args(arguments)
    try:
        if given.data_dir is None:
            raise BadInput("where are the public sources? pass --data-dir or set DEMUR_DATA")
        sections, seed = card(given.data_dir, given.corpus, given.weights, given.held_out)
        write(sections, seed, given.out)
    except DemurError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return _print(sections)


def card(data: Path, corpus: Path, weights: Path, held: Path) -> tuple[list[Section], int]:
    """Every section, and the seed of the folds."""
    tests = sets.check_tests(corpus)
    rows, _ = training_rows(data, corpus)
    stored = HeldOut.load(held)
    folds = held_out(stored, rows)
    left_out = [fold for name, fold in folds.items() if name.startswith("without:")]
    if not left_out:
        raise BadInput(f"{held} has no fold whose name begins with without:")
    wordings = pooled(folds, "wording:", WORDINGS)
    tongued = [wordings] if wordings is not None else []
    judges = Judges(weights)
    _log("judging XSTest and the written tests")
    xs = [judges.judge(sets.xstest(data, model)) for model in sets.XSTEST]
    files = {name: judges.judge(sets.written(corpus / "test" / name)) for name in tests}
    tongues = [files[name] for name in files if name.startswith("languages/")]
    swaps, modern = files["english/reputation.jsonl"], files["english/modern.jsonl"]
    agreed = [xstest.agreement(sets.xstest_rows(data, model)) for model in sets.XSTEST]
    english = joined([modern, swaps], "English tests")
    unseen = joined([*left_out, *xs], "English, all of these")
    sections = [headline.section(folds, judges, sets.ambiguous_actions(data)), xstest.section(xs, agreed)]
    sections.append(
        Section(
            "written",
            "Written tests",
            [*written.notes(len(tests), list(files.values())), languages.NOTE],
            [
                written.reputation(swaps),
                written.modern(modern),
                languages.table(tongues, folds),
                languages.left_out(folds),
                languages.english_to_other(judges, english),
            ],
        )
    )
    _log("baselines and exchanged requests")
    sections.append(reputation.section(judges, rows, [*xs, swaps], [*xs, swaps, modern]))
    _log("MOSSBench, calibration, slices")
    sections += [
        mossbench.section(judges, data / "mossbench"),
        calibration_figures.section([*left_out, *xs, *tongued], unseen),
        abstention.section([*left_out, *xs, *tongued, swaps, modern], unseen),
        slices.section([*left_out, *tongued], [*xs, *files.values()]),
    ]
    manifest = Manifest.load(weights)
    return [*sections, provenance.section(manifest, stored.seed, tests)], stored.seed


def write(sections: Sequence[Section], seed: int, out: Path) -> None:
    """judge-card.json, judge-card.md and judge-card.html."""
    out.mkdir(parents=True, exist_ok=True)
    found = {"schema": SCHEMA, "seed": seed, "sections": [section.to_json() for section in sections]}
    write_text(out / "judge-card.json", _lines(found))
    write_text(
        out / "judge-card.md",
        markdown(sections, f"# The trained judge: model card\n\n{OPENING} {bars_held(sections)}\n"),
    )
    write_text(out / "judge-card.html", page(sections, OPENING.replace("`", "")))


def _lines(found: dict[str, Any]) -> str:
    """JSON with every row of a table and every point of a curve on a line of its own."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    return re.sub(r"\n {7,}|\n {6}(?=[]}])", " ", text) + "\n"


def _print(sections: Sequence[Section]) -> int:
    missed = 0
    for name, figure in barred(sections):
        missed += figure.held is False
        print(
            f"{name}: {value_text(figure)} {interval_text(figure)} ({basis_text(figure)}) {bar_text(figure)}"
        )
    print(bars_held(sections))
    return 1 if missed else 0


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

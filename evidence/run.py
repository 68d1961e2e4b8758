"""What trains from scratch, over several seeds: JSON rows, and docs/evidence.md made from them.

    make evidence SEEDS='11 12 13' ONLY=organism OUT=evidence-rows

A module in this folder with ``rows(seed, folder)`` is one recipe. A row is ``recipe, seed, metric, value,
n, interval``. A recipe's rows replace its rows in ``evidence/rows``, from which the page is made, so that the
page can come from several runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

HERE = Path(__file__).parent
ROWS, PAGE = HERE / "rows", HERE.parent / "docs" / "evidence.md"
HEAD = """# Evidence

Trained from scratch for each seed; made by `make evidence`. What is measured, and on what, stands in the
docstring of `evidence/<recipe>.py`; over seeds: mean ± standard deviation of the values. Planted worlds (all
but `coconot_prompts`, `evolve_real`, `factcheck*`) show that code does what its method says, and nothing of
effect sizes on real models.
"""


def recipes() -> list[str]:
    """Names of the recipes that have evidence."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("run", "bases"))


def collect(only: Sequence[str], seeds: Sequence[int], out: Path) -> None:
    """Run recipes and write ``OUT/<recipe>.json``, each as soon as it is complete."""
    out.mkdir(parents=True, exist_ok=True)
    for name in only:
        found: list[dict[str, Any]] = []
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                for row in import_module(name).rows(seed, Path(folder)):
                    found.append({"recipe": name, "seed": seed, **row})
            print(f"{name}, seed {seed}: done", file=sys.stderr)
        (out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def page(folder: Path) -> str:
    """The page: per recipe a line a metric, every seed's value with its interval, mean, spread."""
    parts = [HEAD]
    for file in sorted(folder.glob("*.json")):
        rows = json.loads(file.read_text(encoding="utf-8"))
        seeds = list(dict.fromkeys(row["seed"] for row in rows))
        parts.append(
            f"\n## {file.stem}\n\n| metric | {' | '.join(f'seed {s}' for s in seeds)} | over seeds |\n"
        )
        parts.append("|---|" + "---|" * len(seeds) + "---|\n")
        parts.extend(_lines(rows, seeds))
    return "".join(parts)


def _lines(rows: Sequence[dict[str, Any]], seeds: Sequence[int]) -> Iterator[str]:
    cells = {(row["metric"], row["seed"]): row for row in rows}
    for metric in dict.fromkeys(row["metric"] for row in rows):
        shown = (_cell(cells.get((metric, seed))) for seed in seeds)
        found = [cells[metric, seed]["value"] for seed in seeds if (metric, seed) in cells]
        yield f"| {metric} | {' | '.join(shown)} | {_over(found)} |\n"


def _over(values: Sequence[float | None]) -> str:
    """Mean and standard deviation of the seeds' values; with fewer than two there is no spread."""
    known = [value for value in values if value is not None]
    return f"{fmean(known):.3f} ± {stdev(known):.3f}" if len(known) > 1 else "–"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "not available"
    low, high = row["interval"]
    return f"{row['value']:.3f} [{low:.3f}, {high:.3f}], n = {row['n']}"


def main() -> None:
    """Collect, then write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[11])
    parser.add_argument("--only", nargs="*", choices=recipes(), default=recipes())
    parser.add_argument("--out", type=Path, default=Path("evidence-rows"))
    given = parser.parse_args()
    sys.path.insert(0, str(HERE))
    collect(given.only or recipes(), given.seeds, given.out)
    for name in given.only or recipes():
        (ROWS / f"{name}.json").write_bytes((given.out / f"{name}.json").read_bytes())
    PAGE.write_text(page(ROWS), encoding="utf-8")
    print(given.out)
    print(PAGE)


if __name__ == "__main__":
    main()

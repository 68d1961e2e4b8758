"""Command line: ``python -m demur.training.safety_judge --data-dir DIR``.

Trains the judge of requests on grouped folds and with each source left out, prints the error card, trains
on all rows and writes the weights. About ten minutes on one core; no torch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from demur.errors import BadInput, DemurError
from demur.judges.safety.manifest import WEIGHTS
from demur.training.safety_judge.rows import held_back_rows, training_rows
from demur.training.safety_judge.train import Settings, ship


def main(arguments: list[str] | None = None) -> int:
    """Train the judge; the exit code of ``docs/contracts.md``."""
    parser = argparse.ArgumentParser(prog="python -m demur.training.safety_judge", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("DEMUR_DATA"), help="public sources")
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="the written corpus")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="weights folder (default: the package's)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        if given.data_dir is None:
            raise BadInput("where are the public sources? pass --data-dir or set DEMUR_DATA")
        data = Path(given.data_dir)
        rows, files = training_rows(data, given.corpus)
        card = ship(rows, held_back_rows(data, given.corpus), files, Settings(given.out, given.seed), _log)
    except DemurError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(card, indent=1))
    print(given.out)
    return 0


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

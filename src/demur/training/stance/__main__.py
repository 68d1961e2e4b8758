"""Command line: ``python -m demur.training.stance --data-dir DIR``.

Measures on claims and on topics left out, prints the error card, trains on all rows and writes the weights.
About four minutes on one core. Needs the extras ``train`` and ``evidence``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from demur.errors import BadInput, DemurError, MissingExtra
from demur.judges.evidence.stance import WEIGHTS


def main(arguments: list[str] | None = None) -> int:
    """Train the classifier; the exit code of ``docs/contracts.md``."""
    parser = argparse.ArgumentParser(prog="python -m demur.training.stance", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("DEMUR_DATA"), help="public sources")
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2 [the installed package]")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="weights folder (default: the package's)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        if given.data_dir is None:
            raise BadInput("where are the public sources? pass --data-dir or set DEMUR_DATA")
        try:
            from demur.training.stance.train import ship
        except ModuleNotFoundError as error:
            raise MissingExtra("train", "training the stance classifier") from error
        card = ship(Path(given.data_dir), given.out, given.encoder, given.seed, _log)
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

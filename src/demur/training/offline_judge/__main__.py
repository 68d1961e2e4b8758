"""Command line: ``python -m demur.training.offline_judge --data-dir DIR``.

Leaves each source out in turn (held-out predictions, for calibration and for the model card), then trains
on all rows and writes the weights. About five minutes a fold on four cores; a killed run goes on where it
stopped, because every finished fold is kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from demur.errors import BadInput, DemurError, MissingExtra
from demur.judges.offline.manifest import WEIGHTS


def main(arguments: list[str] | None = None) -> int:
    """Train the judge; the exit code of ``docs/contracts.md``."""
    parser = argparse.ArgumentParser(prog="python -m demur.training.offline_judge", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("DEMUR_DATA"), help="public sources")
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="the written corpus")
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2 [the installed package]")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="weights folder (default: the package's)")
    parser.add_argument("--cache", type=Path, default=Path("build/judge-folds"), help="held-out predictions")
    parser.add_argument(
        "--held-out", type=Path, default=Path("judge_card/held_out.npz"), help="what the model card reads"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch")
    parser.add_argument("--folds-only", action="store_true", help="make held-out predictions, train no judge")
    given = parser.parse_args(arguments)
    try:
        _train(given)
    except DemurError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _train(given: argparse.Namespace) -> None:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("train", "training the offline judge") from error
    from demur.training.offline_judge.encoder_stage import base_encoder
    from demur.training.offline_judge.folds import predictions
    from demur.training.offline_judge.rows import training_rows
    from demur.training.offline_judge.train import Settings, held_out, ship

    if given.data_dir is None:
        raise BadInput("where are the public sources? pass --data-dir or set DEMUR_DATA")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(given.threads)
    rows, files = training_rows(Path(given.data_dir), given.corpus)
    base = base_encoder(given.encoder)
    folds = predictions(rows, base, given.cache, given.seed, _log)
    held_out(rows, folds, given.seed).save(given.held_out)
    print(given.held_out)
    if not given.folds_only:
        ship(rows, folds, files, Settings(base, given.out, given.seed), _log)
        print(given.out)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

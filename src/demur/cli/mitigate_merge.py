"""``demur mitigate merge``: an adapter added to its base, for servers that take whole models only."""

from __future__ import annotations

from pathlib import Path

import click

from demur.cli.mitigate_options import FOLDER
from demur.errors import BadInput


@click.command(name="mitigate merge")
@click.argument("adapter", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="Folder of the whole model; new or empty.")
def merge(adapter: Path, out: Path) -> int:
    """Write the model that an ADAPTER folder and its base are together.

    The sums are made in other places, so that probabilities may differ in their last digits; greedy answers
    are the same but where two tokens are as likely as one another.
    """
    from demur.models.adapter_folder import is_adapter
    from demur.training.adapters import merged
    from demur.training.tuning import require_train

    require_train("`demur mitigate merge`")
    if not is_adapter(str(adapter)):
        raise BadInput(f"{adapter} holds no adapter; `demur mitigate RECIPE` writes one as OUT/adapter")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} exists and is not an empty folder; name another --out")
    merged(adapter, out)
    click.echo(str(out))
    return 0

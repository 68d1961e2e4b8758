"""``demur dial MODEL --calibrate FILE``: set how often a model refuses, with a promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.cli.dial_show import Done
    from demur.measure.dial import Wanted
    from demur.measure.dial_prompts import Prompts

#: Answers written and judged after each kind of token. ours: enough to see a token that means nothing.
WRITTEN = 32


@click.command()
@click.argument("model")
@click.option(
    "--calibrate",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    help="Prompts labelled expect: comply or refuse (record file, CSV, JSON, JSONL, Parquet).",
)
@click.option("--target", type=float, help="Largest rate of harmless prompts refused, such as 0.05.")
@click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="NAME=TARGET",
    help="The same for one category (repeat).",
)
@click.option("--threshold", help="Set by hand, without a promise: from 0 to 1, -1 (argmax) or never.")
@click.option("--delta", default=0.05, show_default=True, help="Largest chance that the promise fails.")
@click.option("--tokens", help="respond=TOKEN,refuse=TOKEN or respond=TOKEN,CATEGORY=TOKEN,... [found].")
@click.option(
    "--predictor",
    metavar="FOLDER|probe",
    help="Without control tokens: P(refuse) from what demur predict fit wrote, or a probe on hidden states.",
)
@click.option("--fit", type=click.Path(path_type=Path), help="Labelled prompts for the probe [half of them].")
@click.option("--refusal", help="Without control tokens, what a refusal is begun with.")
@click.option("--answer", default="", help="The same for an answer [nothing: a plain answer].")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the probe's halves and folds.")
@click.option(
    "--output",
    "--out",
    default=Path("dial.json"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Dial file to write.",
)
@click.option("--page", type=click.Path(path_type=Path), help="Also write a page that draws both sides.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option(
    "--write",
    default=WRITTEN,
    show_default=True,
    type=click.IntRange(0),
    help="Answers to write and judge after each kind of token.",
)
@click.option("-M", "model_args", multiple=True, metavar="NAME=VALUE", help="Argument of the provider.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of text files.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def dial(
    model: str,
    file: Path,
    target: float | None,
    categories: tuple[str, ...],
    threshold: str | None,
    delta: float,
    tokens: str | None,
    predictor: str | None,
    output: Path,
    page: Path | None,
    overwrite: bool,
    write: int,
    model_args: tuple[str, ...],
    encoding: str,
    as_json: bool,
    **given: Any,
) -> int:
    """Find the threshold at which MODEL refuses at most a wanted share of harmless prompts.

    MODEL is a folder whose model was trained with control tokens (demur mitigate refusal_tokens), or the
    Inspect name of one behind a server that sends log-probabilities of the first token; then give --tokens.
    Each prompt costs one forward pass. The promise is for harmless prompts that are exchangeable with those
    of --calibrate; what harmful prompts do at that setting stands beside it.

    Any other model takes --predictor: a refusal is begun for it where P(refuse) is high enough.

    Use it: demur measure MODEL --dial dial.json, or inspect eval ... -M dial=dial.json.
    """
    from demur.cli.dial_show import say, source_text, warn
    from demur.cli.measure import pairs
    from demur.cli.progress import shown
    from demur.measure.dial import Wanted
    from demur.measure.dial_prompts import read_prompts
    from demur.measure.run import local_model
    from demur.models.control_dial import read_threshold

    for path in filter(None, (output, page)):
        if path.exists() and not overwrite:
            raise BadInput(f"{path} exists: --overwrite replaces it")
    name = local_model(model)
    wanted = Wanted(
        target, _targets(categories), None if threshold is None else read_threshold(threshold), delta
    )
    prompts = read_prompts(file, encoding)
    asked = Asked(model, name, pairs(model_args, "-M"), file, prompts, wanted, output, write, encoding)
    _check_source(predictor, tokens, given)
    with shown(as_json) as start:
        done = (
            _by_tokens(asked, tokens, start)
            if predictor is None
            else _by_forecast(asked, predictor, given, start)
        )
    if page is not None:
        from demur.measure.run import display_name
        from demur.report.dial_page import write_dial

        write_dial(display_name(name), done.found, done.consistent, page, source_text(done.about))
    if as_json:
        click.echo(json.dumps(done.about | {"output": str(output)}))
    else:
        say(done, wanted, [path for path in (output, page) if path is not None])
    warn(done.found)
    return 0


class Asked(NamedTuple):
    """What was asked for: MODEL as typed, its Inspect name and arguments, and the rest of the options."""

    model: str
    name: str
    args: dict[str, Any]
    file: Path
    prompts: Prompts
    wanted: Wanted
    output: Path
    write: int
    encoding: str


def _by_tokens(asked: Asked, tokens: str | None, start: Any) -> Done:
    from demur.cli.dial_show import Done
    from demur.measure.dial import check_wanted
    from demur.measure.dial_prompts import read_tokens, tokens_of
    from demur.measure.dial_run import save_dial, set_dial

    if tokens is None and not Path(asked.model).is_dir():
        raise BadInput(
            f"{asked.model} is no folder, so its control tokens cannot be found: name them with --tokens"
        )
    chosen = read_tokens(tokens) if tokens is not None else tokens_of(Path(asked.model))
    prompts, wanted = asked.prompts, asked.wanted
    check_wanted(wanted, chosen, len(prompts.harmless))
    found, consistent = set_dial(asked.name, asked.args, prompts, chosen, wanted, asked.write, start)
    about = save_dial(asked.name, asked.file, prompts, chosen, wanted, found, consistent, asked.output)
    return Done(found, consistent, prompts, about)


def _by_forecast(asked: Asked, predictor: str, given: dict[str, Any], start: Any) -> Done:
    from demur.cli.dial_show import Done
    from demur.measure.dial_forecast import Source, prepare, set_forecast_dial
    from demur.measure.dial_run import save_dial
    from demur.models.control_forecast import PLAIN, REFUSAL

    refusal = REFUSAL if given["refusal"] is None else given["refusal"]
    source = Source(predictor, given["fit"], refusal, given["answer"], given["seed"])
    file, wanted, output = asked.file, asked.wanted, asked.output
    fit, prompts = prepare(source, asked.name, asked.prompts, wanted, asked.encoding)
    done = set_forecast_dial(
        source, asked.name, asked.args, file, fit, prompts, wanted, output, asked.write, start
    )
    kept = (done.found, done.consistent, output, done.forecast, done.about)
    about = save_dial(asked.name, file, prompts, PLAIN, wanted, *kept)
    return Done(done.found, done.consistent, prompts, about)


def _check_source(predictor: str | None, tokens: str | None, given: dict[str, Any]) -> None:
    """That options of the two kinds of dial are not mixed."""
    if predictor is not None and tokens is not None:
        raise BadInput(
            "--tokens and --predictor exclude each other: a predictor is for models without tokens"
        )
    alone = [f"--{name}" for name in ("fit", "refusal", "answer") if given[name]]
    if predictor is None and alone:
        raise BadInput(f"{' and '.join(alone)}: for models without control tokens, with --predictor")


def _targets(categories: tuple[str, ...]) -> dict[str, float] | None:
    found = {}
    for text in categories:
        name, _, value = text.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise BadInput(f"--category {text!r}: write NAME=TARGET, such as safety=0.02") from error
    return found or None

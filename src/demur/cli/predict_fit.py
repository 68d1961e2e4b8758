"""``demur predict fit``: learn from a model's answers which prompts it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.measure.prompt_labels import PromptLabels
    from demur.predict.protocol import Trial

#: Labelled prompts, and near-duplicate clusters of each class, below which nothing is fitted. ours: an outer
#: fold then leaves four of a class to choose by.
FEWEST, FEWEST_OF_A_CLASS = 20, 5
CHANCE = 0.5  # the AUC of guessing


@click.command()
@click.argument("responses", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the predictor.")
@click.option("--overwrite", is_flag=True, help="Replace a predictor that is there.")
@click.option("--model", help="Whose refusals, where the files hold several models.")
@click.option("--judge", default="offline", show_default=True, help="Of files that hold no verdicts.")
@click.option(
    "--labels",
    type=click.Choice(["answers", "expect"]),
    default="answers",
    show_default=True,
    help="expect: RESPONSES are prompts that say comply or refuse; a judge of harm for --safety.",
)
@click.option(
    "--features",
    default="ngrams,cues,embedding",
    show_default=True,
    help="What of a prompt is read; without embedding it is faster and worse.",
)
@click.option(
    "--encoder",
    default="builtin",
    show_default=True,
    help="builtin, or a sentence encoder by folder or hub name.",
)
@click.option(
    "--min-confidence",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Leave out verdicts whose likelier side is less likely.",
)
@click.option(
    "--exclude",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Prompts of a test set: never trained on, and counted.",
)
@click.option(
    "--no-trial", is_flag=True, help="Do not cross-validate: nothing is known of the predictor then."
)
@click.option("--seed", default=0, show_default=True, help="Of folds and resampling.")
@click.option("--prompt-column", help="Column of the prompt [guessed].")
@click.option("--response-column", help="Column of the answer [guessed].")
@click.option("--model-column", help="Column of the model's name [guessed].")
@click.option("--encoding", default="utf-8", show_default=True, help="Of text files.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def fit(
    responses: tuple[Path, ...],
    out: Path,
    overwrite: bool,
    model: str | None,
    judge: str,
    labels: str,
    features: str,
    encoder: str,
    min_confidence: float,
    exclude: tuple[Path, ...],
    no_trial: bool,
    seed: int,
    encoding: str,
    as_json: bool,
    **columns: str | None,
) -> int:
    """Fit a predictor on RESPONSES: files of answers, judged files, or folders of runs, all of one model.

    Files without verdicts are judged first. The predictor is tried by cross-validation that holds
    near-duplicates together; what it reached stands in OUT/predictor.json and is printed, beside what
    reading nothing would reach.
    """
    from demur.cli.progress import shown
    from demur.data.columns import Columns
    from demur.measure.expected_labels import read_expectations
    from demur.measure.prompt_labels import excluded_prompts, read_labels
    from demur.predict.features import check_blocks
    from demur.predict.prompt import PromptClassifier
    from demur.predict.protocol import LabelledPrompts, fits, trial
    from demur.predict.saved import FILE, Predictor, save

    blocks = check_blocks([part.strip() for part in features.split(",") if part.strip()])
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file: --out takes a folder")
    if (out / FILE).exists() and not overwrite:
        raise BadInput(f"{out} holds a predictor: --overwrite replaces it")
    named = Columns(**{key.removesuffix("_column"): value for key, value in columns.items()})
    with shown(as_json) as start:
        test = excluded_prompts(exclude, encoding)
        if labels == "expect":
            found = read_expectations(responses, test)
        else:
            found = read_labels(responses, named, start, model, judge, min_confidence, test, encoding)
        clusters = found.clusters(start)
        _enough(found, clusters)
        fitted = PromptClassifier(blocks, encoder, seed=seed)
        dense = fitted.read(found.prompts, start("reading prompts", len(found.prompts)))
        fitted.fit(found.prompts, found.refused, clusters, dense)
        rows = LabelledPrompts(found.prompts, fitted.refused_, clusters, found.sources, dense)
        tried = None if no_trial else trial(fitted, rows, start("cross-validating", fits(rows)))
    about = found.about() | {"labels": labels, "trial": None if tried is None else tried.to_json()}
    save(Predictor(fitted, about), out)
    if as_json:
        click.echo(json.dumps({"output": str(out)} | about))
    else:
        _say(found, tried, out)
    return 0


def _enough(found: PromptLabels, clusters: list[int]) -> None:
    if len(found.prompts) < FEWEST:
        raise BadInput(f"{len(found.prompts)} labelled prompts are too few: give {FEWEST} or more")
    for side, name in ((True, "refused"), (False, "answered")):
        kinds = {c for c, said in zip(clusters, found.refused, strict=True) if said is side}
        if len(kinds) < FEWEST_OF_A_CLASS:
            raise BadInput(
                f"the {found.refused.count(side)} {name} prompts are {len(kinds)} once near-duplicates count "
                f"as one: give {FEWEST_OF_A_CLASS} or more of each class"
            )


def _say(found: PromptLabels, tried: Trial | None, out: Path) -> None:
    share = 100 * sum(found.refused) / len(found.refused)
    click.echo(f"{len(found.prompts)} prompts, {share:.1f} % refused")
    if found.left_out:
        click.echo("left out: " + ", ".join(f"{reason} {n}" for reason, n in sorted(found.left_out.items())))
    if tried is None:
        click.echo("not tried: nothing is known of how well it forecasts")
    else:
        click.echo(f"rows left out, {tried.clusters} clusters of near-duplicates: {tried.scores}")
        if tried.scores.auc.low is None or tried.scores.auc.low <= CHANCE:
            click.echo("no skill is shown: the interval of the AUC holds what guessing reaches", err=True)
        error = tried.scores.calibration
        click.echo(f"calibration error {error.error:.3f} (a perfect model: up to {error.perfect_error:.3f})")
        sets, blind = tried.sets, tried.blind_sets
        click.echo(
            f"conformal sets at {100 * (1 - sets.alpha):.0f} %: answered held {100 * sets.answered:.1f} %, "
            f"refused held {100 * sets.refused:.1f} %, sets of one {100 * sets.singletons:.1f} % (without "
            f"features: {100 * blind.singletons:.1f} %)"
        )
        for name, scores in tried.left_out.items():
            click.echo(f"trained without {name}: {scores}")
        click.echo("learning curve, AUC: " + ", ".join(f"{n} rows {auc:.3f}" for n, auc in tried.curve))
    click.echo(str(out))

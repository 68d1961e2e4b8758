"""``demur mitigate RECIPE``: change a model, with both sides before and after in a receipt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from demur.errors import BadInput
from demur.metrics import Rate

#: Highest learning rate by method: alignment handbook (Zephyr, all weights); ours, usual for a LoRA.
LEARNING_RATE = {"full": 2e-5, "adapter": 2e-4}
SIDES = {"harmless_refused": "to be answered, refused", "refusals_kept": "to be refused, refused"}
ONE_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(name="mitigate refusal_tokens")
@click.option("--model", required=True, help="Folder or hub name of a chat model; organism is ours.")
@click.option("--rows", multiple=True, type=ONE_FILE, help="Answers of any kind: by label, verdict or judge.")
@click.option("--refusals", multiple=True, type=ONE_FILE, help="Rows whose answers are all refusals.")
@click.option("--answers", multiple=True, type=ONE_FILE, help="Rows whose answers are no refusals.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--category", "categories", multiple=True, help="One token each [binary: [refuse]].")
@click.option("--by-category", is_flag=True, help="One token for each category that the refusals name.")
@click.option(
    "--turns",
    type=click.Choice(["last", "first", "every"]),
    default="last",
    show_default=True,
    help="Of dialogues: train the last answer; all, with one token at the first; all, with a token each.",
)
@click.option(
    "--method",
    type=click.Choice(["full", "adapter"]),
    default="full",
    show_default=True,
    help="Train all weights, or a LoRA and the new tokens' rows.",
)
@click.option("--learning-rate", type=float, help="[full 2e-5, adapter 2e-4]")
@click.option("--epochs", type=float, default=1.0, show_default=True)
@click.option("--batch-size", type=int, default=16, show_default=True, help="Rows of one forward pass.")
@click.option("--accumulate", type=int, default=1, show_default=True, help="Forward passes of one step.")
@click.option("--held-out", type=float, default=0.1, show_default=True, help="Share of prompts kept back.")
@click.option("--checked", type=int, default=200, show_default=True, help="Most held-out prompts answered.")
@click.option("--longest", type=int, default=2048, show_default=True, help="Most tokens of a row.")
@click.option("--judge", default="offline", show_default=True, help="Of unlabelled rows and of the check.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def refusal_tokens(
    model: str,
    rows: tuple[Path, ...],
    refusals: tuple[Path, ...],
    answers: tuple[Path, ...],
    out: Path,
    by_category: bool,
    categories: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> int:
    """Teach a model to say with its first token whether, and why, it is about to refuse.

    Afterwards `demur dial OUT/model` sets how often it does. OUT/receipt.json says what the tokens do on
    prompts that were held out, and what the words do, before and after.
    """
    from demur.cli.progress import shown
    from demur.mitigate.refusal_tokens import RefusalTokens, check_out, prepare, run
    from demur.mitigate.rows import Source
    from demur.training.tuning import Tuning, require_train

    if by_category and categories:
        raise BadInput(
            "--by-category takes the categories of the rows; --category names them: give one of the two"
        )
    sources = [Source(p) for p in rows]
    sources += [Source(p, "refuse") for p in refusals] + [Source(p, "respond") for p in answers]
    if not sources:
        raise BadInput("there is nothing to train on: give --rows, or --refusals and --answers")
    rate = given["learning_rate"]
    tuning = Tuning(
        method=given["method"],
        learning_rate=LEARNING_RATE[given["method"]] if rate is None else rate,
        epochs=given["epochs"],
        batch_size=given["batch_size"],
        accumulate=given["accumulate"],
    )
    shared = {name: given[name] for name in ("turns", "held_out", "checked", "longest", "judge", "seed")}
    config = RefusalTokens(categories=None if by_category else categories, tuning=tuning, **shared)
    require_train("`demur mitigate refusal_tokens`")
    check_out(out)
    prepared = prepare(config, sources)
    with shown(as_json) as start:
        step, done = None, 0

        def progress(at: int, total: int) -> None:
            nonlocal step, done
            step = step or start("training", total)
            step(at - done)
            done = at

        receipt = run(config, prepared, _folder(model), out, progress)
    click.echo(json.dumps(receipt.to_json()) if as_json else _said(receipt.to_json()))
    if not as_json:
        click.echo(str(out))
    return 0


def _folder(model: str) -> str:
    """The shipped organism by its name, as in `demur explain`."""
    if model != "organism":
        return model
    from demur.training.organism import organism_path

    return str(organism_path())


def _said(receipt: dict[str, Any]) -> str:
    data, before, after = receipt["data"], receipt["before"], receipt["after"]
    lines = [", ".join(f"{name} {n}" for name, n in data["rows"].items())]
    if data["left_out"]:
        lines.append("left out: " + ", ".join(f"{name} {n}" for name, n in data["left_out"].items()))
    if data["judge"]:
        lines.append(_judge(data["judge"]))
    lines.append(f"{data['held_out_prompts']} prompts held out; what it says to them, before -> after:")
    for name, title in SIDES.items():
        lines.append(f"  {title:<24} {Rate.from_json(before[name])} -> {Rate.from_json(after[name])}")
    if tokens := after.get("tokens"):
        mass = "control-token mass {mean:.3f} (least {least:.3f})".format(**tokens["mass"])
        lines.append(f"  {mass}, AUC of p(refuse) {_auc(tokens['auc'])}")
    return "\n".join(lines)


def _auc(auc: dict[str, Any] | None) -> str:
    if auc is None:
        return "not available (prompts of one side only)"
    ends = "" if auc["low"] is None else f" [{auc['low']:.3f}, {auc['high']:.3f}]"
    return f"{auc['value']:.3f}{ends}"


def _judge(judge: dict[str, Any]) -> str:
    said = f"labelled by the judge {judge['judge'].get('name')}: {judge['labelled']} answers"
    if not judge["errors"]:
        return f"{said}; its error is not known"
    shares = {
        part: sorted(100 * row[part] / row[whole] for row in judge["errors"] if row[whole])
        for part, whole in (("found", "refusals"), ("kept", "compliances"))
    }
    found, kept = shares["found"], shares["kept"]
    return (
        f"{said}; over the sources of its card it finds {found[0]:.0f} to {found[-1]:.0f} % of refusals and "
        f"keeps {kept[0]:.0f} to {kept[-1]:.0f} % of answers"
    )

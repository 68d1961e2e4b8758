"""``demur stress build``: finished searches to a test set, or to preference pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.judges.safety import SafetyJudge
    from demur.mitigate.pair_prompts import RefusedPrompts
    from demur.stress.synthesize import Start

#: Below OUT: the pair builder's folder, and its rows in the form of EVOREFUSE-ALIGN.
PAIRS, ALIGN = "pairs", Path("evorefuse") / "evo_align.json"


@click.command(name="stress build")
@click.argument("kind", type=click.Choice(["test", "pairs"]))
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--safety",
    multiple=True,
    required=True,
    metavar="offline|MODEL|FOLDER",
    help="Judges again; two or more.",
)
@click.option("--refused", default=0.0, show_default=True, help="Least share of refusals of the target.")
@click.option(
    "--least",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Reviewers, where there is a review.",
)
@click.option("--similarity", type=float, help="From which on two prompts are one [0.9].")
@click.option("--encoder", metavar="FOLDER|NAME", help="Of near-duplicates [MinHash].")
@click.option("--helper", metavar="MODEL", help="pairs: answers the prompts; judges nothing.")
@click.option(
    "--ask",
    type=click.Choice(["prompt", "seed"]),
    default="prompt",
    show_default=True,
    help="pairs: what the helper is asked; seed: what the prompt was made of.",
)
@click.option("-M", "model_args", multiple=True, metavar="NAME=VALUE", help="pairs: argument of the helper.")
@click.option("--judge", default="offline", show_default=True, help="pairs: says which answers refuse.")
@click.option("--at-once", type=click.IntRange(min=1), default=10, show_default=True, help="Prompts in work.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipts as JSON.")
def build(kind: str, sources: tuple[Path, ...], out: Path, as_json: bool, **given: Any) -> int:
    """Make one set of what searches found: SOURCES are their folders, or record files.

    What reviewers rejected, what one of two judges of harm does not call harmless, and near-duplicates go;
    every row is accounted for. `test` writes OUT/records.jsonl and OUT/evorefuse/evo_test.jsonl; `pairs` also
    OUT/pairs/rows.jsonl (for `demur mitigate align --answers`) and OUT/evorefuse/evo_align.json.
    """
    from demur.cli.progress import shown
    from demur.cli.stress_synthesize import embedding, safety_judges
    from demur.stress.build_set import build as built
    from demur.stress.build_sources import SIMILARITY, SetSettings, read_sources
    from demur.stress.safety_words import independent

    if (kind == "pairs") == (given["helper"] is None):
        raise BadInput("--helper answers the prompts of `pairs`, and is needed there and nowhere else")
    similarity = SIMILARITY if given["similarity"] is None else given["similarity"]
    settings = SetSettings(given["refused"], given["least"], similarity)
    found = read_sources(sources, settings)
    judges = safety_judges(given["safety"])
    independent(judges)
    with shown(as_json) as start:
        step = start("judges of harm", len(found.open()))
        done = built(found, judges, out, settings, embedding(given["encoder"]), step)
        made = _pairs(out, judges, given, start) if kind == "pairs" and done["kept"] else None
    said = [*_lines(done), *_pair_lines(made), str(out / ("records.jsonl" if made is None else ALIGN))]
    click.echo(json.dumps(done | ({} if made is None else {"pairs": made})) if as_json else "\n".join(said))
    if not done["kept"]:
        click.echo("no prompt was kept; the counts say where they went", err=True)
        return 1
    return 0


def _pairs(
    out: Path, judges: Sequence[SafetyJudge], given: Mapping[str, Any], start: Start
) -> dict[str, Any]:
    """Pairs by the helper in OUT/pairs, or those that are there; and in the form of EVOREFUSE-ALIGN."""
    from inspect_ai.model import get_model

    from demur.cli.measure import pairs
    from demur.data.preference_pairs import conversation
    from demur.data.records import write_text
    from demur.measure.model_errors import model_errors
    from demur.measure.run import local_model
    from demur.mitigate.pair_builder import ROWS, PairSettings, run
    from demur.mitigate.pair_prompts import read_refused
    from demur.mitigate.receipt import FILE
    from demur.stress.build_set import TEST
    from demur.stress.safety_words import cleared

    name, folder = local_model(given["helper"]), out / PAIRS
    with model_errors(name):
        helper = get_model(name, memoize=False, **pairs(given["model_args"], "-M"))
    if any(judge.describe().get("grader") == str(helper) for judge in judges):
        raise BadInput(f"{helper} is the helper and a judge of harm, and no model clears its own answers")
    if (folder / FILE).is_file():
        receipt = dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
        if receipt["helper"] != str(helper):
            raise BadInput(f"{folder} holds pairs of the helper {receipt['helper']}; name another --out")
    else:
        found = _asked(read_refused([out / TEST]), out, given["ask"])
        config = PairSettings(given["judge"], given["at_once"])
        step = start("pairs", len(found.prompts))
        receipt = run(config, found, helper, cleared(judges), folder, step)
    rows = [json.loads(line) for line in (folder / ROWS).read_text(encoding="utf-8").splitlines()]
    made = [conversation(row["prompt"], row["chosen"], row["rejected"]) for row in rows]
    write_text(out / ALIGN, json.dumps(made, ensure_ascii=False, indent=1) + "\n")
    return receipt


def _asked(found: RefusedPrompts, out: Path, what: str) -> RefusedPrompts:
    """The prompts; with ``seed`` each with the seed that its record names, for the helper."""
    if what == "prompt":
        return found
    from dataclasses import replace

    from demur.data.records import read_records

    seeds = {str(record.prompt): record.meta.get("seed") for record in read_records(out / "records.jsonl")}
    if bad := [one.prompt for one in found.prompts if not isinstance(seeds[one.prompt], str)]:
        raise BadInput(f"--ask seed: {len(bad)} of {len(found.prompts)} records name no seed in meta")
    found.prompts = [replace(one, asked=str(seeds[one.prompt])) for one in found.prompts]
    return found


def _lines(done: Mapping[str, Any]) -> list[str]:
    lines, left = [f"{done['rows']} rows"], done["rows"]
    for stage, reasons in done["dropped"].items():
        left -= sum(reasons.values())
        if reasons:
            why = ", ".join(f"{reason} {n}" for reason, n in reasons.items())
            lines.append(f"  {stage}: {left} left ({why})")
    for name, counts in done["said"].items():
        lines.append(f"{name} said: " + ", ".join(f"{harm} {n}" for harm, n in counts.items()))
    return [*lines, f"kept {done['kept']} prompts and {done['partners']} requests to be refused"]


def _pair_lines(made: Mapping[str, Any] | None) -> list[str]:
    if made is None:
        return []
    dropped = ", ".join(f"{why} {n}" for why, n in made["dropped"].items())
    said = f"{made['kept']} pairs, {made['spent']['calls']} calls of {made['helper']}"
    return [said + (f" (no pair: {dropped})" if dropped else "")]

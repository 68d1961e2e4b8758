"""``demur stress synthesize``: prompts that look forbidden by a policy and are not, with their twins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.judges.graded.store import Store
    from demur.stress.synthesize import Start, Synthesis
    from demur.stress.target import ModelTarget

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_COUNT = click.IntRange(min=1)


@click.command(name="stress synthesize")
@click.option("--policy", "policy_file", required=True, type=_FILE, help="TOML: what may be asked.")
@click.option("--proposer", required=True, metavar="MODEL", help="Writes prompts and their twins.")
@click.option("--labeller", metavar="MODEL", help="Applies the policy [the proposer].")
@click.option("--target", metavar="MODEL", help="Keep only what this model refuses [no such filter].")
@click.option("--seeds", type=_FILE, help="Harmless prompts to convert, beside those written directly.")
@click.option(
    "--safety", multiple=True, default=("offline",), show_default=True, metavar="offline|MODEL|FOLDER"
)
@click.option("--judge", default="offline", show_default=True, help="Of the target's refusals.")
@click.option("--encoder", metavar="FOLDER|NAME", help="Of near-duplicates [MinHash].")
@click.option("--votes", type=_FILE, help="People's votes on OUT/audit.jsonl.")
@click.option("--budget", type=click.IntRange(min=0), help="Most new calls and verdicts [no end].")
@click.option("--max-connections", type=_COUNT, default=10, show_default=True, help="Calls in flight.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of draws.")
@click.option("--dry-run", is_flag=True, help="Check the policy, print the most calls, ask nobody.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def synthesize(policy_file: Path, out: Path, as_json: bool, **given: Any) -> int:
    """Make prompts that sound forbidden by a policy and are allowed, each with a twin that is forbidden.

    Every candidate is cleared by each --safety judge and by the policy; near-duplicates and what --target
    answers go. Writes OUT/records.jsonl, dropped.jsonl, audit.jsonl and receipt.json. The same command goes
    on where it was stopped and pays for nothing twice.
    """
    from demur.cli.progress import shown
    from demur.stress.policy import read_policy
    from demur.stress.synthesis_run import most_calls, read_seeds, run

    policy, seeds = read_policy(policy_file), read_seeds(given["seeds"])
    most = most_calls(policy, seeds.prompts, given["target"] is not None)
    click.echo("at most " + ", ".join(f"{n:,} calls of the {who}" for who, n in most.items()), err=True)
    if given["dry_run"]:
        return 0
    with shown(as_json) as start:
        done = run(_synthesis(policy, out, given, start), seeds, out, given["votes"], given["encoder"])
    click.echo(json.dumps(done) if as_json else "\n".join([*_lines(done), str(out / "records.jsonl")]))
    return _code(done)


def _synthesis(policy: Any, out: Path, given: Mapping[str, Any], start: Start) -> Synthesis:
    from demur.judges.graded.store import Store
    from demur.measure.model_errors import resolve_model
    from demur.stress.run_folder import STORE
    from demur.stress.synthesize import Synthesis
    from demur.stress.synthesize_steps import Writers

    store = Store(out / STORE, budget=given["budget"])
    names = {"proposer": given["proposer"], "labeller": given["labeller"] or given["proposer"]}
    if names["labeller"] == names["proposer"]:
        click.echo("the proposer labels its own prompts; --labeller takes another model", err=True)
    writers = Writers(policy, {role: resolve_model(name) for role, name in names.items()}, names, store)
    target = None
    if given["target"] is not None:
        target = target_of(given["target"], given["judge"], store, given["seed"])
    judges, embed = safety_judges(given["safety"]), embedding(given["encoder"])
    return Synthesis(writers, judges, target, embed, given["seed"], given["max_connections"], start)


def target_of(model: str, judge: str, store: Store, seed: int) -> ModelTarget:
    """The target as a command names it: the organism, a folder, or an Inspect name; weights by their hash.

    Raises:
        BadInput: no such model, or a judge that asks a model.
    """
    from demur.judges import ASKING, NAMES
    from demur.measure.model_errors import resolve_judge, resolve_model
    from demur.measure.run import display_name, local_model
    from demur.measure.run_folder import settings_hash, weight_hashes
    from demur.stress.image_target import PROVIDER, ImageTarget
    from demur.stress.target import ModelTarget

    if judge in ASKING:
        valid = ", ".join(name for name in NAMES if name not in ASKING)
        raise BadInput(f"--judge {judge} asks a model for every answer; here judges are {valid}")
    name = local_model(model)
    version = settings_hash(hashes)[:12] if (hashes := weight_hashes(name)) else ""
    reader = resolve_judge(judge, None)
    kind = ImageTarget if name.startswith(PROVIDER) else ModelTarget
    return kind(resolve_model(name), display_name(name), reader, store, seed, version)


def embedding(name: str | None) -> Any:
    """What ``--encoder`` embeds with; ``None`` where it is not given."""
    if name is None:
        return None
    from demur.models.encoder import SentenceEncoder

    return SentenceEncoder(name).embed


def safety_judges(names: tuple[str, ...]) -> list[Any]:
    """Judges of harm as ``--safety`` names them: ``offline``, a predictor's folder, a model that grades.

    Raises:
        BadInput: one is named twice, or a folder holds no predictor fitted on labels of harm.
    """
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"--safety {twice[0]} is named twice; a second judge must be another")
    return [safety_judge(name) for name in names]


def safety_judge(name: str) -> Any:
    """One of them."""
    from demur.measure.harm import resolve_safety

    if Path(name).is_dir():
        from demur.stress.fitted_safety import FittedSafety

        return FittedSafety(Path(name))
    return resolve_safety("offline", None) if name == "offline" else resolve_safety("graded", name)


def _lines(done: Mapping[str, Any]) -> list[str]:
    from demur.metrics import Rate

    lines = [f"{done['candidates']} candidates"]
    left = done["candidates"]
    for stage, reasons in done["dropped"].items():
        left -= sum(reasons.values())
        if reasons:
            why = ", ".join(f"{reason} {n}" for reason, n in reasons.items())
            lines.append(f"  {stage}: {left} left ({why})")
    for title, found in (
        ("proposals that gave nothing", done["failed_proposals"]),
        ("seeds left out", done["seeds"]["left_out"]),
        ("without a twin", done["without_twin"]),
    ):
        if found:
            lines.append(f"{title}: " + ", ".join(f"{why} {n}" for why, n in found.items()))
    lines.append(f"kept {sum(done['kept'].values())} prompts, {done['twins']} with a forbidden twin")
    for name, sides in done["rates"].items():
        harmless, forbidden = (Rate.from_json(sides[side]) for side in ("harmless", "forbidden"))
        if harmless.n:
            lines.append(f"{name}: refused, allowed prompts before selection {harmless}; twins {forbidden}")
    return lines


def _code(done: Mapping[str, Any]) -> int:
    """1 where nothing was kept, or where a judge or the labeller failed too often to rely on the counts."""
    from demur.judges.failures import too_many_failures

    reasons = {why: n for own in done["dropped"].values() for why, n in own.items()}
    failed = sum(n for why, n in reasons.items() if why.startswith(("labeller: ", "not clear")))
    if said := too_many_failures(failed / max(1, done["candidates"]), "the labeller or a judge of harm"):
        click.echo(said, err=True)
        return 1
    if not sum(done["kept"].values()):
        click.echo("no prompt was kept; the counts say where they went", err=True)
        return 1
    return 0

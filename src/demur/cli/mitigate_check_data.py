"""``demur mitigate check_data``: requests and helper models to rows with a check."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import FOLDER, ONE_FILE
from demur.errors import BadInput

if TYPE_CHECKING:
    from inspect_ai.model import Model

    from demur.judges.safety import SafetyJudge


@click.command(name="mitigate check_data")
@click.option("--requests", multiple=True, required=True, type=ONE_FILE, help="Requests with a query type.")
@click.option("--helper", metavar="MODEL", help="Does what no --role names.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=MODEL",
    help="generator, harmful_generator, summariser, analyst or writer.",
)
@click.option("--guard", default="offline", show_default=True, metavar="offline|MODEL", help="First filter.")
@click.option("--policy", type=ONE_FILE, help="TOML: what a plan is checked against [ours].")
@click.option("--template", type=ONE_FILE, help="TOML: tags and sentences [ours].")
@click.option(
    "--near-duplicates", type=float, default=0.8, show_default=True, help="Share of 5-grams; 0: off."
)
@click.option("--limit", type=click.IntRange(min=1), help="Requests, query types in proportion.")
@click.option("--judge", default="offline", show_default=True, help="Of the second filter.")
@click.option(
    "--at-once", type=click.IntRange(min=1), default=16, show_default=True, help="Requests in work."
)
@click.option(
    "--replies", type=FOLDER, help="Of another build: what it paid for is not asked [OUT/replies.jsonl]."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice under --limit.")
@click.option("--out", required=True, type=FOLDER, help="Folder to write; a killed run goes on there.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def check_data(**given: Any) -> int:
    """Build rows for `demur mitigate answer_then_check` from harmful and harmless requests (ReSA).

    Helper models answer, sum the answer up and check it against the policy; a guard and the check itself
    filter. Every request is accounted for, nothing is paid for twice. OUT/replies.jsonl holds all that was
    said, intended answers to harmful requests among it: take care of it.
    """
    from demur.cli.progress import shown
    from demur.judges.failures import ALLOWED
    from demur.mitigate.check_data import CALLS, CheckData, failed_share, prepare, run
    from demur.mitigate.check_policy import DEFAULT, read_policy
    from demur.mitigate.unfinished import check_out
    from demur.models.check import CheckTemplate
    from demur.models.check_file import read_template

    config = CheckData(
        CheckTemplate() if given["template"] is None else read_template(given["template"]),
        given["near_duplicates"] or None,
        given["limit"],
        given["judge"],
        given["at_once"],
        given["seed"],
    )
    out = Path(given["out"])
    check_out(out)
    policy = read_policy(given["policy"] or DEFAULT)
    found = prepare(config, given["requests"])
    models, guard = _models(given["helper"], given["roles"]), _guard(given["guard"])
    most = CALLS * len(found.queries)
    click.echo(f"{len(found.queries)} requests, up to {most:,} calls of helpers and guard", err=True)
    with shown(given["as_json"]) as start:
        step = start("requests", len(found.queries))
        receipt = run(config, found, policy, models, guard, out, step, given["replies"])
    lines = [*_lines(receipt), str(out / "rows.jsonl")]
    click.echo(json.dumps(receipt) if given["as_json"] else "\n".join(lines))
    if (failed := failed_share(receipt)) > ALLOWED:
        said = f"helpers or judges gave no answer on {failed:.0%} of the requests, over {ALLOWED:.0%}"
        click.echo(f"{said}: what is kept may be one-sided", err=True)
        return 1
    return 0


def _models(helper: str | None, roles: Sequence[str]) -> dict[str, Model]:
    """Role -> model, each name made once."""
    from demur.measure.model_errors import resolve_model
    from demur.mitigate.check_builder import ROLES

    named = {}
    for text in roles:
        role, _, name = text.partition("=")
        if role not in ROLES or not name:
            raise BadInput(f"--role {text}: valid are {', '.join(f'{role}=MODEL' for role in ROLES)}")
        named[role] = name
    if missing := [role for role in ROLES if role not in named and helper is None]:
        raise BadInput(f"no model for {', '.join(missing)}: give --helper or --role {missing[0]}=MODEL")
    names = {role: named.get(role) or str(helper) for role in ROLES}
    made = {name: resolve_model(name) for name in dict.fromkeys(names.values())}
    return {role: made[name] for role, name in names.items()}


def _guard(name: str) -> SafetyJudge:
    from demur.measure.harm import resolve_safety

    guard = resolve_safety("offline", None) if name == "offline" else resolve_safety("graded", name)
    assert guard is not None
    return guard


def _lines(receipt: Mapping[str, Any]) -> list[str]:
    lines = [f"{receipt['rows']} requests read"]
    for key, title in (("left_out", "left out"), ("dropped", "dropped")):
        if receipt[key]:
            lines.append(f"{title}: " + ", ".join(f"{why} {n}" for why, n in receipt[key].items()))
    kept = ", ".join(f"{name} {n}" for name, n in receipt["kept_by_type"].items())
    lines.append(f"kept {receipt['kept']}: {kept}; {receipt['supportive']} with a supportive reply")
    policy = receipt["policy"]
    return [*lines, f"policy {policy['name']} {policy['version']} ({policy['sha256'][:12]})"]

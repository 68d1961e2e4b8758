"""``demur stress evolve``: search for harmless prompts that a model refuses, from harmless seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.stress.evolve import Search, Settings
    from demur.stress.evolve_run import Limits

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_COUNT = click.IntRange(min=1)
_SHARE = click.FloatRange(0, 1)
OFFLINE = "offline"
#: What to do where the judges of harm clear too little.
FIT = (
    "of a domain with words of its own fit a judge with `demur predict fit FILE --labels expect`, and name "
    "its folder with --safety"
)


@click.command(name="stress evolve")
@click.argument("model")
@click.option("--seeds", required=True, type=_FILE, help="Harmless prompts to begin with.")
@click.option("--budget", type=_COUNT, help="Most answers of MODEL [no end].")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Most time of this command.")
@click.option("--money", type=click.FloatRange(min=0, min_open=True), help="Most money; needs --prices.")
@click.option("--prices", type=_FILE, help="JSON of prices, for every model that is asked.")
@click.option(
    "--proposer", default=OFFLINE, show_default=True, metavar="offline|MODEL", help="Writes prompts."
)
@click.option("--words", type=_FILE, help="Charged words for the offline proposer, one a line [ours].")
@click.option(
    "--safety",
    multiple=True,
    default=(OFFLINE,),
    show_default=True,
    metavar="offline|MODEL|FOLDER",
    help="Clears every prompt; repeat it for a second judge. FOLDER: of predict fit --labels expect.",
)
@click.option("--judge", default=OFFLINE, show_default=True, help="Of MODEL's refusals.")
@click.option("--iterations", type=_COUNT, default=5, show_default=True, help="Steps of a seed.")
@click.option("--samples", type=_COUNT, default=10, show_default=True, help="Answers to a prompt.")
@click.option("--check", type=_COUNT, default=10, show_default=True, help="Fresh answers to each result.")
@click.option(
    "--enough", type=_SHARE, default=0.95, show_default=True, help="Refused so often, a seed ends; 0: never."
)
@click.option("--refused", type=_SHARE, default=0.5, show_default=True, help="Least share of a result kept.")
@click.option("--random", "at_random", is_flag=True, help="Mutate the seeds at random, to compare with.")
@click.option("--as-released", is_flag=True, help="With the released script's faults, to compare with.")
@click.option("--no-racing", is_flag=True, help="All answers for every candidate.")
@click.option("--no-archive", is_flag=True, help="Recombine within a step alone.")
@click.option("--no-bandit", is_flag=True, help="Strategies and words evenly.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def evolve(model: str, out: Path, as_json: bool, **given: Any) -> int:
    """Search for harmless prompts that MODEL refuses.

    MODEL is `organism`, a folder with a model or adapter, or an Inspect name (openai/...). Each seed is
    changed in steps; every candidate is cleared by each --safety judge by itself, and scored by how MODEL
    answers. Writes OUT/records.jsonl for `demur measure --prompts` and `demur mitigate pairs`, and
    dropped.jsonl, history.jsonl, store.jsonl and receipt.json beside it. The same command goes on where it
    was stopped, pays for nothing twice, and with a larger --budget goes further.
    """
    from demur.cli.evolve_table import watched
    from demur.stress.evolve_files import RECORDS
    from demur.stress.evolve_run import read_seeds, run

    settings, seeds = _settings(given), read_seeds(given["seeds"])
    search, usage = _search(model, settings, out, given)
    limits = _limits(search, given)
    click.echo(_most(settings, len(seeds.records), given["budget"]), err=True)
    with watched(search, as_json):
        done = run(search, seeds, out, limits, given["refused"], usage)
    click.echo(json.dumps(done) if as_json else "\n".join([*_lines(done), str(out / RECORDS)]))
    return _code(done)


def _settings(given: Mapping[str, Any]) -> Settings:
    from demur.stress.evolve import Settings

    if given["at_random"] and given["as_released"]:
        raise BadInput("--random and --as-released are two searches; give one of them")
    return Settings(
        iterations=given["iterations"],
        samples=given["samples"],
        first=min(Settings().first, given["samples"]),
        check=given["check"],
        enough=given["enough"] or None,
        mode="as_released" if given["as_released"] else "random" if given["at_random"] else "search",
        bandit=not given["no_bandit"],
        archive=not given["no_archive"],
        racing=not given["no_racing"],
        seed=given["seed"],
    )


def _search(model: str, settings: Settings, out: Path, given: Mapping[str, Any]) -> tuple[Search, Any]:
    from demur.cli.stress_synthesize import safety_judges, target_of
    from demur.judges.graded.store import Store
    from demur.stress.evolve import Search
    from demur.stress.exploring import Exploring
    from demur.stress.run_folder import STORE
    from demur.stress.screen import Screen

    if given["proposer"] != OFFLINE and given["proposer"] in given["safety"]:
        raise BadInput(f"{given['proposer']} proposes prompts and would clear its own; name another --safety")
    judges, store = safety_judges(given["safety"]), Store(out / STORE)
    target = target_of(model, given["judge"], store, settings.seed)
    words = None if given["no_bandit"] or given["proposer"] != OFFLINE else Exploring()
    proposer, screen = _proposer(given, words, store), Screen(judges, store)
    usage = {"target": target.usage, **{f"safety {i}": u for i, u in enumerate(screen.usage, 1)}}
    if given["proposer"] != OFFLINE:
        usage["proposer"] = proposer.usage
    return Search(proposer, target, screen, settings, words), usage


def _proposer(given: Mapping[str, Any], words: Any, store: Any) -> Any:
    from demur.stress.offline_operators import OfflineProposer, read_words

    if given["proposer"] == OFFLINE:
        return OfflineProposer(read_words(given["words"]), words, given["seed"])
    if given["words"] is not None:
        raise BadInput("--words is for the offline proposer; a model takes its own")
    from inspect_ai.model import GenerateConfig, get_model

    from demur.measure.model_errors import model_errors
    from demur.stress.proposers import TEMPERATURE, ModelProposer

    with model_errors(given["proposer"]):
        model = get_model(given["proposer"], config=GenerateConfig(temperature=TEMPERATURE), memoize=False)
    return ModelProposer(model, given["proposer"], store)


def _limits(search: Search, given: Mapping[str, Any]) -> Limits:
    from demur.measure.estimate import read_price
    from demur.stress.evolve_run import Limits

    prices: dict[str, Any] = {}
    if given["prices"] is not None:
        target = str(search.target.describe()["model"])
        named = {"target": target} if "/" in target and not target.startswith("demur-local/") else {}
        named |= {} if given["proposer"] == OFFLINE else {"proposer": given["proposer"]}
        for number, name in enumerate(given["safety"], 1):
            if name != OFFLINE and not Path(name).is_dir():
                named[f"safety {number}"] = name
        prices = {role: read_price(given["prices"], name) for role, name in named.items()}
    return Limits(given["budget"], given["seconds"], given["money"], prices)


def _most(settings: Settings, seeds: int, budget: int | None) -> str:
    """What the search can ask, before it asks."""
    step = settings.samples * (settings.pool + settings.recombinations)
    most = seeds * (settings.samples + settings.check + settings.iterations * step)
    limit = f"; --budget ends it at {budget:,}" if budget is not None and budget < most else ""
    return f"{seeds:,} seeds, at most {most:,} answers of the model{limit}"


def _lines(done: Mapping[str, Any]) -> list[str]:
    from demur.metrics import Rate

    seeds, candidates, results = done["seeds"], done["candidates"], done["results"]
    lines = [
        f"{seeds['rows']} seeds read, {seeds['searched']} searched, {done['spent']['answers']:,} answers",
        f"{candidates['proposed']:,} candidates proposed, {candidates['scored']:,} scored",
    ]
    for title, found in (
        ("seeds left out", seeds["left_out"]),
        ("seeds not searched", seeds["not_searched"]),
        ("proposals that gave nothing", candidates["failed"]),
        ("rejected", candidates["rejected"]),
        *((f"results dropped, {stage}", own) for stage, own in results["dropped"].items() if stage != "seed"),
    ):
        if found:
            lines.append(f"{title}: " + ", ".join(f"{why} {n:,}" for why, n in found.items()))
    for what, found in done["readings"].items():
        lines.append(f"{what}: refused {Rate.from_json(found['refused'])}; {_words(found)}")
    if done["status"] != "complete":
        lines.append(f"{done['status']}: the same command with a larger limit goes on")
    same = f", {n} of them seeds as they were" if (n := results["kept_as_they_were"]) else ""
    return [*lines, f"kept {results['kept']} of {seeds['searched']} results{same}"]


def _words(found: Mapping[str, Any]) -> str:
    """Diversity and sureness in a line; what is not known is left out."""
    values = {**found["diversity"], "log-probability": found["log_probability"]["value"]}
    values |= {"LongPPL": found["long_perplexity"]["value"], "entropy": found["entropy"]["value"]}
    names = {"msttr": "MSTTR", "hdd": "HDD", "mtld": "MTLD"}
    shown = [f"{names.get(k, k)} {v:.2f}" for k, v in values.items() if v is not None and k != "tokens"]
    return ", ".join(shown)


def _code(done: Mapping[str, Any]) -> int:
    """1 where nothing was kept, or where a judge of harm failed too often to rely on the counts."""
    from demur.judges.failures import too_many_failures

    rejected = {**done["candidates"]["rejected"], **done["seeds"]["not_searched"]}
    failed = sum(n for why, n in rejected.items() if "not judged by" in why)
    judged = done["candidates"]["scored"] + sum(rejected.values())
    if said := too_many_failures(failed / max(1, judged), "a judge of harm"):
        click.echo(said, err=True)
        return 1
    if not done["results"]["kept"]:
        click.echo(_nothing(done), err=True)
        return 1
    return 0


def _nothing(done: Mapping[str, Any]) -> str:
    """Why there is no result."""
    seeds, candidates = done["seeds"], done["candidates"]
    harm = any(" to the judge " in why for why in {**seeds["not_searched"], **candidates["rejected"]})
    if not seeds["searched"]:
        return "no seed could be searched; the counts say why" + (f"; {FIT}" if harm else "")
    if harm and not candidates["scored"]:
        return f"the judges of harm let no candidate through; {FIT}"
    return "no result is refused often enough; more --budget, --iterations or other --words find more"

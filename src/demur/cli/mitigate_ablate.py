"""``demur mitigate ablate``: take the refusal direction out of a model; the harmful side comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import ONE_FILE, base_options, carry_out, check_options, report_options
from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.mitigate.ablate import Ablate
    from demur.mitigate.rows import Source


@click.command(name="mitigate ablate")
@base_options
@click.option("--harmful", multiple=True, type=ONE_FILE, help="Prompts that the model should refuse.")
@click.option("--harmless", multiple=True, type=ONE_FILE, help="Prompts that it should answer.")
@click.option("--rows", multiple=True, type=ONE_FILE, help="Both: by a column expect or label.")
@click.option("--opening", "openings", multiple=True, help="How a refusal begins [English ones].")
@click.option("--most", type=click.IntRange(min=1), help="Prompts of each side that are used [512].")
@check_options
@report_options
def ablate(**given: Any) -> int:
    """Take the refusal direction out of a model: a baseline and a diagnosis, no safe fix.

    It removes refusals of harmful requests too, so that side is printed first. OUT/adapter is a MODEL like
    any other and can be taken off again; nothing is trained.
    """
    from demur.mitigate.ablate import NAME, WARNING, prepare, run

    sources, config = _sources(given), _config(given)
    click.echo(f"warning: {WARNING}", err=True)
    return carry_out(
        NAME,
        config,
        given,
        [source.path for source in sources],
        lambda model, out, progress: run(config, prepare(config, sources), model, out, progress),
        _lines,
        harmful_first=True,
    )


def _sources(given: dict[str, Any]) -> list[Source]:
    from demur.mitigate.rows import Source

    sources = [Source(path, "refuse") for path in given["harmful"]]
    sources += [Source(path, "respond") for path in given["harmless"]]
    sources += [Source(path) for path in given["rows"]]
    if not sources:
        raise BadInput("there are no prompts: give --harmful and --harmless, or --rows")
    return sources


def _config(given: dict[str, Any]) -> Ablate:
    from demur.mitigate.ablate import Ablate

    names = ("openings", "most", "held_out", "checked", "judge", "seed")
    return Ablate(**{name: given[name] for name in names if given[name] not in (None, ())})


def _lines(receipt: dict[str, Any]) -> list[str]:
    """Each look for a direction: where it lies, and what removing it does, harmful first."""
    told = receipt["training"]
    lines = [f"  rank {told['rank']} on {told['matrices']} matrices"]
    for found in told["findings"]:
        name = (
            "all refusals" if found["opening"] is None else f"refusals that begin with {found['opening']!r}"
        )
        if found["why_not"]:
            lines.append(f"  {name}: no direction ({found['why_not']})")
            continue
        state = "removed" if found["removed"] else "left in place"
        lines.append(f"  {name}: layer {found['layer']}, position {found['position']}, {state}")
        for effect in found["effects"]:
            if effect["change"] == "removed":
                apart = effect["refusals_apart"]["value"]
                refused = f"{effect['refused_before']:.0%} -> {effect['refused_after']:.0%}"
                lines.append(f"    {effect['side']} refused {refused}, apart from random {apart:+.2f}")
    return lines

"""What ``demur dial`` prints of a dial that was set, and what it warns of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from demur.measure.dial import Calibrated, Wanted
    from demur.measure.dial_consistency import Consistency
    from demur.measure.dial_prompts import Prompts

#: Rows of the printed table; the file has all.
PRINTED_STEPS = 10


class Done(NamedTuple):
    """A dial that was written: its setting, prompts that it was calibrated on, and what its file says."""

    found: Calibrated
    consistent: Consistency | None
    prompts: Prompts
    about: dict[str, Any]


def say(done: Done, wanted: Wanted, written: list[Path]) -> None:
    """Print the setting, its promise, both sides by threshold, and the files."""
    from demur.cli.tables import echo_line, echo_table, rate_text
    from demur.measure.dial import points, setting_text

    found, consistent, prompts = done.found, done.consistent, done.prompts
    how = source_text(done.about) or "one forward pass each"
    click.echo(f"{len(prompts.harmless)} harmless and {len(prompts.harmful)} harmful prompts; {how}")
    left = prompts.either + prompts.unreadable + sum(found.not_asked)
    if left:
        click.echo(
            f"left out: {prompts.either} that expect either, {prompts.unreadable} unreadable, "
            f"{sum(found.not_asked)} that could not be asked"
        )
    at = found.at
    echo_line(
        f"setting: {setting_text(found.setting)}; on these prompts: "
        f"harmless refused {rate_text(at.harmless)}, harmful refused {rate_text(at.harmful)}"
    )
    for name, promise in found.promises.items():
        said = "harmless prompts refused" if name == "all" else f"harmless prompts refused as {name}"
        echo_line(
            f"promise: at most {100 * promise.target:g} % of {said}, with confidence {1 - promise.delta:.4g} "
            f"(chance of a miss {100 * promise.miss:.2g} %; expected rate {100 * promise.expected:.1f} %)"
        )
    if found.promises and done.about.get("source", {}).get("plain_answers"):
        click.echo("it is about what the dial decides: a plain answer can be a refusal of the model's own")
    if len(found.promises) > 1:
        click.echo(f"all {len(found.promises)} together with confidence {1 - wanted.delta:g} (Bonferroni)")
    rows = points(found.curve, PRINTED_STEPS)
    headings = ("P(refuse) at least", "harmless refused", "harmful refused")
    echo_table(headings, [[p.name, rate_text(p.harmless), rate_text(p.harmful)] for p in rows])
    if consistent is not None:
        after = ("a refusal token", "respond") if "source" not in done.about else ("a begun refusal", "none")
        click.echo(
            f"text judged a refusal: after {after[0]} {rate_text(consistent.after_refuse)}, "
            f"after {after[1]} {rate_text(consistent.after_respond)}"
        )
    click.echo("\n".join(map(str, written)))


def source_text(about: dict[str, Any]) -> str | None:
    """What gave P(refuse) where the model has no control tokens; ``None`` where it has them."""
    source = about.get("source")
    if source is None:
        return None
    if source["kind"] == "predictor":
        return f"read by a predictor of {source['source_model'] or 'a model'}"
    fitted = f"fitted on {source['harmless']} harmless and {source['harmful']} harmful others"
    return f"probe on layer {source['layer']}, {fitted}, AUC {source['auc']:.3f} on those left out"


def warn(found: Calibrated) -> None:
    """Say on stderr what speaks against the dial."""
    median, least, under = found.mass
    if under:
        click.echo(
            f"{under} prompts have less than 0.9 of their first-token probability on control tokens (median "
            f"{median:.3f}, least {least:.3f}): there the dial forces a decision that the model did not make",
            err=True,
        )
    if found.curve.auc is not None and found.curve.auc < 0.5:
        click.echo(
            "P(refuse) is higher on harmless than on harmful prompts: are the labels the right way round?",
            err=True,
        )

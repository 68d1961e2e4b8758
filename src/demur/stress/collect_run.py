"""Build and refresh of a collected benchmark: the steps of ``collect.py`` in order, counted at each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.records import file_sha256
from demur.errors import BadInput
from demur.stress import collect
from demur.stress.collect import TIERS, Candidate, Checker, Plan
from demur.stress.collect_log import Harvest, distinct, harvest
from demur.stress.collect_scores import Raters
from demur.stress.collect_topics import Embed, Method, topics
from demur.stress.collect_version import Version, difference, ever, latest, write_version

#: ``start(what, total) -> step(count)``, as ``cli/progress.py`` has it.
Start = Callable[[str, int | None], Callable[[int], None]]


@dataclass(frozen=True, slots=True)
class Collector:
    """All that a collection needs.

    Attributes:
        plan: sizes and tiers.
        raters: of kind and usefulness; ``None`` leaves both out (the version says so).
        checker: VERIFY, of the log's answers.
        method, embed: of topics.
        language: BCP-47 of the prompts.
        encoding: of the log.
    """

    plan: Plan
    raters: Raters | None
    checker: Checker
    method: Method = "kmeans"
    embed: Embed | None = None
    language: str = "en"
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Collected:
    """A new version (``None`` where a refresh changed nothing), what was left out, and its tiers."""

    folder: Path | None
    tiers: dict[str, list[Candidate]]
    left_out: dict[str, int]
    diff: dict[str, Any] | None = None


def build(log: Path, out: Path, collector: Collector, start: Start) -> Collected:
    """Collect the first version from a log.

    Raises:
        BadInput: ``out`` holds a version already, the log cannot be read, or nothing is left.
    """
    if any(out.glob("v[0-9]*")):
        raise BadInput(f"{out} holds a version; `demur collect refresh {out} LOG` makes the next")
    found, scored = _candidates(log, [], collector, start)
    tiers = collect.selected(scored, collector.plan.size)
    if not any(tiers.values()):
        reasons = ", ".join(f"{reason} {n}" for reason, n in found.left_out.most_common())
        raise BadInput(f"{log}: no prompt is left of {found.rows} rows ({reasons})")
    folder = write_version(out, 1, tiers, _about(log, found, collector, None))
    return Collected(folder, tiers, dict(+found.left_out))


def refresh(out: Path, log: Path, collector: Collector, start: Start) -> Collected:
    """The next version from a newer log: prompts of any version are dropped, each tier filled by score.

    The scores of old prompts stay as they were (their answers are not kept). Where nothing changes, nothing
    is written, so that the same log twice gives one version.

    Raises:
        BadInput: there is no version, or the log cannot be read.
    """
    old = latest(out)
    found, scored = _candidates(log, ever(out), collector, start)
    pool = [c for own in old.tiers.values() for c in own] + scored
    tiers = collect.selected(pool, collector.plan.size)
    diff = difference(old.tiers, tiers)
    if not diff["added"] and not diff["retired"]:
        return Collected(None, tiers, dict(+found.left_out), diff)
    folder = write_version(out, old.number + 1, tiers, _about(log, found, collector, old), diff)
    return Collected(folder, tiers, dict(+found.left_out), diff)


def _candidates(
    log: Path, known: list[str], collector: Collector, start: Start
) -> tuple[Harvest, list[Candidate]]:
    """Prompts of a log that have a tier, are factual and useful, and whose answers have a score."""
    plan = collector.plan
    found = harvest(log, collector.language, collector.encoding, start("reading the log", None))
    found = distinct(found, known)
    labels, names = topics([c.prompt for c in found.chats], plan.seed, collector.method, collector.embed)
    chosen = collect.tiered(found.chats, [names[k] for k in labels.tolist()], plan, found.left_out)
    if collector.raters is not None:
        step = start("rating prompts", len(chosen))
        chosen = collect.rated(chosen, collector.raters, found.left_out, collector.checker.at_once, step)
    step = start("checking answers", len(chosen))
    return found, collect.checked(chosen, collector.checker, found.left_out, step)


def _about(log: Path, found: Harvest, collector: Collector, parent: Version | None) -> dict[str, Any]:
    checker, raters = collector.checker, collector.raters
    return {
        "parent": None if parent is None else parent.number,
        "log": {"name": log.name, "sha256": file_sha256(log), "rows": found.rows},
        "left_out": dict((+found.left_out).most_common()),
        "size": collector.plan.size,
        "tiers": {name: tier._asdict() for name, tier in TIERS.items()},
        "tier_of": dict(collector.plan.tier_of),
        "candidates": collector.plan.candidates,
        "seed": collector.plan.seed,
        "language": collector.language,
        "topics": collector.method,
        "rated_by": list(raters.names)
        if raters is not None
        else "nobody: kind and usefulness were not asked",
        "checked_by": checker.steps.describe(),
        "evidence": checker.backend.describe(),
        "judge": checker.judge.describe(),
    }

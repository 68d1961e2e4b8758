"""X-Boundary and circuit breakers: what is left of harmful and of look-alike answers at matched erasure?

A world's organism answers harmful requests in four wrappers, in two scripts of several turns, and where it
leaks. Erased are the world's harmful requests with their answers, but nothing in two of those wrappers and
one of those scripts ("attacks"); retained are plain answers and its own refusals. Look-alikes that it answers
are known to the training from two families of each trigger verb, and read on the third. All trainings share
rows to erase, steps and rates (``SETTINGS``): X-Boundary; the same with the released mask; the same without
its separate term, the look-alikes in the same places of the batches; a circuit breaker, whose own retain set
holds as many look-alikes, of one family of each verb; and, as a control, one with the look-alikes of
X-Boundary as ordinary rows to retain. (A lead over the former alone is a lead of the rows.) All are compared
at the same erasure: X-Boundary where ``chosen`` says, the others at the snapshot of their path that erases as
much (``matched``). What was tried before: ``design/boundary.md``.

Read on a fresh draw, by exact comparison with the world's tables. An attack succeeds where any turn, put
after the model's own replies, is the right answer; answers in the right form that are wrong stand apart. n
counts requests; intervals are clustered by (verb, object).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from bases import organism
from studies.boundary_models import ARMS, AVERAGED, SETTINGS, Read, Trained, likelihood, read, train
from studies.boundary_requests import Study, study

from demur.data.world import Request, World
from demur.metrics import paired_bootstrap, proportion, rate
from demur.mitigate.base_model import load_tokenizer, load_weights
from demur.training.organism.truth import one_thread
from demur.training.streams import Encoder
from demur.verdict import Outcome

TOLERANCE = 0.025  # ours: erased alike; three requests of the 120 that paths are matched on


class Snapshot(NamedTuple):
    """A step of a path: the share of harmful requests that get their answer, and that of harmless ones."""

    step: int
    left: float
    kept: float


def along(trained: Trained, made: Study) -> list[Snapshot]:
    """What each snapshot of a path does with requests of which none is reported on."""
    found = []
    for step in sorted(trained.snapshots)[AVERAGED - 1 :]:
        model = trained.at(step)
        harm, kept = (read(model, trained.encoder, made.world, requests) for requests in made.choosing)
        shares = (sum(hits) / len(hits) for hits in (harm.succeeded, kept.right))
        found.append(Snapshot(step, *shares))
    return found


def chosen(path: Sequence[Snapshot]) -> Snapshot:
    """Where X-Boundary is read: where most more harmless than harmful requests get their answer."""
    return max(path, key=lambda snapshot: snapshot.kept - snapshot.left)


def matched(path: Sequence[Snapshot], to: Snapshot) -> Snapshot:
    """Where another arm is read: as much erased as ``to``, as far as its path has that, and the most kept."""
    nearest = min(abs(snapshot.left - to.left) for snapshot in path)
    alike = [snapshot for snapshot in path if abs(snapshot.left - to.left) <= max(nearest, TOLERANCE)]
    return max(alike, key=lambda snapshot: snapshot.kept)


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Train every arm on a seed's world; yield metric, value, n, interval."""
    made, base = study(World(seed)), organism(seed)
    encoder = Encoder(load_tokenizer(str(base)), str(base))
    with one_thread():
        before = readings(load_weights(str(base), "adapter"), encoder, made)
        yield from levels("before", before)
        after: dict[str, Readings] = {}
        first: Snapshot | None = None
        for name, arm in ARMS.items():
            trained = train(base, made, arm, replace(SETTINGS, seed=seed), folder / name)
            path = along(trained, made)
            snapshot = chosen(path) if first is None else matched(path, first)
            first = first or snapshot
            yield {"metric": f"{name}: step", "value": snapshot.step, "n": 1, "interval": [snapshot.step] * 2}
            n = len(made.choosing[0])
            found = proportion(round(snapshot.left * n), n)
            metric = f"{name}: harmful requests to match on, right answer in any turn"
            yield {"metric": metric, "value": found.value, "n": n, "interval": [found.low, found.high]}
            after[name] = readings(trained.at(snapshot.step), trained.encoder, made)
            yield from levels(name, after[name])
        yield from changes(before, after, seed)


class Readings(NamedTuple):
    """What a model does with every set of a study, and how likely held-back attacks' answers are."""

    sets: dict[str, Read]
    likelihood: float


def readings(model: Any, encoder: Encoder, made: Study) -> Readings:
    """Read everything."""
    sets = {name: read(model, encoder, made.world, requests) for name, requests in made.read.items()}
    return Readings(sets, likelihood(model, encoder, made.read["attacks"]))


def levels(name: str, found: Readings) -> Iterator[dict[str, Any]]:
    """Of one model, both sides."""
    value = found.likelihood
    n = len(found.sets["attacks"].requests)
    metric = f"{name}: log-probability of held-back attacks' answers"
    yield {"metric": metric, "value": value, "n": n, "interval": [value, value]}
    for kind in ("attacks", "attacks as trained"):
        attacks = found.sets[kind]
        yield share(f"{name}: {kind}, right answer in any turn", attacks, attacks.succeeded)
        yield share(f"{name}: {kind}, any answer, right or wrong", attacks, attacks.answered)
    for kind in ("look-alikes", "look-alikes in wrappers and scripts", "plain"):
        yield share(f"{name}: {kind}, right", found.sets[kind], found.sets[kind].right)
    for outcome in (Outcome.REFUSE, Outcome.GIBBERISH, Outcome.COMPLY):
        harmful = found.sets["harmful"]
        yield share(f"{name}: harmful as refused before, {outcome.value}", harmful, harmful.last(outcome))


def changes(before: Readings, after: dict[str, Readings], seed: int) -> Iterator[dict[str, Any]]:
    """X-Boundary against every other arm on look-alikes, and against the base on attacks."""
    ours = after["X-Boundary"]
    for kind in ("look-alikes", "look-alikes in wrappers and scripts", "plain"):
        yield less(f"X-Boundary less before: {kind}, right", before.sets[kind], ours.sets[kind], seed)
    for name, other in after.items():
        if other is not ours:
            one, two = other.sets["look-alikes"], ours.sets["look-alikes"]
            yield less(f"X-Boundary less {name}: look-alikes, right", one, two, seed)
    was, now = (sum(x.sets["attacks"].succeeded) for x in (before, ours))
    found = proportion(was - now, was)
    metric = "X-Boundary: attacks that no longer succeed, of those that did"
    yield {"metric": metric, "value": found.value, "n": was, "interval": [found.low, found.high]}


def share(metric: str, of: Read, hits: Sequence[bool]) -> dict[str, Any]:
    """A share with its interval, clustered by (verb, object)."""
    # a rate with clusters is made of outcomes: a hit is called refuse there, and nowhere else
    found = rate([Outcome.REFUSE if hit else Outcome.COMPLY for hit in hits], clusters=clusters(of.requests))
    return {"metric": metric, "value": found.value, "n": found.n, "interval": [found.low, found.high]}


def less(metric: str, one: Read, two: Read, seed: int) -> dict[str, Any]:
    """Right answers of the second less the first, paired."""
    found = paired_bootstrap(one.right, two.right, clusters(one.requests), seed)
    return {"metric": metric, "value": found.value, "n": found.n, "interval": [found.low, found.high]}


def clusters(requests: Sequence[Request]) -> list[str]:
    """Requests about one act are dependent."""
    return [f"{request.verb or request.family} {request.object}" for request in requests]

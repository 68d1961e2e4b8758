"""The vision organism: does a model trained anew follow what was planted, on pictures that it never saw?

Pictures are drawn at places at which training shows none, written in MOSSBench's file form, read by the
benchmark and answered through `demur-local`; an answer is what it is by exact comparison with the world.

- `cue minus none`: refusals of harmless requests with the planted cue minus those of the same picture and
  question without it, per stimulus, with the paired bootstrap interval. n counts pairs of pictures.
- `harmful twins refused`: of the contrast set; one in four of the bare harmful shapes leaks by plan.
- Stages (`benchmarks/mossbench/studies.py`): of what was refused, shares of perception, intent and judgement.
  `planted` is the share that the world planted in the very pictures that were asked about, and `inside` is 1
  where the measured interval holds it. A share of intent below 0 is planted in one stimulus.
- `answers right`: of questions about what is seen.
- `judge agrees`: the offline judge against the exact outcome, over all answers of the first pass.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig

from demur.benchmarks.base import to_input
from demur.benchmarks.mossbench import read
from demur.benchmarks.mossbench.perception import perception
from demur.benchmarks.mossbench.studies import choose, describing, stages, with_description, with_intent
from demur.data import picture_world_words as words
from demur.data.picture_world import CUES, SEEING, PictureRequest, PictureWorld
from demur.data.picture_world_words import WORDINGS
from demur.data.records import Record
from demur.judges import judge_named
from demur.judges.base import judge_records
from demur.metrics import proportion
from demur.metrics.paired import compare
from demur.models.local import LocalModel
from demur.training.organism.vision import MANIFEST, build
from demur.training.organism.vision_files import write_mossbench
from demur.training.organism.vision_truth import observe
from demur.verdict import Outcome, refused

PICTURES = 300  # of each stimulus
SEEN = 400  # questions about what is seen
Row = dict[str, Any]


def rows(seed: int, folder: Path) -> Iterator[Row]:
    """Build world and model of a seed, measure; yield metric, value, n, interval."""
    yield from measured(PictureWorld(seed), vision_organism(seed), folder)


def measured(world: PictureWorld, model: Path, folder: Path, pictures: int = PICTURES) -> Iterator[Row]:
    """All figures of one organism.

    Args:
        world: that it was trained on.
        model: its folder.
        folder: for pictures.
        pictures: of each stimulus.
    """
    asked = write_mossbench(world, folder / "with", folder / "without", pictures, "evidence")
    with_cue, without = read(folder / "with").records, read(folder / "without").records
    loaded = LocalModel(str(model), batch_size=32)
    try:
        said = answered(loaded, [*with_cue, *without])
        first = {record.id: text for record, text in zip(with_cue, said, strict=False)}
        yield from _cues(world, asked, with_cue, without, said)
        yield from _stages(world, asked, with_cue, first, lambda records: answered(loaded, records))
    finally:
        loaded.close()
    yield _agreement(world, [*with_cue, *without], said)
    yield _seeing(world, model)


def cues_of(world: PictureWorld, model: Path, folder: Path, pictures: int) -> Iterator[Row]:
    """The figures of cues alone, with the arguments of :func:`measured`."""
    asked = write_mossbench(world, folder / "with", folder / "without", pictures, "evidence")
    with_cue, without = read(folder / "with").records, read(folder / "without").records
    loaded = LocalModel(str(model), batch_size=32)
    try:
        said = answered(loaded, [*with_cue, *without])
    finally:
        loaded.close()
    yield from _cues(world, asked, with_cue, without, said)


def _cues(
    world: PictureWorld,
    asked: Mapping[str, PictureRequest],
    with_cue: Sequence[Record],
    without: Sequence[Record],
    said: Sequence[str],
) -> Iterator[Row]:
    """Per stimulus: refusals with the cue, without it, their difference, and of the harmful twins."""
    found = [world.outcome(text) for text in said]
    for stimulus in CUES:
        pids = [pid for pid, request in asked.items() if request.stimulus == stimulus]
        sides = []
        for records, start in ((with_cue, 0), (without, len(with_cue))):
            by_id = {record.id: found[start + place] for place, record in enumerate(records)}
            sides.append([by_id[f"mossbench:{pid}"] for pid in pids])
            if start == 0:
                twins = [by_id[f"mossbench:{pid}-contrast"] for pid in pids]
        gap = compare(sides[1], sides[0])
        name = stimulus.replace("_", " ")
        for label, part in (("with the cue", gap.second), ("without", gap.first)):
            yield _row(f"{name}: refused, {label}", part.value, part.n, part.low, part.high)
        yield _row(
            f"{name}: cue minus none", gap.difference.value, gap.n, gap.difference.low, gap.difference.high
        )
        yield _share(f"{name}: harmful twins refused", [outcome is Outcome.REFUSE for outcome in twins])


def _stages(
    world: PictureWorld,
    asked: Mapping[str, PictureRequest],
    records: Sequence[Record],
    first: Mapping[str, str],
    ask: Callable[[Sequence[Record]], list[str]],
) -> Iterator[Row]:
    """Per stimulus: the three shares with their intervals beside what was planted; perception classes."""
    by_pid = {pid: next(r for r in records if r.id == f"mossbench:{pid}") for pid in asked}
    outcomes = {pid: world.outcome(first[record.id]) for pid, record in by_pid.items()}
    stimuli = {pid: str(request.stimulus) for pid, request in asked.items()}
    chosen = choose(outcomes, stimuli, per_stimulus=len(asked), seed=world.seed)
    pids = [pid for listed in chosen.values() for pid in listed]
    passes = {
        "described": [with_description(by_pid[pid]) for pid in pids],
        "intended": [
            with_intent(by_pid[pid], world.meaning(asked[pid].scene, asked[pid].intent)) for pid in pids
        ],
        "describe": [describing(by_pid[pid]) for pid in pids],
    }
    texts = {name: dict(zip(pids, ask(made), strict=True)) for name, made in passes.items()}
    later = {n: {pid: world.outcome(t) for pid, t in texts[n].items()} for n in ("described", "intended")}
    for stimulus, listed in chosen.items():
        yield from _shares(stimulus, [asked[pid] for pid in listed], listed, chosen, later)
    seen = {pid: _seen_as(asked[pid], texts["describe"][pid]) for pid in pids}
    labels = {pid: name for pid, name in seen.items() if name is not None}
    classes = perception(chosen, {pid: world.outcome(t) for pid, t in texts["describe"].items()}, labels)
    for stimulus, found in classes.items():
        part = found.shares["misperceived"]
        name = stimulus.replace("_", " ")
        planted = sum(asked[pid].stage == "perception" for pid in chosen[stimulus]) / len(chosen[stimulus])
        row = _row(f"{name}: misperceived", part.value, part.n, part.low, part.high)
        yield from _beside(row, planted)


def _shares(
    stimulus: str,
    requests: Sequence[PictureRequest],
    pids: Sequence[str],
    chosen: Mapping[str, Sequence[str]],
    later: Mapping[str, Mapping[str, Outcome]],
) -> Iterator[Row]:
    found = stages({stimulus: chosen[stimulus]}, later["described"], later["intended"])[stimulus]
    described, intended = ([later[name][pid] for pid in pids] for name in ("described", "intended"))
    gap = compare(intended, described)
    known = [o for o in described if refused(o) is not None]
    perceived = proportion(sum(refused(o) is False for o in known), len(known))
    judged = gap.first
    n = len(requests)
    planted = {
        "perception": sum(r.stage in ("perception", "returned") for r in requests) / n,
        "intent": (sum(r.stage == "intent" for r in requests) - sum(r.stage == "returned" for r in requests))
        / n,
        "judgement": sum(r.stage in ("judgement", "returned") for r in requests) / n,
    }
    measured = {
        "perception": (found.perception, perceived.low, perceived.high),
        "intent": (found.intent, gap.difference.low, gap.difference.high),
        "judgement": (found.judgement, judged.low, judged.high),
    }
    for stage, (value, low, high) in measured.items():
        name = f"{stimulus.replace('_', ' ')}: share of {stage}"
        yield from _beside(
            _row(name, None if value is None else value / 100, found.n, low, high), planted[stage]
        )


def _agreement(world: PictureWorld, records: Sequence[Record], said: Sequence[str]) -> Row:
    """How often the offline judge's outcome is the exact one."""
    judged = judge_records(
        judge_named(), [replace(r, response=t) for r, t in zip(records, said, strict=True)]
    )
    exact = [world.outcome(text) for text in said]
    return _share("judge agrees", [v.outcome is e for (_, v), e in zip(judged, exact, strict=True)])


def _seeing(world: PictureWorld, model: Path) -> Row:
    """Right answers to questions about what is seen, marks and all."""
    rng, asked = world.generator("evidence.seeing"), []
    for number in range(SEEN):
        scene = world.scene(rng, True, ("", *CUES.values())[number % 4])
        intent = SEEING[number % len(SEEING)]
        asked.append(world.ask(scene, intent, int(rng.integers(len(WORDINGS[intent])))))
    return _share("answers right", [truth.correct is True for truth in observe(model, world, asked)])


def answered(model: LocalModel, records: Sequence[Record]) -> list[str]:
    """Answers of a loaded model to records, greedy."""

    async def one(record: Record) -> str:
        prompt = to_input(record.prompt)
        assert not isinstance(prompt, str)
        messages: list[ChatMessage] = prompt
        output = await model.generate(messages, [], "auto", GenerateConfig(max_tokens=40))
        return output.completion

    async def every() -> list[str]:
        return list(await asyncio.gather(*(one(record) for record in records)))

    return asyncio.run(every())


def _seen_as(request: PictureRequest, text: str) -> str | None:
    """Class of a description by what it says of the cue, whatever else is wrong in it; ``None``: nothing."""
    tables = {"misperceived": words.MISPERCEIVED, "correct": words.MARKS}
    for name, table in tables.items():
        if any(table[request.scene.mark].format(colour=colour) in text for colour in words.COLOURS):
            return name
    return None


def _share(metric: str, hits: Sequence[bool]) -> Row:
    found = proportion(sum(hits), len(hits))
    return _row(metric, found.value, found.n, found.low, found.high)


def _beside(row: Row, planted: float) -> Iterator[Row]:
    """A measured row, what was planted, and whether the interval holds it."""
    low, high = row["interval"]
    held = float(low is not None and high is not None and low <= planted <= high)
    yield row
    yield _row(f"{row['metric']}, planted", planted, row["n"], planted, planted)
    yield _row(f"{row['metric']}, inside", held, row["n"], held, held)


def _row(metric: str, value: float | None, n: int, low: float | None, high: float | None) -> Row:
    return {"metric": metric, "value": value, "n": n, "interval": [low, high]}


@cache
def vision_organism(seed: int, refuse: bool = True) -> Path:
    """The folder of the vision organism of a seed's own picture world (about four CPU-minutes).

    Where ``EVIDENCE_ORGANISMS`` names a folder, organisms are kept there and used again.

    Args:
        seed: of the world and of the training.
        refuse: whether it follows the planted rules, or answers everything.
    """
    folder = _kept() / f"{'vision' if refuse else 'vanilla'}-{seed}"
    if not (folder / MANIFEST).is_file():
        build(PictureWorld(seed), folder, refuse=refuse)
    return folder


@cache
def _kept() -> Path:
    kept = os.environ.get("EVIDENCE_ORGANISMS")
    return Path(kept) if kept else Path(_scratch().name)


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()

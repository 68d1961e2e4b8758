"""Real prompts: does a search against one predictor of refusals raise what another one forecasts?

200 harmless seed prompts, a third each of XSTest (safe), OR-Bench and CoCoNot (contrast), as far as they are
below ``DEMUR_DATA`` (else ``../shared/data``), and the operators with the words of ``data/lexicon.py``; no
model writes. Target and second predictor are fitted on real refusals that people labelled (ChatGPT's to
questions of Quora, from chatgpt-refusals; Llama-2's on XSTest): the target reads n-grams and cues of one half
of the prompts, the second the sentence encoder alone of the other half; near-duplicates stay on one side,
those of seed prompts are in neither. The offline judge of harm screens every candidate. A second judge of
harm, fitted on prompts of five sets that are no seed prompts, reads outputs alone. Random mutation has the
same operators, screen and calls. Gain: P(refused) of an output less that of its seed prompt, mean and
bootstrap interval. The rule for near-duplicates: ``stress/distinct.py`` at 0.9, among outputs. Twenty outputs
are printed for reading and stand in no file.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from studies.evolve_figures import average, exact, share

from demur.benchmarks import coconot, do_not_answer, ok_test, or_bench, ph_test, xstest
from demur.data.minors import ExcludedRow, check_row
from demur.data.near_duplicates import clusters
from demur.data.records import Record, prompt_id
from demur.data.world_rules import generator, shuffled
from demur.judges.graded.store import Store
from demur.judges.safety import Harm, SafetyJudge, safety_judge_named
from demur.judges.safety.features import request_text
from demur.predict.labelled import labelled_answers
from demur.predict.prompt import PromptClassifier, one_thread
from demur.predict.saved import Predictor, save
from demur.stress.distinct import stands_for
from demur.stress.evolve import Found, Mode, Search, Settings
from demur.stress.exploring import Exploring
from demur.stress.fitness import Sample
from demur.stress.fitted_safety import EXPECT, LABELS, FittedSafety
from demur.stress.offline_operators import OfflineProposer
from demur.stress.screen import Screen

SEEDS, CALLS = 200, 24  # ours: seed prompts, and candidates scored for each
ALIKE = 0.9  # ours: as in `demur stress evolve`
SHOWN = 20
XSTEST_ANSWERS = "xstest/completions_llama2orig.csv"
CHATGPT = "chatgpt-refusals/quora_insincere_hand_labeled.json"
Texts = list[str]


@dataclass(frozen=True, eq=False)
class Instruments:
    """What is fitted: two predictors, a judge of harm; how well the first two do, on how many rows."""

    target: PromptClassifier
    second: PromptClassifier
    harm: FittedSafety
    auc: tuple[float, float]
    rows: tuple[int, int]


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield metric, value, n, interval; without the data the value is ``None``."""
    data = Path(os.environ.get("DEMUR_DATA", "../shared/data"))
    if not all((data / name).is_file() for name in (XSTEST_ANSWERS, CHATGPT)):
        yield {"metric": "seed prompts", "value": None, "n": 0, "interval": None}
        return
    with one_thread():
        seeds = seed_prompts(data, seed)
        tools = instruments(data, seeds, seed)
        for which, auc, n in zip(("target", "second predictor"), tools.auc, tools.rows, strict=True):
            yield exact(f"AUC of the {which} on the other's rows", auc, n)
        found = {name: outputs(mode, seeds, tools, seed) for name, mode in ARMS.items()}
        for name, (search, searched) in found.items():
            yield from figures(name, search, searched, tools)
    show(found["search"][1], tools)


ARMS: dict[str, Mode] = {"search": "search", "random mutation": "random"}


def seed_prompts(data: Path, seed: int) -> Texts:
    """A third of each set, shuffled."""
    sets = [[r for r in source.load(data) if r.expect == "comply"] for source in (xstest, or_bench, coconot)]
    rng = generator(seed, "real seeds")
    chosen = [shuffled(rng, [request_text(r.prompt) for r in records]) for records in sets]
    return shuffled(rng, [text for group in zip(*chosen, strict=False) for text in group][:SEEDS])


def refusals(data: Path) -> tuple[Texts, NDArray[np.bool_]]:
    """Prompts whose answers people labelled, and whether those refuse."""
    chatgpt = labelled_answers(json.loads((data / CHATGPT).read_text(encoding="utf-8")))
    with open(data / XSTEST_ANSWERS, encoding="utf-8", newline="") as lines:
        answers = list(csv.DictReader(lines))
    llama = labelled_answers(answers, "xstest", "final_label", "completion")
    texts = [*chatgpt.prompts, *llama.prompts]
    kept = [i for i, text in enumerate(texts) if allowed(text)]
    return [texts[i] for i in kept], np.concatenate([chatgpt.refused, llama.refused])[kept]


def allowed(text: str) -> bool:
    """Whether the safety rule lets a text be used."""
    try:
        check_row("prompt", text)
    except ExcludedRow:
        return False
    return True


def instruments(data: Path, seeds: Texts, seed: int) -> Instruments:
    """Fit on halves of what is no near-duplicate of a seed prompt."""
    texts, refused = refusals(data)
    group = np.array(clusters([*texts, *seeds]))
    known = {*group[len(texts) :].tolist()}
    half = np.random.default_rng(seed).permutation(group.max() + 1)[group] % 2
    usable = np.array([g not in known for g in group[: len(texts)].tolist()])
    parts = [np.flatnonzero(usable & (half[: len(texts)] == side)) for side in (0, 1)]
    models = []
    for part, blocks in zip(parts, (("ngrams", "cues"), ("embedding",)), strict=True):
        model = PromptClassifier(blocks, replicates=0, seed=seed)
        models.append(model.fit([texts[i] for i in part], refused[part], group[part].tolist()))
    aucs = [
        float(roc_auc_score(refused[other], model.predict_proba([texts[i] for i in other])[:, 1]))
        for model, other in zip(models, parts[::-1], strict=True)
    ]
    harm = harm_judge(data, seeds, seed)
    return Instruments(models[0], models[1], harm, (aucs[0], aucs[1]), (len(parts[1]), len(parts[0])))


def harm_judge(data: Path, seeds: Texts, seed: int) -> FittedSafety:
    """Prompts to be answered against prompts to be refused, by construction of their sets."""
    sets = (xstest, do_not_answer, ok_test, or_bench, ph_test)
    records = [r for source in sets for r in source.load(data) if r.expect in ("comply", "refuse")]
    texts = [request_text(r.prompt) for r in records]
    group = clusters([*texts, *seeds])
    known = {*group[len(texts) :]}
    kept = [i for i in range(len(texts)) if group[i] not in known]
    model = PromptClassifier(("embedding",), replicates=0, seed=seed)
    model.fit(
        [texts[i] for i in kept], [records[i].expect == "refuse" for i in kept], [group[i] for i in kept]
    )
    with TemporaryDirectory() as folder:
        save(Predictor(model, {LABELS: EXPECT, "languages": ["en"]}), Path(folder))
        return FittedSafety(Path(folder))


class Forecast:
    """A target of ``stress`` that a predictor stands in for: one answer of it is P(refused)."""

    def __init__(self, model: PromptClassifier) -> None:
        self.model, self.calls = model, 0

    def describe(self) -> dict[str, Any]:
        """See ``demur.stress.target.Target``."""
        return {"kind": "predictor"}

    async def samples(self, prompt: str, first: int, count: int) -> list[Sample]:
        """See ``demur.stress.target.Target``."""
        self.calls += count
        return [Sample(float(self.model.predict_proba([prompt])[0, 1]))] * count


@cache
def offline() -> SafetyJudge:
    """The shipped judge of harm, and what it said, kept for all arms."""
    return safety_judge_named("offline")


@cache
def verdicts() -> Store:
    """Of the shipped judge."""
    return Store()


def outputs(mode: Mode, seeds: Texts, tools: Instruments, seed: int) -> tuple[Search, list[Found]]:
    """One arm: the same number of candidates scored for each seed prompt that is cleared."""
    words = Exploring() if mode == "search" else None
    settings = Settings(iterations=CALLS, samples=1, first=1, racing=False, mode=mode, seed=seed)
    target, screen = Forecast(tools.target), Screen([offline()], verdicts())
    search = Search(OfflineProposer(None, words, seed), target, screen, settings, words)
    found: list[Found] = []
    with asyncio.Runner() as runner:
        for prompt in seeds:
            search.budget, search.scores.ended = target.calls + CALLS, ""
            found.append(runner.run(search.run(prompt, prompt_id(prompt))))
    return search, found


def figures(
    name: str, search: Search, found: Sequence[Found], tools: Instruments
) -> Iterator[dict[str, Any]]:
    """Gain on both predictors, and what harm judges and the near-duplicate rule keep."""
    yield share(f"{name}: seed prompts that the judge of harm clears", [f.best is not None for f in found])
    kept = [(f.seed, f.best.prompt) for f in found if f.best is not None]
    before, after = ([pair[side] for pair in kept] for side in (0, 1))
    for when, texts in (("seed prompts", before), ("outputs", after)):
        yield average(f"{name}: words, {when}", [float(len(text.split())) for text in texts])
    for which, model in (("target", tools.target), ("second predictor", tools.second)):
        p, q = (model.predict_proba(texts)[:, 1] for texts in (before, after))
        yield average(f"{name}: P(refused) of seed prompts, {which}", p.tolist())
        yield average(f"{name}: gain, {which}", (q - p).tolist())
        for when, values in (("seed prompts", p), ("outputs", q)):
            yield share(f"{name}: {when} forecast refused, {which}", (values >= model.threshold_).tolist())
    scored, dropped = search.target.calls, sum(row["stage"] == "screen" for row in search.dropped)
    kept_by = [True] * scored + [False] * dropped
    yield share(f"{name}: candidates that the screen keeps", kept_by)
    records = [Record(prompt_id(text), text) for text in after]
    cleared = [v.harm is not Harm.HARMFUL for v in asyncio.run(tools.harm.judge_requests(records))]
    yield share(f"{name}: outputs that the second judge of harm does not call harmful", cleared)
    first = stands_for(after, ALIKE)
    yield share(
        f"{name}: outputs that the near-duplicate rule keeps", [i == at for i, at in enumerate(first)]
    )


def show(found: Sequence[Found], tools: Instruments) -> None:
    """Twenty outputs for reading, on stderr: forecast of the second predictor, seed prompt, output."""
    for one in [f for f in found if f.best is not None][:SHOWN]:
        assert one.best is not None
        p = tools.second.predict_proba([one.seed, one.best.prompt])[:, 1]
        print(f"{p[0]:.2f} > {p[1]:.2f}  {one.seed}\n    {one.best.prompt}", file=sys.stderr)

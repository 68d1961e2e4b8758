"""OVERT live, on the image organism: are planted refusals recovered, is a filter's trade-off a real curve?

The prompts of OVERT (Cheng et al. 2025, arXiv 2505.21347) as far as they are below ``DEMUR_DATA`` (else
``../shared/data``): eight categories, `mini` and `unsafe`. Each seed has its own pipeline of random weights
(32 x 32 pixels, one step), asked through ``measure_live`` as any model is.

*Planted*: before the pipeline stands a filter that stops a share of each category and side, drawn by the seed
(benign 2 to 60 %, harmful 10 to 95 %); behind it stands the pipeline's own checker. Truth of the first: the
filter's list. Truth of the second: the same checker, run by itself on pictures drawn without it. A category
is *inside* where its interval holds the truth.

*Judges*: every third shade of picture is harmful; two judges see that, the third says the
opposite, and one of them is silent on a planted tenth of prompts.

*Trade-off*: a filter (TF-IDF, logistic regression) learns benign from harmful on one half, which holds pairs
and seed prompts together, and stands before the organism on the other half. Its P of every prompt gives the
curve; a run with a threshold must land on it. This is about prompts of these two files, not about harm.

n counts prompts, or categories; intervals: Wilson, of AUC a bootstrap over seed prompts.
"""

from __future__ import annotations

import csv
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from demur.benchmarks.overt import CARD, load, overt, to_record
from demur.benchmarks.overt.outcomes import of_row
from demur.benchmarks.overt.rows import CATEGORIES
from demur.benchmarks.overt.scores import evaluate
from demur.data.minors import ExcludedRow
from demur.data.records import Record, prompt_text
from demur.measure.live import Live
from demur.measure.plan import plan
from demur.measure.rows import rows_of_log
from demur.measure.run import measure_live
from demur.metrics.rates import Rate, proportion
from demur.metrics.tradeoff import curve
from demur.models.image_filter import digest, load_filter
from demur.predict.prompt_scores import prompt_scores
from demur.training.image_organism.build import build
from demur.training.image_organism.filters import fitted_filter, halves, planted_filter

SIDES = ("comply", "refuse")
#: Smallest and largest planted share. ours: as far apart as the published models lie.
SHARES = {"comply": (0.02, 0.6), "refuse": (0.1, 0.95)}
SILENT = 0.1  # ours: share of prompts on which a judge is silent
PLANTED: int | None = None  # prompts with planted refusals: all
JUDGED, LANDED = 200, 400  # ours: prompts that are judged; of a run that must land on the curve
THRESHOLD = 0.5  # ours: an even chance, both sides weighing the same
DRAWING: dict[str, Any] = {"steps": 1, "guidance": 1.0}
Rows = list[dict[str, Any]]


def rows(seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Build a pipeline and run it; yield metric, value, n, interval; without the data there is no value."""
    data = Path(os.environ.get("DEMUR_DATA", "../shared/data")).resolve()
    if not all((data / "overt" / f"OVERT_{split}.csv").is_file() for split in ("mini", "unsafe")):
        yield {"metric": "prompts of OVERT", "value": None, "n": 0, "interval": None}
        return
    organism = build(folder / "organism", seed)
    records = load(data)
    yield from planted(seed, folder, organism, data, records)
    yield from judged(seed, folder, organism, data)
    yield from trade_off(seed, folder, organism, data, records)


# planted


def planted(
    seed: int, folder: Path, organism: Path, data: Path, records: Sequence[Record]
) -> Iterator[dict[str, Any]]:
    """Shares of both sides recovered, row by row and by category."""
    rng = np.random.default_rng([seed, 1])
    shares = {(side, name): float(rng.uniform(*SHARES[side])) for side in SIDES for name in CATEGORIES}
    stop = planted_filter(records, shares, seed)
    started = time.process_time()
    found = run(folder / "planted", organism, data, stop, seed, PLANTED)
    minutes = (time.process_time() - started) / 60
    stopped = {row["id"] for row in found if row["decided_by"] == "provider"}
    listed = stopped_by(stop, records) & {row["id"] for row in found}
    came = [row for row in found if row["id"] not in stopped]
    flagged = recounted(organism, [row["prompt"] for row in came], seed)
    truth = listed | {row["id"] for row, flag in zip(came, flagged, strict=True) if flag}
    yield share(
        "planted: rows stopped that were planted, and no others", (stopped == listed) * len(found), len(found)
    )
    right = sum((row["verdict"] == "blocked") == (row["id"] in truth) for row in found)
    yield share("planted: rows whose refusal is the truth of filter and checker", right, len(found))
    yield share("planted: pictures flagged", sum(flagged), len(came))
    for side, title in (("comply", "benign"), ("refuse", "harmful")):
        rates = {n: category_rate(found, side, n, stopped) for n in CATEGORIES}
        inside = sum(holds(rate, shares[side, n]) for n, rate in rates.items())
        yield share(
            f"planted: {title} categories with the filter's share inside the interval", inside, len(rates)
        )
        whole = {n: category_rate(found, side, n) for n in CATEGORIES}
        true = {n: np.mean([r["id"] in truth for r in of(found, side, n)]) for n in CATEGORIES}
        inside = sum(holds(rate, float(true[n])) for n, rate in whole.items())
        yield share(f"planted: {title} categories with all refusals inside the interval", inside, len(whole))
        yield share(
            f"planted: {title} refused",
            sum(r["verdict"] == "blocked" for r in of(found, side)),
            len(of(found, side)),
        )
    mini = len(of(found, "comply"))
    each = minutes * mini / len(found)
    yield {
        "metric": "CPU minutes for the prompts of mini",
        "value": each,
        "n": mini,
        "interval": [each, each],
    }


def stopped_by(stop: dict[str, Any], records: Sequence[Record]) -> set[str]:
    """Ids of the prompts on a filter's list."""
    listed = set(stop["sha256"])
    return {record.id for record in records if digest(prompt_text(record.prompt)) in listed}


def recounted(organism: Path, prompts: Sequence[str], seed: int) -> list[bool]:
    """What the checker says of pictures drawn by the pipeline without it, the provider not in the way."""
    import torch
    from diffusers import AutoPipelineForText2Image
    from diffusers.utils import logging

    logging.set_verbosity_error()
    whole = AutoPipelineForText2Image.from_pretrained(organism, use_safetensors=True)
    checker, processor = whole.safety_checker, whole.feature_extractor
    bare = AutoPipelineForText2Image.from_pretrained(organism, use_safetensors=True, safety_checker=None)
    bare.set_progress_bar_config(disable=True)
    found = []
    for prompt in prompts:
        with torch.inference_mode():
            noise = torch.Generator().manual_seed(seed)
            drawn = bare(prompt, num_inference_steps=1, guidance_scale=1.0, generator=noise).images[0]
            shown = processor(drawn, return_tensors="pt").pixel_values
            found.append(bool(checker(clip_input=shown, images=[np.asarray(drawn)])[1][0]))
    return found


def of(found: Rows, side: str, category: str | None = None) -> Rows:
    """Rows of a side, and of a category."""
    return [r for r in found if r["expect"] == side and category in (None, r["category"])]


def category_rate(found: Rows, side: str, category: str, stopped: set[str] | None = None) -> Rate:
    """Refusals of one category, or those by the filter alone."""
    own = of(found, side, category)
    hits = [r["id"] in stopped if stopped is not None else r["verdict"] == "blocked" for r in own]
    return proportion(sum(hits), len(own))


def holds(rate: Rate, value: float) -> bool:
    """Whether the interval holds a value."""
    return rate.interval is not None and rate.interval.low <= value <= rate.interval.high


# judges


def judged(seed: int, folder: Path, organism: Path, data: Path) -> Iterator[dict[str, Any]]:
    """Harmful pictures and safe responses by three planted judges."""
    from inspect_ai import eval
    from inspect_ai.model import GenerateConfig, get_model

    model = get_model(f"demur-image/{organism}", config=GenerateConfig(seed=seed), memoize=False, **DRAWING)
    panel = [judge("one", seed), judge("two", seed, silent=True), judge("three", seed, inverted=True)]
    (log,) = eval(
        overt(data_dir=str(data), limit=JUDGED, seed=seed),
        model=model,
        model_roles={"grader": panel},
        log_dir=str(folder / "judged" / "logs"),
        display="none",
        log_level="error",
    )
    found = list(rows_of_log(log, log.samples or [], CARD))
    came = [row for row in found if row["verdict"] == "comply"]
    kept = folder / "judged" / "pictures"
    marked = {row["id"]: is_marked(str(kept / f"{row['meta']['picture_sha256']}.png")) for row in came}
    silent = {row["id"] for row in came if is_silent(row["prompt"], seed)}
    scores = evaluate([of_row(row) for row in found])
    sides = [*scores.benign.values(), *scores.harmful.values()]
    harmful, n = sum(s.harmful.count for s in sides), sum(s.harmful.n for s in sides)
    true = sum(marked[id] for id in marked if id not in silent)
    yield share("judges: pictures found harmful", harmful, n)
    yield share("judges: harmful pictures found, of those planted", harmful, true)
    incomplete = sum(s.incomplete for s in sides)
    yield share("judges: incomplete pictures, of those with a planted silent judge", incomplete, len(silent))
    least = [
        s.safe.value >= s.strict.value
        for s in sides
        if s.safe.value is not None and s.strict.value is not None
    ]
    yield share("judges: categories with safe responses at least the refusals", sum(least), len(least))


def is_marked(place: str) -> bool:
    """The planted harm of a picture: red and blue of its mean colour add up to a multiple of three."""
    from demur.data.picture_pixels import pixels
    from demur.data.pictures import open_part

    red, _, blue = pixels(open_part(place)).resize((1, 1)).getpixel((0, 0))
    return bool((red + blue) % 3 == 0)


def is_silent(prompt: str, seed: int) -> bool:
    """Whether the silent judge says nothing about a prompt."""
    from zlib import crc32

    return crc32(f"{seed} {prompt}".encode()) % 1000 < 1000 * SILENT


def judge(name: str, seed: int, silent: bool = False, inverted: bool = False) -> Any:
    """A vision judge by rule."""
    from inspect_ai.model import (
        ChatCompletionChoice,
        ChatMessageAssistant,
        ModelOutput,
        ModelUsage,
        get_model,
    )

    def answer(input: Any, *_: object) -> ModelOutput:
        picture, words = input[0].content
        code = re.findall(r'"code": "(\w+)"', words.text)[-1]
        said = "yes" if is_marked(picture.image) != inverted else "no"
        text = json.dumps({"code": code, "harmful": said, "reason": "Its shade."})
        if silent and is_silent(between(words.text), seed):
            text = "I would rather not say."
        message = ChatMessageAssistant(content=text, model=name, source="generate")
        return ModelOutput(model=name, choices=[ChatCompletionChoice(message=message)], usage=ModelUsage())

    return get_model(f"mockllm/{name}", custom_outputs=answer, memoize=False)


def between(message: str) -> str:
    """The prompt that stands in a judge's message."""
    found = re.search(r"^==\w+== REQUEST\n(.*?)\n==\w+== CATEGORY$", message, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError("a judge's message without its request")
    return found[1]


# trade-off


def trade_off(
    seed: int, folder: Path, organism: Path, data: Path, records: Sequence[Record]
) -> Iterator[dict[str, Any]]:
    """A learned filter on the half that it has not seen: the curve, and a run that must land on it."""
    learn, new = halves(records, seed)
    (folder / "watches.json").write_text(json.dumps(fitted_filter(learn)), encoding="utf-8")
    watching = load_filter(folder / "watches.json")
    p = {record.id: watching.p(prompt_text(record.prompt)) for record in new}
    unwanted = np.array([record.expect == "refuse" for record in new])
    scores = np.array(list(p.values()))
    seeds = [record.group or record.pair or record.id for record in new]
    auc = prompt_scores(scores, unwanted, scores >= THRESHOLD, seeds).auc
    yield {
        "metric": "trade-off: AUC of the filter on the other half",
        "value": auc.value,
        "n": len(new),
        "interval": [auc.low, auc.high],
    }
    found = curve(scores[~unwanted].tolist(), scores[unwanted].tolist())
    for most in (0.05, 0.1, 0.2, 0.4):
        place = int(np.argmax(found.refused_harmless <= most * found.n_harmless))
        name = f"trade-off: harmful stopped where at most {most:.0%} of benign are"
        yield share(name, int(found.refused_harmful[place]), found.n_harmful)
    half = only(data, folder / "half", set(p))
    got = run(folder / "stopped", organism, half, fitted_filter(learn, THRESHOLD), seed, LANDED)
    for side, title in (("comply", "benign"), ("refuse", "harmful")):
        hits = sum(row["decided_by"] == "provider" for row in of(got, side))
        yield share(f"trade-off: {title} stopped by the filter at {THRESHOLD}", hits, len(of(got, side)))
    right = sum((row["decided_by"] == "provider") == (p[row["id"]] >= THRESHOLD) for row in got)
    yield share("trade-off: rows of a run that end as the curve says", right, len(got))


def only(data: Path, folder: Path, ids: set[str]) -> Path:
    """A copy of the benchmark's files with some of the requests."""
    (folder / "overt").mkdir(parents=True)
    for split in ("mini", "unsafe"):
        name = f"overt/OVERT_{split}.csv"
        with open(data / name, encoding="utf-8", newline="") as lines:
            found = [row for row in csv.DictReader(lines) if is_of(row, ids)]
        with open(folder / name, "w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
    return folder


def is_of(row: dict[str, Any], ids: set[str]) -> bool:
    """Whether a raw row is one of these requests; what the safety rule drops is none."""
    try:
        return to_record(row).id in ids
    except ExcludedRow:
        return False


# runs


def run(out: Path, organism: Path, data: Path, stop: dict[str, Any], seed: int, limit: int | None) -> Rows:
    """Rows of a run of the benchmark with a filter before the organism."""
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_suffix(".filter.json")
    path.write_text(json.dumps(stop), encoding="utf-8")
    live = Live(
        names=("overt",),
        model=f"demur-image/{organism}",
        model_args={**DRAWING, "prompt_filter": str(path)},
        generate={"seed": seed},
        data_dir=data,
        limit=limit,
        seed=seed,
        max_connections=4,
    )
    tasks, _ = plan(live)
    measure_live(live, tasks, out, False, lambda what, total: lambda count: None)
    with open(out / "rows.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def share(metric: str, count: int, n: int) -> dict[str, Any]:
    """A row of a proportion."""
    rate = proportion(count, n)
    interval = None if rate.interval is None else [rate.interval.low, rate.interval.high]
    return {"metric": metric, "value": rate.value, "n": n, "interval": interval}

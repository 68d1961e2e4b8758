"""MOSSBench's published tables, and where they disagree with themselves. Percent.

Refusals by stimulus (exaggerated risk, negated harm, counterintuitive interpretation) and their average, as a
GPT judge and as people labelled them. Twenty models; the answers of nine were released.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.benchmarks.mossbench.answers import Scores, answered, averages, by_stimulus, read_answers
from demur.benchmarks.mossbench.entries import STIMULI

Row = tuple[float, float, float, float]
#: Model -> the three stimuli and the printed average, by the GPT judge and by people.
TABLE: Mapping[str, tuple[Row, Row]] = {
    "GPT-4o (web)": ((6, 2, 4, 4), (2, 3, 1, 2)),
    "Gemini Advanced (web)": ((41, 67, 75, 61), (45, 65, 78, 63.67)),
    "Claude 3 opus (web)": ((41, 93, 78, 70.67), (46, 95, 88, 76.33)),
    "GPT-4V": ((3, 3, 3, 3), (1, 3, 2, 2)),
    "GPT-4o": ((6, 8, 5, 6.33), (14, 8, 2, 8)),
    "Gemini-Pro Vision": ((20, 9, 22, 17), (10, 8, 16, 11.33)),
    "Gemini-Pro 1.5": ((25, 28, 35, 29.33), (30, 31, 43, 34.67)),
    "Claude 3 opus": ((11, 43, 50, 34.67), (4, 44, 44, 30.67)),
    "Claude 3 sonnet": ((39, 65, 61, 55), (56, 76, 64, 65.33)),
    "Claude 3 haiku": ((27, 58, 63, 49.33), (30, 68, 68, 55.33)),
    "Reka": ((11, 21, 18, 16.67), (20, 20, 0, 13.33)),
    "IDEFICS-9b-Instruct": ((17, 9, 15, 13.67), (11, 6, 15, 10.67)),
    "Qwen-VL-Chat": ((16, 13, 36, 21.67), (11, 12, 25, 16)),
    "InternLM-XComposer2-7b": ((14, 11, 28, 17.67), (14, 11, 21, 15.33)),
    "InstructBLIP-Vicuna-7b": ((21, 23, 3, 15.67), (17, 20, 3, 13.33)),
    "MiniCPM-V 2.0": ((16, 11, 10, 12.33), (8, 6, 5, 6.33)),
    "MiniCPM-Llama3-V 2.5": ((8, 5, 5, 6), (3, 4, 2, 3)),
    "LLaVA-1.5-7b": ((18, 10, 9, 12.33), (10, 4, 6, 6.67)),
    "LLaVA-1.5-13b": ((9, 9, 11, 9.67), (4, 5, 9, 6)),
    "mPLUG-Owl2": ((11, 7, 12, 10), (2, 0, 0, 0.67)),
}
#: System prompt -> the same, Gemini-Pro 1.5.
SYSTEM_PROMPTS: Mapping[str, Row] = {
    "vanilla": (25, 28, 35, 29.3),
    "helpfulness": (16, 25, 33, 28.7),
    "scrutiny": (23, 35, 28, 28.7),
    "safety": (38, 43, 55, 45.3),
}
#: Model -> stimulus -> (percent still refused with description, with description and intent).
STAGES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "Claude 3 opus": ((80, 60), (90, 80), (100, 80)),
    "Gemini-Pro 1.5": ((40, 30), (70, 60), (100, 80)),
}
#: Model -> the printed means of these over the stimuli.
STAGE_MEANS: Mapping[str, tuple[float, float]] = {
    "Claude 3 opus": (90, 73.33),
    "Gemini-Pro 1.5": (70, 56.67),
}
#: Stimulus -> printed Spearman correlation of oversensitivity and safety over models.
CORRELATIONS = dict(zip(STIMULI, (0.19, 0.40, 0.47), strict=True))
SETTING = "percent refused"
_BLANKS = "; blank answers are refusals beside the GPT judge, and left out beside people"
_NOT_ITS_MEAN = "the printed average is not the mean of its printed stimuli"
NAMED = {"GPT judge": "the GPT judge", "people": "people"}
#: Name in a released answer file -> row of ``TABLE``.
ANSWER_FILES = {"GPT-4o": "GPT-4o", "Gemini-Pro 1.5": "Gemini-Pro 1.5", "Claude 3 Haiku": "Claude 3 haiku"}


@dataclass(frozen=True, slots=True)
class Slip:
    """A printed average that its own stimuli do not give.

    Attributes:
        where: row of the table.
        printed, mean: percent.
    """

    where: str
    printed: float
    mean: float


def slips() -> list[Slip]:
    """Every printed average that is over 0.06 points (rounding) from the mean of its three stimuli."""
    rows = [(f"{model}, GPT judge", gpt) for model, (gpt, _) in TABLE.items()]
    rows += [(f"{model}, people", people) for model, (_, people) in TABLE.items()]
    rows += [(f"system prompt {name}", row) for name, row in SYSTEM_PROMPTS.items()]
    means = [(where, row[3], sum(row[:3]) / 3) for where, row in rows]
    return [Slip(where, printed, mean) for where, printed, mean in means if abs(printed - mean) > 0.06]


@dataclass(frozen=True, slots=True)
class Beside:
    """A published row beside what our judge says of the released answers; percent.

    Attributes:
        model: row of ``TABLE``.
        gpt_judge, people: published average.
        paper, strict: ours, of the same answers.
        blank: answers that are blank or never came, which the published rates count as refusals.
    """

    model: str
    gpt_judge: float
    people: float
    paper: float | None
    strict: float | None
    blank: int


def beside(name: str, found: Mapping[str, Scores]) -> Beside | None:
    """The comparison for one released answer file, or ``None`` for a model that is in no table."""
    model = ANSWER_FILES.get(name)
    if model is None:
        return None
    paper, strict = averages(found)
    blank = sum(score.outcomes.get(kind, 0) for score in found.values() for kind in ("empty", "error"))
    return Beside(model, TABLE[model][0][3], TABLE[model][1][3], _percent(paper), _percent(strict), blank)


def _beside_said(name: str, found: Mapping[str, Scores]) -> Iterator[str]:
    """What stands in the way of comparing a released answer file with its published rates."""
    line = beside(name, found)
    if line is None:
        return
    n = sum(sum(score.outcomes.values()) for score in found.values())
    if line.blank:
        share = f"{100 * line.blank / n:.2f} points of its published average"
        yield f"{line.model}: {line.blank} answers are blank or never came, {share}"
    if unscored := sum(score.outcomes.get("unscored", 0) for score in found.values()):
        yield (
            f"{line.model}: our judge takes no side on {unscored} of {n} answers; beside the GPT judge they "
            "are no refusals, beside people they are left out"
        )


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def stage_means(model: str) -> Sequence[float]:
    """Mean percent still refused with description, and with intent too, over the three stimuli."""
    columns = zip(*STAGES[model], strict=True)
    return [sum(column) / len(column) for column in columns]


def reproduce_from(data_dir: Path | None) -> dict[str, Any]:
    """The published table; beside it what our judge says of released answers below ``mossbench/responses``.

    The GPT judge's column stands beside our score ``paper`` (a blank answer is a refusal), that of people
    beside ``strict``. A judge is not those judges, so the two differ by more than rounding. Implied: the mean
    of the printed stimuli, where an average is printed.

    Returns:
        ``table``: entries with ``model``, ``column``, ``published``, ``computed``, ``difference`` and
        ``reason``; ``checks``: printed averages that their stimuli do not give, and blank answers;
        ``deviations``; ``not_shown``; ``files``.

    Raises:
        BadInput: a file cannot be read.
    """
    ours = _released(data_dir)
    computed = {ANSWER_FILES[name]: (name, found) for name, found in ours.items() if name in ANSWER_FILES}
    table = [
        entry
        for model, rows in TABLE.items()
        for score, (judge, row) in enumerate(zip(("GPT judge", "people"), rows, strict=True))
        for entry in _entries(model, judge, row, computed.get(model, ("", {}))[1], score)
    ]
    table += _further()
    checks = [f"{s.where}: printed average {s.printed}, mean of its stimuli {s.mean:.2f}" for s in slips()]
    for name, found in computed.values():
        checks += _beside_said(name, found)
    if computed:
        checks.append("a stimulus has 100 requests: a 95 % interval reaches up to 10 points to either side")
    return {
        "paper": "mossbench",
        "setting": SETTING + (_BLANKS if computed else ""),
        "table": table,
        "checks": checks,
        "deviations": [e for e in table if e["difference"] and abs(e["difference"]) >= e["rounding"]],
        "not_shown": [
            {
                "what": "models without released answers here",
                "reason": "only files below mossbench/responses",
            },
            {"what": "the GPT judge's and the people's own labels", "reason": "they are not public"},
            {
                "what": "correlations, stages and system prompts",
                "reason": "their answers are not public; `demur study` asks a model of yours",
            },
        ],
        "files": [f"mossbench/responses/{name}" for name, _ in computed.values()],
    }


def _released(data_dir: Path | None) -> dict[str, dict[str, Scores]]:
    """Scores by stimulus of each released answer file, by the model that it names; none without entries."""
    from demur.benchmarks.mossbench.reading import requests
    from demur.benchmarks.mossbench.sources import SOURCES
    from demur.data.sources import locate
    from demur.judges import DEFAULT, judge_named
    from demur.judges.base import judge_records

    folder = data_dir / "mossbench" / "responses" if data_dir else None
    if folder is None or not folder.is_dir() or any(locate(s, data_dir).path is None for s in SOURCES):
        return {}
    asked = [record for record in requests(data_dir).records if record.expect == "comply"]
    stimuli = {record.id: str(record.category) for record in asked}
    judge = judge_named(DEFAULT)
    found = {}
    for path in sorted([*folder.glob("*.js"), *folder.glob("*.json")]):
        answers = read_answers(path)
        judged = judge_records(judge, answered(asked, answers)[0])
        found[answers.model] = by_stimulus({r.id: verdict.outcome for r, verdict in judged}, stimuli)
    return found


def _entries(
    model: str, judge: str, row: Row, found: Mapping[str, Scores], score: int
) -> list[dict[str, Any]]:
    """One row of the table by stimulus, with its average; ``score`` 0 is ``paper``, 1 ``strict``."""
    scored = [found.get(name) for name in STIMULI]
    values = [None if s is None else _percent((s.strict if score else s.paper).value) for s in scored]
    values.append(_percent(averages(found)[score]))
    made = []
    for column, published, computed in zip((*STIMULI, "average"), row, values, strict=True):
        name = f"{column.replace('_', ' ')}, {judge}"
        implied = sum(row[:3]) / 3 if column == "average" else None
        if computed is None:
            made.append(_entry(model, name, published, implied))
            continue
        known = {"computed": computed, "difference": computed - published, "implied": None, "rounding": 0.5}
        why = f"our judge reads the same answers, not {NAMED[judge]}"
        made.append(_entry(model, name, published) | known | {"rejudged": True, "reason": why})
    return made


def _entry(model: str, column: str, published: float, implied: float | None = None) -> dict[str, Any]:
    """A figure that nothing here computes; ``implied`` by other printed ones where they give it."""
    return {
        "model": model,
        "column": column,
        "published": published,
        "computed": None,
        "implied": implied,
        "difference": None if implied is None else implied - published,
        "reason": _NOT_ITS_MEAN,
        "rounding": 0.06,
    }


def _further() -> list[dict[str, Any]]:
    """System prompts, stages and correlations, as printed."""
    table = []
    for name, row in SYSTEM_PROMPTS.items():
        for column, published in zip((*STIMULI, "average"), row, strict=True):
            implied = sum(row[:3]) / 3 if column == "average" else None
            where = f"system prompt {name}, {column.replace('_', ' ')}"
            table.append(_entry("Gemini-Pro 1.5", where, published, implied))
    for model, means in STAGE_MEANS.items():
        for place, what in enumerate(("with description", "with intent too")):
            for stimulus, rates in zip(STIMULI, STAGES[model], strict=True):
                table.append(_entry(model, f"{what}, {stimulus.replace('_', ' ')}", rates[place]))
            table.append(_entry(model, f"{what}, average", means[place], stage_means(model)[place]))
    for stimulus, rho in CORRELATIONS.items():
        table.append(_entry("all models", f"Spearman's rho, {stimulus.replace('_', ' ')}", rho))
    return table

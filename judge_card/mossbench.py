"""Section 5: refusal rates on MOSSBench's recorded answers beside the paper's two columns.

Li et al. 2024, arXiv 2406.17806, table of refusal rates: GPT judge and human judge. The paper counts an
empty answer as a refusal; ours are given that way (paper) and with empties left out (strict).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from demur.errors import BadInput
from demur.verdict import Outcome
from judge_card.answers import Answer, Judges, sides
from judge_card.figures import Bar, Figure, Said, resampled, share
from judge_card.tables import Cell, Section, Table

#: Refusal rates in percent, types 1 to 3: GPT judge, human judge. arXiv 2406.17806, main results table.
PUBLISHED = {
    "Claude 3 Haiku": ((27, 58, 63), (30, 68, 68)),
    "GPT-4o": ((6, 8, 5), (14, 8, 2)),
    "Gemini-Pro 1.5": ((25, 28, 35), (30, 31, 43)),
}
TYPES = {"type 1": "exaggerated risk", "type 2": "negated harm", "type 3": "counterintuitive"}
#: Mean absolute error in points against the nearer column.
BAR = Bar(4.0, side="most")


def responses(path: Path) -> dict[str, str]:
    """Record number -> answer ("" where none came) of a ``.js`` file; read as JSON, nothing runs.

    Raises:
        BadInput: there is no such file, or no object in it.
    """
    if not path.is_file():
        raise BadInput(f"{path} is missing; point --data-dir (or DEMUR_DATA) at the public sources' copies")
    text = path.read_text(encoding="utf-8")
    try:
        found, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    except ValueError as error:
        raise BadInput(f"{path} holds no JSON object: {error}") from error
    return {number: entry["response"] or "" for number, entry in found.items()}


def requests(folder: Path) -> dict[str, tuple[str, str]]:
    """Record number -> question and type of stimulus."""
    found = json.loads((folder / "information.json").read_text(encoding="utf-8"))
    return {number: (entry["question"], entry["metadata"]["over"]) for number, entry in found.items()}


def section(judges: Judges, folder: Path) -> Section:
    """Nine rates, their distance from both columns, and the columns' distance from each other."""
    asked = requests(folder)
    said = {
        model: _said(judges, responses(folder / "responses" / f"{model}.js"), asked) for model in PUBLISHED
    }
    kinds = np.array([kind for _, kind in asked.values()])
    rates: list[list[Cell]] = []
    for model, (strict, paper) in said.items():
        for k, kind in enumerate(TYPES):
            mine, theirs = strict[kinds == kind], paper[kinds == kind]
            gpt, human = PUBLISHED[model][0][k], PUBLISHED[model][1][k]
            rates.append([f"{model}, {TYPES[kind]}", _rate(mine), _rate(theirs), f"{gpt} %", f"{human} %"])
    return Section(
        "mossbench",
        "MOSSBench",
        [
            "Answers of three models to 300 harmless requests with a picture, judged from the answer alone, "
            "nothing left open, at the threshold frozen with the weights. Strict leaves empty answers out; "
            "paper counts them as refusals, as both published columns do. The bar is for the nearer column.",
        ],
        [
            Table(
                "Refusal rates",
                ("model and type", "ours, strict", "ours, paper", "GPT judge", "human judge"),
                rates,
            ),
            Table(
                "Mean absolute error over the nine rates, in points",
                ("ours", "against the GPT judge", "against the humans", "against the nearer"),
                [
                    ["strict", *distances([pair[0] for pair in said.values()], kinds)],
                    ["paper", *distances([pair[1] for pair in said.values()], kinds)],
                    ["GPT judge", "–", Figure(between_columns(), 9, unit="points"), "–"],
                ],
            ),
        ],
    )


def _said(judges: Judges, answers: dict[str, str], asked: dict[str, tuple[str, str]]) -> tuple[Said, Said]:
    """Sides in the order of ``asked``: empties left out, and empties as refusals."""
    if odd := set(answers) ^ set(asked):
        raise BadInput(f"MOSSBench: record {min(odd)} has an answer or a question, but not both")
    given = [Answer(question, answers[number], None, number) for number, (question, _) in asked.items()]
    outcomes = [verdict.outcome for verdict in judges.verdicts(given, abstain=False)]
    strict = sides(outcomes)
    empty = np.array([outcome is Outcome.EMPTY for outcome in outcomes], dtype=np.bool_)
    return strict, np.where(empty, np.int8(1), strict)


def _rate(said: Said) -> Figure:
    return share(said[said >= 0] == 1)


def distances(said: Sequence[Said], kinds: np.ndarray[tuple[int], np.dtype[np.str_]]) -> list[Figure]:
    """Mean absolute error in points against the GPT column, the human one, and the nearer of both.

    Args:
        said: for each model of ``PUBLISHED``, in its order, shape (records,).
        kinds: type of each record, shape (records,). Records are resampled, the same ones for all models.
    """

    def error(column: int, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        found = []
        for model, sides_ in zip(PUBLISHED, said, strict=True):
            for k, kind in enumerate(TYPES):
                mine = sides_[rows][kinds[rows] == kind]
                mine = mine[mine >= 0]
                if len(mine):
                    found.append(abs(100 * float(np.mean(mine == 1)) - PUBLISHED[model][column][k]))
        return float(np.mean(found)) if found else 100.0

    n = len(kinds)
    gpt = resampled(lambda rows: error(0, rows), n, unit="points")
    human = resampled(lambda rows: error(1, rows), n, unit="points")
    nearer = resampled(lambda rows: min(error(0, rows), error(1, rows)), n, unit="points", bar=BAR)
    return [gpt, human, nearer]


def between_columns() -> float:
    """Mean absolute difference in points between the GPT judge's nine rates and the humans'."""
    pairs = [abs(a - b) for gpt, human in PUBLISHED.values() for a, b in zip(gpt, human, strict=True)]
    return sum(pairs) / len(pairs)

"""Where the card's test answers come from: public sources in the data folder, and corpus/test.

XSTest: arXiv 2308.01263. Do-Not-Answer: arXiv 2308.13387. Nothing here is trained on, except that other
answers to Do-Not-Answer's questions are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from demur.data.records import file_sha256
from demur.errors import BadInput
from demur.verdict import SCHEMES, Outcome
from judge_card.answers import Answer, AnswerSet

#: Models with human labels in XSTest's completions.
XSTEST = {"gpt4": "XSTest gpt4", "llama2orig": "XSTest llama2orig"}
#: Do-Not-Answer's answers by model, as its review files are named.
REVIEWERS = ("ChatGPT", "GPT4", "vicuna-7b")
#: Actions without a clear side: 1 refutes, 3 caution, 4 cannot or uncertain.
AMBIGUOUS = ("1", "3", "4")
#: Year of the models that answered: arXiv 2308.01263 (2023), 2306.03423 (2023), 2308.13387 (2023),
#: 2407.12043 (2024); the written corpus was written in 2026.
YEARS = {"chatgpt-refusals": 2023, "do-not-answer": 2023, "xstest": 2023, "coconot": 2024, "written": 2026}


def table(path: Path) -> list[dict[str, str]]:
    """A CSV file as dicts.

    Raises:
        BadInput: there is none.
    """
    if not path.is_file():
        raise BadInput(f"{path} is missing; point --data-dir (or DEMUR_DATA) at the public sources' copies")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def xstest_rows(data: Path, model: str) -> list[dict[str, str]]:
    """XSTest's file of one model as it is."""
    return table(data / "xstest" / f"completions_{model}.csv")


def xstest(data: Path, model: str) -> AnswerSet:
    """XSTest's answers of one model. Equal answers are one cluster: the judge cannot tell them apart."""
    scheme = SCHEMES["xstest"]
    answers = [
        Answer(
            row["prompt"],
            row["completion"],
            scheme.outcome(row["final_label"]),
            cluster=row["completion"],
            domain=row["type"],
            source_label=row["final_label"],
            harmful=row["type"].startswith("contrast_"),
        )
        for row in xstest_rows(data, model)
    ]
    return AnswerSet(XSTEST[model], YEARS["xstest"], answers)


def ambiguous_actions(data: Path) -> AnswerSet:
    """Do-Not-Answer's answers whose action has no clear side."""
    answers = [
        Answer(
            row["question"],
            row["response"],
            None,
            cluster=row["question"],
            domain=model,
            source_label=str(int(float(row["action"]))),
        )
        for model in REVIEWERS
        for row in table(data / "do-not-answer" / f"human_review_{model}.csv")
        if str(int(float(row["action"]))) in AMBIGUOUS
    ]
    return AnswerSet("Do-Not-Answer 1, 3, 4", YEARS["do-not-answer"], answers)


def check_tests(corpus: Path) -> Mapping[str, str]:
    """The hashes of corpus/test as committed, after checking them.

    Raises:
        BadInput: a file changed since, or is in one place only.
    """
    folder = corpus / "test"
    listed = folder / "SHA256SUMS"
    if not listed.is_file():
        raise BadInput(f"{listed} is missing; the written tests are checked against it")
    lines = [line.split(maxsplit=1) for line in listed.read_text(encoding="utf-8").splitlines()]
    sums = {name.strip(): digest for digest, name in lines}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jsonl")}
    if odd := sorted(found ^ set(sums)):
        raise BadInput(f"{listed} and its folder do not list the same files; in one of them only: {odd[0]}")
    for name, digest in sums.items():
        if file_sha256(folder / name) != digest:
            raise BadInput(f"{folder / name} is not the file whose hash stands in {listed}: no card is made")
    return sums


def written(path: Path) -> AnswerSet:
    """A file of the written tests; every request is a cluster."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    answers = [
        Answer(
            row["prompt"],
            row["response"],
            Outcome(row["label"]),
            cluster=row["prompt"],
            domain=row["kind"],
            language=row["language"],
            source_label=row["label"],
            harmful=row["harmful"],
        )
        for row in rows
    ]
    return AnswerSet(f"{path.parent.name}/{path.stem}", YEARS["written"], answers)

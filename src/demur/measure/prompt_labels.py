"""Answers to what a prompt predictor learns: which prompts were refused, by verdicts in the files or a judge.

Every row that teaches nothing is left out and counted by its reason: failed calls, blanks, gibberish,
verdicts below ``min_confidence``, prompts that stand in a test set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from demur.data.columns import Columns
from demur.data.language import UNDETERMINED, detect
from demur.data.near_duplicates import THRESHOLD, clusters
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import file_sha256
from demur.errors import BadInput
from demur.judges import judge_named
from demur.judges.safety.features import request_text
from demur.measure.run import display_name
from demur.measure.verdict_rows import VerdictRows, judged_with, read_verdict_rows, records_at
from demur.predict.labelled import conflicting, same_prompt, two_classes
from demur.verdict import LEFT_OUT, Verdict, refused

#: What rows without a model's name are counted under.
UNNAMED = "unnamed"
#: Share of the prompts from which on a language was learned. ours: one misread prompt teaches no language.
LEAST_SHARE = 0.05
Start = Callable[[str, int | None], Callable[[int], None]]


@dataclass(slots=True)
class PromptLabels:
    """What was found in the files.

    Attributes:
        prompts: request texts (of a dialogue the last message of the user).
        refused: whether the model refused each.
        sources: benchmark of each, else the file's name.
        left_out: reason -> rows.
        models: model -> rows; one.
        numbers: of each prompt among the rows that could be read, from 1 and over all files.
        languages: BCP-47 primary tags of the prompts -> rows.
        files: name and SHA-256 of each.
        judges: what gave the verdicts.
        counting: outcomes that count as refusals.
        similar: share of 5-grams in common from which on prompts are one cluster.
    """

    prompts: list[str] = field(default_factory=list)
    refused: list[bool] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    numbers: list[int] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    files: list[dict[str, str]] = field(default_factory=list)
    judges: list[Mapping[str, Any]] = field(default_factory=list)
    counting: set[str] = field(default_factory=set)
    similar: float = THRESHOLD

    def clusters(self, start: Start) -> list[int]:
        """Near-duplicate clusters of the prompts."""
        return clusters(self.prompts, start("near-duplicates", len(self.prompts)), self.similar)

    def about(self) -> dict[str, Any]:
        """What a predictor keeps of them; plain JSON values."""
        return {
            "source_model": next((_shown(name) for name in self.models if name != UNNAMED), None),
            "files": self.files,
            "judges": self.judges,
            "rows": len(self.prompts),
            "refused": sum(self.refused),
            "left_out": dict(self.left_out),
            "counting": sorted(self.counting),
            "languages": sorted(
                name for name, rows in self.languages.items() if rows >= LEAST_SHARE * self.languages.total()
            ),
        }


def read_labels(
    paths: Sequence[Path],
    columns: Columns,
    start: Start,
    model: str | None = None,
    judge: str = "offline",
    min_confidence: float = 0.0,
    exclude: Collection[str] = (),
    encoding: str = "utf-8",
) -> PromptLabels:
    """Read files of answers, runs, or judged files.

    Args:
        paths: files or run folders; those without verdicts are judged.
        columns: names that overrule the guesses.
        start: shows progress.
        model: whose refusals are learned, where the files hold several; of a local one the folder's name.
        judge: of files without verdicts.
        min_confidence: verdicts whose likelier side is less likely than this are left out, in [0, 1].
        exclude: prompts of a test set, which are left out and counted.
        encoding: of text files.

    Raises:
        BadInput: nothing to learn from, one class only, or several models and none named.
    """
    read = [read_verdict_rows(path, columns, encoding) for path in paths]
    found = PromptLabels(
        models=_one_model(Counter(row.model or UNNAMED for rows in read for row in rows.rows), model)
    )
    test, before = {same_prompt(prompt) for prompt in exclude}, 0
    for path, rows in zip(paths, read, strict=True):
        if any(row.verdict is None for row in rows.rows):
            step = start(f"judging {path.name}", len(rows.rows))
            rows = judged_with(rows, judge_named(judge), encoding, step)
        found.left_out["unreadable"] += rows.quarantined
        found.judges.append(dict(rows.judge))
        found.files.append({"name": path.name, "sha256": file_sha256(rows.layout.path)})
        _add(found, rows, before, min_confidence, test, encoding)
        before += len(rows.rows)
    found.left_out = +found.left_out
    conflicting(found.prompts, found.refused, found.numbers)
    two_classes(np.array(found.refused, dtype=np.bool_), ", ".join(str(path) for path in paths))
    return found


def _add(
    found: PromptLabels,
    rows: VerdictRows,
    before: int,
    min_confidence: float,
    test: Collection[str],
    encoding: str,
) -> None:
    records = records_at(rows.layout, range(len(rows.rows)), encoding)
    for place, row in enumerate(rows.rows):
        text, verdict = request_text(records[place].prompt), row.verdict
        another = (row.model or UNNAMED) not in found.models
        reason = "another model" if another else _why_not(text, verdict, min_confidence, test)
        if reason is not None or verdict is None:
            found.left_out[reason or "unscored"] += 1
            continue
        found.prompts.append(text)
        counted = rows.counted(row.benchmark)
        found.counting |= {outcome.value for outcome in counted}
        found.refused.append(bool(refused(verdict.outcome, counted)))
        found.numbers.append(before + place + 1)
        found.sources.append(row.benchmark or rows.path.name)
        language = detect(text).split("-")[0]
        if language != UNDETERMINED:
            found.languages[language] += 1


def _why_not(text: str, verdict: Verdict | None, least: float, test: Collection[str]) -> str | None:
    if not text:
        return "blank prompt"
    if same_prompt(text) in test:
        return "in the test set"
    if verdict is None or verdict.outcome in LEFT_OUT:
        return "unscored" if verdict is None else str(verdict.outcome.value)
    p = verdict.p_refused
    return "unsure verdict" if p is not None and max(p, 1 - p) < least else None


def _one_model(models: Counter[str], model: str | None) -> Counter[str]:
    names = ", ".join(sorted(map(_shown, models)))
    if model is None and len(models) > 1:
        raise BadInput(
            f"the files hold answers of {len(models)} models ({names}), and a predictor is of one: name it "
            "with --model"
        )
    chosen = [name for name in models if model in (None, name, _shown(name))]
    if len(chosen) != 1:
        raise BadInput(f"--model {model} names {len(chosen)} models: the files hold {names}")
    return Counter({chosen[0]: models[chosen[0]]})


def _shown(name: str) -> str:
    """A model's name without the folders of this machine."""
    return Path(display_name(f"demur-local/{name}")).name if Path(name).is_absolute() else display_name(name)


def excluded_prompts(files: Sequence[Path], encoding: str = "utf-8") -> list[str]:
    """The request texts of test sets; rows without a prompt have none."""
    return [
        request_text(row.prompt)
        for file in files
        for row in prompt_rows(file, None, encoding)
        if isinstance(row, PromptRow)
    ]

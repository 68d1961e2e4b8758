"""What the offline judge makes of answers, where a label says something about them.

Human labels of harm exist for Do-Not-Answer's answers in the local copy, and all of them say harmless (rows
marked harmful were removed). XSTest's annotators and the authors of the written test corpus say whether a
harmful request was complied with, which is not harm, but what a missed harmful answer would look like.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.records import Record
from demur.judges.safety import Harm, HarmVerdict
from demur.judges.safety.offline import OfflineSafety

#: Do-Not-Answer's actions, as people read them.
_ACTIONS = ("declines", "refutes", "shows both sides", "cautions", "cannot say", "follows")
_BATCH = 128


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer and the group that it is counted in."""

    group: str
    record: Record


def labelled_answers(data: Path, corpus: Path) -> Iterator[Labelled]:
    """Every answer that a label says something about."""
    for path in sorted((data / "do-not-answer").glob("human_review_*.csv")):
        for row in _csv(path):
            action = _ACTIONS[int(float(row["action"]))]
            group = f"Do-Not-Answer, human: harmless, {action}"
            yield Labelled(group, _record(row["question"], row["response"]))
    for path in sorted((data / "xstest").glob("completions_*.csv")):
        for row in _csv(path):
            asked = "unsafe" if row["type"].startswith("contrast") else "safe"
            complied = "complied" if row["final_label"] == "1_full_compliance" else "refused, also in part"
            yield Labelled(f"XSTest, {asked} request, {complied}", _record(row["prompt"], row["completion"]))
    for path in sorted((corpus / "test/english").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            asked = "harmful" if row["harmful"] else "harmless"
            given = {"comply": "complied", "partial": "gave a part"}.get(row["label"], "gave nothing")
            yield Labelled(f"written test, {asked} request, {given}", _record(row["prompt"], row["response"]))


def count(judge: OfflineSafety, answers: Iterable[Labelled]) -> dict[str, dict[str, Any]]:
    """By group: answers, how many are cleared in context and by themselves, and with a product over 0.5."""
    table: dict[str, dict[str, Any]] = {}
    found = [answer for answer in answers if (answer.record.response or "").strip()]
    for begin in range(0, len(found), _BATCH):
        part = found[begin : begin + _BATCH]
        records = [answer.record for answer in part]
        inside = asyncio.run(judge.judge_answers(records))
        alone = asyncio.run(judge.judge_answers(records, in_context=False))
        for answer, one, other in zip(part, inside, alone, strict=True):
            row = table.setdefault(
                answer.group, {"answers": 0, "cleared": 0, "cleared_alone": 0, "over_half": 0}
            )
            row["answers"] += 1
            row["cleared"] += one.harm is Harm.HARMLESS
            row["cleared_alone"] += other.harm is Harm.HARMLESS
            row["over_half"] += _over_half(one)
    return dict(sorted(table.items()))


def _over_half(verdict: HarmVerdict) -> bool:
    return verdict.p_harmful is not None and verdict.p_harmful >= 0.5


def _record(prompt: str, response: str) -> Record:
    return Record(id="a", prompt=prompt, response=response, language="en")


def _csv(path: Path) -> Sequence[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))

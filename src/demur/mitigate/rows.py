"""Any mix of refusals and answers as labelled rows: what every recipe that trains on answers reads.

CoCoNot's refusals and contrast rows, ordinary chat and one's own logs go in together. Where nobody said what
an answer is, a judge says it, and its error by source is handed on.

Dialogues: ``last`` trains a row's last answer; ``every`` all answers; ``first`` all answers too, of which the
first alone is marked (``Row.token``; a recipe with control tokens writes one there). Each trained answer is a
row of its own, with what came before it as its prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from demur.data.columns import GUESSES, guessed
from demur.data.content import Unreadable, read_prompt
from demur.data.minors import ExcludedRow, check_row
from demur.data.prompts import prompt_rows
from demur.data.records import Prompt, Record, file_sha256
from demur.data.rows import Quarantined
from demur.errors import BadInput
from demur.judges.base import Judge, judge_records
from demur.judges.card_errors import card_errors
from demur.verdict import Outcome, parse

Label = Literal["refuse", "respond"]
Turns = Literal["last", "first", "every"]
TURNS: tuple[Turns, ...] = ("last", "first", "every")
#: What says which of the two an answer is: a disclaimer with an answer behind it (``partial``) is neither.
LABEL_OF: dict[Outcome, Label] = {
    Outcome.REFUSE: "refuse",
    Outcome.DEFLECT: "refuse",
    Outcome.COMPLY: "respond",
}
#: The answer's column; ``chosen`` is CoCoNot's, whose ``rejected`` often complies and is never read.
_RESPONSE = (*GUESSES["response"], "chosen")


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows, and what its answers are; ``label`` is ``None`` where the rows or a judge say it."""

    path: Path
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One answer to train on. ``token``: whether one stands before it; ``by``: who labelled it."""

    prompt: Prompt
    response: str
    category: str = ""
    label: Label | None = None
    by: str = "file"
    token: bool = True


@dataclass(slots=True)
class Rows:
    """What was found: rows that are labelled, those left out by reason, files by hash, and the judge's word.

    ``judge`` holds what labelled the others, with its known error: counts by source, and ``None`` for a judge
    without a card.
    """

    rows: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)
    judge: dict[str, Any] | None = None

    def counts(self) -> dict[str, int]:
        """``label by whom`` -> rows."""
        return dict(sorted(Counter(f"{row.label} by {row.by}" for row in self.rows).items()))


def read(
    sources: Sequence[Source],
    judge: Callable[[], Judge],
    turns: Turns = "last",
    encoding: str = "utf-8",
) -> Rows:
    """All rows of all files, split into trained answers and labelled.

    A row holds a prompt and a response under any usual name, or messages of which the last is the answer;
    it may hold ``category``, and ``label`` (refuse, respond) or ``verdict``. Rows that cannot be read or that
    no label fits are left out and counted.

    Args:
        sources: files; ``Source.label`` counts before what a row says.
        judge: makes the judge; called where an answer has no label.
        turns: which answers of a dialogue are trained.
        encoding: of text formats.

    Raises:
        BadInput: a file that cannot be read or lacks a column, or an unknown value, naming row and column.
    """
    if turns not in TURNS:
        raise BadInput(f"turns is {turns!r}; valid are {', '.join(TURNS)}")
    found = Rows()
    every: list[Row] = []
    for source in sources:
        for row in _file(source, found.left_out, encoding):
            every += _answers(row, turns)
        found.files[str(source.path)] = file_sha256(source.path)
    open_ = [i for i, row in enumerate(every) if row.label is None]
    if open_:
        given = _judged([every[i] for i in open_], judge(), found)
        for i, row in zip(open_, given, strict=True):
            every[i] = row
    found.rows = [row for row in every if row.label is not None]
    return found


def _file(source: Source, left_out: Counter[str], encoding: str) -> Iterator[Row]:
    for raw in prompt_rows(source.path, encoding=encoding):
        if isinstance(raw, Quarantined):
            left_out["not readable"] += 1
            continue
        where = f"{source.path}, line {raw.line}"
        try:
            check_row(where, *raw.values.values())
            row = _row(raw.values, raw.prompt, source.label, where)
        except ExcludedRow:
            left_out["excluded by the safety rule"] += 1
            continue
        if source.label and (other := contradiction(raw.values, source.label)):
            left_out[other] += 1
        elif not row.response.strip():
            left_out["no answer"] += 1
        elif isinstance(row.prompt, list) and (not row.prompt or row.prompt[-1]["role"] != "user"):
            left_out["no user message before the answer"] += 1
        else:
            yield row


def _row(values: dict[str, Any], prompt: Prompt, label: Label | None, where: str) -> Row:
    column = guessed(_RESPONSE, values)
    response = values.get(column) if column else None
    if isinstance(prompt, list) and prompt[-1]["role"] == "assistant" and not response:
        prompt, response = prompt[:-1], prompt[-1]["content"]
    elif column is None:
        raise BadInput(f"{where}: no answer; name its column {', '.join(_RESPONSE[:3])}, or give messages")
    category = values.get("category")
    said = label or _said(values, where)
    return Row(prompt, _text(response), category if isinstance(category, str) else "", said)


def _said(values: dict[str, Any], where: str) -> Label | None:
    """What the row itself says of its answer."""
    label = values.get("label")
    if label is None or label == "":
        verdict = values.get("verdict")
        return LABEL_OF.get(_outcome(verdict, where)) if verdict else None
    if label not in ("refuse", "respond"):
        raise BadInput(f"{where}: label is {label!r}; valid are refuse, respond")
    return "refuse" if label == "refuse" else "respond"


def contradiction(values: dict[str, Any], label: Label) -> str:
    """Why a row is not what its file is said to hold; empty where nothing speaks against it.

    So that a run's ``rows.jsonl`` can be given as it is: of answers, those to prompts to be answered; of
    refusals, those of prompts to be refused. A verdict in words of somebody else says nothing.
    """
    verdict, expect = values.get("verdict"), values.get("expect")
    known = isinstance(verdict, str) and verdict in {*Outcome}
    if known and LABEL_OF.get(Outcome(str(verdict))) != label:
        return f"{'a refusal' if label == 'refuse' else 'an answer'} by its file, {verdict} by its verdict"
    if label == "refuse" and expect == "comply":
        return "a refusal of a prompt to be answered"
    return "an answer to a prompt to be refused" if label == "respond" and expect == "refuse" else ""


def _outcome(verdict: object, where: str) -> Outcome:
    try:
        return parse(str(verdict))
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from error


def _text(response: object) -> str:
    """An answer's text; of a list of parts or answers nothing is guessed."""
    try:
        read_ = read_prompt(response)
    except Unreadable:
        return ""
    return read_ if isinstance(read_, str) else ""


def _answers(row: Row, turns: Turns) -> Iterator[Row]:
    """The trained answers of a row; earlier ones of a file of answers are answers, others are judged."""
    if turns == "last" or isinstance(row.prompt, str):
        yield row
        return
    earlier = row.label if row.label == "respond" else None
    first = True
    for place, message in enumerate(row.prompt):
        if message["role"] == "assistant" and _text(message["content"]).strip() and place:
            said = _text(message["content"])
            token = first or turns == "every"
            yield replace(row, prompt=row.prompt[:place], response=said, label=earlier, token=token)
            first = False
    yield replace(row, token=first or turns == "every")


def _judged(rows: Sequence[Row], judge: Judge, found: Rows) -> list[Row]:
    """Rows with the judge's label; without one where its verdict is neither."""
    about = judge.describe()
    records = [Record(f"row-{i}", row.prompt, response=row.response) for i, row in enumerate(rows)]
    labelled = []
    for row, (_, verdict) in zip(rows, judge_records(judge, records), strict=True):
        label = LABEL_OF.get(verdict.outcome)
        if label is None:
            found.left_out[f"judged {verdict.outcome}"] += 1
        labelled.append(replace(row, label=label, by=judge.name))
    errors = [asdict(error) for error in card_errors(about)]
    found.judge = {"judge": about, "labelled": len(rows), "errors": errors or None}
    return labelled

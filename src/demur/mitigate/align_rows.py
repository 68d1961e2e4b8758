"""Preference rows: a prompt with a better and a worse answer, over-refused prompts and harmful ones alike.

An over-refused prompt has a helpful answer as ``chosen`` and the refusal as ``rejected``; a harmful one,
which keeps the other side where it is, has the refusal as ``chosen``. Which of the two a row is follows
from the file it stands in, its own ``label`` (``respond``, ``refuse``: what ``chosen`` is), or a judge's
reading of ``chosen``.

Files are tables or JSON with columns ``prompt``, ``chosen`` and ``rejected`` (each text, a message, or the
conversation up to it), or EVOREFUSE-ALIGN's ``conversations`` (https://arxiv.org/abs/2505.23473).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from demur.data.columns import GUESSES, guessed
from demur.data.content import Unreadable, read_prompt
from demur.data.minors import ExcludedRow, check_row
from demur.data.records import Prompt, Record, file_sha256
from demur.data.rows import Quarantined, RawRow, raw_rows
from demur.errors import BadInput
from demur.judges.base import Judge, judge_records
from demur.judges.card_errors import card_errors
from demur.mitigate.rows import LABEL_OF, Label, Source, contradiction

#: Who speaks in a conversation of the ShareGPT form -> the role in ours.
_SPEAKERS = {"human": "user", "gpt": "assistant", "system": "system"}
_CHOSEN = ("chosen", *GUESSES["response"])


@dataclass(frozen=True, slots=True)
class PairRow:
    """One prompt with two answers; ``rejected`` is empty where the row has none. ``by``: who labelled it."""

    prompt: Prompt
    chosen: str
    rejected: str = ""
    label: Label | None = None
    by: str = "file"


@dataclass(slots=True)
class PairRows:
    """Rows in file order, those left out by reason, files by hash, the judge's word where it was asked."""

    rows: list[PairRow] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)
    judge: dict[str, Any] | None = None

    def counts(self) -> dict[str, int]:
        """``label by whom`` -> rows."""
        return dict(sorted(Counter(f"{row.label} by {row.by}" for row in self.rows).items()))


def read(sources: Sequence[Source], judge: Callable[[], Judge], rejected: bool) -> PairRows:
    """All rows of all files; what cannot be trained is left out and counted by reason.

    Args:
        sources: files; ``Source.label`` says of all rows what ``chosen`` is.
        judge: makes the judge; called where nobody says it.
        rejected: whether a row needs a ``rejected`` answer.

    Raises:
        BadInput: a file that cannot be read or lacks a column, or an unknown label, naming row and column.
    """
    found = PairRows()
    seen: set[str] = set()
    for source in sources:
        for raw in raw_rows(source.path):
            row = _row(source, raw, rejected)
            if isinstance(row, PairRow) and repr(row) in seen:
                row = "the same row again"
            if isinstance(row, str):
                found.left_out[row] += 1
            else:
                seen.add(repr(row))
                found.rows.append(row)
        found.files[str(source.path)] = file_sha256(source.path)
    _judge_open(found, judge)
    return found


def _row(source: Source, raw: RawRow | Quarantined, rejected: bool) -> PairRow | str:
    """The row, or why it is left out."""
    if isinstance(raw, Quarantined):
        return "not readable"
    where = f"{source.path}, line {raw.line}"
    try:
        check_row(where, *raw.values.values())
        prompt = _prompt(raw.values, where)
    except ExcludedRow:
        return "excluded by the safety rule"
    except Unreadable:
        return "no prompt that can be read"
    column = guessed(_CHOSEN, raw.values)
    if column is None:
        raise BadInput(f"{where}: no column chosen; there are {', '.join(map(str, raw.values))}")
    chosen, worse = _answer(raw.values[column]), _answer(raw.values.get("rejected"))
    if not chosen:
        return "no chosen answer"
    if not worse and rejected:
        return "no rejected answer"
    if chosen == worse:
        return "chosen and rejected are the same"
    own = raw.values if column != "chosen" else {**raw.values, "verdict": None}  # a verdict is of `response`
    if source.label and (other := contradiction(own, source.label)):
        return other
    return PairRow(prompt, chosen, worse, source.label or _label(raw.values.get("label"), where))


def _prompt(values: dict[str, Any], where: str) -> Prompt:
    """What is asked, ending with the user; raises ``Unreadable`` where there is nothing of the kind."""
    turns = values.get("conversations")
    if turns is None:
        column = guessed(GUESSES["prompt"], values)
        if column is None:
            raise BadInput(f"{where}: no column prompt; there are {', '.join(map(str, values))}")
        prompt = read_prompt(values[column])
    else:
        prompt = read_prompt([_message(turn) for turn in turns] if isinstance(turns, list) else turns)
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0]["content"], str):
        prompt = prompt[0]["content"] if prompt[0]["role"] == "user" else ""
    ends = prompt.strip() if isinstance(prompt, str) else prompt and prompt[-1]["role"] == "user"
    if not ends:
        raise Unreadable("it does not end with a user's words")
    return prompt


def _message(turn: Any) -> Any:
    """A turn of the ShareGPT form as a message; anything else as it is."""
    if isinstance(turn, dict) and turn.get("from") in _SPEAKERS:
        return {"role": _SPEAKERS[turn["from"]], "content": turn.get("value")}
    return turn


def _answer(value: Any) -> str:
    """The words of an answer: text, one message of the assistant, or the last of a conversation; else ""."""
    try:
        read_ = read_prompt(_message(value))
    except Unreadable:
        return ""
    if isinstance(read_, str):
        return read_.strip() and read_
    last = read_[-1]
    said = last["content"] if last["role"] == "assistant" else ""
    return said if isinstance(said, str) and said.strip() else ""


def _label(value: Any, where: str) -> Label | None:
    if value is None or value == "":
        return None
    if value not in ("refuse", "respond"):
        raise BadInput(f"{where}: label is {value!r}; valid are refuse, respond (what chosen is)")
    return "refuse" if value == "refuse" else "respond"


def _judge_open(found: PairRows, make: Callable[[], Judge]) -> None:
    """Label what has no label by its chosen answer; what the judge calls neither is left out."""
    open_: Iterator[PairRow] = (row for row in found.rows if row.label is None)
    records = [Record(f"row-{i}", row.prompt, response=row.chosen) for i, row in enumerate(open_)]
    if not records:
        return
    judge = make()
    verdicts = iter([verdict for _, verdict in judge_records(judge, records)])
    kept = []
    for row in found.rows:
        if row.label is None:
            outcome = next(verdicts).outcome
            row = replace(row, label=LABEL_OF.get(outcome), by=judge.name)
            if row.label is None:
                found.left_out[f"judged {outcome}"] += 1
                continue
        kept.append(row)
    found.rows = kept
    about = judge.describe()
    errors = [asdict(error) for error in card_errors(about)]
    found.judge = {"judge": about, "labelled": len(records), "errors": errors or None}

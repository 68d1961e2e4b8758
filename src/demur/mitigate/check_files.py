"""Files of rows with a check: ours, and the released ones.

``demur.check-row/1`` is written by ``demur mitigate check_data``. The released columns are query, response,
query type and jailbreak method, under any usual name; their responses are parsed and then trained as they
stand. Rows that contradict themselves are left out and counted: a harmful request with a safe plan, a
harmless one with an unsafe plan, an analysis that ends otherwise than its verdict, a safe plan with a
refusal behind it, an unsafe plan with anything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from demur.data.columns import GUESSES, guessed
from demur.data.minors import ExcludedRow, check_row
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import Prompt, file_sha256
from demur.data.rows import Quarantined
from demur.errors import BadInput
from demur.mitigate.check_rows import CheckRow, QueryType, contradiction, count_types
from demur.models.check import CheckTemplate, parse
from demur.models.check_verdict import Safety

#: Names of the columns, best first; ours, since the released ones are not documented.
TYPE = ("query_type", "type", "data_type", "prompt_type")
METHOD = ("method", "jailbreak_method", "attack_method", "attack", "jailbreak", "family")
_RESPONSE = GUESSES["response"]
#: A request that is longer is no request: 4,000 to 8,000 tokens in most scripts. ours.
LONGEST = 32_000


@dataclass(slots=True)
class CheckRows:
    """What was found: rows, those left out by reason, files by hash."""

    rows: list[CheckRow] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Query type -> rows."""
        return count_types(self.rows)


def read(paths: Sequence[Path], template: CheckTemplate, supported: Collection[str] = ()) -> CheckRows:
    """All rows of all files; what cannot be used is left out and counted.

    Args:
        paths: files of ours or with the released columns, in any format of ``data/rows.py``.
        template: released responses are parsed with it.
        supported: categories whose unsafe plans may be followed by another answer than the refusal.

    Raises:
        BadInput: a file without the columns, naming those that there are; or no row is left, saying why.
    """
    found = CheckRows()
    for path in paths:
        for row in _file(path, template, found.left_out):
            if why := contradiction(row, template, supported):
                found.left_out[why] += 1
            else:
                found.rows.append(row)
        found.files[str(path)] = file_sha256(path)
    if not found.rows:
        why = (
            ", ".join(f"{reason} {n}" for reason, n in found.left_out.most_common()) or "the files are empty"
        )
        raise BadInput(f"no row of {', '.join(map(str, paths))} can be trained on: {why}")
    return found


def read_type(value: object, method: str) -> QueryType | None:
    """A query type as somebody wrote it: both words in any order, or one of harm with a method beside it."""
    words = set(str(value).casefold().replace("_", " ").replace("-", " ").split())
    harmful, benign = bool(words & {"harmful"}), bool(words & {"benign", "harmless", "unharmful"})
    disguised, plain = "adversarial" in words, "vanilla" in words
    if harmful == benign or (disguised and plain):
        return None
    form = "adversarial" if disguised or (method and not plain) else "vanilla"
    return cast(QueryType, f"{form}_{'harmful' if harmful else 'benign'}")


def _file(path: Path, template: CheckTemplate, left_out: Counter[str]) -> Iterator[CheckRow]:
    columns: _Columns | None = None
    for raw in prompt_rows(path):
        if isinstance(raw, Quarantined):
            left_out["not readable"] += 1
            continue
        where = f"{path}, line {raw.line}"
        columns = columns or _Columns.of(raw.values, where)
        try:
            check_row(where, *raw.values.values())
        except ExcludedRow:
            left_out["excluded by the safety rule"] += 1
            continue
        row = columns.row(raw, template)
        if isinstance(row, str):
            left_out[row] += 1
        else:
            yield row


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a file keeps what a row needs; ``response`` is ``None`` in a file of ours or of messages."""

    kind: str
    method: str | None
    response: str | None
    parts: bool

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> _Columns:
        """Of the first row.

        Raises:
            BadInput: a column that cannot be found; lists those that there are.
        """
        kind, response = guessed(TYPE, values), guessed(_RESPONSE, values)
        parts = {"summary", "analysis", "verdict"} <= values.keys()
        messages = guessed(("messages",), values)
        lacking = [] if kind else [f"the query type ({', '.join(TYPE)})"]
        if not (parts or response or messages):
            lacking.append(f"the response ({', '.join(_RESPONSE[:4])}), or summary, analysis and verdict")
        if lacking or kind is None:
            raise BadInput(
                f"{where}: no column for {' nor for '.join(lacking)}; there are {', '.join(map(str, values))}"
            )
        return cls(kind, guessed(METHOD, values), response, parts)

    def row(self, raw: PromptRow, template: CheckTemplate) -> CheckRow | str:
        """The row, or why it is left out."""
        values, prompt, response = raw.values, raw.prompt, None
        if not self.parts:
            prompt, response = _split(raw, self.response)
        if _length(prompt) > LONGEST:
            return f"request longer than {LONGEST} characters"
        if isinstance(prompt, list) and (not prompt or prompt[-1]["role"] != "user"):
            return "no user message before the answer"
        method = cell_text(values.get(self.method)) if self.method else ""
        query_type = read_type(values.get(self.kind), method)
        if query_type is None:
            return "no query type"
        about: dict[str, Any] = {name: cell_text(values.get(name)) for name in ("category", "pair")} | {
            "method": method
        }
        if self.parts:
            return _of_parts(values, prompt, query_type, about, template)
        return _of_text(response, prompt, query_type, about, template)


def _of_parts(
    values: Mapping[str, Any],
    prompt: Prompt,
    query_type: QueryType,
    about: dict[str, Any],
    template: CheckTemplate,
) -> CheckRow | str:
    verdict = cell_text(values["verdict"]).casefold()
    if verdict not in ("safe", "unsafe"):
        return "no verdict"
    texts = {name: cell_text(values.get(name)) for name in ("summary", "analysis", "answer", "supportive")}
    if empty := [name for name in ("summary", "analysis") if not texts[name]]:
        return f"no {empty[0]}"
    if any(template.resembling(text) for text in texts.values()):
        return "a part holds a tag"
    policy, items = values.get("policy"), values.get("policy_items")
    kept = {str(k): str(v) for k, v in policy.items()} if isinstance(policy, dict) else {}
    broken = tuple(map(str, items)) if isinstance(items, list) else ()
    parts = (texts["summary"], texts["analysis"], cast(Safety, verdict), texts["answer"], texts["supportive"])
    return CheckRow(prompt, query_type, *parts, **about, policy=kept, policy_items=broken)


def _of_text(
    response: str | None,
    prompt: Prompt,
    query_type: QueryType,
    about: dict[str, Any],
    template: CheckTemplate,
) -> CheckRow | str:
    if not response:
        return "no answer"
    parsed = parse(response, template)
    if parsed.mode != "checked":
        return "a response without a check" if parsed.mode == "direct" else "a response with a broken check"
    if parsed.verdict is None:
        return "no verdict"
    parts = (parsed.summary, parsed.analysis, parsed.verdict, parsed.answer)
    return CheckRow(prompt, query_type, *parts, text=response.strip(), **about)


def _split(raw: PromptRow, response: str | None) -> tuple[Prompt, str]:
    """The prompt and the answer, which may be the last of the messages."""
    said = cell_text(raw.values.get(response)) if response else ""
    if not said and isinstance(raw.prompt, list) and raw.prompt[-1]["role"] == "assistant":
        return raw.prompt[:-1], cell_text(raw.prompt[-1]["content"])
    return raw.prompt, said


def cell_text(value: object) -> str:
    """A cell's text; what is none (a list, a number, NaN in any spelling) is the empty string."""
    text = value.strip() if isinstance(value, str) else ""
    return "" if text.casefold() == "nan" else text


def _length(prompt: Prompt) -> int:
    return len(prompt) if isinstance(prompt, str) else sum(len(str(turn["content"])) for turn in prompt)

"""Rows of Answer-Then-Check: a request, the plan of an answer, its check, and what is said in the end.

ReSA, https://arxiv.org/abs/2509.11629. A row becomes the one message that a model is trained to write;
files of them are read by ``check_files.py`` and written by ``demur mitigate check_data``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from demur.data.records import Prompt
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.models.check import CheckedMessage, CheckTemplate, escaped, render
from demur.models.check_verdict import Safety

SCHEMA = "demur.check-row/1"
QueryType = Literal["vanilla_harmful", "vanilla_benign", "adversarial_harmful", "adversarial_benign"]
QUERY_TYPES: tuple[QueryType, ...] = (
    "vanilla_harmful",
    "vanilla_benign",
    "adversarial_harmful",
    "adversarial_benign",
)


class _Typed(Protocol):
    """Anything with a query type."""

    @property
    def query_type(self) -> QueryType:
        """One of ``QUERY_TYPES``."""


Typed = TypeVar("Typed", bound=_Typed)


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One request with everything that a message about it is made of.

    Attributes:
        prompt: text, or messages that end with the user's.
        query_type: one of four.
        summary, analysis, verdict: the hidden part; the analysis with the sentence or words of its verdict.
        answer: what is said after a safe plan; empty after an unsafe one.
        supportive: what is said after an unsafe plan where its category is to get a supportive reply.
        category: of the request, or of the policy that its plan breaks.
        method: family of the disguise, as PAIR; empty for a vanilla request.
        pair: shared by a disguised request and its vanilla twin.
        text: the whole message as it was released; ``None`` where it is made of the parts.
        policy: name, version and SHA-256 of the policy that the plan was checked against.
        policy_items: ids of what the plan breaks.
    """

    prompt: Prompt
    query_type: QueryType
    summary: str
    analysis: str
    verdict: Safety
    answer: str = ""
    supportive: str = ""
    category: str = ""
    method: str = ""
    pair: str = ""
    text: str | None = None
    policy: Mapping[str, str] = field(default_factory=dict)
    policy_items: tuple[str, ...] = ()

    @property
    def harmful(self) -> bool:
        """Whether a good model does not do what is asked."""
        return self.query_type.endswith("harmful")

    def to_json(self) -> dict[str, Any]:
        """A line of a file of ours."""
        row = {**asdict(self), "policy": dict(self.policy), "policy_items": list(self.policy_items)}
        if self.text is None:
            del row["text"]
        return {"schema": SCHEMA, **row}


def count_types(rows: Iterable[CheckRow]) -> dict[str, int]:
    """Query type -> rows, all four."""
    counts = Counter(row.query_type for row in rows)
    return {name: counts[name] for name in QUERY_TYPES}


def message(row: CheckRow, template: CheckTemplate, supported: Collection[str] = ()) -> str:
    """What the model is to write.

    Args:
        row: whose answer is decided by its verdict.
        template: of the model.
        supported: categories whose unsafe plans are followed by the row's supportive reply.

    Raises:
        BadInput: the row's category is supported and it has no reply, or a part is empty or holds a tag.
    """
    if row.text is not None:
        return row.text
    answer = row.answer if row.verdict == "safe" else template.refusal
    if row.verdict == "unsafe" and row.category in supported:
        answer = row.supportive
        if not answer.strip():
            raise BadInput(f"a row of category {row.category!r} has no supportive reply; build rows with one")
    analysis = template.concluded(row.analysis, row.verdict)
    return render(CheckedMessage("checked", row.summary, analysis, row.verdict, answer), template)


def asked(prompt: Prompt, template: CheckTemplate) -> Prompt:
    """A prompt in which no tag can be read: tags are text to the model, so whoever types them is quoted."""
    if isinstance(prompt, str):
        return escaped(prompt, template)
    return [{**turn, "content": _quoted(turn["content"], template)} for turn in prompt]


def contradiction(row: CheckRow, template: CheckTemplate, supported: Collection[str] = ()) -> str:
    """Why a row contradicts itself, or the empty string."""
    if row.harmful != (row.verdict == "unsafe"):
        return f"verdict {row.verdict} on a {'harmful' if row.harmful else 'harmless'} request"
    if template.verdict(row.analysis) not in (None, row.verdict):
        return "an analysis against its verdict"
    if row.verdict == "safe" and row.answer.strip() in ("", template.refusal):
        return "safe verdict without an answer"
    if row.verdict == "unsafe" and row.answer.strip() not in ("", template.refusal):
        return "" if row.category in supported else "unsafe verdict and another answer than the refusal"
    return ""


def stratified(rows: Sequence[Typed], n: int, seed: int = 0) -> list[Typed]:
    """``n`` rows, the query types in the proportions of all rows (largest remainders), in the old order.

    Raises:
        BadInput: fewer rows than ``n``, or ``n`` below 1.
    """
    if not 1 <= n <= len(rows):
        raise BadInput(f"a subset of {n} rows is asked for; there are {len(rows)}")
    by_type = {name: [i for i, row in enumerate(rows) if row.query_type == name] for name in QUERY_TYPES}
    exact = {name: n * len(places) / len(rows) for name, places in by_type.items()}
    take = {name: int(share) for name, share in exact.items()}
    for name in sorted(exact, key=lambda name: take[name] - exact[name])[: n - sum(take.values())]:
        take[name] += 1
    chosen = [
        i
        for name, places in by_type.items()
        for i in shuffled(generator(seed, f"subset {name}"), places)[: take[name]]
    ]
    return [rows[i] for i in sorted(chosen)]


def _quoted(content: Any, template: CheckTemplate) -> Any:
    if isinstance(content, str):
        return escaped(content, template)
    return [
        {**part, "text": escaped(part["text"], template)} if part.get("type") == "text" else part
        for part in content
    ]

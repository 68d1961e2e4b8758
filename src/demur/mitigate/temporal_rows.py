"""Questions past the knowledge horizon: rows that teach a model to refuse what it cannot know yet.

Refusal Tokens, https://arxiv.org/abs/2412.06748, whose temporal training set is withheld; its recipe, from
documents of the user (``temporal_documents.py``): first ten sentences; a helper model (role ``generator``)
writes one question about the main event, with explicit dates where it is answerable; the same model says
whether it can be answered, and disagreements with the pool are dropped; then an answer, a generic, a short
and a long refusal. Answerable questions are trained with the answer, others with a refusal of category
``temporal``, the short one by default, as published.

    demur mitigate temporal --documents NEWS --horizon 2024-03-31 --generator MODEL --out DIR
    demur mitigate refusal_tokens --model PATH --rows DIR/rows.jsonl --out OUT

Ours: all wordings (the authors' are not copied), the day of the horizon in the tagging request, documents
from any day, an explicit year is checked, the same question twice is dropped.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.records import file_sha256, prompt_id, write_jsonl, write_text
from demur.data.world_rules import generator as random_numbers
from demur.errors import BadInput, ModelFailure
from demur.judges.evidence.chunks import sentences
from demur.judges.graded.bounded import AT_ONCE, work_on
from demur.judges.graded.cost import Account
from demur.judges.graded.grader import ask
from demur.judges.graded.store import FAILED, Store
from demur.mitigate.receipt import FILE
from demur.mitigate.temporal_documents import Document, Documents
from demur.mitigate.unfinished import begin, check_out, finish

if TYPE_CHECKING:
    from inspect_ai.model import Model

NAME, SCHEMA = "temporal", "demur.temporal-rows/1"
ROWS, REPLIES = "rows.jsonl", "replies.jsonl"
ROLE, CATEGORY = "generator", "temporal"
REFUSALS = ("short", "long", "generic")
SENTENCES = 10  # as released
TEMPERATURE, TAG_TOKENS = 0.7, 128  # as released, of the tagging step
TOKENS = 256  # ours: a question or a text of a few sentences
#: ours; three, as released.
GENERIC = (
    "I don't have information about that.",
    "I'm not able to answer this question.",
    "Sorry, that is something I cannot tell you.",
)
_ARTICLE = "Beginning of a news article of {day}:\n\n{passage}\n\n"
_ASKED = "Question: {question}\n\n"
#: What is asked for -> wording; ours.
WORDINGS = {
    "unanswerable question": _ARTICLE
    + "Write one question about the main event of this article, as somebody would ask it who heard of it "
    "that week. The question must make sense without the article; it may use relative dates such as "
    '"last week". Write the question alone.',
    "answerable question": _ARTICLE
    + "Write one question about the main event of this article. The question must make sense without the "
    'article. Name the explicit date and the year of the event; do not use relative dates such as "last '
    'week". Write the question alone.',
    "tag": _ASKED
    + "An assistant knows what was known up to {horizon}, and nothing later. Can it answer this question? "
    "Reply with one word: Answerable or Unanswerable.",
    "answer": _ARTICLE + _ASKED + "Answer the question in one to three sentences, from the article alone.",
    "short": _ASKED
    + "An assistant's knowledge ends on {horizon}, before what is asked about. Write its reply: one short "
    "sentence that declines, and says that this is after what it knows of.",
    "long": _ASKED
    + "An assistant's knowledge ends on {horizon}, before what is asked about. Write its reply: three or "
    "four sentences that decline, explain that this is after what it knows of, and say where one could look.",
}
_TAG = re.compile(r"\b(un)?answerable\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")


@dataclass(frozen=True, slots=True)
class Temporal:
    """Settings.

    Attributes:
        horizon: last day that the model to be trained may know of.
        until: last answerable day (``temporal_documents.read_documents``).
        refusals: which refusal is trained.
        at_once: documents in work at a time.
        seed: of documents and of the generic refusals.
    """

    horizon: date
    until: date
    refusals: str = "short"
    at_once: int = AT_ONCE
    seed: int = 0

    def __post_init__(self) -> None:
        if self.refusals not in REFUSALS:
            raise BadInput(f"refusals is {self.refusals!r}; valid are {', '.join(REFUSALS)}")


def run(
    config: Temporal,
    found: Documents,
    model: Model,
    out: Path,
    step: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Ask, write ``OUT/rows.jsonl`` and the receipt, and return it.

    Args:
        config: see :class:`Temporal`.
        found: of ``temporal_documents.read_documents``.
        model: role ``generator``; its configuration says the temperature.
        out: new, empty, or of a killed run of the same settings; what was said is kept there, so that
            nothing is paid twice.
        step: called with the documents done since the last call.

    Raises:
        BadInput: ``out`` holds something else, or no row of one of the pools is left.
        ModelFailure: the model answered nothing at all.
        MissingExtra: sentencex is not installed.
    """
    check_out(out)
    passages = [" ".join(sentences(one.text)[:SENTENCES]) for one in found.documents]
    settings = {"recipe": NAME, "config": asdict(config), "documents": found.files, "generator": str(model)}
    begin(out, settings)
    maker = _Maker(config, model, Store(out / REPLIES))
    pairs = list(zip(found.documents, passages, strict=True))
    made = _once_each(work_on(pairs, maker.row, maker.store, config.at_once, step))
    rows = [row for row in made if isinstance(row, dict)]
    receipt = {"schema": SCHEMA, **settings, "read": found.rows, "left_out": dict(found.left_out)}
    receipt |= {"dropped": dict(Counter(row for row in made if isinstance(row, str)).most_common())}
    receipt |= {"kept": dict(Counter(row["label"] for row in rows)), "spent": maker.account.to_json()}
    _check_kept(receipt, len(made))
    write_jsonl(out / ROWS, rows)
    receipt["files"] = {ROWS: file_sha256(out / ROWS)}
    write_text(out / FILE, json.dumps(receipt, indent=1, ensure_ascii=False, default=str) + "\n")
    finish(out)
    return receipt


@dataclass(slots=True)
class _Maker:
    """Asks for everything about one document; what was said before is not asked again."""

    config: Temporal
    model: Model
    store: Store
    account: Account = field(default_factory=Account)

    async def row(self, work: tuple[Document, str]) -> dict[str, Any] | str:
        """A row, or why there is none."""
        document, passage = work
        about = {"day": document.day.isoformat(), "passage": passage, "horizon": str(self.config.horizon)}
        pool = "answerable" if document.answerable else "unanswerable"
        question = await self._said(f"{pool} question", about, TOKENS)
        if question is None:
            return f"{pool}: no question came"
        about["question"] = " ".join(question.split())
        tag = tag_of(await self._said("tag", about, TAG_TOKENS))
        if tag is None:
            return f"{pool}: the tag cannot be read"
        if tag != document.answerable:
            return f"{pool}: tagged otherwise"
        if document.answerable and not _YEAR.search(question):
            return f"{pool}: no explicit year"
        texts = {name: await self._said(name, about, TOKENS) for name in ("answer", "short", "long")}
        if not all(texts.values()):
            return f"{pool}: a text is missing"
        chosen = random_numbers(self.config.seed, f"generic {document.name}").integers(len(GENERIC))
        texts["generic"] = GENERIC[int(chosen)]
        return self._row(document, about["question"], {name: str(text) for name, text in texts.items()})

    def _row(self, document: Document, question: str, texts: dict[str, str]) -> dict[str, Any]:
        label = "respond" if document.answerable else "refuse"
        return {
            "id": f"temporal:{prompt_id(question)}",
            "prompt": question,
            "response": texts["answer" if document.answerable else self.config.refusals],
            "label": label,
            "category": "" if document.answerable else CATEGORY,
            "expect": "comply" if document.answerable else "refuse",
            "meta": {"document": document.name, "date": document.day.isoformat()},
            "texts": texts,
        }

    async def _said(self, kind: str, about: dict[str, str], most: int) -> str | None:
        """What the model said, or ``None`` where it said nothing that can be used."""
        wording = WORDINGS[kind].format(**about)

        async def make() -> dict[str, Any]:
            reply = await ask(self.model, wording, most)
            self.account.add(reply.input_tokens, reply.output_tokens, reply.failure)
            return {"value": reply.text} if reply.text is not None else {FAILED: reply.failure}

        entry = await self.store.once(kind, {"asked": wording, "most": most, "model": str(self.model)}, make)
        return None if FAILED in entry else str(entry["value"]).strip()


def tag_of(text: str | None) -> bool | None:
    """Whether the text says answerable; ``None`` where it says neither, or both."""
    said = {match[1] is None for match in _TAG.finditer(text or "")}
    return said.pop() if len(said) == 1 else None


def _once_each(made: Sequence[dict[str, Any] | str]) -> list[dict[str, Any] | str]:
    """The same question of two documents is kept once."""
    seen: set[str] = set()
    found: list[dict[str, Any] | str] = []
    for row in made:
        if isinstance(row, dict) and row["id"] in seen:
            found.append("the same question twice")
            continue
        if isinstance(row, dict):
            seen.add(row["id"])
        found.append(row)
    return found


def _check_kept(receipt: dict[str, Any], asked: int) -> None:
    why = ", ".join(f"{reason} {n}" for reason, n in receipt["dropped"].items())
    if receipt["dropped"] and sum(n for r, n in receipt["dropped"].items() if "no question" in r) == asked:
        raise ModelFailure(
            f"{receipt['generator']} wrote none of {asked} questions; run the same command again"
        )
    for label in ("refuse", "respond"):
        if label not in receipt["kept"]:
            raise BadInput(f"no row to {label} is left of {asked} documents: {why}; give more or other ones")

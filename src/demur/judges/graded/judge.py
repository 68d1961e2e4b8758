"""A model reads the answer and says what it is: the judge behind ``--grader MODEL``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from demur.data.records import Record, prompt_text
from demur.errors import BadInput
from demur.judges.base import settled
from demur.judges.graded.cost import NOTHING, VERDICT_TOKENS, Account, Cost, tokens
from demur.judges.graded.fence import SHOWN, Fence
from demur.judges.graded.grader import (
    ATTEMPT_TIMEOUT,
    MAX_RETRIES,
    MAX_TOKENS,
    ROLE,
    TEMPERATURE,
    TIMEOUT,
    ask,
    bound_graders,
    check_independent,
)
from demur.judges.graded.parse import parse_verdict
from demur.judges.graded.rubrics import FOUR_WAY, Rubric
from demur.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from inspect_ai.model import Model

#: Rises when the same reply of a grader can give another verdict, or the message changes.
VERSION = "2"


class GradedJudge:
    """A :class:`demur.judges.base.Judge` that asks a model.

    Args:
        model: the grader; ``None`` takes the model bound to the role ``grader`` when judging starts.
        max_tokens: of the grader's reply.
        rubric: the classes that it chooses from.

    Attributes:
        account: what it was asked and why it gave no verdict, so far.
    """

    name = "graded"

    def __init__(
        self, model: Model | None = None, max_tokens: int = MAX_TOKENS, rubric: Rubric = FOUR_WAY
    ) -> None:
        self.model = model
        self.max_tokens = max_tokens
        self.rubric = rubric
        self.account = Account()

    def describe(self) -> dict[str, Any]:
        """See :class:`demur.judges.base.Judge`; a grader reads any language it knows."""
        return {
            "name": self.name,
            "version": VERSION,
            "languages": ["mul"],
            "rubric": self.rubric.name,
            "prompt_sha256": self.rubric.sha256(),
            "thresholds": {
                "shown_characters": SHOWN,
                "max_tokens": self.max_tokens,
                "temperature": TEMPERATURE,
                "max_retries": MAX_RETRIES,
                "attempt_timeout": ATTEMPT_TIMEOUT,
                "timeout": TIMEOUT,
            },
            "grader": str(self.model) if self.model is not None else f"role {ROLE}",
        }

    def expected(self, records: Iterable[Record]) -> Cost:
        """About what judging would cost; nobody is asked."""
        total = NOTHING
        for record in records:
            if settled(record) is None:
                total += Cost(1, tokens(self._message(Fence.new(), record)), VERDICT_TOKENS)
        return total

    @property
    def spent(self) -> Cost:
        """What judging has cost so far."""
        return self.account.cost

    def report(self) -> dict[str, Any]:
        """What the grader was asked so far and why it gave no verdict."""
        return self.account.to_json()

    async def judge(self, records: Sequence[Record]) -> list[Verdict]:
        """One call of the grader for each answer that no provider settled; calls run side by side.

        Raises:
            BadInput: there are answers to judge, and no grader is given nor bound to the role, or the
                grader is the model that gave them.
        """
        from inspect_ai.util import collect

        known = [settled(record) for record in records]
        open_ = [i for i, verdict in enumerate(known) if verdict is None]
        if not open_:
            return [verdict for verdict in known if verdict is not None]
        grader = self.model or one_bound()
        check_independent([grader], [records[i] for i in open_])
        found = await collect(*(self._ask(grader, records[i]) for i in open_))
        for i, verdict in zip(open_, found, strict=True):
            known[i] = verdict
        return [verdict for verdict in known if verdict is not None]

    async def _ask(self, grader: Model, record: Record) -> Verdict:
        decided_by = f"grader:{grader}"
        fence = Fence.new()
        message = self._message(fence, record)
        reply = await ask(grader, message, self.max_tokens)
        failure = reply.failure
        label = None
        if reply.text is not None:
            label = parse_verdict(reply.text, self.rubric.classes, fence, message_material(message, fence))
            failure = None if label is not None else "no verdict in the reply"
        self.account.add(reply.input_tokens, reply.output_tokens, failure)
        if label is None:
            return Verdict(Outcome.UNSCORED, decided_by=decided_by)
        return Verdict(
            self.rubric.outcomes[label], decided_by=decided_by, source_label=self.rubric.labels.get(label)
        )

    def _message(self, fence: Fence, record: Record) -> str:
        return self.rubric.instructions(fence, prompt_text(record.prompt), record.response or "")


def message_material(message: str, fence: Fence) -> str:
    """What stands between the fence lines of a message to a grader."""
    return message[message.index(f"{fence.word} REQUEST") : message.rindex(f"{fence.word} END")]


def one_bound() -> Model:
    """The one model bound to the role ``grader``.

    Raises:
        BadInput: none is, or several are, which are a panel.
    """
    bound = bound_graders()
    if len(bound) > 1:
        raise BadInput(
            f"{len(bound)} models are bound to the role {ROLE!r}; the judge graded asks one, "
            "the judge panel asks them all"
        )
    return bound[0]

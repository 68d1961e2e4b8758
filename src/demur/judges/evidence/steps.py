"""The steps of VERIFY behind one protocol: by graders, one model a step if wanted, or offline.

Whatever a grader says is kept in the store by content, so that no work is paid twice; a reply that does not
fit is asked for once more and then counted as a failure of its step (``judges/graded/structured.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from demur.errors import BadInput
from demur.judges.evidence import context, decision, queries
from demur.judges.evidence.context import DECONTEXTUALISATION
from demur.judges.evidence.decision import DECISION, Decision
from demur.judges.evidence.units import EXTRACTION, Unit
from demur.judges.graded.cost import Account
from demur.judges.graded.store import FAILED, Store
from demur.judges.graded.structured import Failed, Form, ask_form

if TYPE_CHECKING:
    from inspect_ai.model import Model

Value = TypeVar("Value")
STEPS = ("units", "context", "query", "decision")
History = Sequence[tuple[str, Sequence[str]]]


class Steps(Protocol):
    """How one answer is taken apart and decided; a step that fails says why and never guesses."""

    def describe(self) -> dict[str, Any]:
        """For receipts."""

    async def units(self, question: str, answer: str) -> list[Unit] | Failed:
        """Step 1: units with types, in order."""

    async def statement(self, unit: str, question: str, answer: str) -> str | Failed:
        """Step 2: the unit, readable by itself."""

    async def query(self, statement: str, history: History) -> str | Failed:
        """Step 3: the next query, or ``queries.STOP``; ``history`` holds (query, texts found) by round."""

    async def decide(self, statement: str, passages: Sequence[str]) -> Decision | Failed:
        """Step 4: the label, from all that was found."""


class GradedSteps:
    """Each step a prompt to a grader.

    Args:
        models: step of ``STEPS`` -> who does it; ``None`` in a replay, which asks nobody.
        store: of what was said.
        names: of the models, for keys; by default theirs.
        early_stop: whether the third step may end the search.

    Attributes:
        accounts: step -> what it cost and why it failed, so far; what came from the store costs nothing.

    Raises:
        BadInput: a step has no model.
    """

    def __init__(
        self,
        models: Mapping[str, Model] | None,
        store: Store,
        names: Mapping[str, str] | None = None,
        early_stop: bool = False,
    ) -> None:
        if models is not None and (missing := [step for step in STEPS if step not in models]):
            raise BadInput(f"no grader for the step {missing[0]}; every one of {', '.join(STEPS)} needs one")
        self.models, self.store = models, store
        self.names = dict(names or {step: str((models or {})[step]) for step in STEPS})
        self.early_stop = early_stop
        self.accounts = {step: Account() for step in STEPS}

    def describe(self) -> dict[str, Any]:
        """See :class:`Steps`."""
        searching = queries.form(self.early_stop)
        forms: list[Form[Any]] = [EXTRACTION, DECONTEXTUALISATION, searching, DECISION]
        return {
            "kind": "graded",
            "graders": self.names,
            "early_stop": self.early_stop,
            "prompts_sha256": {form.name: form.sha256() for form in forms},
        }

    async def units(self, question: str, answer: str) -> list[Unit] | Failed:
        """See :class:`Steps`."""
        parts = {"QUESTION": question, "ANSWER": answer}
        return await self.ask("units", EXTRACTION, parts, _plain_units, lambda v: [Unit(*u) for u in v])

    async def statement(self, unit: str, question: str, answer: str) -> str | Failed:
        """See :class:`Steps`."""
        parts = context.parts(unit, answer, question)
        return await self.ask("context", context.form(unit), parts, str, str)

    async def query(self, statement: str, history: History) -> str | Failed:
        """See :class:`Steps`."""
        parts = queries.parts(statement, history)
        return await self.ask("query", queries.form(self.early_stop), parts, str, str)

    async def decide(self, statement: str, passages: Sequence[str]) -> Decision | Failed:
        """See :class:`Steps`."""
        parts = decision.parts(statement, passages)
        return await self.ask("decision", DECISION, parts, list, lambda value: Decision(*value))

    async def ask(
        self,
        step: str,
        form: Form[Value],
        parts: Mapping[str, str],
        to_json: Callable[[Value], Any],
        from_json: Callable[[Any], Value],
    ) -> Value | Failed:
        """A form's value, from the store where this was asked before.

        Args:
            step: whose model is asked.
            form, parts: see ``judges/graded/structured.py``.
            to_json, from_json: of the value, for the store.
        """

        async def make() -> dict[str, Any]:
            assert self.models is not None  # a replay never gets here
            said = await ask_form(self.models[step], form, parts, self.accounts[step])
            return {FAILED: said.reason} if isinstance(said, Failed) else {"value": to_json(said)}

        facts = {"wording": form.sha256(), "grader": self.names[step], "material": dict(parts)}
        entry = await self.store.once(form.name, facts, make)
        return Failed(entry[FAILED]) if FAILED in entry else from_json(entry["value"])


def _plain_units(units: Sequence[Unit]) -> list[list[str]]:
    return [[unit.text, unit.type, unit.named] for unit in units]

"""Requests to rows with a check: intended answer, guard, summary, analysis, and what is said in the end.

ReSA, https://arxiv.org/abs/2509.11629, construction steps 2 to 8. A request that drops out early costs
nothing more: the guard's filter stands right behind the intended answer. Nothing is guessed: a stage that
fails, a guard that cannot say, and every contradiction leave the request out, under its reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from demur.data.records import Record
from demur.errors import BadInput
from demur.judges.base import Judge
from demur.judges.graded.cost import Account
from demur.judges.graded.grader import ask
from demur.judges.graded.store import FAILED, Store
from demur.judges.graded.structured import Failed, Form, ask_form
from demur.judges.safety import Harm, SafetyJudge
from demur.mitigate.check_guard import answer_harm
from demur.mitigate.check_policy import Policy
from demur.mitigate.check_queries import Query
from demur.mitigate.check_rows import CheckRow, contradiction
from demur.mitigate.check_stages import ANSWER_TOKENS, SUMMARY, SUPPORT, Analysis, analysis_form
from demur.models.check import CheckTemplate
from demur.verdict import Outcome

if TYPE_CHECKING:
    from inspect_ai.model import Model

Value = TypeVar("Value")
#: Who does what: intended answers (of harmful requests a role of its own), plans, checks, supportive replies.
ROLES = ("generator", "harmful_generator", "summariser", "analyst", "writer")


@dataclass(slots=True)
class Builder:
    """Everything that building needs, and what it cost so far.

    Attributes:
        models: role of ``ROLES`` -> who does it.
        guard: of the first filter.
        refusal: says whether an intended answer declines; of the second filter.
        policy: that plans are checked against.
        template: no part may hold its tags.
        store: of all that was said, by content.
        plain: pair -> the plain twin of a disguised request.
        accounts: role -> calls, tokens and failures; what came from the store costs nothing.
    """

    models: Mapping[str, Model]
    guard: SafetyJudge
    refusal: Judge
    policy: Policy
    template: CheckTemplate
    store: Store
    plain: Mapping[str, str] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=lambda: {role: Account() for role in ROLES})

    def __post_init__(self) -> None:
        if missing := [role for role in ROLES if role not in self.models]:
            raise BadInput(f"no model for the role {missing[0]}; every one of {', '.join(ROLES)} needs one")

    async def row(self, query: Query) -> CheckRow | str:
        """The row of a request, or why there is none."""
        intended = await self._intended(query)
        if isinstance(intended, Failed):
            return "failed: intended answer"
        harm = await self._harm(query, intended)
        if harm is Harm.UNSCORED:
            return "filter 1: the guard cannot say"
        if (harm is Harm.HARMFUL) != query.harmful:
            return f"filter 1: {harm} answer to a {'harmful' if query.harmful else 'harmless'} request"
        parts = {"REQUEST": query.prompt}
        summary = await self._form("summariser", SUMMARY, {**parts, "ANSWER": intended}, str, str)
        if isinstance(summary, Failed):
            return "failed: summary"
        found = await self._form(
            "analyst", analysis_form(self.policy), {**parts, "PLAN": summary}, list, _analysis
        )
        if isinstance(found, Failed):
            return "failed: analysis"
        return await self._concluded(query, intended, summary, found)

    async def _concluded(self, query: Query, intended: str, summary: str, found: Analysis) -> CheckRow | str:
        """The second filter, and what is said in the end."""
        row = CheckRow(
            query.prompt,
            query.query_type,
            summary,
            found.text,
            found.verdict,
            answer=intended if found.verdict == "safe" else "",
            category=self._category(query, found),
            method=query.method,
            pair=query.pair,
            policy=self.policy.to_json(),
            policy_items=found.items,
        )
        why = contradiction(row, self.template) or await self._declines(row)
        if why:
            return f"filter 2: {why}"
        if row.verdict == "unsafe" and row.category in self.policy.supported:
            reply = await self._support(query)
            if isinstance(reply, Failed):
                return "failed: supportive reply"
            row = replace(row, supportive=reply)
        if any(map(self.template.resembling, (row.summary, row.analysis, row.answer, row.supportive))):
            return "a part holds a tag"
        return row

    def _category(self, query: Query, found: Analysis) -> str:
        """An item that asks for support, else what the request is filed under, else the first item."""
        supported = [item for item in found.items if item in self.policy.supported]
        return next(iter(supported), "") or query.category or next(iter(found.items), "")

    async def _declines(self, row: CheckRow) -> str:
        """Why a safe plan's answer is none, or the empty string."""
        if row.verdict == "unsafe":
            return ""
        (verdict,) = await self.refusal.judge([Record("intended", row.prompt, response=row.answer)])
        if verdict.outcome is Outcome.UNSCORED:
            return "the judge of refusals cannot say"
        kept = verdict.outcome in (Outcome.COMPLY, Outcome.PARTIAL)
        return "" if kept else f"safe verdict and an answer that is {verdict.outcome}"

    async def _intended(self, query: Query) -> str | Failed:
        role = "harmful_generator" if query.harmful else "generator"

        async def make() -> dict[str, Any]:
            said = await ask(self.models[role], query.prompt, ANSWER_TOKENS)
            self.accounts[role].add(said.input_tokens, said.output_tokens, said.failure)
            return {"value": said.text} if said.text is not None else {FAILED: said.failure}

        return await self._once("intended", role, {"request": query.prompt, "most": ANSWER_TOKENS}, make, str)

    async def _harm(self, query: Query, intended: str) -> Harm:
        by = str(self.models["harmful_generator" if query.harmful else "generator"])

        async def make() -> dict[str, Any]:
            harm = await answer_harm(self.guard, query.prompt, intended, by)
            return {FAILED: "unscored"} if harm is Harm.UNSCORED else {"value": harm}

        facts = {"guard": self.guard.describe(), "request": query.prompt, "answer": intended}
        found = await self.store.once("guard", facts, make)
        return Harm.UNSCORED if FAILED in found else Harm(found["value"])

    async def _support(self, query: Query) -> str | Failed:
        parts = {"REQUEST": query.prompt}
        twin = self.plain.get(query.pair) if query.query_type.startswith("adversarial") else None
        if twin is not None:
            parts["PLAIN REQUEST"] = twin
        return await self._form("writer", SUPPORT, parts, str, str)

    async def _form(
        self,
        role: str,
        form: Form[Value],
        parts: Mapping[str, str],
        to_json: Callable[[Value], Any],
        from_json: Callable[[Any], Value],
    ) -> Value | Failed:
        async def make() -> dict[str, Any]:
            said = await ask_form(self.models[role], form, parts, self.accounts[role])
            return {FAILED: said.reason} if isinstance(said, Failed) else {"value": to_json(said)}

        facts = {"wording": form.sha256(), "material": dict(parts)}
        return await self._once(form.name, role, facts, make, from_json)

    async def _once(
        self,
        kind: str,
        role: str,
        facts: Mapping[str, Any],
        make: Callable[[], Awaitable[Mapping[str, Any]]],
        from_json: Callable[[Any], Value],
    ) -> Value | Failed:
        """From the store where this model was asked this before; failures are asked again."""
        entry = await self.store.once(kind, {**facts, "model": str(self.models[role])}, make)
        return Failed(entry[FAILED]) if FAILED in entry else from_json(entry["value"])


def _analysis(value: Any) -> Analysis:
    text, verdict, items = value
    return Analysis(text, verdict, tuple(items))

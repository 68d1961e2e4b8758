"""A policy to prompts that look forbidden and are not, each with its forbidden twin.

OVERT, arXiv 2505.21347, "Data synthesis workflow": seeds are sorted into the policy's categories and
converted, or prompts are written directly; what a judge of harm or the policy does not clear goes, so do
near-duplicates and what a target answers; of the rest so many of each category are kept, and get a forbidden
partner. Every candidate ends as a record or under one reason. We differ: proposer and labeller may be two
models, every judge of harm must clear a prompt by itself, both sides are asked of the target, and its rate is
taken before the selection.

    demur stress synthesize --policy policy.toml --proposer MODEL --target MODEL --out DIR
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from demur.data.language import UNDETERMINED, detect
from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.world_rules import generator, shuffled
from demur.errors import ModelFailure
from demur.judges.graded.bounded import AT_ONCE, bounded, work_on
from demur.judges.graded.structured import Failed
from demur.judges.safety import SafetyJudge
from demur.stress.answers import Answers, refused_share
from demur.stress.distinct import Embed, stands_for
from demur.stress.policy import ALLOWED, Policy, category_text
from demur.stress.screen import Screen
from demur.stress.synthesize_prompt import STAGES, Prompt, kept
from demur.stress.synthesize_steps import BATCH, CONVERTED, DIRECT, Candidate, Label, Writers
from demur.stress.target import Target

Item = TypeVar("Item")
Result = TypeVar("Result")
#: ``start(what, total) -> step(count)``, as ``cli/progress.py`` has it.
Start = Callable[[str, int | None], Callable[[int], None]]
LONGEST_PARTNER = 160  # characters. ours: one mild sentence
MORE_THAN_ASKED = "more than were asked for"
NO_ANSWER = "no answer of the target could be read"


@dataclass(slots=True)
class Synthesis:
    """All that a synthesis needs, and what it has counted.

    Attributes:
        writers: who proposes and labels, with the policy and the store.
        judges: of harm; each must clear every prompt. At least one.
        target: whose refusals are looked for; ``None`` leaves that filter out.
        embed: of near-duplicates; ``None`` takes MinHash.
        seed: of draws. at_once: calls in flight.
        failed: why proposals gave nothing -> calls. seeds_left_out: reason -> seeds.
    """

    writers: Writers
    judges: Sequence[SafetyJudge]
    target: Target | None = None
    embed: Embed | None = None
    seed: int = 0
    at_once: int = AT_ONCE
    start: Start = lambda what, total: lambda count: None
    failed: Counter[str] = field(default_factory=Counter)
    seeds_left_out: Counter[str] = field(default_factory=Counter)

    @property
    def policy(self) -> Policy:
        """That everything follows from."""
        return self.writers.policy

    def run(self, seeds: Sequence[str] = ()) -> list[Prompt]:
        """Every candidate, in the order of proposals; those without a stage are kept.

        To be called where no event loop runs; all stages are in one, because clients keep connections in it.

        Raises:
            ModelFailure: every proposal failed, or the target answered nothing.
        """

        async def whole(_: None) -> list[Prompt]:
            return await self._run(seeds)

        return work_on([None], whole, self.writers.store)[0]

    async def _run(self, seeds: Sequence[str]) -> list[Prompt]:
        prompts = await self._proposed(await self._sorted(seeds))
        await self._work("safety and policy", prompts, self._examine)
        self._distinct(kept(prompts))
        if self.target is not None:
            asked = kept(prompts)
            await self._work("asking the target", asked, self._ask_target)
            if asked and all(p.reason == NO_ANSWER for p in asked):
                raise ModelFailure(
                    f"the target answered none of {len(asked)} prompts in a way that can be read"
                )
        self._cut(kept(prompts))
        await self._work("writing partners", kept(prompts), self._pair)
        self._part(kept(prompts))
        return prompts

    async def _work(
        self, what: str, items: Sequence[Item], work: Callable[[Item], Awaitable[Result]]
    ) -> list[Result]:
        """The result of each item, in order; so many at a time, and none goes on when one fails."""
        return await bounded(items, work, self.at_once, self.start(what, len(items)))

    async def _sorted(self, seeds: Sequence[str]) -> list[tuple[str, str]]:
        """Seeds with the category that the policy puts them in; the rest is counted."""
        unique = list(dict.fromkeys(seeds))
        self.seeds_left_out["the same seed again"] += len(seeds) - len(unique)
        named = await self._work("sorting seeds", unique, self._category)
        return [(seed, category) for seed, category in zip(unique, named, strict=True) if category]

    async def _category(self, seed: str) -> str:
        """Of a seed, or the empty string."""
        if reason := await self._unclean(seed, ""):
            self.seeds_left_out[reason] += 1
            return ""
        found = await self.writers.label(seed)
        if isinstance(found, Failed) or found.side != "allowed" or found.category is None:
            why = f"labeller: {found.reason}" if isinstance(found, Failed) else _against(found)
            self.seeds_left_out[why] += 1
            return ""
        return found.category

    async def _proposed(self, seeds: Sequence[tuple[str, str]]) -> list[Prompt]:
        """Candidates of all calls; more than were asked for are out at once."""
        calls = [(category, self.policy.per_seed, 0, seed) for seed, category in seeds]
        for category in self.policy.categories:
            whole, rest = divmod(category.candidates, BATCH)
            sizes = [BATCH] * whole + [rest] * (rest > 0)
            calls += [(category.id, size, draw, "") for draw, size in enumerate(sizes)]

        async def propose(call: tuple[str, int, int, str]) -> list[Candidate] | Failed:
            return await self.writers.propose(self.policy.category(call[0]), *call[1:])

        prompts: list[Prompt] = []
        found = await self._work("proposing prompts", calls, propose)
        for (_, asked, *_), reply in zip(calls, found, strict=True):
            if isinstance(reply, Failed):
                self.failed[reply.reason] += 1
                continue
            for place, candidate in enumerate(reply):
                prompts.append(Prompt(candidate))
                if place >= asked:
                    prompts[-1].drop(STAGES[0], MORE_THAN_ASKED)
        if calls and not prompts:
            why = ", ".join(f"{reason} {n}" for reason, n in self.failed.items())
            raise ModelFailure(f"the proposer wrote nothing that can be read in {len(calls)} calls ({why})")
        return prompts

    async def _examine(self, prompt: Prompt) -> None:
        """Shape, safety and policy, the cheap tests first."""
        candidate = prompt.candidate
        if prompt.stage:
            return
        if candidate.excluded:
            return prompt.drop(STAGES[0], EXCLUDED)
        if reason := await self._unclean(candidate.prompt, candidate.seed, candidate.category):
            return prompt.drop(STAGES[0], reason)
        found = await self.writers.label(candidate.prompt)
        if isinstance(found, Failed):
            return prompt.drop(STAGES[1], f"labeller: {found.reason}")
        if found.side != "allowed" or found.category is None:
            return prompt.drop(STAGES[1], _against(found))
        if await self._excluded(candidate.prompt, found.category, found.reason):
            return prompt.drop(STAGES[0], EXCLUDED)
        prompt.label = found

    async def _unclean(self, text: str, parent: str, category: str = "") -> str | None:
        """Why a text is no usable harmless prompt of this language, ``None`` for nothing."""
        language = detect(text)
        if text and await self._excluded(text, category):
            return EXCLUDED
        if language not in (UNDETERMINED, self.policy.language.partition("-")[0]):
            return "another language"
        screen = Screen(self.judges, self.writers.store)  # of its own, so that its reason can be read
        return None if await screen.passes(text, parent) else next(iter(screen.dropped))

    async def _excluded(self, text: str, category: str, *more: str) -> bool:
        about = category_text(self.policy.category(category)) if category else ""
        try:
            check_row("candidate", text, about, *more)
        except ExcludedRow:
            return True
        return False

    def _distinct(self, prompts: Sequence[Prompt]) -> None:
        """The first of near-duplicates stays; the policy's examples are there before all."""
        examples = [text for c in self.policy.categories for text in (*c.allowed, *c.forbidden)]
        limits = {DIRECT: self.policy.similarity_direct, CONVERTED: self.policy.similarity_converted}
        for kind, limit in limits.items():
            self._first_of(examples, [p for p in prompts if p.candidate.kind == kind], limit)
        self._first_of([], kept(prompts), max(limits.values()))

    def _first_of(self, examples: Sequence[str], prompts: Sequence[Prompt], limit: float) -> None:
        texts = [*examples, *(p.candidate.prompt for p in prompts)]
        for prompt, at in zip(prompts, stands_for(texts, limit, self.embed)[len(examples) :], strict=True):
            if at < len(examples):
                prompt.drop(STAGES[2], "like an example of the policy")
            elif (first := prompts[at - len(examples)]) is not prompt:
                prompt.drop(STAGES[2], "like another candidate")
                prompt.duplicate_of = first.candidate.id
                first.duplicates += 1

    async def _ask_target(self, prompt: Prompt) -> None:
        prompt.answers = await self._answers(prompt.candidate.prompt)
        share = refused_share(prompt.answers)
        if share is None:
            prompt.drop(STAGES[3], NO_ANSWER)
        elif share <= self.policy.category(prompt.category).refusal_rate:
            prompt.drop(STAGES[3], "not refused often enough")

    async def _answers(self, text: str) -> Answers:
        assert self.target is not None
        return tuple(s.p_refused for s in await self.target.samples(text, 0, self.policy.draws))

    def _cut(self, prompts: Sequence[Prompt]) -> None:
        """So many of each category, drawn."""
        for category in self.policy.categories:
            own = [p for p in prompts if p.category == category.id]
            order = shuffled(generator(self.seed, f"size {category.id}"), range(len(own)))
            for place in order[category.size :]:
                own[place].drop(STAGES[4], "beyond the size of its category")

    async def _pair(self, prompt: Prompt) -> None:
        """Write and check the forbidden twin; a prompt whose twin fails stays, without one."""
        category = self.policy.category(prompt.category)
        if category.rule == ALLOWED:
            prompt.no_partner = "its category forbids nothing"
            return
        text = await self.writers.partner(prompt.candidate.prompt, category)
        reason = await self._unfit(text, prompt)
        if reason or not isinstance(text, str):
            prompt.no_partner = reason or EXCLUDED
            return
        prompt.partner = text
        if self.target is not None:
            prompt.partner_answers = await self._answers(text)

    def _part(self, prompts: Sequence[Prompt]) -> None:
        """No text is on two sides, or the twin of two prompts."""
        taken = {p.candidate.prompt for p in prompts}
        for prompt in prompts:
            if prompt.partner in taken:
                prompt.partner, prompt.partner_answers = "", ()
                prompt.no_partner = "its twin is another prompt or another's twin"
            elif prompt.partner:
                taken.add(prompt.partner)

    async def _unfit(self, text: str | Failed | None, prompt: Prompt) -> str | None:
        """Why a partner cannot be used."""
        if isinstance(text, Failed):
            return f"proposer: {text.reason}"
        if text is None or await self._excluded(text, prompt.category):
            return EXCLUDED
        if reason := Screen(self.judges, self.writers.store).shape(text, prompt.candidate.prompt):
            return reason
        if len(text) > LONGEST_PARTNER or len(re.findall(r"[.?!。？！]+(?:\s|$)", text)) > 1:
            return "more than one short sentence"
        found = await self.writers.label(text)
        if isinstance(found, Failed):
            return f"labeller: {found.reason}"
        return None if found.side == "forbidden" else "not forbidden by the policy"


def _against(label: Label) -> str:
    return "of no category of the policy" if label.category is None else "forbidden by the policy"

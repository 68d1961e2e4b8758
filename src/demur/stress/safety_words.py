"""What judges of harm say of prompts, each by itself, kept by content so that nothing is asked twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from demur.data.records import Record, prompt_id
from demur.errors import BadInput
from demur.judges.graded.bounded import AT_ONCE, work_on
from demur.judges.graded.store import FAILED, Store
from demur.judges.safety import Harm, HarmVerdict, SafetyJudge


class Said(NamedTuple):
    """One judge's word on one prompt: ``harmful``, ``harmless`` or ``unscored``, and why."""

    judge: str
    harm: str
    why: str

    def __str__(self) -> str:
        return f"{self.judge}: {self.harm}" + (f" ({self.why})" if self.why else "")


def judged(
    records: Sequence[Record],
    judges: Sequence[SafetyJudge],
    store: Store,
    step: Callable[[int], None] = lambda count: None,
) -> list[list[Said]]:
    """Every judge's word on every prompt, in their order; to be called where no event loop runs.

    Args:
        records: the prompts; answers are not looked at.
        judges: of harm.
        store: of what they said.
        step: called with the prompts done since the last call.
    """
    names = named(judges)

    async def work(record: Record) -> list[Said]:
        return [await _said(record, judge, name, store) for judge, name in zip(judges, names, strict=True)]

    return work_on(records, work, store, AT_ONCE, step)


def independent(judges: Sequence[SafetyJudge], least: int = 2) -> None:
    """Check that so many different judges are there.

    Raises:
        BadInput: naming what is missing.
    """
    described = [{key: value for key, value in j.describe().items() if key != "name"} for j in judges]
    different = {
        str(sorted(one.items(), key=str)) for one in described
    }  # a copy under another name is no other
    if len(different) < least:
        raise BadInput(
            f"{len(different)} judge of harm is not enough: give --safety for each of {least} different ones"
        )


def cleared(judges: Sequence[SafetyJudge]) -> SafetyJudge:
    """The one of them that reads answers, else the first; the prompts that it is asked about are harmless.

    For prompts that all of them called harmless (:func:`judged`), so that none is paid for twice.
    """
    return _Cleared(next((judge for judge in judges if judge.says_harmful), judges[0]))


class _Cleared:
    """A judge whose word on the requests is known."""

    def __init__(self, judge: SafetyJudge) -> None:
        self.judge, self.name, self.says_harmful = judge, judge.name, judge.says_harmful

    def describe(self) -> dict[str, Any]:
        return self.judge.describe()

    async def judge_requests(self, records: Sequence[Record]) -> list[HarmVerdict]:
        return [HarmVerdict(Harm.HARMLESS, decided_by="safety")] * len(records)

    async def judge_answers(self, records: Sequence[Record], in_context: bool = True) -> list[HarmVerdict]:
        return await self.judge.judge_answers(records, in_context)


def named(judges: Sequence[SafetyJudge]) -> list[str]:
    """A name for each: its grader's, else its own, numbered where two are alike."""
    names = [str(judge.describe().get("grader") or judge.name) for judge in judges]
    return [f"{name} {i + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]


async def _said(record: Record, judge: SafetyJudge, name: str, store: Store) -> Said:
    async def make() -> dict[str, object]:
        (found,) = await judge.judge_requests([record])
        if found.failure:
            return {FAILED: found.failure}
        p = "" if found.p_harmful is None else f"P(harmful) {found.p_harmful:.3f}"
        return {"value": found.harm.value, "why": found.reason or p}

    entry = await store.once("harm", {"judge": judge.describe(), "prompt": prompt_id(record.prompt)}, make)
    if FAILED in entry:
        return Said(name, Harm.UNSCORED.value, str(entry[FAILED]))
    return Said(name, str(entry["value"]), str(entry["why"]))

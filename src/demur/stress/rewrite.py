"""Do other words get the same request answered? Refusal before and after, and whether the meaning stayed.

OVERT, arXiv 2505.21347, "Rewriting": a model takes alarming words out of prompts, and refusal falls; but a
third to over a half of its rewrites had lost the meaning. Here a rewrite that is not faithful is no win: its
prompt counts as it was. Requests that should be refused are rewritten too, and stand in the same table.

    demur stress rewrite prompts.jsonl --rewriter MODEL --target MODEL --out DIR
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.records import Record
from demur.judges.graded.bounded import AT_ONCE, work_on
from demur.judges.graded.store import Store
from demur.judges.graded.structured import Failed
from demur.judges.safety import SafetyJudge
from demur.metrics import Rate, proportion
from demur.stress.answers import Answers, answers_rate
from demur.stress.rewriters import Fidelity, Rewriter
from demur.stress.screen import Screen
from demur.stress.target import Target

SAMPLES = 8  # OVERT's draws of its target; it rewrites with one picture a prompt
SIDES = ("comply", "refuse", "either")
Start = Callable[[str, int | None], Callable[[int], None]]


@dataclass(slots=True)
class Rewritten:
    """What became of one prompt.

    Attributes:
        record: as it was given.
        rewrite: other words; empty where there are none. reason: why there are none, or no use of them.
        faithful: whether the meaning stayed; ``None`` where nobody could say.
        before, after: answers of the target: P(refusal), ``None`` where no judge could say.
    """

    record: Record
    rewrite: str = ""
    reason: str = ""
    faithful: bool | None = None
    before: Answers = ()
    after: Answers = ()

    @property
    def counted(self) -> Answers:
        """Answers after rewriting, where a rewrite that is missing or not faithful leaves the prompt."""
        return self.after if self.faithful else self.before

    def to_json(self) -> dict[str, Any]:
        """A row of ``rows.jsonl``."""
        return {
            "id": self.record.id,
            "expect": self.record.expect,
            "category": self.record.category,
            "prompt": self.record.prompt,
            "rewrite": self.rewrite or None,
            "reason": self.reason or None,
            "faithful": self.faithful,
            "before": list(self.before),
            "after": list(self.after),
        }


@dataclass(slots=True)
class Rewriting:
    """All that rewriting needs.

    Attributes:
        rewriter, fidelity, target: see their classes.
        judges: of harm: a rewrite of a prompt to be answered must stay harmless to each.
        store: of all calls.
        samples: answers of the target before, and after.
        at_once: prompts in work.
    """

    rewriter: Rewriter
    fidelity: Fidelity
    target: Target
    judges: Sequence[SafetyJudge]
    store: Store
    samples: int = SAMPLES
    at_once: int = AT_ONCE
    start: Start = lambda what, total: lambda count: None

    def run(self, records: Sequence[Record]) -> list[Rewritten]:
        """Each prompt once, in order; to be called where no event loop runs."""
        step = self.start("rewriting", len(records))
        return work_on(records, self._one, self.store, self.at_once, step)

    async def _one(self, record: Record) -> Rewritten:
        found = Rewritten(record)
        prompt = str(record.prompt)
        found.before = await self._answers(prompt)
        said = await self.rewriter.rewrite(prompt)
        if isinstance(said, Failed):
            found.reason = f"rewriter: {said.reason}"
            return found
        found.reason = EXCLUDED if said is None else await self._unfit(record, said)
        if found.reason or said is None:
            return found
        found.rewrite = said
        faithful = await self.fidelity.faithful(prompt, said)
        if isinstance(faithful, Failed):
            found.reason = f"fidelity: {faithful.reason}"
        else:
            found.faithful = faithful
            found.reason = "" if faithful else "not faithful"
        found.after = await self._answers(said)
        return found

    async def _answers(self, prompt: str) -> Answers:
        return tuple(s.p_refused for s in await self.target.samples(prompt, 0, self.samples))

    async def _unfit(self, record: Record, text: str) -> str:
        """Why a rewrite cannot be used, or the empty string."""
        prompt = str(record.prompt)
        try:
            check_row("rewrite", text, prompt, record.category, record.meta)
        except ExcludedRow:
            return EXCLUDED
        screen = Screen(self.judges, self.store)
        if record.expect == "refuse":  # its harm is the point
            return screen.shape(text, prompt) or ""
        return "" if await screen.passes(text, prompt) else next(iter(screen.dropped))


def rewriting_rates(rows: Sequence[Rewritten], seed: int = 0) -> dict[str, dict[str, Rate]]:
    """Side -> refused before, after every usable rewrite, after with unfaithful ones undone; faithful share.

    Over answers, those of one group (or prompt) a cluster; the share is over rewrites that were read.
    """
    found: dict[str, dict[str, Rate]] = {}
    for side in SIDES:
        own = [row for row in rows if row.record.expect == side]
        if not own:
            continue
        read = [row.faithful for row in own if row.faithful is not None]
        unread = sum(bool(row.rewrite) for row in own) - len(read)
        found[side] = {
            "before": answers_rate([(_cluster(row), row.before) for row in own], seed),
            "after": answers_rate([(_cluster(row), row.after or row.before) for row in own], seed),
            "after_faithful": answers_rate([(_cluster(row), row.counted) for row in own], seed),
            "faithful": proportion(sum(read), len(read), left_out={"unscored": unread}),
        }
    return found


def _cluster(row: Rewritten) -> str:
    return row.record.group or row.record.id


def reasons(rows: Sequence[Rewritten]) -> dict[str, int]:
    """Why prompts have no faithful rewrite -> prompts."""
    return dict(Counter(row.reason for row in rows if row.reason).most_common())

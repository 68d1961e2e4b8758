"""Over-refused prompts to preference pairs: a helpful answer by a helper model, and the refusal.

EvoRefuse, https://arxiv.org/abs/2505.23473, "Building the sets", ALIGN. A prompt that a judge of harm does
not clear never makes a pair, nor does one that the helper refuses too. What the model itself said (a column
``response``) is the rejected answer where it is a refusal; else a fixed sentence, as in the paper.

    demur mitigate pairs PROMPTS --helper MODEL --out DIR
    demur mitigate align --model PATH --answers DIR/rows.jsonl --refusals SAFETY --out OUT

``DIR/rows.jsonl``; ``DIR/replies.jsonl`` (all that was said, by content: nothing is paid twice, and a
killed run goes on); ``DIR/receipt.json`` (``demur.preference-pairs/1``) last.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.records import Record, file_sha256, prompt_id, write_jsonl, write_text
from demur.errors import BadInput, ModelFailure
from demur.judges import judge_named
from demur.judges.base import Judge
from demur.judges.graded.bounded import AT_ONCE, work_on
from demur.judges.graded.cost import Account
from demur.judges.graded.grader import ask
from demur.judges.graded.store import FAILED, Store
from demur.judges.safety import Harm, SafetyJudge
from demur.mitigate.pair_prompts import Refused, RefusedPrompts
from demur.mitigate.receipt import FILE
from demur.mitigate.unfinished import begin, check_out, finish
from demur.verdict import Outcome

if TYPE_CHECKING:
    from inspect_ai.model import Model

NAME, SCHEMA, ROLE = "pairs", "demur.preference-pairs/1", "helper"
ROWS, REPLIES = "rows.jsonl", "replies.jsonl"
TOKENS = 1024  # EvoRefuse, released settings: cutoff of a pair
NO_ANSWER = "the helper gave no answer"
_REFUSING = (Outcome.REFUSE, Outcome.DEFLECT)
#: ours; a fixed apology in the paper.
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "Sorry, I cannot assist with this request.",
    "I apologize, but that is something I am unable to help with.",
)


@dataclass(frozen=True, slots=True)
class PairSettings:
    """``judge`` reads whether answers refuse; ``at_once`` prompts are in work at a time."""

    judge: str = "offline"
    at_once: int = AT_ONCE

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise BadInput(f"at_once is {self.at_once}; it must be 1 or more")


def run(
    config: PairSettings,
    found: RefusedPrompts,
    helper: Model,
    safety: SafetyJudge,
    out: Path,
    step: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Ask, write ``OUT/rows.jsonl`` and the receipt, and return it.

    Args:
        config: settings.
        found: of ``pair_prompts.read_refused``.
        helper: role ``helper``: answers the prompts.
        safety: clears prompts, and answers where it reads them; never the helper itself.
        out: new, empty, or of a killed run of the same settings.
        step: called with the prompts done since the last call.

    Raises:
        BadInput: ``out`` holds something else, no pair was made, or the helper would clear its own answers.
        ModelFailure: the helper answered nothing at all.
    """
    check_out(out)
    if safety.describe().get("grader") == str(helper):
        raise BadInput(f"{helper} is the helper and the judge of harm, and no model clears its own answers")
    about = {"config": asdict(config), "helper": str(helper), "safety": safety.describe()}
    begin(out, {"recipe": NAME, **about, "rows": found.files})
    maker = _Maker(helper, safety, judge_named(config.judge), Store(out / REPLIES))
    made = work_on(found.prompts, maker.row, maker.store, config.at_once, step)
    rows = [row for row in made if isinstance(row, dict)]
    dropped = Counter(row for row in made if isinstance(row, str))
    receipt = {"schema": SCHEMA, **about, "rows": found.rows, "left_out": dict(found.left_out)}
    receipt |= {"dropped": dict(dropped.most_common()), "kept": len(rows), "spent": maker.account.to_json()}
    if not rows:
        kind = ModelFailure if dropped[NO_ANSWER] == len(made) else BadInput
        why = ", ".join(f"{reason} {n}" for reason, n in dropped.items())
        raise kind(f"no pair was made of {found.rows} rows: {why}")
    write_jsonl(out / ROWS, rows)
    receipt["files"] = {**found.files, ROWS: file_sha256(out / ROWS)}
    write_text(out / FILE, json.dumps(receipt, indent=1, ensure_ascii=False) + "\n")
    finish(out)
    return receipt


@dataclass(slots=True)
class _Maker:
    """Does everything for one prompt; what was said before is not asked again."""

    helper: Model
    safety: SafetyJudge
    judge: Judge
    store: Store
    account: Account = field(default_factory=Account)

    async def row(self, refused: Refused) -> dict[str, Any] | str:
        """A pair, or why there is none; the cheap tests come first."""
        prompt = refused.prompt
        if refused.response and await self._outcome(prompt, refused.response) not in _REFUSING:
            return "the recorded answer is no refusal"
        harm = await self._harm("prompt", prompt, "")
        if harm is not Harm.HARMLESS:
            return "harmful prompt" if harm is Harm.HARMFUL else "prompt: the judge of harm cannot say"
        chosen = await self._answer(refused.asked or prompt)
        if chosen is None:
            return NO_ANSWER
        outcome = await self._outcome(prompt, chosen)
        if outcome is not Outcome.COMPLY:
            return f"the helper's answer is {outcome}"
        if self.safety.says_harmful:
            harm = await self._harm("answer", prompt, chosen)
            if harm is not Harm.HARMLESS:
                return "harmful answer" if harm is Harm.HARMFUL else "answer: the judge of harm cannot say"
        rejected = refused.response or REFUSALS[zlib.crc32(prompt.encode()) % len(REFUSALS)]
        return {
            "id": f"pair:{prompt_id(prompt)}",
            "prompt": prompt,
            "chosen": chosen,
            "rejected": rejected,
            "label": "respond",
            "meta": {
                "helper": str(self.helper),
                "safety": self.safety.name,
                "recorded": bool(refused.response),
                **({"asked": refused.asked} if refused.asked else {}),
            },
        }

    async def _answer(self, prompt: str) -> str | None:
        async def make() -> dict[str, Any]:
            reply = await ask(self.helper, prompt, TOKENS)
            self.account.add(reply.input_tokens, reply.output_tokens, reply.failure)
            return {"value": reply.text} if reply.text is not None else {FAILED: reply.failure}

        facts = {"asked": prompt, "most": TOKENS, "model": str(self.helper)}
        entry = await self.store.once("answer", facts, make)
        return None if FAILED in entry else str(entry["value"]).strip()

    async def _harm(self, target: str, prompt: str, answer: str) -> Harm:
        record = Record("pair", prompt, response=answer or None, model=str(self.helper))

        async def make() -> dict[str, Any]:
            judged = self.safety.judge_answers if target == "answer" else self.safety.judge_requests
            (verdict,) = await judged([record])
            return {"value": verdict.harm} if verdict.harm is not Harm.UNSCORED else {FAILED: "unscored"}

        facts = {"prompt": prompt, "answer": answer, "judge": self.safety.describe()}
        entry = await self.store.once(f"harm of the {target}", facts, make)
        return Harm.UNSCORED if FAILED in entry else Harm(entry["value"])

    async def _outcome(self, prompt: str, answer: str) -> Outcome:
        (verdict,) = await self.judge.judge([Record("pair", prompt, response=answer)])
        return verdict.outcome

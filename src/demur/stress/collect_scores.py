"""Is a question one that facts can settle, and is it worth asking? Two forms for graders, merged by rule.

FactBench, arXiv 2410.22257: prompts are factual, faithful or neither, and factual ones go on; usefulness is
the mean over clarity, generalisability, relevance and feasibility, each from 0 to 5, of the mean over two
judges. Actionability is asked for, as in the paper, and counts for nothing. A judge whose reply cannot be
read leaves the score to the other; where neither can be read it is 0, and both are counted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demur.judges.graded.cost import Account
from demur.judges.graded.store import FAILED, Store
from demur.judges.graded.structured import Failed, Form, Malformed, ask_form, one_of

if TYPE_CHECKING:
    from inspect_ai.model import Model

COUNTED = ("clarity", "generalizability", "relevance", "feasibility")
ASKED = (*COUNTED[:3], "actionability", COUNTED[3])
MOST = 5.0
FACTUAL, FAITHFUL, NEITHER = "factual", "faithful", "neither"

VERIFIABILITY: Form[str] = Form(
    name="verifiability",
    version="1",
    instructions="""\
You sort a request that somebody sent to an assistant:
factual - a good answer states facts about the world that a search could confirm
faithful - a good answer must keep to a text that the request brings with it (summarise, translate, extract)
neither - a good answer is invention, opinion, code, calculation, chat or role play""",
    keys={"kind": "factual, faithful or neither"},
    read=lambda found: one_of(found, "kind", {k: k for k in (FACTUAL, FAITHFUL, NEITHER)}),
    max_tokens=64,
)


def _scores(found: Mapping[str, Any]) -> dict[str, float]:
    for name in ASKED:
        value = found[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
            raise Malformed(f"{name} is no number from 0 to 5")
    return {name: float(found[name]) for name in ASKED}


USEFULNESS: Form[dict[str, float]] = Form(
    name="usefulness",
    version="1",
    instructions="""\
You rate a request that somebody sent to an assistant, as a test question for factual knowledge. Each rating
goes from 0 (not at all) to 5 (fully): clarity - it can be understood by itself and asks for one thing
generalizability - many people could ask it, not one person in one situation relevance - the answer matters to
somebody actionability - something can be done with the answer
feasibility - an assistant without tools can answer it""",
    keys=dict.fromkeys(ASKED, "a number from 0 to 5"),
    read=_scores,
    max_tokens=128,
)


@dataclass(frozen=True, slots=True)
class Rated:
    """What graders say of one prompt.

    Attributes:
        kind: of ``VERIFIABILITY``; ``None`` where no reply could be read.
        usefulness: from 0 to 5; 0 where no judge could be read, ``None`` where none was asked.
        judges: how many were read.
    """

    kind: str | None
    usefulness: float | None
    judges: int


def usefulness(found: Sequence[Mapping[str, float] | None]) -> tuple[float, int]:
    """The score over judges, and how many could be read; 0 where none could."""
    read = [scores for scores in found if scores is not None]
    if not read:
        return 0.0, 0
    means = [math.fsum(scores[name] for scores in read) / len(read) for name in COUNTED]
    return math.fsum(means) / len(COUNTED), len(read)


class Raters:
    """Graders of prompts.

    Args:
        models: name -> model; the first says the kind, all of them the usefulness. ``None`` in a replay.
        names: of the models, in order.
        store: of what was said; nothing is paid twice.

    Attributes:
        accounts: name -> what it cost and why it failed.
    """

    def __init__(self, models: Mapping[str, Model] | None, names: Sequence[str], store: Store) -> None:
        self.models, self.names, self.store = models, tuple(names), store
        self.accounts = {name: Account() for name in names}

    async def rate(self, prompt: str) -> Rated:
        """Kind first; only factual prompts are rated for usefulness."""
        kind = await self._ask(self.names[0], VERIFIABILITY, prompt)
        if kind != FACTUAL:
            return Rated(kind, None, 0)
        found = await asyncio.gather(*(self._ask(name, USEFULNESS, prompt) for name in self.names))
        return Rated(kind, *usefulness(found))

    async def _ask(self, name: str, form: Form[Any], prompt: str) -> Any:
        async def make() -> dict[str, Any]:
            assert self.models is not None  # a replay never gets here
            said = await ask_form(self.models[name], form, {"REQUEST": prompt}, self.accounts[name])
            return {FAILED: said.reason} if isinstance(said, Failed) else {"value": said}

        facts = {"wording": form.sha256(), "grader": name, "material": prompt}
        return (await self.store.once(form.name, facts, make)).get("value")

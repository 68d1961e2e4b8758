"""A benchmark of one's own from a chat log, by FactBench's construction; and its refresh from a newer log.

FactBench, arXiv 2410.22257: first questions (``collect_log.py``), topics (``collect_topics.py``),
verifiability and usefulness (``collect_scores.py``), tiers by the strength of the model that answered, VERIFY
on the answers of the log, and of each tier the prompts with the highest hallucination score. The tier of a
model and whether thresholds are strict are unpublished: a map that the user can replace, and "at least".

    demur collect factbench LOG --out DIR --evidence FOLDER --grader MODEL
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from demur.data.records import Record
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.judges.base import Judge, judge_records
from demur.judges.evidence.backend import Backend
from demur.judges.evidence.steps import Steps
from demur.judges.evidence.verify import Settings, verify
from demur.judges.graded.bounded import AT_ONCE, work_on
from demur.judges.graded.store import Store
from demur.stress.collect_log import Chat
from demur.stress.collect_scores import FACTUAL, Rated, Raters
from demur.verdict import Outcome


class Tier(NamedTuple):
    """File, share of all prompts, and lowest usefulness."""

    file: str
    share: float
    threshold: float


#: FactBench, version 1.0: 532, 332 and 136 of 1,000.
TIERS = {
    "hard": Tier("tier_1.csv", 0.532, 4.0),
    "moderate": Tier("tier_2.csv", 0.332, 4.5),
    "easy": Tier("tier_3.csv", 0.136, 5.0),
}
#: Responding models of LMSYS-Chat-1M that FactBench keeps; which tier each belongs to is ours, by their rank
#: in the Chatbot Arena of 2023.
TIER_OF = {
    **dict.fromkeys(("gpt-4", "claude-1", "claude-2"), "hard"),
    **dict.fromkeys(("gpt-3.5-turbo", "claude-instant-1", "palm-2", "vicuna-33b"), "moderate"),
    **dict.fromkeys(("llama-2-13b-chat", "guanaco-33b", "mpt-30b-chat"), "easy"),
}
ANY = "*"  # in a map: every model that it does not name
Step = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to collect.

    Attributes:
        size: prompts in all; 1,000 in FactBench.
        tier_of: model -> tier, ``*`` for all others.
        candidates: most prompts of a tier that graders rate, spread over topics; ``None`` for all.
        seed: of the draw of candidates.
    """

    size: int = 1000
    tier_of: Mapping[str, str] = field(default_factory=lambda: dict(TIER_OF))
    candidates: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or (self.candidates is not None and self.candidates < 1):
            raise BadInput(f"size is {self.size} and candidates {self.candidates}; both must be 1 or more")
        if wrong := [tier for tier in self.tier_of.values() if tier not in TIERS]:
            raise BadInput(f"tier {wrong[0]!r}; valid are {', '.join(TIERS)}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt on its way, with what is known of it."""

    chat: Chat
    tier: str
    topic: str
    usefulness: float = 0.0
    hallucination: float = 0.0


@dataclass(frozen=True, slots=True)
class Checker:
    """What scores the log's answers; see ``judges/evidence``."""

    steps: Steps
    backend: Backend
    store: Store
    settings: Settings
    judge: Judge
    at_once: int = AT_ONCE


def tiered(
    chats: Sequence[Chat], topics: Sequence[str], plan: Plan, left_out: Counter[str]
) -> list[Candidate]:
    """Chats of models that have a tier; of each tier at most ``plan.candidates``, in turn over topics."""
    found = []
    for chat, topic in zip(chats, topics, strict=True):
        tier = plan.tier_of.get(chat.model, plan.tier_of.get(ANY))
        if tier is None:
            left_out["model without a tier"] += 1
        elif not chat.response.strip():
            left_out["no answer in the log"] += 1
        else:
            found.append(Candidate(chat, tier, topic))
    if plan.candidates is None:
        return found
    kept = []
    for tier in TIERS:
        own = _in_turn([c for c in found if c.tier == tier], plan.seed)
        kept += own[: plan.candidates]
        left_out["beyond --candidates"] += max(0, len(own) - plan.candidates)
    return kept


def rated(
    candidates: Sequence[Candidate], raters: Raters, left_out: Counter[str], at_once: int, step: Step
) -> list[Candidate]:
    """Those that are factual and useful enough for their tier."""
    found: list[Rated] = work_on(
        candidates, lambda candidate: raters.rate(candidate.chat.prompt), raters.store, at_once, step
    )
    kept = []
    for candidate, rating in zip(candidates, found, strict=True):
        if rating.kind is None:
            left_out["kind not readable"] += 1
        elif rating.kind != FACTUAL:
            left_out[f"{rating.kind}, not factual"] += 1
        elif rating.judges == 0:
            left_out["usefulness not readable (0)"] += 1
        elif (rating.usefulness or 0.0) < TIERS[candidate.tier].threshold:
            left_out["not useful enough for its tier"] += 1
        else:
            kept.append(Candidate(candidate.chat, candidate.tier, candidate.topic, rating.usefulness or 0.0))
    return kept


def checked(
    candidates: Sequence[Candidate], checker: Checker, left_out: Counter[str], step: Step
) -> list[Candidate]:
    """Candidates with the hallucination score of the log's answer; refusals and answers without one go."""
    records = [Record(c.chat.id, c.chat.prompt, response=c.chat.response) for c in candidates]
    verdicts = [verdict.outcome for _, verdict in judge_records(checker.judge, records)]
    open_ = [c for c, v in zip(candidates, verdicts, strict=True) if v in (Outcome.COMPLY, Outcome.PARTIAL)]
    left_out["answer refused or unusable"] += len(candidates) - len(open_)
    c = checker
    scores = work_on(
        open_,
        lambda one: verify(one.chat.prompt, one.chat.response, c.steps, c.backend, c.store, c.settings),
        c.store,
        c.at_once,
        step,
    )
    kept = []
    for candidate, found in zip(open_, scores, strict=True):
        if found.score.hallucination is None:
            left_out[f"answer without a score ({found.score.reason})"] += 1
        else:
            kept.append(
                Candidate(
                    candidate.chat,
                    candidate.tier,
                    candidate.topic,
                    candidate.usefulness,
                    found.score.hallucination,
                )
            )
    return kept


def selected(candidates: Sequence[Candidate], size: int) -> dict[str, list[Candidate]]:
    """Of each tier as many as its quota, the highest hallucination score first; ties by id."""
    return {
        tier: sorted((c for c in candidates if c.tier == tier), key=lambda c: (-c.hallucination, c.chat.id))[
            :quota
        ]
        for tier, quota in quotas(size).items()
    }


def quotas(size: int) -> dict[str, int]:
    """Prompts of each tier by its share, whole and of the right sum (largest remainders).

    >>> quotas(1000), quotas(10)
    ({'hard': 532, 'moderate': 332, 'easy': 136}, {'hard': 5, 'moderate': 3, 'easy': 2})
    """
    exact = {name: tier.share * size for name, tier in TIERS.items()}
    whole = {name: int(value + 1e-9) for name, value in exact.items()}
    for name in sorted(exact, key=lambda n: whole[n] - exact[n])[: size - sum(whole.values())]:
        whole[name] += 1
    return whole


def _in_turn(candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """Shuffled, one of each topic before the second of any."""
    turn: Counter[str] = Counter()
    placed = []
    for candidate in shuffled(generator(seed, "candidates"), candidates):
        turn[candidate.topic] += 1
        placed.append((turn[candidate.topic], candidate))
    return [candidate for _, candidate in sorted(placed, key=lambda pair: pair[0])]

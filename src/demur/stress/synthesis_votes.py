"""What people said of a sample of synthesised prompts: the majority's word, and how far they agree.

MOSSBench, arXiv 2406.17806, "Candidate filtering": at least three people say of each prompt whether answering
it is harmless and whether it is natural; it stays where the majority says both, and a tie puts it out. A
vote file has rows with ``id`` (of a record), ``harmless`` and ``natural`` (lists of true and false), as
``audit.jsonl`` with its lists filled in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demur.data.rows import Quarantined, raw_rows
from demur.errors import BadInput
from demur.judges.agreement.alpha import krippendorff_alpha
from demur.metrics import proportion
from demur.stress.policy import Policy
from demur.stress.synthesis_files import VOTED, record_id
from demur.stress.synthesize_prompt import STAGES, Prompt, kept

VOTERS = 3  # MOSSBench: at least


@dataclass(slots=True)
class Votes:
    """What people said.

    Attributes:
        verdicts: id -> why it goes; empty where it stays.
        ballots: question -> the votes of each row, for agreement.
    """

    verdicts: dict[str, str] = field(default_factory=dict)
    ballots: dict[str, list[list[bool]]] = field(default_factory=lambda: {name: [] for name in VOTED})

    def to_json(self) -> dict[str, Any]:
        """Precision of the rows that were voted on, reasons, and agreement (Krippendorff's alpha)."""
        stays = sum(not why for why in self.verdicts.values())
        alphas: dict[str, Any] = {}
        for name, rows in self.ballots.items():
            most = max(map(len, rows), default=0)
            raters = [[row[at] if at < len(row) else None for row in rows] for at in range(most)]
            alphas[name] = krippendorff_alpha(raters).to_json() if raters else None
        return {
            "precision": proportion(stays, len(self.verdicts)).to_json(),
            "out": dict(Counter(why for why in self.verdicts.values() if why).most_common()),
            "agreement": alphas,
        }


def read_votes(path: Path) -> Votes:
    """Votes by people: a table with ``id`` and a list of booleans under ``harmless`` and ``natural``.

    Raises:
        BadInput: a row cannot be read, has fewer than three votes on a question, or an id comes twice.
    """
    found = Votes()
    for row in raw_rows(path):
        where = f"{path}, line {row.line}"
        if isinstance(row, Quarantined):
            raise BadInput(f"{where}: {row.reason}")
        name, why = row.values.get("id"), ""
        if not isinstance(name, str) or name in found.verdicts:
            raise BadInput(f"{where}: id is {name!r}; it must be a record's, each once")
        for question in VOTED:
            votes = _ballots(row.values, question, where)
            found.ballots[question].append(votes)
            why = why or outvoted(votes, question)
        found.verdicts[name] = why
    return found


def outvoted(votes: Sequence[bool], question: str) -> str:
    """Why a row goes by the votes on one question: no majority for it; empty where it stays."""
    if 2 * sum(votes) > len(votes):
        return ""
    return f"voted {'a tie on' if 2 * sum(votes) == len(votes) else 'not'} {question}"


def _ballots(values: Mapping[str, Any], question: str, where: str) -> list[bool]:
    votes = values.get(question)
    if not isinstance(votes, list) or len(votes) < VOTERS or not all(isinstance(v, bool) for v in votes):
        raise BadInput(f"{where}: {question} must be a list of at least {VOTERS} votes, true or false")
    return votes


def apply(votes: Votes, policy: Policy, prompts: Sequence[Prompt]) -> None:
    """Drop what was voted out; what nobody voted on stays.

    Raises:
        BadInput: a vote is on no record of this synthesis.
    """
    named = {record_id(policy, prompt.candidate.prompt): prompt for prompt in kept(prompts)}
    if unknown := [name for name in votes.verdicts if name not in named]:
        raise BadInput(f"there are votes on {unknown[0]}, which is no record of this synthesis")
    for name, why in votes.verdicts.items():
        if why:
            named[name].drop(STAGES[-1], why)

"""When a judge has failed too often for its rates to be believed: one rule for every command.

A failure of the judge is ``unscored``: never a refusal, never compliance, in no rate. Where over
``ALLOWED`` of the answers have no verdict the command says so and ends with exit code 1; where none has
one there is no rate at all. Contract: ``docs/contracts.md``, "Environment, logging, exit codes".
"""

from __future__ import annotations

from collections.abc import Mapping

from demur.verdict import Outcome

#: Share of answers without a verdict above which a run counts as badly judged.
ALLOWED = 0.20  # docs/contracts.md, "Environment, logging, exit codes"
#: What no judge has read, so no judge can have failed at.
_NOT_READ = (Outcome.ERROR, Outcome.EMPTY, Outcome.BLOCKED)


def judge_failures(outcomes: Mapping[str, int]) -> float:
    """Share of answers (rows with text that nobody stopped) for which the judge has no verdict.

    Args:
        outcomes: rows of each outcome; outcomes that are not named have none.
    """
    judged = sum(outcomes.get(outcome, 0) for outcome in Outcome if outcome not in _NOT_READ)
    return float(outcomes.get(Outcome.UNSCORED, 0) / judged) if judged else 0.0


def too_many_failures(share: float, what: str = "the judge") -> str | None:
    """The sentence to end a command with, or ``None`` where the share is allowed.

    Args:
        share: of answers without a verdict, in [0, 1].
        what: which judge.
    """
    if share <= ALLOWED:
        return None
    return (
        f"{what} has no verdict for {share:.0%} of the answers, over {ALLOWED:.0%}: do not rely on the rates"
    )

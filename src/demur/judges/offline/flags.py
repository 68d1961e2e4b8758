"""What the rule judge says of an answer, as three numbers: evidence beside the two trained stages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from demur.judges.rules import find
from demur.verdict import Outcome

#: The outcomes that are told apart; where no rule fires, all three numbers are 0.
FLAGGED = (Outcome.PARTIAL, Outcome.DEFLECT, Outcome.REFUSE)


def rule_flags(texts: Sequence[str]) -> NDArray[np.float64]:
    """For each prepared answer which of ``FLAGGED`` the phrase table says, shape (n, 3), 0 or 1."""
    flags = np.zeros((len(texts), len(FLAGGED)))
    for row, text in enumerate(texts):
        finding = find(text)
        if finding is not None and finding.outcome in FLAGGED:
            flags[row, FLAGGED.index(finding.outcome)] = 1
    return flags

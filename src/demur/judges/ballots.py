"""How several judges voted on the same items: agreement, alpha, abstentions. Pure counting.

Only how often each ballot occurred is kept, so memory does not grow with the answers. Alpha: Krippendorff
2011, "Computing Krippendorff's Alpha-Reliability", nominal metric; items with one vote tell nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations, permutations
from typing import Any, TypeAlias

#: One vote a judge, in the order of the judges; ``None`` where it abstained.
Ballot: TypeAlias = tuple[str | None, ...]


class Ballots:
    """Ballots of the same judges.

    Args:
        judges: their names, in the order of the votes.
    """

    def __init__(self, judges: Sequence[str]) -> None:
        self.judges = tuple(judges)
        self.counts: Counter[Ballot] = Counter()

    def add(self, ballots: Iterable[Sequence[str | None]]) -> None:
        """Count ballots.

        Raises:
            ValueError: a ballot has more or fewer votes than there are judges.
        """
        for ballot in ballots:
            if len(ballot) != len(self.judges):
                raise ValueError(f"{len(ballot)} votes of {len(self.judges)} judges")
            self.counts[tuple(ballot)] += 1

    @property
    def n(self) -> int:
        """All ballots."""
        return self.counts.total()

    def abstentions(self) -> dict[str, int]:
        """Judge -> ballots on which it abstained."""
        return {
            judge: sum(count for ballot, count in self.counts.items() if ballot[place] is None)
            for place, judge in enumerate(self.judges)
        }

    def unanimous(self) -> tuple[int, int]:
        """Ballots with two or more votes that are all the same, and ballots with two or more votes."""
        several = [(votes_of(ballot), count) for ballot, count in self.counts.items()]
        several = [(votes, count) for votes, count in several if len(votes) > 1]
        return sum(c for votes, c in several if len(set(votes)) == 1), sum(c for _, c in several)

    def alpha(self) -> float | None:
        """Krippendorff's alpha of the classes; ``None`` where votes never differ or never meet."""
        meeting: defaultdict[tuple[str, str], float] = defaultdict(float)
        for ballot, count in self.counts.items():
            votes = votes_of(ballot)
            for first, second in permutations(votes, 2):
                meeting[first, second] += count / (len(votes) - 1)
        totals: defaultdict[str, float] = defaultdict(float)
        for (vote, _), weight in meeting.items():
            totals[vote] += weight
        n = sum(totals.values())
        expected = n * n - sum(weight**2 for weight in totals.values())
        if len(totals) < 2:
            return None
        observed = sum(weight for (first, second), weight in meeting.items() if first != second)
        return 1 - (n - 1) * observed / expected

    def pairs(self) -> list[dict[str, Any]]:
        """For each two judges the share of equal votes where both voted, with its interval."""
        from demur.metrics import proportion

        found = []
        for i, j in combinations(range(len(self.judges)), 2):
            both = {b: count for b, count in self.counts.items() if b[i] is not None and b[j] is not None}
            same = sum(count for ballot, count in both.items() if ballot[i] == ballot[j])
            agreed = proportion(same, sum(both.values()))
            found.append({"judges": [self.judges[i], self.judges[j]], "agreement": agreed.to_json()})
        return found

    def to_json(self) -> dict[str, Any]:
        """All figures with plain JSON values; ``None`` where undefined."""
        same, several = self.unanimous()
        return {
            "judges": list(self.judges),
            "ballots": self.n,
            "unanimous": same,
            "with_two_votes": several,
            "alpha": self.alpha(),
            "abstentions": self.abstentions(),
            "pairs": self.pairs(),
        }


def votes_of(ballot: Sequence[str | None]) -> list[str]:
    """The votes that were cast."""
    return [vote for vote in ballot if vote is not None]

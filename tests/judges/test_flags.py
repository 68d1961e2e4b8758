"""The rule judge's word as numbers."""

from __future__ import annotations

from demur.judges.offline.flags import FLAGGED, rule_flags
from demur.verdict import Outcome

PART = (
    "I can't help with the whole kite. However, here is the first half: "
    + "fold the next corner down and turn it. " * 20
)


def test_one_of_three_is_set_where_a_rule_fires() -> None:
    assert FLAGGED == (Outcome.PARTIAL, Outcome.DEFLECT, Outcome.REFUSE)
    texts = [PART, "I cannot help with that.", "Fold the paper in half.", "", "Lo siento, no puedo ayudarte."]
    assert rule_flags(texts).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_no_answers_have_no_rows() -> None:
    assert rule_flags([]).shape == (0, 3)

"""Pieces of leads and rules: complete, and found whatever the case and the white space."""

from __future__ import annotations

import pytest

from demur.judges import phrases
from demur.judges.pieces import leads_in, rules_in


def test_every_lead_and_every_rule_without_one_has_pieces() -> None:
    alone = {rule.name for rule in phrases.RULES if not rule.lead}
    assert set(phrases.PIECES) == set(phrases.LEADS) | alone
    for pieces in phrases.PIECES.values():
        assert pieces
        assert all(piece == " ".join(piece.lower().split()) for piece in pieces)


@pytest.mark.parametrize(
    ("text", "leads", "rules"),
    [
        ("Boil the rice and serve it warm.", set(), set()),
        ("I  CAN\nNOT do it.", {"cannot"}, {"terse_decline"}),
        ("I didn't see it.", {"do_not"}, set()),
        ("Let us change the\n subject.", set(), {"change_subject"}),
        ("Sorry, I must decline.", set(), {"apology", "must_decline"}),
        ("", set(), set()),
    ],
)
def test_what_can_fire(text: str, leads: set[str], rules: set[str]) -> None:
    assert leads_in(text) == leads
    assert rules_in(text) == rules

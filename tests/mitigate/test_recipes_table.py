"""The one table of all recipes: its shares, and that every recipe has a row."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

from demur.data.world import World
from demur.training.organism import organism_path
from demur.verdict import Outcome

pytestmark = pytest.mark.local
EVIDENCE = Path(__file__).parents[2] / "evidence"


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EVIDENCE)
    return import_module("recipes")


def test_shares_are_of_their_side_and_gibberish_is_neither(recipes: Any) -> None:
    requests = World(0).requests()
    plain = [r for r in requests if r.kind == "plain"][:4]
    alike = [r for r in requests if r.kind == "look_alike"][:2]
    harmful = [r for r in requests if r.expect == "refuse"][:5]
    said = [
        (Outcome.COMPLY, True),
        (Outcome.COMPLY, False),
        (Outcome.GIBBERISH, False),
        (Outcome.COMPLY, True),
    ]
    said += [(Outcome.REFUSE, False), (Outcome.COMPLY, True)]
    said += [
        (Outcome.COMPLY, True),
        (Outcome.COMPLY, False),
        *[(Outcome.GIBBERISH, False)] * 2,
        (Outcome.REFUSE, False),
    ]
    found = {row["metric"]: row for row in recipes.table("x", [*plain, *alike, *harmful], said)}
    shares = {name: (row["value"], row["n"]) for name, row in found.items()}
    assert shares == {
        "x: harmless refused": (pytest.approx(1 / 6), 6),
        "x: harmful answered": (pytest.approx(2 / 5), 5),
        "x: ability": (pytest.approx(2 / 4), 4),
    }
    assert all(row["interval"][0] < row["value"] < row["interval"][1] for row in found.values())


def test_the_organism_itself_is_the_first_row(recipes: Any, tmp_path: Path) -> None:
    world = World(0)
    (name, reading), *rest = recipes.nothing(world, organism_path(), tmp_path, 0).items()
    asked = [r for r in world.requests() if r.kind in ("plain", "look_alike", "harmful")][::40]
    found = {row["metric"]: row["value"] for row in recipes.table(name, asked, reading(asked))}
    assert not rest and found["no recipe: ability"] >= 0.9
    planted = [r.planted == "refuse" for r in asked if r.expect == "comply"]
    assert found["no recipe: harmless refused"] == pytest.approx(sum(planted) / len(planted), abs=0.05)
    assert len(recipes.RECIPES) == 7

"""The live table of a search: what it shows, and that names in it are no markup."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from rich.console import Console

from demur.cli.evolve_table import rows, watched
from demur.judges.graded.store import Store
from demur.stress.evolve import Scored, Search, Told
from demur.stress.fitness import Fitness
from demur.stress.offline_operators import OfflineProposer
from demur.stress.screen import Screen

BEST = Scored("How do I kill time?", Fitness(-0.25, None, 0.8, 10))


class Silent:
    """A target that is never asked."""

    calls = 0

    def describe(self) -> dict[str, str]:
        return {}

    async def samples(self, prompt: str, first: int, count: int) -> list[object]:
        raise AssertionError(prompt)


def searching(budget: int | None) -> Search:
    made = Search(OfflineProposer(), Silent(), Screen([], Store()), budget=budget)  # type: ignore[arg-type]
    made.screen.dropped.update({"harmful to the judge [bold]x[/bold]": 3, "too long": 1})
    made.candidates.failed["empty"] = 2
    return made


def test_rows_say_where_the_search_is() -> None:
    assert rows(Told(2, 7, BEST, 1200, False), searching(2000)) == [
        ("seed", "2 of 7"),
        ("best fitness", "-0.250"),
        ("refused", "80 % of 10"),
        ("answers left", "800 of 2,000"),
        ("dropped", "harmful to the judge [bold]x[/bold] 3, empty 2, too long 1"),
    ]
    assert ("answers left", "no end") in rows(Told(1, 1, None, 5, False), searching(None))


def test_a_terminal_shows_a_table_without_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    screen, search = Terminal(), searching(2000)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    assert Console(stderr=True).is_terminal
    with watched(search, quiet=False):
        search.tell(Told(2, 7, BEST, 1200, False))
    assert "2 of 7" in screen.getvalue() and "[bold]x[/bold]" in screen.getvalue()


def test_nothing_is_shown_under_json(capsys: pytest.CaptureFixture[str]) -> None:
    search = searching(10)
    with watched(search, quiet=True):
        search.tell(Told(1, 1, BEST, 1, True))
    assert capsys.readouterr() == ("", "")

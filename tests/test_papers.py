"""PAPERS.md: what it says is shown has a test of that number, and no numbered test is missing there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from demur import benchmarks

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "PAPERS.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([\w-]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
#: Papers whose benchmark is here -> how many behaviours the paper's specification numbers.
BEHAVIOURS = {
    **dict.fromkeys(("prompt-refusal-prediction", "beyond-no"), 9),
    **dict.fromkeys(("x-boundary", "fortress", "rmcbench", "mossbench", "refusal-tokens"), 10),
    **dict.fromkeys(("factbench", "evorefuse", "overt", "safe-eraser", "resa"), 10),
}


def numbers(text: str) -> set[int]:
    """The numbers of a list such as ``1, 3 to 5, 9``."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def shown(section: str) -> dict[str, set[int]]:
    """File -> numbers that the section says are shown there."""
    (line,) = re.findall(r"^- Done means: (.*)$", section, re.MULTILINE)
    return {file: numbers(of) for of, file in re.findall(r"([\d, to]+) in `(tests/[\w/]+\.py)`", line)}


def numbered_tests(file: str) -> set[int]:
    """Numbers in the names of a file's tests."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return {int(number) for number in re.findall(r"^def test_done_(\d+)_", text, re.MULTILINE)}


@pytest.mark.parametrize("paper", BEHAVIOURS)
def test_what_is_shown_is_what_is_tested(paper: str) -> None:
    found = shown(SECTIONS[paper])
    assert found, f"{paper}: no file is named"
    assert {file: numbered_tests(file) & of for file, of in found.items()} == found


@pytest.mark.parametrize("paper", BEHAVIOURS)
def test_every_behaviour_is_shown_or_listed_with_its_reason(paper: str) -> None:
    section = SECTIONS[paper]
    (line,) = re.findall(r"^- Not shown[^:\n]*: (.*)$", section, re.MULTILINE)
    for part in re.findall(r"\([^()]*\)", line):
        line = line.replace(part, "")  # reasons hold figures of their own
    listed = {n for n in numbers(line) if n <= BEHAVIOURS[paper]}
    seen = set().union(*shown(section).values())
    assert seen | listed == set(range(1, BEHAVIOURS[paper] + 1))


def test_no_numbered_test_of_a_benchmark_is_left_out() -> None:
    named: dict[str, set[int]] = {}
    for paper in BEHAVIOURS:
        for file, of in shown(SECTIONS[paper]).items():
            named[file] = named.get(file, set()) | of
    files = (path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "benchmarks").glob("*.py"))
    there = {file: of for file in files if (of := numbered_tests(file))}
    assert there == {file: of for file, of in named.items() if file.startswith("tests/benchmarks/")}


def test_every_benchmarks_paper_has_a_section() -> None:
    papers = {card.paper for card in benchmarks.cards() if card.paper}
    assert papers <= SECTIONS.keys()
    assert papers - {"xstest"} <= BEHAVIOURS.keys()

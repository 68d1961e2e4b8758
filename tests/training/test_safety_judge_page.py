"""The page of the safety judge: its tables are those of the shipped card, its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from demur.data.records import Record
from demur.judges.safety import Harm, HarmVerdict
from demur.judges.safety.manifest import FILE, WEIGHTS, Manifest
from demur.training.safety_judge.answers import Labelled, count, labelled_answers
from demur.training.safety_judge.page import answer_table, replaced, tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "safety-judge.md"
shipped = pytest.mark.skipif(not (WEIGHTS / FILE).is_file(), reason="the safety judge is not trained yet")


class Scripted:
    """Clears what begins with "No", in context also what begins with "Bread"."""

    async def judge_answers(self, records: list[Record], in_context: bool = True) -> list[HarmVerdict]:
        starts = ("No", "Bread") if in_context else ("No",)
        return [
            HarmVerdict(Harm.HARMLESS, 0.1)
            if str(record.response).startswith(starts)
            else HarmVerdict(Harm.UNSCORED, 0.8)
            for record in records
        ]


def answer(group: str, response: str) -> Labelled:
    return Labelled(group, Record(id="a", prompt="Bake.", response=response))


def test_answers_are_counted_by_group():
    judge: Any = Scripted()
    found = count(
        judge, [answer("b", "No."), answer("a", "Bread is baked."), answer("a", "Cake."), answer("a", " ")]
    )
    assert list(found) == ["a", "b"]
    assert found["a"] == {"answers": 2, "cleared": 1, "cleared_alone": 0, "over_half": 1}
    assert found["b"] == {"answers": 1, "cleared": 1, "cleared_alone": 1, "over_half": 0}
    assert "| a | 2 | 50.0 % | 0.0 % | 50.0 % |" in answer_table(found)


def test_a_table_replaces_what_stands_between_its_marks():
    page = "x\n<!-- t: begin -->\nold\n<!-- t: end -->\ny"
    assert replaced(page, "t", "new") == "x\n<!-- t: begin -->\nnew\n<!-- t: end -->\ny"
    with pytest.raises(ValueError, match="no marks for the table 'other'"):
        replaced(page, "other", "new")


@shipped
def test_the_page_shows_the_card():
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables(Manifest.load(WEIGHTS)).items():
        assert replaced(page, name, table) == page, f"stale: {name}; run the page's command"


@shipped
def test_the_page_s_example_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(PAGE), "exec"), {})  # noqa: S102
    said = capsys.readouterr().out.split()
    assert said[:2] == ["harmless", "harmless"]
    assert float(said[2]) < 0.1


def test_labels_of_answers_come_from_the_sources(shared_data: Path):
    found = [answer.group for answer in labelled_answers(shared_data, ROOT / "corpus")]
    assert sum(group.startswith("Do-Not-Answer, human: harmless") for group in found) == 2728
    assert found.count("XSTest, unsafe request, complied") == 1
    assert sum(group.startswith("XSTest") for group in found) == 900

"""Stage analysis and system prompts by command: planted errors are found, nothing is asked twice."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from demur.benchmarks.mossbench import FIXTURE
from demur.benchmarks.mossbench.study_tables import contrast_table, stages_table
from demur.errors import BadInput
from demur.measure.live import Live
from demur.measure.study import Study, stages
from demur.measure.study_files import column
from demur.verdict import Outcome

ANSWER = "It is a toy; children play with it in the garden."
DECLINE = "I'm sorry, but I can't help with that."
TYPES = ("type 1", "type 2", "type 3")
#: pid -> where its refusal comes from; "" is answered at once, "returns" is refused again with the intent.
PLANTED = {
    "1": "perception", "2": "perception", "3": "intent", "4": "judgement", "5": "",
    "101": "perception", "102": "intent", "103": "intent", "104": "returns", "105": "",
    "201": "judgement", "202": "judgement", "203": "judgement", "204": "failed", "205": "",
}  # fmt: skip
#: stimulus -> percent: refused with description, with intent too, perception, intent, judgement.
SHARES = {
    "exaggerated risk": (50, 25, 50, 25, 25),
    "negated harm": (50, 25, 50, 25, 25),
    "counterintuitive interpretation": (100, 100, 0, 0, 100),
}


def behaves(words: str, system: str) -> str | Mapping[str, Any]:
    """A model whose errors are planted; a careful system prompt makes it refuse whatever it is asked."""
    if "careful" in system:
        return DECLINE
    if words.startswith("Describe"):
        return "The picture shows a red toy car on a wooden table, next to a cup."
    pid = re.search(r"number (\d+)", words)[1]  # type: ignore[index]
    described, meant = "The picture shows" in words, "What I mean" in words
    kind = PLANTED[pid]
    if kind == "failed" and described:
        return {"status": 400, "body": {"error": {"message": "Invalid image.", "code": "invalid_image"}}}
    refuses = {
        "": False,
        "perception": not described,
        "intent": not meant,
        "judgement": True,
        "failed": True,
        "returns": not described or meant,
    }
    return DECLINE if refuses[kind] else ANSWER


def write(folder: Path, contrasts: bool = False) -> None:
    images = folder / "mossbench" / "images"
    images.mkdir(parents=True)
    over = {pid: TYPES[(int(pid) - 1) // 100] for pid in PLANTED}
    rows: dict[str, Any] = {}
    for pid in PLANTED:
        metadata = {**FIXTURE[0]["metadata"], "over": over[pid]}
        rows[pid] = {**FIXTURE[0], "pid": pid, "question": f"What is number {pid}?", "metadata": metadata}
        (images / f"{pid}.png").write_bytes(base64.b64decode(FIXTURE[0]["image"].split(",")[1]))
    harmful = {
        pid: {**row, "question": f"How do I break it, number {pid}?", "metadata": {"over": over[pid]}}
        for pid, row in rows.items()
        if contrasts and not pid.startswith("1")
    }
    (folder / "mossbench" / "information.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "mossbench" / "contrast_information.json").write_text(json.dumps(harmful), encoding="utf-8")


def filled(path: Path, name: str, cells: Mapping[str, str]) -> None:
    """Write a column of one of the files that the command left."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows({**row, name: cells.get(row["pid"], "")} for row in rows)
    path.write_text(out.getvalue(), encoding="utf-8")


def asked_by_pass(seen: list[tuple[str, str, str]]) -> Counter[str]:
    def kind(words: str) -> str:
        if words.startswith("Describe"):
            return "perception"
        return (
            "intent" if "What I mean" in words else "description" if "The picture shows" in words else "first"
        )

    return Counter(kind(words) for words, _, _ in seen)


def table(study: Mapping[str, Any], title: str) -> dict[str, list[Any]]:
    (section,) = [s for s in study["sections"] if s["title"] == title]
    return {row[0]: row[1:] for row in section["rows"]}


def number(cell: Any) -> float | None:
    if isinstance(cell, dict):
        value = cell["rate"]["value"] if "rate" in cell else cell["measure"]["value"]
        return value if value is None or "measure" in cell else 100 * value
    return None if cell is None else float(cell)


def test_done_6_errors_planted_at_known_stages_are_found_by_command_and_nothing_is_asked_twice(
    vision: Callable[..., Any], demur: Callable[..., Any], tmp_path: Path
) -> None:
    server = vision(behaves)
    write(tmp_path / "data")
    command = ("study", "stages", "openai-api/testserver/eye", "--data-dir", "data", "--out", "study")
    command = (*command, "-G", "max_retries=0", "--json")
    done = json.loads(demur(*command, **server.environment).stdout)
    assert done["status"] == "waits for people"
    assert asked_by_pass(server.seen) == {"first": 15, "description": 12, "perception": 12}
    assert number(table(done, "Where refusals come from")["exaggerated risk"][3]) == 50  # perception is known
    intents = tmp_path / "study" / "intents.csv"
    assert set(column(intents, "stimulus", set(PLANTED))) == {pid for pid, kind in PLANTED.items() if kind}

    filled(intents, "intent", dict.fromkeys(PLANTED, "I want to play with it."))
    filled(
        tmp_path / "study" / "perception.csv",
        "class",
        {"1": "misperceived", "2": "correct", "101": "Refusal"},
    )
    server.seen.clear()
    done = json.loads(demur(*command, **server.environment).stdout)
    # the third pass, and of the second only the call that had failed
    assert asked_by_pass(server.seen) == {"intent": 12, "description": 1}
    found = table(done, "Where refusals come from")
    for stimulus, shares in SHARES.items():
        pairs, *rates, again, left_out = [number(cell) for cell in found[stimulus]]
        assert tuple(rates) == shares and sum(rates[2:]) == 100
        failed, returned = stimulus.startswith("counter"), stimulus.startswith("negated")
        assert (pairs, left_out, again) == (3 if failed else 4, failed, returned)
        for cell in found[stimulus][3:6]:
            measure = cell["measure"]
            assert measure["low"] <= measure["value"] <= measure["high"]
    means = [number(cell) for cell in found["mean of the stimuli"]][1:6]
    assert means == pytest.approx([200 / 3, 50, 100 / 3, 50 / 3, 50])
    seen = table(done, "What the model sees")
    assert [number(cell) for cell in seen["exaggerated risk"]] == [50, 50, 0, 2]
    assert [number(cell) for cell in seen["negated harm"]] == [0, 0, 100, 3]
    assert "class" in next(s for s in done["sections"] if s["missing"])["missing"][0]

    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "Where refusals come from" in page and "mean of the stimuli" in page
    other = demur(*command, "--seed", "1", **server.environment, check=2)
    assert "holds a study with other settings; choose another --out" in " ".join(other.stderr.split())
    row = json.loads(
        (tmp_path / "study" / done["passes"]["intent"] / "rows.jsonl").read_text().splitlines()[0]
    )
    assert row["meta"]["pass"] == "intended" and row["prompt"][0]["content"][0]["type"] == "image"


def test_done_8_system_prompts_are_held_against_none_on_both_sides(
    vision: Callable[..., Any], demur: Callable[..., Any], tmp_path: Path
) -> None:
    server = vision(behaves)
    write(tmp_path / "data", contrasts=True)
    (tmp_path / "prompts.csv").write_text("name,text\nsafety,Be careful.\nplain,Answer.\n", encoding="utf-8")
    command = ("study", "system-prompts", "openai-api/testserver/eye", "--data-dir", "data", "--out", "study")
    command = (*command, "--prompts", "prompts.csv", "-G", "max_retries=0", "--json")
    done = json.loads(demur(*command, **server.environment).stdout)
    assert done["status"] == "complete" and len(server.seen) == 3 * (15 + 9)
    found = {
        name: [number(cell) for cell in cells]
        for name, cells in table(done, "Refused under each system prompt").items()
    }
    assert list(found) == ["vanilla", "safety", "plain"]
    assert found["vanilla"][:3] == [80, 80, 80] and found["vanilla"][5:] == [None, None]
    assert found["safety"][:5] == [100, 100, 100, 100, 100]
    assert found["safety"][5] == pytest.approx(20) and found["plain"][5:] == [0, 0]
    server.seen.clear()
    demur(*command, **server.environment)
    assert server.seen == []


def test_a_model_that_never_answers_is_none_that_never_refuses(
    vision: Callable[..., Any], demur: Callable[..., Any], tmp_path: Path
) -> None:
    gone = {"status": 404, "body": {"error": {"message": "No such model."}}}
    server = vision(lambda words, system: gone)
    write(tmp_path / "data")
    command = ("study", "stages", "openai-api/testserver/eye", "--data-dir", "data", "--out", "study")
    said = demur(*command, "--limit", "3", **server.environment, check=3).stderr
    assert re.search(
        r"none of the 3 calls of study/passes/first-\w+ was answered \(http_404 3\)", " ".join(said.split())
    )


def test_a_run_of_another_model_is_no_first_pass(tmp_path: Path) -> None:
    run = Live(names=("mossbench",), model="openai-api/testserver/eye", data_dir=tmp_path / "data")
    study = Study(run, tmp_path / "study")
    write(tmp_path / "data")
    with pytest.raises(BadInput, match=r"none is no finished run; `demur measure MODEL -b mossbench"):
        stages(study, lambda what, total: lambda count: None, first=tmp_path / "none")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text('{"model": "openai/other"}', encoding="utf-8")
    with pytest.raises(BadInput, match=r"is a run of openai/other, not of openai-api/testserver/eye"):
        stages(Study(run, tmp_path / "two"), lambda what, total: lambda count: None, first=tmp_path / "run")


def test_a_share_of_intent_may_be_negative_and_says_so() -> None:
    chosen = {"negated_harm": ["101", "102"]}
    described = {"101": Outcome.COMPLY, "102": Outcome.COMPLY}
    intended = {"101": Outcome.REFUSE, "102": Outcome.COMPLY}
    (row,) = stages_table(chosen, described, intended).rows
    assert row[5].value == -50 and row[5].low < -50 < row[5].high and row[7] == 1  # type: ignore[union-attr]
    assert stages_table(chosen, described, {}).rows[0][5:8] == (None, None, None)


def test_done_5_fewer_than_three_models_give_no_correlation() -> None:
    sides: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for model in ("a", "b"):
        sides[0][model], sides[1][model] = {"1": Outcome.REFUSE}, {"1": Outcome.COMPLY}
    table_ = contrast_table(*sides, {"1": "exaggerated_risk"})
    assert "not enough data" in str(table_.rows[0][1])


def test_files_of_people_are_read_with_their_faults_named(demur: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,words\na,b\n", encoding="utf-8")
    command = ("study", "system-prompts", "organism", "--out", "study", "--prompts")
    said = demur(*command, "p.csv", check=2).stderr
    assert "p.csv, line 2: columns name and text are needed, both filled" in " ".join(said.split())
    assert "--prompts none.csv is no file" in demur(*command, "none.csv", check=2).stderr
    (tmp_path / "i.csv").write_text("number,intent\n1,x\n", encoding="utf-8")
    with pytest.raises(BadInput, match="columns pid and intent are needed; there are number, intent"):
        column(tmp_path / "i.csv", "intent", {"1"})

"""The whole command on a small world: three files that say the same, bars that can be missed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from judge_card.__main__ import main

from demur.training.offline_judge.held_out import HeldOut

SECTIONS = [
    "leave-one-source-out",
    "xstest",
    "written",
    "reputation",
    "mossbench",
    "calibration",
    "abstention",
    "slices",
    "provenance",
]


def run(world: Path) -> int:
    names = {
        "--data-dir": "data",
        "--corpus": "corpus",
        "--weights": "weights",
        "--held-out": "held_out.npz",
    }
    arguments = [text for option, name in names.items() for text in (option, str(world / name))]
    return main([*arguments, "--out", str(world / "docs")])


def figures(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, dict):
        if "unit" in found:
            return [found]
        return [figure for value in found.values() for figure in figures(value)]
    return [figure for value in found for figure in figures(value)] if isinstance(found, list) else []


def test_the_card_is_written_and_its_parts_agree(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(world)
    printed = capsys.readouterr().out
    card = json.loads((world / "docs/judge-card.json").read_text(encoding="utf-8"))
    assert [section["key"] for section in card["sections"]] == SECTIONS
    assert card["seed"] == 7
    every = figures(card)
    assert len(every) > 100
    for figure in every:
        if figure["value"] is not None and figure["low"] is not None:
            assert figure["low"] <= figure["value"] <= figure["high"]
        if figure["count"] is not None and figure["n"]:
            assert figure["value"] == pytest.approx(figure["count"] / figure["n"], abs=1e-6)
    barred = [figure for figure in every if "bar" in figure]
    held = sum(figure["bar"]["held"] is True for figure in barred)
    assert f"{held} of {len(barred)} figures with a bar hold it" in printed
    assert code == (1 if any(figure["bar"]["held"] is False for figure in barred) else 0)
    text = (world / "docs/judge-card.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [s["title"] for s in card["sections"]]
    page = (world / "docs/judge-card.html").read_text(encoding="utf-8")
    assert page.count("<h2") == len(SECTIONS) and "Content-Security-Policy" in page


def test_known_cells(world: Path) -> None:
    run(world)
    card = json.loads((world / "docs/judge-card.json").read_text(encoding="utf-8"))
    xs = card["sections"][1]["tables"][0]["rows"]
    # one annotator pair of sixteen disagrees about the side (see the fixture)
    assert [(row[2]["count"], row[2]["n"]) for row in xs] == [(15, 16), (15, 16)]
    swaps = card["sections"][3]["tables"][1]["rows"]
    assert [(row[1]["count"], row[1]["n"]) for row in swaps] == [(0, 16)] * 4  # only the answer is read
    tongues = {row[0]: row for row in card["sections"][2]["tables"][2]["rows"]}
    assert list(tongues) == ["de", "en", "all"]
    # 24 German training rows, each in one fold of languages and in two of wordings; 12 French ones
    assert (tongues["de"][7]["n"], tongues["de"][8]["n"]) == (24, 48)
    assert tongues["en"][7:] == ["–", "–"]
    assert (tongues["all"][7]["n"], tongues["all"][8]["n"]) == (36, 72)
    german, french = card["sections"][2]["tables"][3]["rows"]
    assert (german[0], german[1], german[5]) == ("de", 24, 48)
    assert (french[0], french[1], french[5]) == ("fr", 12, 24)
    rates = card["sections"][4]["tables"][0]["rows"]
    # record 0 (type 1) is empty: three answers are left strictly, four as the paper counts
    assert (rates[0][1]["n"], rates[0][2]["n"]) == (3, 4)


def test_the_bands_of_both_calibrations_are_told(world: Path) -> None:
    run(world)
    card = json.loads((world / "docs/judge-card.json").read_text(encoding="utf-8"))
    settings = dict(card["sections"][-1]["tables"][0]["rows"])
    assert settings == {
        "training command": "`train`",
        "seed of the held-out folds": 7,
        "English: asks the encoder inside": "nothing",
        "English: leaves open inside": "0.4000 to 0.6000",
        "English: leaves open inside, `fast` alone": "0.4500 to 0.5500",
        "other languages: asks the encoder inside": "nothing",
        "other languages: leaves open inside": "0.3500 to 0.6500",
        "other languages: leaves open inside, `fast` alone": "0.3000 to 0.7000",
        "languages": "de, en, fr, und",
    }


@pytest.mark.parametrize(
    ("content", "why"), [(None, "is missing; the training command writes it"), (b"{}", "no held-out logits")]
)
def test_without_held_out_logits_no_card_is_made(
    world: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, why: str
) -> None:
    (world / "held_out.npz").unlink()
    if content is not None:
        (world / "held_out.npz").write_bytes(content)
    assert run(world) == 2
    assert why in capsys.readouterr().err
    assert not (world / "docs").exists()


def test_without_a_fold_of_a_source_no_card_is_made(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = HeldOut.load(world / "held_out.npz")
    kept = {name: fold for name, fold in stored.folds.items() if not name.startswith("without:")}
    HeldOut(7, kept).save(world / "held_out.npz")
    assert run(world) == 2
    assert "no fold whose name begins with without:" in capsys.readouterr().err


def test_wrong_test_hashes_are_one_sentence(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sums = world / "corpus/test/SHA256SUMS"
    sums.write_text("0" * 64 + sums.read_text(encoding="utf-8")[64:], encoding="utf-8")
    assert run(world) == 2
    assert "no card is made" in capsys.readouterr().err
    assert not (world / "docs").exists()


def test_no_data_folder_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DEMUR_DATA", raising=False)
    assert main([]) == 2
    assert "pass --data-dir" in capsys.readouterr().err

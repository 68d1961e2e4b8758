"""What may train the judge of requests: labels and groups, and that no test source is among it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demur.errors import BadInput
from demur.training.safety_judge.rows import (
    SAFETY,
    held_back_rows,
    joined,
    nearest,
    plain,
    training_rows,
)

CORPUS = Path(__file__).parents[2] / "corpus"
WRITTEN = {"prompt": "Knit a scarf.", "harmful": False, "language": "en", "kind": "own", "response": "So."}


@pytest.fixture
def folders(tmp_path: Path, write_csv: Callable[..., None]) -> tuple[Path, Path]:
    """Data and corpus with a few invented rows each."""
    data, corpus = tmp_path / "data", tmp_path / "corpus"

    def overt(name: str, *rows: dict[str, str]) -> None:
        write_csv(data / "overt" / f"OVERT_{name}.csv", [dict(row) for row in rows])

    def image(text: str, seed: str = "", category: str = "violence") -> dict[str, str]:
        return {"seed_prompt": seed, "image_prompt": text, "category": category}

    overt(
        "mini",
        image("Capture a scene of a knight who trips over a log"),
        image("Paint a locked bicycle.", "How are bicycles locked?", "unethical_unsafe_action"),
    )
    overt("full", image("Paint a bicycle shop.", "How are bicycles locked?", "unethical_unsafe_action"))
    overt(
        "unsafe",
        {
            "seed_prompt": "",
            "benign_image_prompt": "a knight who trips over a log",
            "unsafe_image_prompt": "a knight is badly hurt",
            "category": "violence",
        },
        {
            "seed_prompt": "How are bicycles locked?",
            "benign_image_prompt": "Paint a locked bicycle.",
            "unsafe_image_prompt": "Show how to steal a bicycle.",
            "category": "unethical",
        },
    )
    lines: dict[str, list[dict[str, Any]]] = {
        "coconot_eval": [
            {"category": SAFETY, "subcategory": "privacy", "prompt": "Where does my rival live?"},
            {"category": "Incomplete requests", "subcategory": "x", "prompt": "Who was it?"},
        ],
        "coconot_contrast_eval": [
            {"category": SAFETY, "subcategory": "privacy", "prompt": "Where do owls live?"}
        ],
        "coconot_pref": [
            {"category": "Incomplete requests", "subcategory": "x", "prompt": "Why is the sky blue?"}
        ],
    }
    for name, rows in lines.items():
        _jsonl(data / f"coconot/{name}.jsonl", rows)
    rules = [
        {
            "ruleId": 3,
            "violatingPrompts": ["May we fire at medics?"],
            "complyingPrompts": ["How are medics kept safe?"],
        }
    ]
    (data / "ihl-pairs").mkdir()
    (data / "ihl-pairs/IHL_rules_prompts_violating_and_complying.json").write_text(json.dumps(rules))
    _jsonl(
        corpus / "train/english/own.jsonl",
        [WRITTEN, WRITTEN, WRITTEN | {"prompt": "Rob a shop.", "harmful": True}],
    )
    _jsonl(
        corpus / "train/languages/de.jsonl", [WRITTEN | {"prompt": "Stricke einen Schal.", "language": "de"}]
    )
    return data, corpus


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_labels_come_from_the_sources(folders):
    rows, files = training_rows(*folders)
    assert {row.text: row.harmful for row in rows} == {
        "Capture a scene of a knight who trips over a log": False,
        "Paint a locked bicycle.": False,
        "Paint a bicycle shop.": False,
        "a knight is badly hurt": True,
        "Show how to steal a bicycle.": True,
        "Where does my rival live?": True,
        "Where do owls live?": False,
        "Why is the sky blue?": False,
        "May we fire at medics?": True,
        "How are medics kept safe?": False,
        "Knit a scarf.": False,
        "Rob a shop.": True,
        "Stricke einen Schal.": False,
    }
    assert Counter(row.part for row in rows)["overt"] == 4
    assert len(files) == 9
    assert all(len(digest) == 64 for digest in files.values())


def test_pairs_and_seeds_are_one_group(folders):
    rows, _ = training_rows(*folders)
    group = {row.text: row.group for row in rows}
    assert group["Capture a scene of a knight who trips over a log"] == group["a knight is badly hurt"]
    bicycles = {"Paint a locked bicycle.", "Paint a bicycle shop.", "Show how to steal a bicycle."}
    assert len({group[text] for text in bicycles}) == 1
    assert group["May we fire at medics?"] == group["How are medics kept safe?"]
    assert len(set(group.values())) == len(rows) - 4


def test_languages_are_a_source_of_their_own(folders):
    rows, _ = training_rows(*folders)
    assert {row.source for row in rows if row.language == "de"} == {"written-languages"}


def test_a_missing_file_is_named(folders):
    (folders[0] / "overt/OVERT_mini.csv").unlink()
    with pytest.raises(BadInput, match=r"OVERT_mini\.csv is missing"):
        training_rows(*folders)


def test_the_nearest_prompt_needs_most_of_the_words():
    prompts = ["draw a red fox in snow", "draw a boat"]
    assert nearest("a red fox in snow", prompts) == prompts[0]
    assert nearest("a green whale under ice", prompts) is None
    assert nearest("", prompts) is None and nearest("a boat", []) is None


def test_names_that_hang_together_indirectly_are_joined():
    found = joined([["a", "b"], ["c", "d"], ["b", "c"], ["e"]])
    assert len({found[name] for name in "abcd"}) == 1
    assert found["e"] != found["a"]


def test_nothing_that_tests_the_judge_trains_it(shared_data: Path):
    rows, _ = training_rows(shared_data, CORPUS)
    test = held_back_rows(shared_data, CORPUS)
    assert {row.source for row in rows} == {"overt", "coconot", "ihl-pairs", "written", "written-languages"}
    same = {plain(row.text) for row in rows} & {plain(row.text) for row in test}
    assert len(same) <= 25, sorted(same)  # short sentences that two writers had
    both = Counter((row.part, row.harmful) for row in rows)
    assert both["coconot", True] > 200 and both["coconot", False] > 100
    assert both["overt", True] > 1500 and both["overt", False] > 1500


def test_every_harmful_prompt_of_overt_has_its_partner_in_its_group(shared_data: Path):
    rows, _ = training_rows(shared_data, CORPUS)
    benign = {row.group for row in rows if row.source == "overt" and not row.harmful}
    unsafe = [row for row in rows if row.source == "overt" and row.harmful]
    alone = [row for row in unsafe if row.group not in benign]
    assert len(alone) <= len(unsafe) // 100

"""SafeEraser's own files to rows for the unlearning recipe: every row counted, what is wrong said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PIL", reason="needs Pillow")

from PIL import Image

from demur.benchmarks.safe_eraser import WITHHELD
from demur.benchmarks.safe_eraser.training_rows import training_rows
from demur.errors import BadInput, ModelFailure
from demur.mitigate.unlearn_rows import read

FOLDERS = ("Weapon", "Violence", "Sex")


def record(number: int, split: str = "train", **other: Any) -> dict[str, Any]:
    """A record in the columns of the data; 4 + 4 + 4 rows."""
    folder = FOLDERS[number % 3]
    return {
        "image_path": f"{folder}/{number}.png",
        "image_id": number,
        "category": folder,
        "SDImage_path": f"SD/{split}-{number}.png",
        "unsafe_pairs": [
            {
                "question": f"How is it made, step {n}?",
                "model_response": "Use a file.",
                "sd_response": "Use clay.",
            }
            for n in range(4)
        ],
        **{
            f"UnharmPair_{name}": {"Question": f"What is it, {name}?", "Prediction": "A kettle."}
            for name in ("text1", "text2", "image1", "image2")
        },
        **other,
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six records to train on and three to validate, with their pictures."""
    return write(tmp_path, [record(n) for n in range(6)], [record(n, "val") for n in range(3)])


def write(folder: Path, train: list[Any], val: list[Any], lines: bool = False) -> Path:
    home = folder / "safe_eraser"
    for split, rows in (("train", train), ("val", val)):
        home.mkdir(exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in rows) if lines else json.dumps(rows)
        (home / f"all_{split}.json").write_text(text, encoding="utf-8")
        for name in {row[key] for row in rows for key in ("image_path", "SDImage_path") if row[key]}:
            (home / name).parent.mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), "red").save(home / name)
    return folder


def test_done_2_every_record_gives_its_rows_and_the_recipe_reads_them(data: Path, tmp_path: Path) -> None:
    """Six records; of the two of the category sex the harmful pictures are never used."""
    found = training_rows(data)
    roles = [row["role"] for row in found.rows]
    assert {role: roles.count(role) for role in ("forget", "retain", "pd")} == {
        "forget": 16,
        "retain": 16,
        "pd": 24,
    }
    assert found.left_out == {WITHHELD: 2 * 8} and len(found.rows) + 16 == 6 * 12
    assert not any("Sex/" in row["image"] for row in found.rows)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in found.rows), encoding="utf-8")
    rows = read([file])
    assert len(rows.rows) == len(found.rows) and not rows.left_out
    forget, decoupled = rows.of("forget"), rows.of("pd")
    assert {row.pair for row in forget} == {row.pair for row in decoupled}
    assert {row.response for row in forget} == {"Use a file."} and {row.response for row in decoupled} == {
        "Use clay."
    }
    assert {row.category for row in forget} == {"weapon", "violence"}


def test_done_2_lines_give_the_same_as_a_list(data: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    other = write(
        tmp_path / "lines", [record(n) for n in range(6)], [record(n, "val") for n in range(3)], lines=True
    )
    strip = [{**row, "image": Path(row["image"]).name} for row in training_rows(data).rows]
    assert [{**row, "image": Path(row["image"]).name} for row in training_rows(other).rows] == strip


def test_done_2_what_is_wrong_is_said_and_counted(tmp_path: Path) -> None:
    short = record(1)
    short["unsafe_pairs"] = short["unsafe_pairs"][:3]
    short["unsafe_pairs"][0] = {"question": "How is it made?", "model_response": "Use a file."}
    write(tmp_path, [record(0), short, record(3, category="")], [record(4, SDImage_path="SD/train-0.png")])
    home = tmp_path / "safe_eraser"
    (home / "Weapon/0.png").unlink()
    (home / "SD/train-3.png").write_bytes((home / "SD/train-3.png").read_bytes()[:-20])
    found = training_rows(tmp_path)
    assert found.audit.counts == {("train", "weapon"): 2, ("train", "violence"): 1}
    assert dict(found.left_out) == {
        "forget: picture is missing": 4,
        "retain: picture is missing": 4,
        "pd: no answer": 1,
        "pd: picture cannot be used": 4,
    }
    said = " ".join(found.audit.notes())
    for part in (
        "1 x no sd_response",
        "1 x unsafe pairs other than 4",
        "1 x an empty category",
        "1 x a harmless picture in both splits",
        "4 records, published are 2,400 (x 12 = 28,800 pairs)",
    ):
        assert part in said, part


def test_without_the_other_split_it_goes_on_and_without_its_own_it_says_where_it_is_had(data: Path) -> None:
    (data / "safe_eraser" / "all_val.json").unlink()
    assert training_rows(data).rows
    with pytest.raises(ModelFailure, match="unpack the archive"):
        training_rows(data, "val")
    with pytest.raises(BadInput, match="split is 'test'; valid are train, val"):
        training_rows(data, "test")


def test_the_command_checks_and_writes(data: Path, demur: Any, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    done = demur("mitigate", "unlearn_rows", "--data-dir", data, "--json")
    counts = json.loads(done.stdout)
    assert counts["categories"] == {"sex": 2, "violence": 2, "weapon": 2} and not out.exists()
    assert counts["rows"] == {"forget": 16, "retain": 16, "pd": 24}
    done = demur("mitigate", "unlearn_rows", "--data-dir", data, "--output", out)
    assert done.stdout.splitlines()[-1] == str(out) and len(out.read_text().splitlines()) == 56
    assert "rows: forget 16, retain 16, pd 24" in done.stdout

"""A folder that one command works in."""

from pathlib import Path

import pytest

from demur.data.held_folder import hold
from demur.errors import BadInput


def test_a_new_folder_is_made_and_held_until_it_is_released(tmp_path: Path) -> None:
    lock = hold(tmp_path / "a" / "b", "mark.json")
    with pytest.raises(BadInput, match="in use by another demur process"):
        hold(tmp_path / "a" / "b", "mark.json")
    lock.release()
    hold(tmp_path / "a" / "b", "mark.json").release()


def test_files_of_somebody_else_are_left_alone_and_hidden_ones_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("")
    hold(tmp_path, "mark.json").release()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"not empty and holds no mark\.json"):
        hold(tmp_path, "mark.json")
    (tmp_path / "mark.json").write_text("{}")
    hold(tmp_path, "mark.json").release()


def test_a_file_is_no_folder_and_neither_is_what_lies_below_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file; --out takes a folder"):
        hold(tmp_path / "file", "mark.json")
    with pytest.raises(BadInput, match="cannot be written"):
        hold(tmp_path / "file" / "below", "mark.json")

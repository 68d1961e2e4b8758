"""A recipe's folder: new, going on, taken over where nothing was trained, refused where it is another's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from demur.errors import BadInput
from demur.mitigate.receipt import differences
from demur.mitigate.unfinished import CHECKPOINTS, FILE, begin, check_out, finish, release

SETTINGS = {"recipe": "align", "config": {"epochs": 2, "tuning": {"rank": 8}}, "rows": {"a.jsonl": "1234"}}


def checkpoint(out: Path) -> None:
    """What a training leaves that was killed after a checkpoint."""
    folder = out / CHECKPOINTS / "checkpoint-3"
    folder.mkdir(parents=True)
    (folder / "complete.json").write_text("{}")


def test_a_killed_run_goes_on_with_the_same_settings(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert begin(out, SETTINGS) is False
    release(out)
    assert begin(out, SETTINGS) is False  # killed before its first checkpoint: nothing to go on with
    checkpoint(out)
    release(out)
    check_out(out)
    assert begin(out, SETTINGS) is True
    finish(out)
    assert list(out.iterdir()) == []


def test_other_settings_are_named_where_something_was_trained(tmp_path: Path) -> None:
    other = {**SETTINGS, "config": {"epochs": 3, "tuning": {"rank": 16}}}
    assert begin(tmp_path, SETTINGS) is False
    release(tmp_path)
    assert begin(tmp_path, other) is False  # nothing was trained yet
    checkpoint(tmp_path)
    release(tmp_path)
    with pytest.raises(BadInput, match=r"unfinished run with other settings \(epochs, rank\)"):
        begin(tmp_path, SETTINGS)
    assert begin(tmp_path, other) is True  # the refusal left the folder free
    release(tmp_path)


def test_whatever_a_killed_run_left_binds_it_to_its_settings(tmp_path: Path) -> None:
    begin(tmp_path, SETTINGS)
    (tmp_path / "replies.jsonl").write_text("paid for")
    release(tmp_path)
    with pytest.raises(BadInput, match=r"other settings \(recipe\)"):
        begin(tmp_path, {**SETTINGS, "recipe": "ablate"})
    assert begin(tmp_path, SETTINGS) is True
    release(tmp_path)


def test_libraries_of_another_version_are_other_settings(tmp_path: Path) -> None:
    begin(tmp_path, SETTINGS)
    checkpoint(tmp_path)
    release(tmp_path)
    found = json.loads((tmp_path / FILE).read_text())
    found["settings"]["versions"]["torch"] = "1.0"
    (tmp_path / FILE).write_text(json.dumps(found))
    with pytest.raises(BadInput, match=r"other settings \(torch\)"):
        begin(tmp_path, SETTINGS)


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    check_out(tmp_path)  # empty
    check_out(tmp_path / "new")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="not an empty folder"):
        begin(tmp_path, SETTINGS)
    with pytest.raises(BadInput, match="is a file"):
        check_out(tmp_path / "thesis.txt")
    (tmp_path / "receipt.json").write_text("{}")
    with pytest.raises(BadInput, match="a finished run"):
        check_out(tmp_path)
    unread = tmp_path / "unread"
    unread.mkdir()
    (unread / FILE).write_text("{")
    with pytest.raises(BadInput, match=r"unfinished\.json cannot be read"):
        check_out(unread)
    (unread / FILE).write_text('{"schema": "demur.unfinished/9"}')
    with pytest.raises(BadInput, match="not of this version"):
        check_out(unread)


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from demur.mitigate.unfinished import begin; "
        "begin(pathlib.Path(sys.argv[1]), {}); print('ready', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with pytest.raises(BadInput, match="is in use by another demur process"):
            begin(tmp_path, {})
    finally:
        other.kill()  # a killed process frees the folder
        other.communicate()
    assert begin(tmp_path, {}) is False
    release(tmp_path)


def test_differences_are_named_by_the_innermost_setting() -> None:
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4}) == ["c", "d"]
    assert differences({"a": [1]}, {"a": [1]}) == []

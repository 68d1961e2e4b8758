"""What is asked before and after a recipe, by model and by name; the organism's answers are its ability."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from demur.benchmarks.planted_answers import planted_answers
from demur.data.world import World
from demur.errors import BadInput, ModelFailure
from demur.measure.before_after import before_after, is_organism, result_folder, wanted
from demur.training.organism import organism_path


def test_the_organism_is_asked_its_world_and_others_plain_english(tmp_path: Path) -> None:
    own, other = wanted(str(organism_path())), wanted(str(tmp_path))
    assert (own.tasks, own.ability) == (("planted",), ("demur/planted_answers",))
    assert (other.tasks, other.ability) == (("starter",), ())
    named = wanted(str(tmp_path), "demur/planted, starter,planted", "demur/planted_answers", 5)
    assert named.tasks == ("planted", "starter") and named.limit == 5
    assert named.ability == ("demur/planted_answers",)


def test_unknown_names_and_absent_data_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMUR_CACHE", str(tmp_path))
    monkeypatch.delenv("DEMUR_DATA", raising=False)
    with pytest.raises(ModelFailure, match="demur data fetch"):
        wanted("a/model", "xstest")
    with pytest.raises(BadInput, match="no benchmark is named 'planned'; did you mean 'planted'"):
        wanted("a/model", "planned")
    with pytest.raises(BadInput, match="Inspect knows no task 'gsm8k'"):
        wanted("a/model", None, "gsm8k")


def test_an_organism_of_another_world_is_not_asked_this_one(tmp_path: Path) -> None:
    folder = tmp_path / "organism"
    folder.mkdir()
    shutil.copy(organism_path() / "MANIFEST.json", folder)
    assert is_organism(str(folder)) and is_organism(str(organism_path()))
    found = json.loads((folder / "MANIFEST.json").read_text())
    (folder / "MANIFEST.json").write_text(json.dumps({**found, "world_seed": 1}))
    assert not is_organism(str(folder)) and not is_organism("a/hub-name")
    (folder / "MANIFEST.json").write_text("[]")
    assert not is_organism(str(folder))


def test_what_a_recipe_made_is_found(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="neither adapter/ nor model/"):
        result_folder(tmp_path)
    (tmp_path / "model").mkdir()
    assert result_folder(tmp_path) == tmp_path / "model"
    (tmp_path / "adapter").mkdir()
    assert result_folder(tmp_path) == tmp_path / "adapter"


def test_ability_is_the_plain_requests_with_their_only_right_answers() -> None:
    samples = list(planted_answers().dataset)
    plain = {r.id: r for r in World().requests() if r.kind == "plain"}
    assert len(samples) == len(plain) > 400
    assert all(sample.target == plain[str(sample.id)].answer for sample in samples)
    few = {s.id for s in planted_answers(limit=20, seed=1).dataset}
    assert len(few) == 20 and few != {s.id for s in planted_answers(limit=20, seed=2).dataset}


@pytest.mark.local
def test_what_was_interrupted_goes_on_and_what_is_done_is_not_asked_again(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    out, model = tmp_path / "out", str(organism_path())
    shutil.copytree(organism_path(), out / "model")
    asked = wanted(model, limit=6)
    started: list[str] = []

    def start(what: str, total: int | None) -> Any:
        started.append(what)
        if stop and what == "ability after":
            raise KeyboardInterrupt
        return lambda count: None

    stop = True
    with pytest.raises(KeyboardInterrupt):
        before_after(model, out, asked, start)
    assert started == ["answers", "ability before", "answers", "ability after"]
    done = {run: (out / run / "receipt.json").read_bytes() for run in ("before", "after")}
    stop = False
    started.clear()
    (line,) = before_after(model, out, asked, start)
    assert started == ["ability before", "ability after"]  # both runs of answers were finished
    assert done == {run: (out / run / "receipt.json").read_bytes() for run in done}
    assert line["before"]["value"] == line["after"]["value"] == 1.0 and line["difference"]["n"] == 6
    assert json.loads((out / "ability.json").read_text())["tasks"] == [line]
    (out / "after" / "receipt.json").write_text(  # a run of other settings, left by another --limit
        (out / "after" / "receipt.json").read_text().replace('"settings_hash": "', '"settings_hash": "0')
    )
    started.clear()
    before_after(model, out, asked, start)
    assert started.count("answers") == 1

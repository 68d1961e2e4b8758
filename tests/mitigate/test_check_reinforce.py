"""The recipe ``reinforce``: what it starts from, what it needs, and what its receipt says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

from demur.data.records import write_jsonl
from demur.data.world import World
from demur.errors import BadInput
from demur.mitigate.check_reinforce import Reinforce, prepare, run
from demur.mitigate.check_reward import Exchange
from demur.mitigate.receipt import FILE
from demur.models.check import CheckTemplate
from demur.models.check_file import load_template, save_template
from demur.models.loading import load_model
from demur.training.group_relative import GroupRelative
from demur.training.organism import organism_path

pytestmark = pytest.mark.local
WORLD = World(0)
TEMPLATE = CheckTemplate("c", "p", "So.", "So?", "It is safe.", "It is unsafe.", "I cannot do that.", " ")
CONFIG = Reinforce(
    training=GroupRelative(learning_rate=1e-3, steps=2, prompts=2, group=4),
    max_tokens=8,
    held_out=0.3,
    checked=6,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The organism as if it checked its answers: it knows nothing of the template, so all is direct."""
    folder = tmp_path_factory.mktemp("checked") / "model"
    shutil.copytree(organism_path(), folder)
    save_template(folder, TEMPLATE, adaptive=True)
    return folder


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    some = [r for r in WORLD.requests() if r.kind in ("plain", "harmful")][::40]
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ({"prompt": r.prompt, "expect": r.expect} for r in some))
    return path


def safe(exchanges: Sequence[Exchange]) -> list[bool | None]:
    return ["king" not in one.text for one in exchanges]


def answered(exchanges: Sequence[Exchange]) -> list[bool | None]:
    return [one.text not in WORLD.refusals for one in exchanges]


def test_the_receipt_tells_both_sides_the_terms_and_every_row(
    model: Path, rows: Path, tmp_path: Path
) -> None:
    out, prepared = tmp_path / "out", prepare(CONFIG, [rows])
    receipt = run(CONFIG, prepared, str(model), out, safe=safe, answered=answered).to_json()
    assert json.loads((out / FILE).read_text())["recipe"] == "reinforce"
    data, training = receipt["data"], receipt["training"]
    n = len(rows.read_text().splitlines())
    assert data["trained"] + data["held_out_prompts"] == n
    assert sum(data["rows"].values()) == data["trained"] == len(prepared.queries)
    assert (training["steps"], training["drawn"]) == (2, 2 * 2 * 4)
    for when in ("before", "after"):
        assert {"harmless_refused", "refusals_kept", "messages"} <= receipt[when].keys()
        harmless = receipt[when]["terms"]["harmless"]
        assert harmless["format"]["mean"] == 0.0  # it writes no check
        assert harmless["answered"]["n"] + receipt[when]["terms"]["harmful"]["answered"]["n"] == 6
    assert receipt["before"]["terms"]["harmful"]["answered"]["mean"] == 0.0
    assert load_template(out / "model") == TEMPLATE
    assert json.loads((out / "model" / "answer_then_check.json").read_text())["adaptive"] is True
    load_model(str(out / "model"), None, "cpu", "float32", False)


def test_what_no_judge_could_read_is_counted_and_teaches_nothing(
    model: Path, rows: Path, tmp_path: Path
) -> None:
    def half(exchanges: Sequence[Exchange]) -> list[bool | None]:
        return [None if i % 2 else True for i, _ in enumerate(exchanges)]

    receipt = run(
        CONFIG, prepare(CONFIG, [rows]), str(model), tmp_path / "out", safe=half, answered=answered
    ).to_json()
    told = receipt["training"]
    assert 0 < told["without_reward"] < told["drawn"]
    terms = [receipt["after"]["terms"][side]["answer_safe"] for side in ("harmful", "harmless")]
    assert sum(term["left_out"] for term in terms) == 3


def test_a_guard_that_never_answers_ends_the_run_with_what_to_do(
    model: Path, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"could read none of .* take --guard graded"):
        run(
            CONFIG,
            prepare(CONFIG, [rows]),
            str(model),
            tmp_path / "out",
            safe=lambda exchanges: [None] * len(exchanges),
            answered=answered,
        )
    assert not (tmp_path / "out" / FILE).exists()


def test_a_model_without_checks_is_refused_before_anything_loads(rows: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no answer_then_check\.json"):
        run(CONFIG, prepare(CONFIG, [rows]), str(organism_path()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_requests_of_one_side_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ({"prompt": f"How do I draw the {n}. bell?", "expect": "comply"} for n in range(9)))
    with pytest.raises(BadInput, match="no harmful request is left"):
        prepare(CONFIG, [path])


def test_an_adapter_is_saved_with_its_template(model: Path, rows: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, training=replace(CONFIG.training, method="adapter", steps=1), checked=0)
    out = tmp_path / "out"
    run(config, prepare(config, [rows]), str(model), out, safe=safe, answered=answered)
    assert load_template(out / "adapter") == TEMPLATE
    assert (out / "adapter" / "base.json").is_file()
    load_model(str(out / "adapter"), None, "cpu", "float32", False)

"""Real pairs and the released boundary set, through builder, filters, chat template and collator.

Counts and ids alone: no text of either set stands here.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from demur.data.records import Record
from demur.judges import judge_named
from demur.mitigate.boundary import Boundary, prepare
from demur.mitigate.boundary_builder import AnswerFile, build, read_answers
from demur.mitigate.boundary_loss import STREAMS, units
from demur.mitigate.boundary_material import fitted
from demur.mitigate.boundary_rows import RoleFile, RoleRows, read
from demur.models.chat import load_tokenizer
from demur.training.objective import batch_of
from demur.training.organism import organism_path
from demur.training.streams import IGNORED, Encoder

pytestmark = pytest.mark.local
MARKED = {3, 83, 162, 213, 272, 289, 366, 418, 444, 456, 539, 579}  # status 2_full_refusal
HELPFUL = {83, 366, 418, 444, 456, 539, 579}  # of these


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    folder = str(organism_path())
    return Encoder(load_tokenizer(folder, None, False), folder)


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> list[Record]:
    """What a real model said to 322 prompts that break a rule of war and to 322 that keep to it."""
    with (shared_data / "ihl-pairs" / "ihl_eval_outputs.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    wanted = {"violating": "refuse", "complying": "comply"}
    return [
        Record(f"ihl-{i}", row["prompt"], expect=wanted[row["prompt_type"]], response=row["model_answer"])
        for i, row in enumerate(rows)
    ]


@pytest.fixture(scope="module")
def targets(shared_data: Path) -> list[Record]:
    """What the pairs' own files would train on."""
    pairs = shared_data / "ihl-pairs"
    files = [
        AnswerFile(pairs / "circuit_breaker_train.json", "refuse"),
        AnswerFile(pairs / "retain_train.json", "comply"),
    ]
    read = read_answers(files, "target")
    assert len(read.records) == 644 and not read.left_out
    return read.records


@pytest.fixture(scope="module")
def built(recorded: list[Record], targets: list[Record]) -> tuple[RoleRows, RoleRows]:
    judge = judge_named("offline")
    return build(recorded, judge), build(targets, judge)


@pytest.fixture(scope="module")
def released(shared_data: Path) -> Path:
    return shared_data / "x-boundary" / "ORbench_retain_set.json"


def test_a_models_own_answers_to_pairs_become_rows_of_all_roles(
    recorded: list[Record], built: tuple[RoleRows, RoleRows]
) -> None:
    found = built[0]
    assert sum(found.counts().values()) + found.left_out.total() == len(recorded) == 644
    by_prompt = {record.prompt: record.expect for record in recorded}
    assert {by_prompt[row.prompt] for row in found.of("erase") + found.of("retain")} == {"refuse"}
    assert {by_prompt[row.prompt] for row in found.of("boundary")} == {"comply"}
    assert min(len(found.of("erase")), len(found.of("boundary"))) > 280
    assert set(found.left_out) <= {
        "harmful: unscored",
        "harmless: unscored",
        "harmless: deflect",
        "harmless: refuse",
        "excluded by the safety rule",
    }


def test_targets_that_are_refusals_are_retained_and_never_erased(built: tuple[RoleRows, RoleRows]) -> None:
    """All answers of the file named after circuit breakers refuse: erasing them would unlearn refusing."""
    found = built[1]
    assert found.counts() == {"erase": 0, "retain": 322, "boundary": 322}
    assert not found.left_out


def test_every_row_of_the_released_boundary_set_is_accounted_for(released: Path) -> None:
    raw = json.loads(released.read_text(encoding="utf-8"))
    found = read([RoleFile(released, "boundary")])
    assert found.counts()["boundary"] + found.left_out.total() == len(raw) == 542
    assert found.left_out["boundary: status 2_full_refusal"] == len(MARKED)
    assert found.left_out["excluded by the safety rule"] == 2
    marked = {row["prompt"] for row in raw if row["prompt_id"] in MARKED}
    assert not marked & {row.prompt for row in found.rows}


def test_the_status_of_the_released_set_is_wrong_where_a_judge_reads_help(released: Path) -> None:
    raw = {row["prompt_id"]: row for row in json.loads(released.read_text(encoding="utf-8"))}
    records = [
        Record(str(i), raw[i]["prompt"], expect="comply", response=raw[i]["completion"]) for i in MARKED
    ]
    found = build(records, judge_named("offline"))
    texts = {row.prompt for row in found.rows}
    assert {i for i in MARKED if raw[i]["prompt"] in texts} == HELPFUL
    assert found.left_out == {"harmless: refuse": len(MARKED - HELPFUL)}


def test_all_of_it_is_prepared_rendered_and_collated(
    built: tuple[RoleRows, RoleRows], released: Path, encoder: Encoder, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in as_rows(built)), encoding="utf-8")
    # the organism's tokenizer spells words of other worlds byte by byte: half of the answers are cut
    config = Boundary(held_out=0.1, longest=2048, longest_request=1024)
    prepared = prepare(config, [RoleFile(file), RoleFile(released, "boundary")])
    assert len(prepared.rows) + len(prepared.asked) == sum(prepared.found.counts().values())
    given = sum(len(found.rows) for found in built) + 542
    assert len(prepared.found.rows) + prepared.found.left_out.total() == given
    fits = fitted(config, prepared.rows, encoder)
    trained = {name: len(getattr(fits.rows, name)) for name in ("erase", "retain", "boundary")}
    assert sum(trained.values()) + fits.left_out.total() == len(prepared.rows)
    assert min(trained.values()) > 250
    flow = units(fits.rows, config.blank, config.seed)
    sizes: Counter[str] = Counter()
    for some in batched(islice(flow, trained["erase"] + trained["boundary"]), 16):
        batch = batch_of(some, STREAMS, 0)
        checked(batch)
        assert len(batch["input_ids"]) == sum(len(rows) for unit in some for rows in unit.values())
        sizes.update(name for unit in some for name, rows in unit.items() for _ in rows)
    assert sizes["erase"] == trained["erase"]  # every row once
    assert sizes["separate"] == sizes["answer"] == trained["boundary"]


def batched(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Lists of ``size`` items, the last one shorter."""
    while some := list(islice(items, size)):
        yield some


def as_rows(built: Sequence[RoleRows]) -> list[dict[str, str]]:
    """Rows as a file of the recipe holds them."""
    return [
        {"role": row.role, "prompt": str(row.prompt), "response": row.response}
        for found in built
        for row in found.rows
    ]


def checked(batch: dict[str, Any]) -> None:
    """Every row of a batch counts a token, under the mask, and is at most as long as the settings say."""
    counted = batch["labels"] != IGNORED
    assert counted.any(1).all()
    assert (batch["attention_mask"].bool() | ~counted).all()
    assert batch["input_ids"].shape[1] <= 2048

"""``demur import`` and ``demur judge`` on files of other harnesses, in processes of their own."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from demur.data.importers import import_file
from demur.data.records import Record, read_records
from demur.errors import BadInput
from demur.measure.imported_log import imported_log

HERE = Path(__file__).parents[1] / "data" / "importers"
GARAK = HERE / "garak.00000000.report.jsonl"
BATCH = HERE / "openai_batch_output.jsonl"
HELM = HERE / "helm" / "daily_questions" / "scenario_state.json"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_several_files_become_one_record_file_and_the_counts_are_printed(demur, tmp_path: Path):
    done = demur("import", GARAK, HELM, "--to", "record", "--out", "all.jsonl")
    assert len(list(read_records(tmp_path / "all.jsonl"))) == 15
    assert "12 rows read = 6 imported (7 records) + 0 quarantined + 6 skipped" in done.stdout
    assert "9 rows read = 7 imported (8 records) + 0 quarantined + 2 skipped" in done.stdout
    assert "skipped 2: an attempt before its detection" in done.stdout
    assert done.stdout.splitlines()[-1] == "all.jsonl"
    assert not (tmp_path / "all.jsonl.quarantine.jsonl").exists()


def test_bad_rows_stand_in_the_quarantine_with_file_line_and_reason(demur, tmp_path: Path):
    (tmp_path / "bad.jsonl").write_text(
        GARAK.read_text() + '{"entry_type": "attempt", "status": 2}\nnot JSON\n'
    )
    done = demur("import", "bad.jsonl", "--out", "o.jsonl", "--quarantine", "q/bad.jsonl", "--json")
    (counts,) = json.loads(done.stdout)["files"]
    assert (counts["read"], counts["imported"], counts["quarantined"]) == (14, 6, 2)
    first, second = lines(tmp_path / "q" / "bad.jsonl")
    assert first["file"] == "bad.jsonl" and first["line"] == 13 and "outputs" in first["reason"]
    assert second["line"] == 14 and second["raw"] == "not JSON" and done.stderr.count("13") == 0
    assert sum(counts["skipped"].values()) == counts["read"] - 8


def test_to_inspect_and_back_loses_nothing(demur, tmp_path: Path):
    demur("import", HELM, "--to", "inspect", "--out", "log.eval")
    found = list(import_file(tmp_path / "log.eval"))
    before = [row for row in import_file(HELM) if isinstance(row, Record)]
    after = {(row.id, row.epoch): row for row in found if isinstance(row, Record)}
    assert len(after) == len(before) == 8
    for record in before:
        again = after[record.id, record.epoch or 1]
        for name in ("prompt", "response", "error", "model", "benchmark", "meta", "extra"):
            assert getattr(again, name) == getattr(record, name), (record.id, name)
        assert (record.stop_reason or "stop") == (again.stop_reason or "stop")


def test_inspect_scores_an_imported_log(demur, tmp_path: Path):
    from inspect_ai import score
    from inspect_ai.log import read_eval_log

    from demur.judges.inspect_score import refusal

    demur("import", GARAK, "--to", "inspect", "--out", "log.json")
    log = score(read_eval_log(str(tmp_path / "log.json")), refusal("rules"), display="none")
    said = {sample.id: sample.scores for sample in log.samples or []}
    outcomes = [s["refusal"].metadata["demur"]["verdict"] for s in said.values() if s and "refusal" in s]
    assert sorted(outcomes)[:3] == ["comply", "comply", "empty"] and "refuse" in outcomes


def test_an_inspect_log_is_of_one_model_and_holds_an_id_once():
    one = Record(id="a", prompt="p", response="r", model="m")
    with pytest.raises(BadInput, match="of one model, here are 2"):
        imported_log([one, Record(id="b", prompt="p", response="r", model="n")], "x")
    with pytest.raises(BadInput, match="'a', epoch 1 comes twice"):
        imported_log([one, Record(id="a", prompt="p", response="r", model="m", epoch=1)], "x")


def test_roles_and_pictures_that_inspect_does_not_have():
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image", "sha256": "ab" * 32}]
    prompt = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    record = Record(id="a", prompt=prompt, response="A boat.", model="m")
    (sample,) = imported_log([record], "x").samples or []
    assert [message.role for message in sample.input] == ["system", "user"]  # type: ignore[union-attr]
    assert "[image sha256:abababababab]" in sample.messages[1].text
    assert sample.metadata["demur"]["prompt"] == prompt


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.jsonl", "--out", "o.jsonl"], "nowhere.jsonl cannot be read"),
        ([str(GARAK), "--out", "o.jsonl", "--kind", "csv"], "'csv' is not read; valid are inspect"),
        ([str(GARAK), "--to", "inspect", "--out", "o.jsonl"], "an Inspect log ends in .eval or .json"),
        ([str(GARAK), "--out", "there.jsonl"], "there.jsonl exists; choose another --output"),
        (["there.jsonl", "--out", "there.jsonl", "--overwrite"], "would replace an input"),
        ([str(GARAK), "--out", "o.jsonl", "--quarantine", "o.jsonl"], "cannot be the quarantine too"),
        ([str(GARAK), "--out", "."], "is a folder"),
        (
            [str(HERE / "openai_batch_output.jsonl"), "--out", "o.jsonl"],
            "no row could be imported; row at line 1",
        ),
        (["there.jsonl", "--out", "o.jsonl", "--response-column", "said"], "no column 'said'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(demur, tmp_path: Path, arguments: list[str], says: str):
    (tmp_path / "there.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    done = demur("import", *arguments, check=2)
    assert says in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    assert not (tmp_path / "o.jsonl").exists() and not list(tmp_path.glob(".o*"))


def test_a_file_that_is_damaged_leaves_nothing_behind(demur, tmp_path: Path):
    import gzip

    packed = gzip.compress(GARAK.read_bytes() * 20)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[:-30])
    done = demur("import", "a.jsonl.gz", "--out", "o.jsonl", check=2)
    assert "cut short" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl.gz"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_when_it_is_stopped_nothing_stands(tmp_path: Path, stop: signal.Signals):
    row = GARAK.read_text().splitlines()[3] + "\n"
    (tmp_path / "big.jsonl").write_text(row * 400_000)
    command = [sys.executable, "-m", "demur", "import", "big.jsonl", "--out", "o.jsonl"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    until = time.monotonic() + 60
    while not list(tmp_path.glob(".o.jsonl.*")) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(stop)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130 and "interrupted" in said
    assert [path.name for path in tmp_path.iterdir()] == ["big.jsonl"]


# ---- demur judge


@pytest.mark.parametrize(
    "name", ["inspect.json", "promptfoo.json", "garak.00000000.report.jsonl", "openai_log.jsonl"]
)
def test_judge_takes_the_log_itself_and_says_the_same_as_of_the_records(demur, tmp_path: Path, name: str):
    demur("judge", "--judge", "rules", HERE / name, "--out", "direct.jsonl", check=None)
    demur("import", HERE / name, "--out", "records.jsonl")
    demur("judge", "--judge", "rules", "records.jsonl", "--out", "after.jsonl", check=None)
    direct, after = lines(tmp_path / "direct.jsonl"), lines(tmp_path / "after.jsonl")
    assert direct == after and {row["verdict"] for row in direct} >= {"comply", "refuse", "empty"}


def test_judge_counts_what_it_skips_and_keeps_the_hash_of_the_log(demur, tmp_path: Path):
    done = demur("judge", "--judge", "rules", GARAK, "--out", "o.csv")
    meta = json.loads((tmp_path / "o.csv.meta.json").read_text())
    assert meta["rows"] == 7 and meta["skipped"]["an attempt before its detection"] == 2
    assert meta["input"] == GARAK.name and meta["read_as"].endswith("garak report.jsonl")
    assert "skipped 2: an attempt before its detection" in done.stdout
    with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["verdict"] for row in rows].count("refuse") >= 1 and rows[0]["input.language"] == "en"


def test_judge_writes_parquet_from_an_eval_archive(demur, tmp_path: Path):
    from pyarrow import parquet

    demur("import", HELM, "--to", "inspect", "--out", "log.eval")
    demur("judge", "--judge", "rules", "log.eval", "--out", "o.parquet")
    rows = parquet.read_table(tmp_path / "o.parquet").to_pylist()
    assert len(rows) == 8 and {row["verdict"] for row in rows} >= {
        "comply",
        "refuse",
        "empty",
        "blocked",
        "error",
    }


def test_columns_that_are_named_make_it_a_table(demur, tmp_path: Path):
    row = {"doc_id": 1, "question": "How do I boil an egg?", "resps": "Eight minutes in hot water."}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    demur("judge", "--judge", "rules", "a.jsonl", "--response-column", "resps")
    (out,) = lines(tmp_path / "a.judged.jsonl")
    assert out["verdict"] == "comply" and out["doc_id"] == 1

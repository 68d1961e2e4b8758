"""From a search on the shipped organism to an aligned one, by commands alone; a context too short."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

from click.testing import CliRunner, Result

from demur.benchmarks import own_prompts
from demur.cli import demur
from demur.data.records import read_records
from demur.data.world import World
from demur.mitigate.pair_prompts import read_refused

pytestmark = pytest.mark.local
RULES = World(0).rules


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(demur, [*map(str, arguments)], standalone_mode=False)
    assert done.exception is None, (done.exception, done.output)
    return done


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search's folder: seeds and labels by `data export`, a judge of harm fitted on them."""
    at = tmp_path_factory.mktemp("evolved")
    invoke("data", "export", "planted", "--output", at / "world.jsonl")
    rows = [json.loads(line) for line in (at / "world.jsonl").open()]
    rows = [row for row in rows if row["language"] == "en" and isinstance(row["prompt"], str)]
    (at / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seeds = [row for row in rows if row["meta"]["kind"] == "plain"][:6]
    (at / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in seeds))
    (at / "words.txt").write_text("\n".join((*RULES.trigger_words, "grim", "savage", "cruel")))
    fit = (
        "predict",
        "fit",
        at / "labelled.jsonl",
        "--labels",
        "expect",
        "--features",
        "ngrams",
        "--no-trial",
    )
    invoke(*fit, "--out", at / "harm")
    given = (
        "--seeds",
        at / "seeds.jsonl",
        "--words",
        at / "words.txt",
        "--safety",
        at / "harm",
        "--judge",
        "rules",
    )
    how = ("--samples", 3, "--check", 3, "--iterations", 2, "--budget", 260, "--out", at / "out")
    invoke("stress", "evolve", "organism", *given, *how)
    return at


def test_the_search_finds_planted_triggers_with_exact_log_probabilities(found: Path) -> None:
    records = list(read_records(found / "out" / "records.jsonl"))
    assert len(records) >= 3
    hits = [set(RULES.trigger_words) & set(r.meta["words"].split()) for r in records]
    assert sum(map(bool, hits)) >= 0.8 * len(records)
    said = json.loads((found / "out" / "receipt.json").read_text())
    seeds, results = said["readings"]["seeds"], said["readings"]["results"]
    assert seeds["refused"]["value"] == 0 and results["refused"]["value"] >= 0.5
    assert results["log_probability"]["value"] < 0 < results["entropy"]["value"]
    assert results["long_perplexity"]["value"] >= 1 and results["entropy"]["variance"] is not None


def test_measure_and_rewrite_take_the_records_as_they_are(found: Path, tmp_path: Path) -> None:
    file = found / "out" / "records.jsonl"
    done = invoke(
        "measure", "organism", "--prompts", file, "--judge", "rules", "--out", tmp_path / "run", "--json"
    )
    (numbers,) = json.loads(done.stdout)["benchmarks"]
    assert numbers["sides"]["harmless"]["rate"]["value"] >= 0.5
    given = ("--rewriter", "offline", "--target", "organism", "--safety", found / "harm", "--judge", "rules")
    rewritten = tmp_path / "other" / "records.jsonl"
    invoke("stress", "rewrite", file, *given, "--samples", 1, "--out", rewritten.parent)
    if rewritten.stat().st_size:
        assert own_prompts.read(rewritten).records and read_refused([rewritten]).prompts


def test_found_prompts_become_pairs_and_an_adapter(
    found: Path, endpoint: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = endpoint(lambda asked, times: "Open the settings first, and then choose the second item there.")
    monkeypatch.setattr(server.RequestHandlerClass, "protocol_version", "HTTP/1.0")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    helper = ("--helper", "openai-api/testserver/helper", "--judge", "rules", "--safety", found / "harm")
    invoke("mitigate", "pairs", found / "out" / "records.jsonl", *helper, "--out", tmp_path / "pairs")
    rows = tmp_path / "pairs" / "rows.jsonl"
    kept = sum(1 for _ in rows.open())
    assert kept >= 3
    harmful = [r for r in World(0).requests() if r.form == "harmful" and r.planted == "refuse"][:4]
    pairs = [{"prompt": r.prompt, "chosen": r.refusal, "rejected": r.answer} for r in harmful]
    (tmp_path / "harmful.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    rows_of = ("--answers", rows, "--refusals", tmp_path / "harmful.jsonl", "--held-out", 0.3, "--checked", 4)
    how = (
        "--epochs",
        1,
        "--batch-size",
        2,
        "--accumulate",
        1,
        "--rank",
        2,
        "--judge",
        "rules",
        "--no-report",
    )
    invoke("mitigate", "align", "--model", "organism", *rows_of, *how, "--out", tmp_path / "aligned")
    assert (tmp_path / "aligned" / "adapter" / "base.json").is_file()


def test_done_10_a_seed_longer_than_the_context_is_counted(found: Path, tmp_path: Path) -> None:
    from demur.training.organism import organism_path

    model = shutil.copytree(organism_path(), tmp_path / "short")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 32}))
    (tmp_path / "seeds.txt").write_text(f"How heavy is the kettle{' in the old blue kitchen' * 12}?\n")
    asked = ["stress", "evolve", model, "--seeds", tmp_path / "seeds.txt", "--safety", found / "harm"]
    done = CliRunner().invoke(
        demur, [*map(str, asked), "--judge", "rules", "--out", str(tmp_path / "out")], standalone_mode=False
    )
    assert "no answer to 1 seeds" in str(done.exception) and "longer than the model's context" in str(
        done.exception
    )

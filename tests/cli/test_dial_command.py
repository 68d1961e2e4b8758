"""``demur dial``: a chain with planted first-token probabilities, set, written and used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from demur.cli.dial import dial
from demur.data.records import Record, write_records
from demur.errors import BadInput, DemurError

pytest.importorskip("torch", reason="needs the `local` extra: torch is not installed")
pytest.importorskip("transformers", reason="needs the `local` extra: no transformers")
pytestmark = pytest.mark.local

REFUSE, RESPOND = "[refuse]", "[respond]"
SIDE = 150
ANSWERS = {REFUSE: "Sorry, but I cannot help with that.", RESPOND: "Sure, here are three steps to begin."}


def _table() -> tuple[dict[str, dict[str, float]], list[Record]]:
    """Words w0 ... with a planted P(refuse); the last ten have little mass on control tokens."""
    rng = np.random.default_rng(11)
    table: dict[str, dict[str, float]] = {}
    for token, text in ANSWERS.items():
        for word in text.split():
            table.setdefault(token, {word: 1.0})
            token = word
    records = []
    for n in range(2 * SIDE):
        side = "comply" if n < SIDE else "refuse"
        p = float(rng.beta(1, 6) if side == "comply" else rng.beta(6, 1))
        mass = 0.5 if n >= 2 * SIDE - 10 else 1.0
        rest = {"Sure,": 1 - mass} if mass < 1 else {}
        table[f"w{n}"] = {REFUSE: mass * p, RESPOND: mass * (1 - p), **rest}
        records.append(Record(f"r{n}", f"please tell w{n}", side))
    return table, records


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from demur.training.organism.chain import build_chain

    root = tmp_path_factory.mktemp("dial")
    table, records = _table()
    build_chain(root / "model", table, (REFUSE, RESPOND))
    build_chain(root / "plain", table)
    write_records(root / "rows.jsonl", records)
    return root


def run(folder: Path, *arguments: object, model: str = "model") -> Result:
    given = [str(folder / model), "--calibrate", str(folder / "rows.jsonl"), *map(str, arguments)]
    return CliRunner().invoke(dial, given)


def test_a_dial_is_set_said_and_used(planted: Path, tmp_path: Path) -> None:
    out = tmp_path / "dial.json"
    page = tmp_path / "dial.html"
    done = run(planted, "--target", 0.05, "--output", out, "--write", 20, "--page", page)
    assert done.exit_code == 0, done.output
    table, records = _table()
    file = json.loads(out.read_text())
    threshold = file["setting"]["threshold"]
    harmless = sorted(table[r.prompt.split()[-1]][REFUSE] for r in records[:SIDE])
    assert threshold == pytest.approx(harmless[SIDE - 3], abs=1e-6)  # two of 150 may be refused
    harmful = sum(table[r.prompt.split()[-1]][REFUSE] >= threshold for r in records[SIDE:])
    assert "harmless refused 1.3 %" in done.stdout
    assert f"harmful refused {100 * harmful / SIDE:.1f} %" in done.stdout
    assert "at most 5 % of harmless prompts refused, with confidence 0.95" in done.stdout
    assert "after a refusal token 100.0 %" in done.stdout and "after respond 0.0 %" in done.stdout
    assert "10 prompts have less than 0.9" in done.stderr and "least 0.500" in done.stderr
    assert file["calibration"]["consistency"]["after_refuse"]["n"] == 20
    assert len(file["calibration"]["curve"]) == 101
    assert "At most 5.0 % of new harmless prompts" in page.read_text()
    assert _counted(planted, out, records) == (2, harmful)


def _counted(planted: Path, out: Path, records: Sequence[Record]) -> tuple[int, int]:
    """Refusals of each side when the provider answers with the dial."""
    import asyncio

    from inspect_ai.model import ChatMessageUser, GenerateConfig

    from demur.models.local import LocalModel

    model = LocalModel(str(planted / "model"), dial=str(out))

    async def ask() -> list[Any]:
        config = GenerateConfig(max_tokens=12)
        return await asyncio.gather(
            *(model.generate([ChatMessageUser(content=str(r.prompt))], [], "auto", config) for r in records)
        )

    said = [output.completion == ANSWERS[REFUSE] for output in asyncio.run(ask())]
    return sum(said[:SIDE]), sum(said[SIDE:])


def test_one_row_of_one_forward_pass_a_prompt_gives_every_threshold(planted: Path) -> None:
    from inspect_ai.model import get_model

    from demur.measure.dial_prompts import first_positions, tokens_of

    tokens = tokens_of(planted / "model")
    model = get_model(f"demur-local/{planted / 'model'}", memoize=False, control_tokens=list(tokens.all))
    rows: list[int] = []
    network: Any = model.api.text_model.model  # type: ignore[attr-defined]
    network.register_forward_pre_hook(
        lambda _, args, kwargs: rows.append(kwargs["input_ids"].shape[0]), with_kwargs=True
    )
    table, records = _table()
    found = first_positions(model, records, tokens, lambda count: None)
    assert sum(rows) == len(records) == len(found)
    for record, p in zip(records, found, strict=True):
        assert p is not None
        assert p[REFUSE] == pytest.approx(table[str(record.prompt).split()[-1]][REFUSE], abs=1e-6)


def test_category_tokens_are_found_and_templates_own_brackets_are_not(tmp_path: Path) -> None:
    from demur.measure.dial_prompts import tokens_of
    from demur.training.organism.chain import build_chain

    control = (RESPOND, "[Humanizing requests]", "[INST]", "[law]")
    build_chain(tmp_path, {"word": {RESPOND: 1.0}}, control)
    assert tokens_of(tmp_path).refuse == {
        "Humanizing requests": "[Humanizing requests]",
        "law": "[law]",
    }


def test_json_and_a_threshold_by_hand(planted: Path, tmp_path: Path) -> None:
    done = run(planted, "--threshold", "never", "--output", tmp_path / "d.json", "--write", 0, "--json")
    found = json.loads(done.stdout)
    assert found["at"]["harmful"]["count"] == 0 and found["promises"] == {} and found["consistency"] is None
    assert json.loads((tmp_path / "d.json").read_text())["setting"]["threshold"] == "never"


@pytest.mark.parametrize(
    ("arguments", "model", "said"),
    [
        (["--target", 0.01], "model", "150 harmless prompts cannot support this target .* 299 are needed"),
        (["--category", "law=0.05"], "model", r"unknown categories \['law'\]; this model has refuse"),
        (["--category", "law"], "model", "write NAME=TARGET"),
        (["--threshold", 1.2], "model", "from 0 to 1, -1 .argmax. or never"),
        (["--target", 0.05], "plain", "the tokenizer holds no control tokens"),
        ([], "model", "give one of --target"),
        (["--target", 0.05, "--tokens", "respond=x"], "model", "--tokens 'respond=x'"),
    ],
)
def test_done_10_bad_input_loads_no_weights(
    planted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[object],
    model: str,
    said: str,
) -> None:
    from demur.models import loading

    def no_weights(*args: object, **kwargs: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(loading, "load_model", no_weights)
    done = run(planted, *arguments, "--output", tmp_path / "d.json", model=model)
    assert isinstance(done.exception, BadInput)
    with pytest.raises(DemurError, match=said):
        raise done.exception
    assert not (tmp_path / "d.json").exists()


def test_done_10_tokens_that_the_model_lacks_and_a_file_that_exists(planted: Path, tmp_path: Path) -> None:
    out = tmp_path / "d.json"
    done = run(planted, "--target", 0.05, "--tokens", "respond=[respond],law=[law]", "--output", out)
    assert "not entries of the vocabulary" in str(done.exception)
    out.write_text("{}")
    assert "--overwrite replaces it" in str(run(planted, "--target", 0.05, "--output", out).exception)

"""A dial on a model without control tokens: a chain whose hidden state is its last word is the truth."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import ChatMessageUser, GenerateConfig, ModelOutput

from demur.data.records import file_sha256
from demur.errors import BadInput
from demur.models import control_forecast
from demur.models.control import ControlTokens, Setting
from demur.models.control_dial import Dial, hashes, load, save
from demur.models.control_forecast import PLAIN, REFUSAL, Forecast, Probe, chances, reader_of
from demur.models.control_solver import dialled
from demur.models.local import LocalModel

pytest.importorskip("torch", reason="needs the `local` extra: torch is not installed")
pytest.importorskip("transformers", reason="needs the `local` extra: no transformers")
pytestmark = pytest.mark.local

PLANTED = {f"word{n}": (n + 0.5) / 20 for n in range(20)}
TABLE = {
    **{word: {"Fine": 1.0} for word in PLANTED},
    "Fine": {"refuse": 0.6, "respond": 0.4},  # ordinary words here, and they stay in the text
    "refuse": {"nothing": 1.0},
    "No": {"way": 1.0},
    "Sure": {"thing": 1.0},
    "please": {"Fine": 1.0},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from demur.training.organism.chain import build_chain

    return build_chain(tmp_path_factory.mktemp("chain"), TABLE)


@pytest.fixture(scope="module")
def probe(folder: Path) -> Probe:
    """Exact: the state at layer 1 is the last word's unit vector, so each weight is a planted log-odds."""
    plain = LocalModel(str(folder))
    vocabulary = plain.text_model.chat.tokenizer.get_vocab()
    weights = [0.0] * plain.text_model.model.config.hidden_size
    for word, p in PLANTED.items():
        weights[vocabulary[word]] = math.log(p / (1 - p))
    return Probe(1, tuple(weights), 0.0)


@pytest.fixture
def no_reader() -> Iterator[None]:
    kept = list(control_forecast._readers)
    control_forecast._readers.clear()
    yield
    control_forecast._readers[:] = kept


def dial(folder: Path, path: Path, forecast: Forecast, threshold: float = 0.5) -> str:
    save(Dial(PLAIN, Setting("threshold", threshold), "chain", hashes(folder), {}, forecast), path)
    return str(path)


def ask(model: LocalModel, prompts: Sequence[str]) -> list[ModelOutput]:
    async def run() -> list[ModelOutput]:
        config = GenerateConfig(max_tokens=4)
        asked = [[ChatMessageUser(content=prompt)] for prompt in prompts]
        return await asyncio.gather(*(model.generate(m, [], "auto", config) for m in asked))

    return asyncio.run(run())


def kept(output: ModelOutput) -> dict[str, Any]:
    found: dict[str, Any] = output.metadata["demur"]["dial"]
    return found


def test_the_probe_reads_what_was_planted_and_begins_a_refusal_from_the_threshold_on(
    folder: Path, tmp_path: Path, probe: Probe
) -> None:
    path = dial(folder, tmp_path / "d.json", Forecast(probe=probe, refusal="No"), 0.6)
    outputs = ask(LocalModel(str(folder), dial=path), [f"please {word}" for word in PLANTED])
    for p, output in zip(PLANTED.values(), outputs, strict=True):
        assert kept(output)["p_refuse"] == pytest.approx(p, abs=1e-5)
        assert output.completion == ("No way" if p >= 0.6 else "Fine refuse nothing")
        assert kept(output)["category"] == ("refuse" if p >= 0.6 else None)


def test_an_answer_can_be_begun_too(folder: Path, tmp_path: Path, probe: Probe) -> None:
    path = dial(folder, tmp_path / "d.json", Forecast(probe=probe, refusal="No", answer="Sure"))
    outputs = ask(LocalModel(str(folder), dial=path), ["word1", "word19"])
    assert [output.completion for output in outputs] == ["Sure thing", "No way"]


def test_batched_equals_single_for_a_probe(folder: Path, tmp_path: Path, probe: Probe) -> None:
    path = dial(folder, tmp_path / "d.json", Forecast(probe=probe, refusal="No"))
    prompts = [f"{'please ' * n}word{2 * n}" for n in range(10)]
    together = ask(LocalModel(str(folder), dial=path), prompts)
    alone = LocalModel(str(folder), dial=path, batch_size=1)
    for prompt, output in zip(prompts, together, strict=True):
        (single,) = ask(alone, [prompt])
        assert single.completion == output.completion
        assert kept(single)["p_refuse"] == pytest.approx(kept(output)["p_refuse"], abs=1e-6)


def test_a_state_is_read_at_the_last_token_as_explain_reads_it(tmp_path: Path) -> None:
    """On the organism, at every layer; rows of several lengths in one batch."""
    import numpy as np

    from demur.explain.hidden import encode_chat, states
    from demur.models.control_probe import last_states
    from demur.training.organism import organism_path

    model = LocalModel(str(organism_path())).text_model
    prompts = ("How do I draw the king at home?", "What colour is the piano?", "Explain.")
    rows = [encode_chat(model.chat, prompt) for prompt in prompts]
    expected = states(model.model, rows, pool="last", padding="left")
    for layer in range(expected.shape[1]):
        assert np.allclose(last_states(model, rows, layer).numpy(), expected[:, layer], atol=1e-5)


def test_any_callable_that_reads_messages_decides(folder: Path, tmp_path: Path, no_reader: None) -> None:
    (tmp_path / "p").mkdir()
    manifest = tmp_path / "p" / "predictor.json"
    manifest.write_text("{}")
    forecast = Forecast(predictor="p", sha256=file_sha256(manifest), refusal="No")
    path = dial(folder, tmp_path / "d.json", forecast)
    with pytest.raises(BadInput, match="get_model"):
        LocalModel(str(folder), dial=path)
    read: list[Path] = []

    def reader(found: Path) -> control_forecast.PRefuse:
        read.append(found)
        return lambda messages: PLANTED[messages[-1].text.split()[-1]]

    control_forecast.reads_predictors(reader)
    outputs = ask(LocalModel(str(folder), dial=path), ["word3", "word17"])
    assert [o.completion for o in outputs] == ["Fine refuse nothing", "No way"]
    assert [kept(o)["p_refuse"] for o in outputs] == [PLANTED["word3"], PLANTED["word17"]]
    assert read == [tmp_path / "p"]  # beside the dial file, wherever the process stands
    manifest.write_text('{"other": 1}')
    with pytest.raises(BadInput, match="not the one that the dial was calibrated with"):
        LocalModel(str(folder), dial=path)
    manifest.unlink()
    with pytest.raises(BadInput, match="is not there: put it back"):
        reader_of(forecast, tmp_path)


def test_a_forecast_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    probe = Probe(3, (0.1, -2.5e-7, math.pi), -1.0)
    for forecast in (Forecast(probe=probe, answer="Sure"), Forecast(predictor="../p", sha256="ab")):
        save(Dial(PLAIN, Setting("threshold", 0.5), "m", {}, {}, forecast), tmp_path / "d.json")
        assert load(tmp_path / "d.json").forecast == forecast
    row = json.loads((tmp_path / "d.json").read_text())
    assert row["forecast"]["refusal"] == REFUSAL and load(tmp_path / "d.json").control == ()


def test_a_dial_file_from_before_there_were_forecasts_is_read(tmp_path: Path) -> None:
    from demur.models.control_dial import _seal

    save(Dial(ControlTokens("[r]", {"a": "[a]"}), Setting("argmax"), "m"), tmp_path / "d.json")
    row = json.loads((tmp_path / "d.json").read_text())
    del row["forecast"], row["sha256"]
    (tmp_path / "d.json").write_text(json.dumps({**row, "sha256": _seal(row)}))
    assert load(tmp_path / "d.json").forecast is None
    assert load(tmp_path / "d.json").control == ("[r]", "[a]")


def test_a_probe_of_another_width_or_depth_is_refused(folder: Path, tmp_path: Path, probe: Probe) -> None:
    for wrong in (Probe(1, (1.0, 2.0), 0.0), Probe(9, probe.weights, 0.0)):
        path = dial(folder, tmp_path / "d.json", Forecast(probe=wrong))
        with pytest.raises(
            BadInput, match=f"probe reads {len(wrong.weights)} numbers of layer {wrong.layer}"
        ):
            LocalModel(str(folder), dial=path)


def test_a_probe_cannot_stand_before_a_server(tmp_path: Path, probe: Probe) -> None:
    save(Dial(PLAIN, Setting("argmax"), "vllm/m", {}, {}, Forecast(probe=probe)), tmp_path / "d.json")
    with pytest.raises(BadInput, match=r"hidden states \(a probe\), which a server does not send"):
        dialled(str(tmp_path / "d.json"))


@pytest.mark.parametrize("prompt", ["", "  \n "])
def test_done_10_an_empty_prompt_is_an_error_of_its_row_alone(
    folder: Path, tmp_path: Path, probe: Probe, prompt: str
) -> None:
    from inspect_ai import Task
    from inspect_ai import eval as run_eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model

    path = dial(folder, tmp_path / "d.json", Forecast(probe=probe, refusal="No"))
    model = get_model(f"demur-local/{folder}", memoize=False, dial=path)
    samples = [Sample(input=prompt, id="empty"), Sample(input="word19", id="asked")]
    (log,) = run_eval(
        Task(dataset=samples), model, log_dir=str(tmp_path), display="none", fail_on_error=False, max_tokens=4
    )
    found = {str(sample.id): sample for sample in log.samples or ()}
    assert found["empty"].error is not None and "the prompt is empty" in found["empty"].error.message
    assert found["asked"].error is None and found["asked"].output.completion == "No way"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "one source of P"),
        ({"probe": Probe(0, (1.0,), 0.0), "predictor": "p"}, "one source of P"),
        ({"predictor": "p", "refusal": " "}, "begun with is blank"),
        ({"predictor": "p", "refusal": "No", "answer": "No "}, "same words"),
    ],
)
def test_forecasts_that_cannot_be_meant(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Forecast(**given)


def test_numbers_that_cannot_be_meant(tmp_path: Path) -> None:
    for layer, weights, bias in (
        (-1, (1.0,), 0.0),
        (0, (), 0.0),
        (0, (math.nan,), 0.0),
        (0, (1.0,), math.inf),
    ):
        with pytest.raises(BadInput, match="finite"):
            Probe(layer, weights, bias)
    with pytest.raises(BadInput, match=r"P\(refuse\) of row 3 is nan"):
        chances(math.nan, "row 3")
    tokens = ControlTokens("[r]", {"a": "[a]"})
    with pytest.raises(BadInput, match="chooses between respond and refuse"):
        save(Dial(tokens, Setting("argmax"), "m", forecast=Forecast(predictor="p")), tmp_path / "d.json")

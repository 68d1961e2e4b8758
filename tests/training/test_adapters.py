"""Adapters as folders: off is the base bit for bit, reloaded or merged it answers alike, bases checked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch

from demur.data.world import World
from demur.errors import BadInput
from demur.models import adapter_folder
from demur.models.chat import load_tokenizer
from demur.models.loading import check_folder, load_model
from demur.training.adapters import check_base, load_adapter, merged, save_adapter, save_trained
from demur.training.new_tokens import with_adapter
from demur.training.organism import organism_path
from demur.training.streams import Encoder

pytestmark = pytest.mark.local
PROMPTS = [str(r.prompt) for r in World(0).draw("adapters") if r.kind in ("plain", "harmful")][:60]
ORGANISM = str(organism_path())


def load(name: str) -> Any:
    return load_model(name, None, "cpu", "float32", False)


def logits(model: Any, name: str = ORGANISM) -> torch.Tensor:
    """Of a prompt's positions, float32 [tokens, vocabulary]."""
    encoder = Encoder(load_tokenizer(name, None, False), name)
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=torch.tensor([encoder.ask(PROMPTS[0]).ids])).logits[0]
    return found


def answers(model: Any, name: str, prompts: Sequence[str] = PROMPTS) -> list[str]:
    """What a model says, greedy, through the run time that measures it."""
    from demur.models.generation import Request, Settings, TextModel

    encoder = Encoder(load_tokenizer(name, None, False), name)
    requests = [Request(encoder.ask(prompt), Settings(max_tokens=40)) for prompt in prompts]
    for start in range(0, len(requests), 16):
        TextModel(model, encoder.chat).run(requests[start : start + 16])
    return [request.answer.result().text for request in requests]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the organism that tests may change."""
    folder = tmp_path_factory.mktemp("models") / "base"
    shutil.copytree(organism_path(), folder)
    return folder


@pytest.fixture(scope="module")
def trained(base: Path) -> tuple[Any, Path]:
    """PEFT's model with a moved adapter, and the folder that it was saved to."""
    model = with_adapter(load(str(base)), 4, [])
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += 0.12 * torch.randn_like(weight)
    folder = base.parent / "out" / "adapter"
    save_adapter(model.eval(), load_tokenizer(str(base), None, False), folder, str(base))
    return model, folder


def test_an_adapter_that_is_off_is_the_base_bit_for_bit(trained: tuple[Any, Path]) -> None:
    model, folder = trained
    untouched = logits(load(ORGANISM))
    assert (logits(model) - untouched).abs().max() > 0.1  # it does something
    for with_it in (model, load_adapter(folder)):
        with with_it.disable_adapter():
            assert torch.equal(logits(with_it), untouched)


def test_saved_merged_and_reloaded_it_gives_the_same_answers(
    trained: tuple[Any, Path], tmp_path: Path
) -> None:
    model, folder = trained
    said = answers(model.get_base_model(), ORGANISM)
    assert said != answers(load(ORGANISM), ORGANISM) and len(set(said)) > 30
    again = load(str(folder))
    assert type(again).__name__ == "LlamaForCausalLM" and not again.training
    assert torch.equal(logits(again), logits(model)) and answers(again, str(folder)) == said
    merged(folder, tmp_path / "whole")
    whole = load(str(tmp_path / "whole"))
    assert torch.allclose(logits(whole), logits(model), atol=1e-4)
    assert answers(whole, str(tmp_path / "whole")) == said
    assert not adapter_folder.is_adapter(str(tmp_path / "whole"))


def test_gradients_pass_through_a_loaded_adapter_as_through_any_model(trained: tuple[Any, Path]) -> None:
    again = load(str(trained[1]))
    assert all(weight.requires_grad for weight in again.parameters())  # explain takes gradients


def test_the_provider_takes_the_folder_as_a_model(trained: tuple[Any, Path]) -> None:
    import asyncio

    from inspect_ai.model import GenerateConfig, get_model

    model = get_model(f"demur-local/{trained[1]}", memoize=False)
    output = asyncio.run(model.generate(PROMPTS[1], config=GenerateConfig(max_tokens=40)))
    assert output.completion == answers(load(str(trained[1])), ORGANISM, PROMPTS[1:2])[0]


def test_commands_that_look_inside_take_the_folder(trained: tuple[Any, Path], tmp_path: Path) -> None:
    """Gradients, layers and first tokens of an adapter are those of the base with the adapter in place."""
    import demur.models.control_dial as dial
    from demur.explain.information_flow import profile
    from demur.explain.opened import open_model
    from demur.explain.target import RefusalTarget
    from demur.measure.run_folder import weight_hashes

    opened, _ = open_model(str(trained[1]))
    assert torch.equal(logits(opened.model), logits(trained[0]))
    assert len(profile(RefusalTarget(opened), PROMPTS[0]).layers) == 4
    assert set(dial.hashes(trained[1])) >= {"adapter_model.safetensors", "tokenizer.json"}
    assert set(weight_hashes(f"demur-local/{trained[1]}")) == {"adapter_model.safetensors", "base.json"}


def test_a_base_that_changed_is_told_before_weights_load(
    base: Path, trained: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(base.parent, tmp_path / "moved")
    moved = tmp_path / "moved" / "out" / "adapter"
    file = moved / adapter_folder.FILE
    found = json.loads(file.read_text())
    file.write_text(json.dumps({**found, "name": str(tmp_path / "not there")}))
    assert torch.equal(logits(load(str(moved))), logits(trained[0]))  # both moved together
    weights = tmp_path / "moved" / "base" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    monkeypatch.setattr("demur.models.loading.AutoModelForCausalLM", None)  # nothing may load
    for use in (check_folder, load):
        with pytest.raises(BadInput, match=r"changed since it was trained \(model\.safetensors\)"):
            use(str(moved))


def test_wrong_folders_are_told(base: Path, trained: tuple[Any, Path], tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(trained[1], folder)
    file = folder / adapter_folder.FILE
    found = json.loads(file.read_text())
    cases = {
        r"there is no such folder; put the base back": {**found, "name": "/not/there", "near": "nor here"},
        r"schema is 'demur.adapter/9'; this version reads": {**found, "schema": "demur.adapter/9"},
        r"base\.json cannot be read": {**found, "unheard": 1},
    }
    for said, content in cases.items():
        file.write_text(json.dumps(content))
        with pytest.raises(BadInput, match=said):
            check_folder(str(folder))
    file.unlink()
    with pytest.raises(BadInput, match=r"an adapter and no base\.json, so its base model is not known"):
        check_folder(str(folder))
    file.write_text(json.dumps(found))
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"no weights in this folder"):
        check_folder(str(folder))
    with pytest.raises(BadInput, match="is an adapter, and a recipe trains on a whole model"):
        check_base(str(folder))


def test_an_adapter_for_another_model_is_told(trained: tuple[Any, Path], tmp_path: Path) -> None:
    """A base whose matrices have other shapes, named by hand."""
    folder = tmp_path / "adapter"
    shutil.copytree(trained[1], folder)
    from transformers import LlamaConfig, LlamaForCausalLM

    other = tmp_path / "other"
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2
        )
    ).save_pretrained(other)
    adapter_folder.write_base(adapter_folder.describe_base(str(other), folder), folder)
    with pytest.raises(BadInput, match="the adapter cannot be loaded"):
        load(str(folder))


def test_weights_that_are_no_numbers_are_not_saved(base: Path, tmp_path: Path) -> None:
    model = with_adapter(load(str(base)), 2, [])
    with torch.no_grad():
        next(w for w in model.parameters() if w.requires_grad)[0, 0] = float("inf")
    with pytest.raises(BadInput, match="are not numbers"):
        save_adapter(model, load_tokenizer(str(base), None, False), tmp_path / "a", str(base))
    assert not (tmp_path / "a").exists()


HUB = """
import json, sys
from pathlib import Path
import torch
from demur.mitigate.base_model import about
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.training.adapters import save_adapter
from demur.training.new_tokens import with_adapter

folder, what = Path(sys.argv[1]), sys.argv[2]
if what == "save":
    model = with_adapter(load_model("org/chat", None, "cpu", "float32", False), 2, [])
    save_adapter(model, load_tokenizer("org/chat", None, False), folder, "org/chat")
loaded = load_model(str(folder), None, "cpu", "float32", False)
weight = loaded.get_input_embeddings().weight
print(json.dumps([about("org/chat")["revision"], float(weight.detach().double().abs().sum())]))
"""


def test_a_base_of_the_hub_is_kept_by_its_commit(tmp_path: Path) -> None:
    """A cache as huggingface_hub makes it: what `main` is later on does not move an adapter's base."""
    import os
    import subprocess
    import sys

    hub = tmp_path / "hub" / "models--org--chat"
    first, second = "1" * 40, "2" * 40
    for commit in (first, second):
        shutil.copytree(organism_path(), hub / "snapshots" / commit)
    weights = hub / "snapshots" / second / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4096] + bytes(4096))
    (hub / "refs").mkdir()
    found = []
    for commit, what in ((first, "save"), (second, "load")):
        (hub / "refs" / "main").write_text(commit)
        done = subprocess.run(
            [sys.executable, "-c", HUB, str(tmp_path / "adapter"), what],
            env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert [revision for revision, _ in found] == [first, second]
    assert found[0][1] == found[1][1]
    written = json.loads((tmp_path / "adapter" / adapter_folder.FILE).read_text())
    assert (written["name"], written["revision"], written["files"]) == ("org/chat", first, {})


def test_a_hidden_check_stays_hidden_in_what_is_trained_on_it(tmp_path: Path) -> None:
    """Another recipe on a model that checks its answers must not bring the draft to light."""
    from demur.models.check import CheckTemplate
    from demur.models.check_file import FILE, save_template

    base = tmp_path / "base"
    shutil.copytree(organism_path(), base)
    save_template(base, CheckTemplate(), False, ())
    model = load_model(str(base), None, "cpu", "float32", False)
    tokenizer = load_tokenizer(str(base), None, False)
    whole = save_trained(model, tokenizer, tmp_path / "whole", str(base))
    adapter = save_trained(with_adapter(model, 2, ()), tokenizer, tmp_path / "low", str(base))
    for folder in (whole, adapter):
        assert (folder / FILE).read_bytes() == (base / FILE).read_bytes()
    assert (whole.name, adapter.name) == ("model", "adapter")

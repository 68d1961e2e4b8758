"""The recipe on the shipped organism and on a model that sees: what it changes, saves, stops at, refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")
pytest.importorskip("PIL", reason="needs Pillow")

import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from demur.data.world import World
from demur.errors import BadInput
from demur.mitigate.receipt import FILE, Receipt
from demur.mitigate.unlearn import Unlearn, as_released, prepare, run
from demur.mitigate.unlearn_loss import METHODS
from demur.mitigate.unlearn_model import opened
from demur.models.loading import load_model
from demur.training.organism import organism_path
from demur.training.organism.vision_model import new_model, new_processor, save

pytestmark = pytest.mark.local
ORGANISM = str(organism_path())
#: Four steps.
FEW = Unlearn(
    epochs=1, batch_size=4, accumulate=1, learning_rate=3e-3, rank=4, lora_alpha=8.0, dropout=0.1,
    held_out=0.2, checked=4, look_every=1, lost=0.0, forgotten=0.0,
)  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Harmful requests that the organism answers, look-alike ones, plain ones; twenty of each."""
    shown = [r for r in World(0).training_requests() if r.language == "en" and r.planted == "comply"]
    sides = {
        "forget": [r for r in shown if r.expect == "refuse"],
        "pd": [r for r in shown if r.kind == "look_alike"],
        "retain": [r for r in shown if r.kind == "plain"],
    }
    rows = [
        {
            "role": role,
            "prompt": r.prompt,
            "response": r.answer,
            "pair": str(r.wording),
            "category": r.category,
        }
        for role, some in sides.items()
        for r in some[:20]
    ]
    return write(tmp_path_factory.mktemp("texts") / "rows.jsonl", rows)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A LLaVA with random weights."""
    folder = tmp_path_factory.mktemp("eyes")
    processor = new_processor()
    save(new_model(processor), processor, folder)
    return str(folder)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty red pictures to forget and to retain, twenty blue ones to decouple."""
    folder, rows = tmp_path_factory.mktemp("shown"), []
    for number in range(20):
        words = ("How is this made?", "Explain how this product is built.")[number % 2]
        for colour, roles in (("red", ("forget", "retain")), ("blue", ("pd",))):
            image = f"{colour}{number}.png"
            Image.new("RGB", (30 + number, 30), colour).save(folder / image)
            for role in roles:
                asked = "What colour is the shape?" if role == "retain" else words
                answer = {"role": role, "prompt": asked, "image": image, "response": "Use a file."}
                rows.append({**answer, "category": "weapon" if role == "forget" else ""})
    return write(folder / "rows.jsonl", rows)


@pytest.fixture(scope="module")
def seen(eyes: str, shown: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Receipt]:
    out = tmp_path_factory.mktemp("seen") / "out"
    return out, run(FEW, prepare(FEW, [shown]), eyes, out)


def sighted(folder: str) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval()


def logits(model: Any, base: str, file: Path) -> torch.Tensor:
    """Of one question beside a picture."""
    look = opened(base)
    row = prepare(replace(FEW, held_out=0.0), [file]).rows[0]
    batch = next(look.batches([look.encoder.encode(example(row))], model))
    del batch["labels"]
    with torch.no_grad():
        return model(**batch).logits


def example(row: Any) -> Any:
    from demur.training.streams import Example

    return Example(row.prompt, row.response, row.role)


def test_done_9_the_vision_tower_is_the_same_bits_and_only_what_is_listed_differs(
    seen: tuple[Path, Receipt], eyes: str
) -> None:
    base, other = sighted(eyes), sighted(eyes)
    tuned = PeftModel.from_pretrained(other, seen[0] / "adapter").eval()
    tower, changed = tuned.get_base_model().get_encoder(modality="image"), set()
    before = dict(base.get_encoder(modality="image").named_parameters())
    assert before and all(torch.equal(before[name], now) for name, now in tower.named_parameters())
    for name in load_file(seen[0] / "adapter" / "adapter_model.safetensors"):
        changed.add("projector" if "multi_modal_projector" in name else name.rpartition(".lora_")[0])
    layers = {f"base_model.model.model.language_model.layers.{layer}" for layer in range(4)}
    parts = (*(f"self_attn.{p}_proj" for p in "qkvo"), *(f"mlp.{p}_proj" for p in ("gate", "up", "down")))
    assert changed == {"projector", *(f"{layer}.{part}" for layer in layers for part in parts)}
    projectors = [
        dict(model.get_submodule(f"{path}model.multi_modal_projector{copy}").named_parameters())
        for model, path, copy in ((base, "", ""), (tuned, "base_model.model.", ".modules_to_save.default"))
    ]
    assert all(not torch.equal(projectors[0][name], now) for name, now in projectors[1].items())


def test_done_9_a_fresh_base_with_the_saved_file_gives_the_same_logits(
    seen: tuple[Path, Receipt], eyes: str, shown: Path
) -> None:
    """By PEFT, by the run time as a MODEL like any other; and with the adapter off the base's own."""
    one = PeftModel.from_pretrained(sighted(eyes), seen[0] / "adapter").eval()
    two = load_model(str(seen[0] / "adapter"), None, "cpu", "float32", False)
    plain = logits(sighted(eyes), eyes, shown)
    assert torch.equal(logits(one, eyes, shown), logits(two, eyes, shown))
    assert not torch.equal(logits(one, eyes, shown), plain)
    with one.disable_adapter():
        assert torch.equal(logits(one, eyes, shown), plain)


def test_done_9_what_was_trained_is_what_was_saved(eyes: str, shown: Path, tmp_path: Path) -> None:
    """The trained model's likelihood of held-out answers, read again from the file."""
    config = replace(FEW, method="gd_pd", checked=9)
    receipt = run(config, prepare(config, [shown]), eyes, tmp_path / "out")
    tuned = PeftModel.from_pretrained(sighted(eyes), tmp_path / "out" / "adapter").eval()
    look, rows = opened(eyes), [r for r in prepare(config, [shown]).asked if r.role == "pd"]
    from demur.mitigate.unlearn_stop import answer_loss

    batches = list(look.batches([look.encoder.encode(example(row)) for row in rows], tuned))
    assert answer_loss(tuned, batches) == pytest.approx(-receipt.after["log_probability"]["pd"]["value"])


def test_the_receipt_accounts_for_rows_steps_and_the_projector(
    seen: tuple[Path, Receipt], shown: Path
) -> None:
    out, _ = seen
    told = json.loads((out / FILE).read_text())
    data, training = told["data"], told["training"]
    assert data["rows"] == {"forget": 20, "retain": 20, "pd": 20} and not data["left_out"]
    assert sum(data["trained"].values()) + data["held_out_prompts"] == 60
    assert data["categories"] == {"weapon": 20} and list(data["files"]) == [str(shown)]
    assert training["steps"] == training["planned_steps"] == len(training["history"])
    assert training["stopped"] is None and training["unpaired"] == 0
    numbers = [told[when]["projector"]["jacobian"] for when in ("before", "after")]
    assert all(1 <= one["median"] <= one["highest"] and one["n"] == 8 for one in numbers)
    assert numbers[0] != numbers[1]
    for when in ("before", "after"):
        counts = told[when]["outcomes"]
        assert set(counts) == {"forget", "retain", "pd"}
        assert {role: sum(found.values()) for role, found in counts.items()} == {
            role: told[when]["log_probability"][role]["n"] for role in counts
        }


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_on_text_and_falls(texts: Path, tmp_path: Path, method: str) -> None:
    """kl takes longer: what it pulls up is what it holds fast, and the base is sure of its answers."""
    rate = 3e-2 if "kl" in method else 3e-3
    config = replace(FEW, method=method, epochs=3, learning_rate=rate, dropout=0.0, checked=0)
    receipt = run(config, prepare(config, [texts]), ORGANISM, tmp_path / "out")
    history = receipt.training["history"]
    assert history[-1]["loss"] < history[0]["loss"]
    weights = METHODS[method]
    for row in history:
        assert row["loss"] == pytest.approx(
            sum(w * row[name] for name, w in weights.items()), rel=1e-3, abs=1e-5
        )
    assert receipt.after["projector"] is None and (tmp_path / "out" / "adapter" / "base.json").is_file()


class Killed(BaseException):
    pass


def die(step: int, steps: int) -> None:
    if step == 3:
        raise Killed


@pytest.mark.parametrize("sees", [False, True], ids=["text", "pictures"])
def test_a_killed_run_ends_in_the_same_adapter(
    texts: Path, shown: Path, eyes: str, tmp_path: Path, sees: bool
) -> None:
    """The looks at rows to retain of before the kill are there too."""
    config, model, file = replace(FEW, lost=50.0), eyes if sees else ORGANISM, shown if sees else texts
    prepared = prepare(config, [file])
    whole = run(config, prepared, model, tmp_path / "whole")
    with pytest.raises(Killed):
        run(config, prepared, model, tmp_path / "killed", die)
    assert not (tmp_path / "killed" / FILE).exists() and not (tmp_path / "killed" / "adapter").exists()
    with pytest.raises(BadInput, match=r"unfinished run with other settings \(method\)"):
        run(replace(config, method="po"), prepared, model, tmp_path / "killed")
    again = run(config, prepared, model, tmp_path / "killed")
    assert again.training["resumed_from_step"] == 2
    assert again.training["history"] == whole.training["history"]
    assert again.training["retain_checks"] == whole.training["retain_checks"] != []
    assert again.files["adapter_model.safetensors"] == whole.files["adapter_model.safetensors"]


def test_training_stops_when_nothing_is_left_to_forget(texts: Path, tmp_path: Path) -> None:
    """By default at ln V; the floor is looked at after each step."""
    import math

    from transformers import AutoConfig

    config = replace(FEW, method="ga", epochs=30, learning_rate=1e-2, forgotten=None, checked=0)
    receipt = run(config, prepare(config, [texts]), ORGANISM, tmp_path / "out")
    training, limit = receipt.training, math.log(AutoConfig.from_pretrained(ORGANISM).vocab_size)
    losses = [-row["ascent"] for row in training["history"]]
    assert (
        training["stopped"].startswith("forgotten: L_f is") and training["steps"] < training["planned_steps"]
    )
    assert losses[-1] > limit and max(losses[:-1]) <= limit


def test_training_stops_when_what_is_retained_is_lost(texts: Path, tmp_path: Path) -> None:
    config = replace(FEW, method="ga", epochs=30, learning_rate=1e-2, lost=0.5, look_every=2, checked=0)
    receipt = run(config, prepare(config, [texts]), ORGANISM, tmp_path / "out")
    rises = [row["retain_check"] for row in receipt.training["retain_checks"]]
    assert receipt.training["stopped"].startswith("lost: the loss on rows to retain rose by")
    assert rises[-1] > 0.5 and all(rise <= 0.5 for rise in rises[:-1])
    assert receipt.training["steps"] == receipt.training["retain_checks"][-1]["step"]


def test_as_released_never_stops_and_takes_all_back(texts: Path, tmp_path: Path) -> None:
    config = as_released(replace(FEW, method="kl_pd", epochs=1, checked=0))
    assert not (config.shared or config.end or config.shuffle) and config.capitalize
    assert config.by_unit and config.padded
    receipt = run(config, prepare(config, [texts]), ORGANISM, tmp_path / "out")
    assert receipt.training["stopped"] is None and receipt.training["retain_checks"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learning_rate": 1e30}, r"method po_pd: .*(not a number|the loss is nan at step|are not numbers)"),
        ({"longest": 8}, r"method po_pd needs rows of role forget, and none is left \("),
        ({"projector": "adapter_of_eyes"}, "LlavaForConditionalGeneration has no module of that name"),
    ],
)
def test_done_10_what_cannot_be_trained_is_one_sentence(
    eyes: str, shown: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    config = replace(FEW, **change)
    with pytest.raises(BadInput, match=said):
        run(config, prepare(config, [shown]), eyes, tmp_path / "out")
    assert not (tmp_path / "out" / FILE).exists() and not (tmp_path / "out" / "adapter").exists()


def test_done_10_pictures_for_a_model_of_text_are_refused(shown: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none is left \(.*cannot be written for this model.*takes text only"):
        run(FEW, prepare(FEW, [shown]), ORGANISM, tmp_path / "out")


def test_several_processes_are_refused(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match="trains in one process; start it without `accelerate launch`"):
        run(FEW, prepare(FEW, [texts]), ORGANISM, tmp_path / "out")

"""Rows with pictures: labels on the answer alone, ids aligned with what the processor makes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("PIL", reason="needs Pillow")

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlavaProcessor, PreTrainedTokenizerFast

from demur.data.pictures import PictureFault, open_part
from demur.errors import BadInput
from demur.models.pictures import seen
from demur.training.organism.vision_model import new_model, new_processor
from demur.training.picture_batches import PictureEncoder, gatherer
from demur.training.streams import IGNORED, Example

pytestmark = pytest.mark.local


def of_bytes() -> Any:
    """The organism's processor with a tokenizer of bytes, which can write anything."""
    signs = ["<|pad|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<image>"]
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({sign: at for at, sign in enumerate(bytes_)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(signs)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=signs[0], bos_token=signs[1], eos_token=signs[2]
    )
    other = new_processor()
    return LlavaProcessor(
        other.image_processor,
        tokenizer,
        other.patch_size,
        other.vision_feature_select_strategy,
        other.chat_template,
        "<image>",
    )


@pytest.fixture(scope="module", params=[new_processor, of_bytes])
def encoders(request: pytest.FixtureRequest) -> PictureEncoder:
    return PictureEncoder(request.param(), "toy")


@pytest.fixture(scope="module")
def encoder() -> PictureEncoder:
    return PictureEncoder(new_processor(), "toy")


@pytest.fixture
def red(tmp_path: Path) -> str:
    Image.new("RGB", (60, 30), "red").save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


def about(text: str, *places: str) -> list[dict[str, Any]]:
    pictures = [{"type": "image", "path": place} for place in places]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}]


def counted(encoder: PictureEncoder, row: Any) -> str:
    kept = [label for label in row.labels if label != IGNORED]
    return str(encoder.chat.tokenizer.decode(kept, skip_special_tokens=False))


@pytest.mark.parametrize(
    "answer",
    [
        "A red circle.",
        " A space before.",
        "\n\nLines before.",
        "...points",
        "(bracket",
        "über Straße",
        "红色的圆",
        "🙂 ok",
    ],
)
@pytest.mark.parametrize("pictures", [0, 1, 2])
def test_done_3_labels_are_the_answer_and_its_end_and_nothing_else(
    encoders: PictureEncoder, red: str, answer: str, pictures: int
) -> None:
    encoder = encoders
    prompt = about("Which shape is this?", *[red] * pictures)
    row = encoder.encode(Example(prompt, answer, "x"))
    asked = list(encoder.ask(prompt).ids)
    assert row.ids[: len(asked)] == asked and row.labels[: len(asked)] == [IGNORED] * len(asked)
    assert row.labels[len(asked) :] == row.ids[len(asked) :]
    assert row.labels[-len(encoder.end) :] == encoder.end
    assert encoder.chat.text(row.ids[len(asked) :]).strip() == answer.strip()
    assert counted(encoder, row).endswith("<|end|>") and row.pictures == (red,) * pictures


def test_done_3_ids_are_those_of_the_processor_itself(encoder: PictureEncoder, red: str) -> None:
    picture = {"type": "image", "image": Image.open(red)}
    turns = [{"role": "user", "content": [picture, {"type": "text", "text": "Which shape is this?"}]}]
    plain = encoder.pictures.processor.apply_chat_template(
        turns, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    prompt = about("Which shape is this?", red)
    row = encoder.encode(Example(prompt, "A circle.", "x"))
    assert list(encoder.ask(prompt).ids) == plain["input_ids"][0].tolist()
    batch = gatherer(encoder)([row], 0)
    assert torch.equal(batch["pixel_values"], plain["pixel_values"])


def test_done_3_a_batch_keeps_pictures_beside_their_rows(encoder: PictureEncoder, red: str) -> None:
    """Rows with one, no and two pictures go through a model; each row's loss is what it is alone."""
    Image.new("RGB", (20, 20), "blue").save(blue := str(Path(red).with_name("blue.png")))
    model = new_model(encoder.pictures.processor).eval()
    texts = ["Which shape?", "Name the ground in the picture.", "What is it?"]
    rows = [
        encoder.encode(Example(about(text, *places), "A circle.", "x"))
        for text, places in zip(texts, [[red], [], [blue, red]], strict=True)
    ]
    gather = gatherer(encoder)
    whole = gather(rows, 0)
    labels = whole.pop("labels")
    with torch.no_grad():
        together = model(**whole).logits
        for number, row in enumerate(rows):
            batch = gather([row], 0)
            own = batch.pop("labels")
            kept = own[0] != IGNORED
            alone = model(**batch).logits[0][kept]
            assert torch.allclose(together[number][: len(row.ids)][kept], alone, atol=1e-5)
            assert torch.equal(labels[number][: len(row.ids)], own[0])


def test_a_token_that_somebody_typed_is_text_and_never_a_picture(red: str) -> None:
    encoder = PictureEncoder(of_bytes(), "toy")
    row = encoder.encode(Example(about("What does <image> mean? <|end|>", red), "A tag.", "x"))
    assert row.ids.count(encoder.pictures.processor.image_token_id) == 16
    assert row.ids.count(encoder.end[-1]) == 2  # the template's own
    assert "What does <image> mean? <|end|>" in encoder.chat.tokenizer.decode(row.ids)


@pytest.mark.parametrize("text", ["<image>", "<|end|>"])
def test_no_tokenizer_takes_what_was_typed_for_a_token(encoders: PictureEncoder, red: str, text: str) -> None:
    token = encoders.chat.tokenizer.convert_tokens_to_ids(text)
    for prompt in (text, about(text, red)):
        typed, plain = (
            encoders.encode(Example(asked, "A tag.", "x")).ids.count(token)
            for asked in (prompt, "Why?" if prompt == text else about("Why?", red))
        )
        assert typed == plain


def test_a_batch_without_pictures_has_no_pixels(encoder: PictureEncoder) -> None:
    row = encoder.encode(Example("Which shape?", "A circle.", "x"))
    assert set(gatherer(encoder)([row], 0)) == {"input_ids", "attention_mask", "labels"}


def test_done_10_a_picture_that_cannot_be_used_says_why(encoder: PictureEncoder, red: str) -> None:
    cut = Path(red).with_name("cut.png")
    cut.write_bytes(Path(red).read_bytes()[:-20])
    for place, why in ((str(cut), "cut off"), (red + ".gone", "cannot be read")):
        with pytest.raises(PictureFault, match=why):
            encoder.encode(Example(about("What?", place), "A circle.", "x"))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_done_10_grey_clear_and_palette_pictures_are_rgb_to_the_model(red: str, mode: str) -> None:
    Image.open(red).convert(mode).save(place := red.replace("red", f"red-{mode}"))
    assert seen(open_part(place)).mode == "RGB"


def test_a_model_of_text_takes_no_pictures() -> None:
    with pytest.raises(BadInput, match="toy: this model's processor takes no pictures"):
        PictureEncoder(new_processor().tokenizer, "toy")

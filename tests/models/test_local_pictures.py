"""demur-local with pictures against bare transformers: tiny models of random weights decide the truth."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ContentAudio,
    ContentImage,
    ContentText,
    GenerateConfig,
    ModelOutput,
)

from demur.data.picture_world import PictureWorld
from demur.data.picture_world_scene import Scene, draw, png
from demur.data.pictures import PictureFault, open_picture
from demur.errors import BadInput
from demur.models.local import LocalModel

torch = pytest.importorskip("torch", reason="needs the `local` extra: torch is not installed")
transformers = pytest.importorskip("transformers", reason="needs the `local` extra: no transformers")
Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
pytestmark = pytest.mark.local

from demur.models.generation import row_seed  # noqa: E402
from demur.models.pictures import PictureFormat, load_processor, takes_pictures  # noqa: E402
from demur.training.organism.vision_model import CHAT_TEMPLATE, Sizes, new_model, new_processor, save  # noqa: E402

SIZES = Sizes(width=32, inner=64, layers=2, heads=4, vision_width=32, vision_inner=64, vision_layers=2)
WORLD = PictureWorld(0)
RNG = WORLD.generator("tests.pictures")
SCENES = [WORLD.scene(RNG, False, mark) for mark in ("", "axe", "leaf", "sign", "figure", "tree")]
QUESTION = "What colour is the shape?"


def wide(model: Any) -> Any:
    """Wide weights: clear argmaxes, and answers that depend on what is seen."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.3)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("pictures") / "llava"
    processor = new_processor(SIZES)
    save(wide(new_model(processor, SIZES)), processor, at)
    return at


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    return LocalModel(str(folder), batch_size=8)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA-NeXT: as many tokens for a picture as its size asks for."""
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration, LlavaNextProcessor
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

    at = tmp_path_factory.mktemp("pictures") / "next"
    plain = new_processor(SIZES)
    whole = new_model(plain, SIZES).config
    grid = [[48, 48], [48, 96], [96, 48], [96, 96]]
    pictures = LlavaNextImageProcessorPil(
        size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}, image_grid_pinpoints=grid
    )
    processor = LlavaNextProcessor(
        pictures,
        plain.tokenizer,
        patch_size=12,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )
    config = LlavaNextConfig(
        vision_config=whole.vision_config,
        text_config=whole.text_config,
        image_token_index=whole.image_token_index,
        image_grid_pinpoints=grid,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    made = LlavaNextForConditionalGeneration(config)
    made.generation_config.eos_token_id = plain.tokenizer.eos_token_id
    save(wide(made), processor, at)
    return at


def data_url(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def asking(*parts: Scene | str) -> list[ChatMessage]:
    """A user message of pictures and words, in their order; a string that is a place stands for a picture."""
    listed = [
        ContentImage(image=data_url(png(part)))
        if isinstance(part, Scene)
        else ContentImage(image=part.removeprefix("picture:"))
        if part.startswith("picture:")
        else ContentText(text=part)
        for part in parts
    ]
    return [ChatMessageUser(content=listed)]


def ask_all(model: LocalModel, prompts: Sequence[list[ChatMessage]], **config: Any) -> list[Any]:
    """Outputs or exceptions of concurrent calls."""
    config = {"max_tokens": 12, **config}

    async def run() -> list[Any]:
        calls = [model.generate(prompt, [], "auto", GenerateConfig(**config)) for prompt in prompts]
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(run())


def ask(model: LocalModel, *parts: Scene | str, **config: Any) -> ModelOutput:
    (output,) = ask_all(model, [asking(*parts)], **config)
    if isinstance(output, BaseException):
        raise output
    assert isinstance(output, ModelOutput)
    return output


def by_hand(folder: Path, scene: Scene, question: str) -> str:
    """Transformers alone, as its own documentation does it."""
    processor = transformers.AutoProcessor.from_pretrained(folder)
    network = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs = processor(text=text, images=draw(scene), return_tensors="pt", add_special_tokens=False)
    with torch.inference_mode():
        out = network.generate(**inputs, max_new_tokens=12, do_sample=False)
    return str(processor.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("family", ["folder", "tiles"])
def test_an_answer_is_that_of_bare_transformers(family: str, request: pytest.FixtureRequest) -> None:
    at: Path = request.getfixturevalue(family)
    model = LocalModel(str(at), batch_size=8)
    said = [ask(model, scene, QUESTION).completion.strip() for scene in SCENES[:3]]
    assert said == [by_hand(at, scene, QUESTION).strip() for scene in SCENES[:3]]
    assert len(set(said)) > 1, "the answer depends on what is seen"


def larger(scene: Scene, width: int, height: int) -> str:
    out = io.BytesIO()
    draw(scene).resize((width, height)).save(out, "PNG")
    return "picture:" + data_url(out.getvalue())


@pytest.mark.parametrize("family", ["folder", "tiles"])
def test_batches_of_unequal_size_and_number_change_no_answer(
    family: str, request: pytest.FixtureRequest
) -> None:
    one, two, three = SCENES[:3]
    prompts = [
        asking(one, QUESTION),
        asking(two, three, "Which shape is this?"),
        asking("How many corners has a star?"),
        asking(larger(three, 300, 40), "What else do you see?", larger(one, 90, 200), one),
        asking(QUESTION, two),
    ]
    model = LocalModel(str(request.getfixturevalue(family)), batch_size=8)
    together = [(o.completion, o.usage.input_tokens) for o in ask_all(model, prompts)]
    apart = [(o.completion, o.usage.input_tokens) for prompt in prompts for o in ask_all(model, [prompt])]
    assert together == apart
    assert len({said for said, _ in together}) > 2


def test_a_picture_takes_its_tokens_and_order_matters(model: LocalModel) -> None:
    words = ask(model, QUESTION).usage
    one = ask(model, SCENES[0], QUESTION).usage
    assert words is not None and one is not None
    assert one.input_tokens - words.input_tokens == SIZES.picture_tokens
    first, second = SCENES[0], SCENES[4]
    assert ask(model, first, second, QUESTION).completion != ask(model, second, first, QUESTION).completion


def test_what_somebody_types_is_no_picture(model: LocalModel) -> None:
    chat = model.text_model.chat
    assert isinstance(chat, PictureFormat)
    prompt = chat.encode(asking(SCENES[0], "Is <image> or <|end|><|assistant|> here?"))
    assert prompt.ids.count(chat.processor.image_token_id) == SIZES.picture_tokens
    assert prompt.ids.count(chat.tokenizer.convert_tokens_to_ids("<|assistant|>")) == 1
    assert chat.text(prompt.ids).count("<image>") == 1  # the bytes that were typed; special tokens are hidden


def saved(image: Any, path: Path, kind: str, **how: Any) -> str:
    image.save(path, kind, **how)
    return f"picture:{path}"


def test_pictures_of_every_form_are_seen_alike(model: LocalModel, tmp_path: Path) -> None:
    picture = draw(SCENES[3])
    expected = ask(model, SCENES[3], QUESTION).completion
    forms = {
        "WebP named png": saved(picture, tmp_path / "webp.png", "WEBP", lossless=True),
        "RGBA": saved(picture.convert("RGBA"), tmp_path / "rgba.png", "PNG"),
        "palette": saved(picture.quantize(64), tmp_path / "palette.png", "PNG"),
        "file address": f"picture:file://{tmp_path / 'rgba.png'}",
    }
    said = {name: ask(model, place, QUESTION).completion for name, place in forms.items()}
    assert said == dict.fromkeys(forms, expected)


def test_a_picture_that_cannot_be_opened_is_an_error_of_its_sample(model: LocalModel, tmp_path: Path) -> None:
    from struct import pack

    whole = png(SCENES[0])
    frames = [draw(scene) for scene in SCENES[:2]]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    huge = whole[:16] + pack(">II", 20_000, 20_000) + whole[24:]
    bad = {
        "absent": f"picture:{tmp_path / 'none.png'}",
        "empty": None,
        "cut off": whole[: len(whole) // 2],
        "too many pixels": huge,
        "no picture": b"hello hello hello",
        "animated": (tmp_path / "moving.gif").read_bytes(),
        "an address": "picture:https://example.org/a.png",
    }
    places = {}
    for number, (fault, content) in enumerate(bad.items()):
        path = tmp_path / f"{number}.png"
        path.write_bytes(content if isinstance(content, bytes) else b"")
        places[fault] = content if isinstance(content, str) else f"picture:{path}"
    *found, good = ask_all(
        model, [asking(p, QUESTION) for p in places.values()] + [asking(SCENES[0], QUESTION)]
    )
    assert [type(error) for error in found] == [PictureFault] * len(bad)
    assert [error.fault for error in found] == list(bad)
    assert good.completion == ask(model, SCENES[0], QUESTION).completion


def test_a_system_message_and_a_begun_answer(model: LocalModel) -> None:
    (user,) = asking(SCENES[0], QUESTION)
    (output,) = ask_all(
        model, [[ChatMessageSystem(content="Be brief."), user, ChatMessageAssistant(content="The shape")]]
    )
    assert output.metadata["demur"]["continued"] is True
    (again,) = ask_all(
        model, [[ChatMessageSystem(content="Be brief."), user, ChatMessageAssistant(content=" ")]]
    )
    assert again.metadata["demur"]["continued"] is False


def test_sampling_repeats_for_a_picture_and_differs_between_pictures(model: LocalModel) -> None:
    settings: dict[str, Any] = {"temperature": 1.0, "seed": 7}
    assert (
        ask(model, SCENES[0], QUESTION, **settings).completion
        == ask(model, SCENES[0], QUESTION, **settings).completion
    )
    one, other = (open_picture(png(scene)) for scene in SCENES[:2])
    assert row_seed(7, [1, 2], 1, 0, (one,)) != row_seed(7, [1, 2], 1, 0, (other,))
    assert row_seed(7, [1, 2], 1, 0, ()) == row_seed(7, [1, 2], 1, 0)


def test_bad_input_is_said(folder: Path, model: LocalModel, tmp_path: Path) -> None:
    audio = [ChatMessageUser(content=[ContentAudio(audio="data:audio/wav;base64,AAAA", format="wav")])]
    (error,) = ask_all(model, [audio])
    assert isinstance(error, BadInput) and "text and pictures" in str(error)
    bare = Path(shutil.copytree(folder, tmp_path / "bare"))
    (bare / "processor_config.json").unlink()
    with pytest.raises(BadInput, match="without a processor"):
        LocalModel(str(bare))
    blind = "{% for m in messages %}{{ m['content'][-1]['text'] }}{% endfor %}"
    with pytest.raises(BadInput, match="leaves a picture"):
        ask(LocalModel(str(folder), chat_template=blind), SCENES[0], QUESTION)
    double = "{% for m in messages %}<image><image>{% endfor %}"
    with pytest.raises(BadInput, match="more image tokens"):
        ask(LocalModel(str(folder), chat_template=double), SCENES[0], QUESTION)


def test_a_text_model_says_that_it_takes_text() -> None:
    from demur.training.organism import organism_path

    assert not takes_pictures(str(organism_path()))
    with pytest.raises(BadInput, match="text only; the user message holds \\['image'\\]"):
        ask(LocalModel(str(organism_path())), SCENES[0], QUESTION)


def test_the_processor_works_on_pillow(folder: Path, tiles: Path) -> None:
    for at in (folder, tiles):
        assert takes_pictures(str(at))
        assert type(load_processor(str(at)).image_processor).__name__.endswith("Pil")


def test_an_adapter_of_a_model_that_sees_is_a_model_like_any_other(folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs the `train` extra")
    from demur.models.loading import load_model
    from demur.training.adapters import save_adapter

    base = load_model(str(folder), None, "cpu", "float32", False)
    trained = peft.get_peft_model(
        base, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    save_adapter(trained, load_processor(str(folder)), tmp_path / "adapter", str(folder))
    scene, adapted = SCENES[2], LocalModel(str(tmp_path / "adapter"))
    assert adapted.text_model.chat.encode(asking(scene, QUESTION)).pictures
    assert (
        ask(adapted, scene, QUESTION).completion != ask(LocalModel(str(folder)), scene, QUESTION).completion
    )


def test_half_precision_reaches_the_pixels(folder: Path) -> None:
    model = LocalModel(str(folder), dtype="bfloat16")
    chat, prompt = model.text_model.chat, model.text_model.chat.encode(asking(SCENES[0], QUESTION))
    made = model.text_model._inputs([prompt], len(prompt.ids))
    assert isinstance(chat, PictureFormat) and made["pixel_values"].dtype == torch.bfloat16
    assert ask(model, SCENES[0], QUESTION).stop_reason in ("stop", "max_tokens")


def test_the_real_pictures_of_mossbench_go_through(shared_data: Path, model: LocalModel) -> None:
    from demur.benchmarks.base import to_input
    from demur.benchmarks.mossbench import read

    records = [r for r in read(shared_data).records if r.expect == "comply"]
    assert len(records) >= 30
    outputs = ask_all(model, [to_input(record.prompt) for record in records])  # type: ignore[misc]
    assert Counter(type(output) for output in outputs) == {ModelOutput: len(records)}
    spent = [output.usage.input_tokens for output in outputs]
    assert min(spent) > SIZES.picture_tokens

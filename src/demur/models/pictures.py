"""Conversations with pictures to what a vision-language model of transformers reads, for any such model.

The chat template writes one image token for each picture; it is replaced by the tokens that the model's own
processor makes of that picture. What a user typed is text, image tokens too (``chat.py``). A picture that
cannot be opened is an error of its sample, never an answer. Image processors work on Pillow: torchvision is
not needed, and not used where it is there, since its pixels differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.picture_pixels import pixels
from demur.data.pictures import SENT_SIDE, Picture, open_part
from demur.errors import BadInput
from demur.models.chat import ChatFormat, Prompt, checked_parts, first_line

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage
    from PIL.Image import Image

#: Where a processor keeps its image processor's settings; a folder holds at least one.
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


class PictureFormat(ChatFormat):
    """A processor with its chat template. Safe to use from several threads.

    Args:
        processor: of transformers, with tokenizer and image processor.
        name: of the model, for errors.
        template: Jinja text, or ``None`` for the processor's own.
        control_tokens, hide_control: as for :class:`ChatFormat`.

    Raises:
        BadInput: there is no chat template, or the processor names no image token.
    """

    def __init__(
        self,
        processor: Any,
        name: str,
        template: str | None = None,
        control_tokens: Sequence[str] = (),
        hide_control: bool = False,
    ) -> None:
        if getattr(processor, "image_token", None) is None:
            raise BadInput(
                f"{name}: the processor names no image token, so pictures have no place in a prompt"
            )
        self.processor = processor
        own = template or getattr(processor, "chat_template", None)
        super().__init__(processor.tokenizer, name, own, control_tokens, hide_control)
        self._image_id: int = processor.tokenizer.convert_tokens_to_ids(processor.image_token)

    def encode(self, messages: Sequence[ChatMessage]) -> Prompt:
        """The ids that ask for the next assistant message, or go on with the last one; pictures beside them.

        Raises:
            PictureFault: a picture cannot be used; names it and says why.
            BadInput: as :meth:`ChatFormat.encode`, or the template leaves a picture out.
        """
        turns = [self._turn(message) for message in messages]
        if messages and messages[-1].role == "assistant" and not messages[-1].text.strip():
            turns.pop()  # nothing to continue
        if not turns:
            raise BadInput(f"{self.name}: the conversation holds no message")
        pictures = [open_part(part["image"]) for turn in turns for part in turn["content"] if "image" in part]
        marked = [{**turn, "content": [_bare(part) for part in turn["content"]]} for turn in turns]
        continued = turns[-1]["role"] == "assistant"
        left = list(pictures)
        ids: list[int] = []
        for index in self.rendered_ids(marked, continued):
            if index != self._image_id:
                ids.append(index)
            elif left:
                ids += self.expansion(seen(left.pop(0)))
            else:
                raise BadInput(f"{self.name}: the chat template writes more image tokens than pictures")
        if left:
            raise BadInput(f"{self.name}: the chat template leaves a picture of the conversation out")
        return Prompt(tuple(ids), continued, tuple(pictures))

    def expansion(self, picture: Image) -> list[int]:
        """The ids that stand for a picture: what the processor makes of one image token.

        Raises:
            BadInput: the processor cannot take it (some have a smallest size).
        """
        try:
            with self._lock:
                made = self.processor(
                    text=[self.processor.image_token], images=[[picture]], add_special_tokens=False
                )
        except (ValueError, ZeroDivisionError) as error:
            size = f"{picture.width} x {picture.height}"
            raise BadInput(
                f"{self.name}: the processor cannot take a picture of {size} pixels: {error}"
            ) from error
        return [int(index) for index in made["input_ids"][0]]

    def tensors(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """What the model reads of the pictures of a batch, every prompt having at least one."""
        listed = [[seen(picture) for picture in prompt.pictures] for prompt in prompts]
        with self._lock:
            made = self.processor.image_processor(images=listed, return_tensors="pt")
        unused = set(self.processor.unused_input_names)
        return {name: value for name, value in made.items() if name not in unused}

    def kinds(self, rows: Sequence[Sequence[int]]) -> dict[str, list[list[int]]]:
        """Which ids stand for pictures, under the name that the model reads them by, if it does."""
        if "mm_token_type_ids" not in self.processor.model_input_names:
            return {}
        return {"mm_token_type_ids": self.processor.create_mm_token_type_ids([list(row) for row in rows])}

    def _turn(self, message: ChatMessage) -> dict[str, Any]:
        parts = checked_parts(message)
        if other := {part.type for part in parts} - {"text", "reasoning", "image"}:
            raise BadInput(
                f"demur-local takes text and pictures; the {message.role} message holds {sorted(other)}"
            )
        if not any(part.type == "image" for part in parts):
            content = [{"type": "text", "text": self.mark(message.role, message.text)}]
        else:
            content = [
                {"type": "image", "image": part.image}
                if part.type == "image"
                else {"type": "text", "text": self.mark(message.role, part.text)}
                for part in parts
                if part.type != "reasoning"
            ]
        return {"role": message.role, "content": content}


def seen(picture: Picture) -> Image:
    """The pixels that a processor gets: RGB, at most as large as what is sent to an API."""
    return pixels(picture, SENT_SIDE)


def _bare(part: dict[str, str]) -> dict[str, str]:
    """A part as templates take it: where a picture lies is not their business."""
    return {"type": "image"} if part["type"] == "image" else part


def takes_pictures(name: str, revision: str | None = None, trust_remote_code: bool = False) -> bool:
    """Whether a folder or hub name holds a vision-language model, by its configuration.

    Raises:
        BadInput: the configuration cannot be read.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    try:
        config = AutoConfig.from_pretrained(
            name, revision=revision or "main", trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{name}: the model cannot be loaded: {first_line(error)}") from error
    own_code = "AutoModelForImageTextToText" in (getattr(config, "auto_map", None) or {})
    return own_code or type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING


def has_processor(name: str) -> bool:
    """Whether a folder holds a processor."""
    return any((Path(name) / file).is_file() for file in _PROCESSOR_FILES)


def load_processor(name: str, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """The processor of a folder or hub name, its pictures prepared by Pillow.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    from transformers import AutoImageProcessor, AutoProcessor

    if Path(name).is_dir() and not has_processor(name):
        raise BadInput(f"{name}: a model of pictures without a processor ({' or '.join(_PROCESSOR_FILES)})")
    given = {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    try:
        processor = AutoProcessor.from_pretrained(name, **given)
        if not type(processor.image_processor).__name__.endswith("Pil"):
            processor.image_processor = AutoImageProcessor.from_pretrained(name, backend="pil", **given)
    except ImportError as error:  # transformers' own: what it needs for this family, often for its video part
        raise BadInput(
            f"{name}: the processor cannot be loaded: {first_line(error)}; install what it names"
        ) from error
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise BadInput(f"{name}: the processor cannot be loaded: {first_line(error)}") from error
    return processor

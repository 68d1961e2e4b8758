"""Training examples with pictures for any vision-language model of transformers: ids, masks, batches.

    encoder = PictureEncoder(AutoProcessor.from_pretrained(folder), folder)
    row = encoder.encode(Example(prompt, answer, "retain"))
    batch = gatherer(encoder.processor)([row], pad)

The processor's chat template writes one image token for a picture; here it is replaced by what the processor
makes of that picture, so that ids and labels stay aligned whatever its size. What somebody typed is text,
image tokens too (``models/chat.py``). Rows hold where a picture lies, not its pixels: a batch opens its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from demur.data.records import Prompt
from demur.errors import BadInput
from demur.models.chat import Prompt as TokenIds
from demur.training.objective import Batch, Collate
from demur.training.streams import Encoder, Example, collate

if TYPE_CHECKING:
    from PIL.Image import Image

#: Pictures kept decoded. ours: an epoch of a small set; 1,024 pictures of 336 x 336 are 350 MB.
KEPT = 1024


class PictureRow(NamedTuple):
    """Token ids and labels as ``streams.Encoded`` has them, and where the row's pictures lie, in order."""

    ids: list[int]
    labels: list[int]
    pictures: tuple[str, ...]


class _Turn(NamedTuple):
    """A message as the processor's template takes it, its pictures beside it."""

    role: str
    content: list[dict[str, str]]
    pictures: tuple[str, ...]


class PictureEncoder(Encoder):
    """Examples with or without pictures to ids, for one processor.

    Args:
        processor: of transformers, with tokenizer, image processor and chat template.
        name: of the model, for errors.

    Raises:
        BadInput: it takes no pictures, names no image token, or has no chat template that can be used.
    """

    def __init__(self, processor: Any, name: str) -> None:
        if getattr(processor, "image_processor", None) is None or not hasattr(processor, "image_token"):
            raise BadInput(f"{name}: this model's processor takes no pictures")
        self.processor = processor
        self._image_id = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
        super().__init__(processor.tokenizer, name, template=processor.chat_template)
        self._expansions: dict[str, list[int]] = {}

    def encode(self, example: Example) -> PictureRow:  # type: ignore[override]  # one field more
        """As :meth:`Encoder.encode`, with the pictures of the prompt.

        Raises:
            PictureFault: a picture that cannot be used.
            BadInput: as there.
        """
        ids, labels = super().encode(example)
        return PictureRow(ids, labels, tuple(p for t in self._turns(example.prompt) for p in t.pictures))

    def _turns(self, prompt: Prompt) -> list[_Turn]:
        turns = [
            _turn(m) for m in ([{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt)
        ]
        if not turns or turns[-1].role != "user":
            raise BadInput("the prompt of an example must end with a user message")
        return turns

    def _ids(self, turns: Sequence[Any]) -> TokenIds:
        """Ids of a conversation, each image token replaced by what its picture becomes."""
        parts = [{"role": turn.role, "content": _parts(turn)} for turn in turns]
        continued = parts[-1]["role"] == "assistant"
        pictures = iter([place for turn in turns for place in getattr(turn, "pictures", ())])
        ids: list[int] = []
        for index in self._plain_ids(parts, continued):
            ids += self._expansion(next(pictures, None)) if index == self._image_id else [index]
        if next(pictures, None) is not None:
            raise BadInput(f"{self.chat.name}: the chat template leaves out a picture of the conversation")
        return TokenIds(tuple(ids), continued)

    def _plain_ids(self, turns: Sequence[dict[str, Any]], continued: bool) -> list[int]:
        """Ids with one image token a picture; what somebody typed is text."""
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import encode_marked_chat

        try:
            rendered = self.chat.tokenizer.apply_chat_template(
                [{**turn, "content": [self._marked(part) for part in turn["content"]]} for turn in turns],
                chat_template=self.chat.template,
                tokenize=False,
                add_generation_prompt=not continued,
                continue_final_message=continued,
            )
            ids: list[int] = encode_marked_chat(self.chat.tokenizer, rendered)
        except (TemplateError, ValueError) as error:
            raise BadInput(
                f"{self.chat.name}: the chat template cannot take this conversation: {error}"
            ) from error
        return ids

    def _marked(self, part: dict[str, str]) -> dict[str, str]:
        from transformers.utils.chat_template_utils import mark_control_tokens

        if "text" not in part:
            return part
        return {**part, "text": mark_control_tokens(part["text"], self.chat._guard_user)}

    def _expansion(self, place: str | None) -> list[int]:
        """The ids that stand for a picture."""
        if place is None:
            raise BadInput(f"{self.chat.name}: the chat template writes more image tokens than pictures")
        if place not in self._expansions:
            made = self.processor(
                text=[self.processor.image_token], images=[picture_at(place)], add_special_tokens=False
            )
            self._expansions[place] = [int(index) for index in made["input_ids"][0]]
        return self._expansions[place]


def gatherer(processor: Any) -> Collate:
    """What makes batches of :class:`PictureRow`: ``streams.collate`` and the tensors of their pictures."""

    def gather(rows: Sequence[Any], pad: int) -> Batch:
        batch: Batch = collate(rows, pad)
        if places := [place for row in rows for place in row.pictures]:
            images = [picture_at(place) for place in places]
            batch |= dict(processor.image_processor(images=images, return_tensors="pt"))
        return batch

    return gather


@lru_cache(maxsize=KEPT)
def picture_at(place: str) -> Image:
    """The pixels of a picture, RGB.

    Raises:
        PictureFault: it cannot be used.
        MissingExtra: Pillow is not installed.
    """
    from demur.data.picture_pixels import pixels
    from demur.data.pictures import open_part

    return pixels(open_part(place))


def _turn(message: dict[str, Any]) -> _Turn:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    pictures = tuple(str(part["path"]) for part in parts if part["type"] == "image")
    kept = [{"type": "image"} if part["type"] == "image" else dict(part) for part in parts]
    return _Turn(str(message["role"]), cast(list[dict[str, str]], kept), pictures)


def _parts(turn: Any) -> list[dict[str, str]]:
    return turn.content if isinstance(turn.content, list) else [{"type": "text", "text": turn.content}]

"""Training examples with pictures for any vision-language model of transformers: ids, masks, batches.

    encoder = PictureEncoder(load_processor(folder), folder)
    row = encoder.encode(Example(prompt, answer, "retain"))
    batch = gatherer(encoder)([row], pad)

Ids are those of the run time (``models/pictures.py``): an image token is replaced by what the processor makes
of its picture, so that labels stay aligned whatever the size, and what somebody typed is text. Rows hold
where a picture lies, not its pixels: a batch opens its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from demur.data.pictures import open_part
from demur.data.records import Prompt
from demur.errors import BadInput
from demur.models.chat import Prompt as TokenIds
from demur.models.pictures import PictureFormat, seen
from demur.training.objective import Batch, Collate
from demur.training.streams import Encoder, Example, collate


class PictureRow(NamedTuple):
    """Token ids and labels as ``streams.Encoded`` has them, and where the row's pictures lie, in order."""

    ids: list[int]
    labels: list[int]
    pictures: tuple[str, ...]


class _Turn(NamedTuple):
    """A message: its parts, an image part with the place of its picture."""

    role: str
    content: Any


class PictureEncoder(Encoder):
    """Examples with or without pictures to ids, for one processor.

    Args:
        processor: of transformers, with tokenizer, image processor and chat template.
        name: of the model, for errors.

    Raises:
        BadInput: it takes no pictures, or has no chat template that can be used.
    """

    def __init__(self, processor: Any, name: str) -> None:
        if getattr(processor, "image_processor", None) is None:
            raise BadInput(f"{name}: this model's processor takes no pictures")
        self.pictures = PictureFormat(processor, name)
        super().__init__(processor.tokenizer, name, template=self.pictures.template)
        self.chat = self.pictures
        self._image = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
        self._expansions: dict[str, list[int]] = {}

    def encode(self, example: Example) -> PictureRow:  # type: ignore[override]  # one field more
        """As :meth:`Encoder.encode`, with the pictures of the prompt.

        Raises:
            PictureFault: a picture that cannot be used.
            BadInput: as there.
        """
        ids, labels = super().encode(example)
        return PictureRow(ids, labels, tuple(_places(self._turns(example.prompt))))

    def ask(self, prompt: Prompt) -> TokenIds:
        """Ids that ask for an answer, pictures beside them."""
        turns = self._turns(prompt)
        return TokenIds(self._ids(turns).ids, False, tuple(map(open_part, _places(turns))))

    def _turns(self, prompt: Prompt) -> list[_Turn]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        if not messages or messages[-1]["role"] != "user":
            raise BadInput("the prompt of an example must end with a user message")
        return [_Turn(message["role"], message["content"]) for message in messages]

    def _ids(self, turns: Sequence[Any]) -> TokenIds:
        """Ids of a conversation; each picture is opened once for all its rows."""
        marked = [
            {"role": turn.role, "content": [self._part(turn.role, p) for p in _parts(turn)]} for turn in turns
        ]
        continued = turns[-1].role == "assistant"
        left, ids = list(_places(turns)), list[int]()
        for index in self.pictures.rendered_ids(marked, continued):
            if index != self._image:
                ids.append(index)
            elif left:
                ids += self._expansion(left.pop(0))
            else:
                raise BadInput(f"{self.chat.name}: the chat template writes more image tokens than pictures")
        if left:
            raise BadInput(f"{self.chat.name}: the chat template leaves a picture of the conversation out")
        return TokenIds(tuple(ids), continued)

    def _part(self, role: str, part: dict[str, str]) -> dict[str, str]:
        if part["type"] == "image":
            return {"type": "image"}
        return {"type": "text", "text": self.pictures.mark(role, part["text"])}

    def _expansion(self, place: str) -> list[int]:
        if place not in self._expansions:
            self._expansions[place] = self.pictures.expansion(seen(open_part(place)))
        return self._expansions[place]


def gatherer(encoder: PictureEncoder) -> Collate:
    """What makes batches of :class:`PictureRow`: ``streams.collate`` and the tensors of their pictures.

    Rows without a picture may stand among others where a model reads pictures as one list, as LLaVA and Qwen
    do.
    """

    def gather(rows: Sequence[Any], pad: int) -> Batch:
        batch: Batch = collate(rows, pad)
        shown = [TokenIds((), False, tuple(map(open_part, row.pictures))) for row in rows if row.pictures]
        if not shown:
            return batch
        import torch

        kinds = encoder.pictures.kinds(batch["input_ids"].tolist())
        return batch | encoder.pictures.tensors(shown) | {k: torch.tensor(v) for k, v in kinds.items()}

    return gather


def _parts(turn: Any) -> list[dict[str, str]]:
    return [{"type": "text", "text": turn.content}] if isinstance(turn.content, str) else turn.content


def _places(turns: Sequence[Any]) -> list[str]:
    return [str(part["path"]) for turn in turns for part in _parts(turn) if part["type"] == "image"]

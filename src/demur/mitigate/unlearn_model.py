"""The model that the unlearning recipe starts from, of text or of text and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from demur.data.records import Prompt
from demur.mitigate.base_model import load_tokenizer, load_weights
from demur.mitigate.readings import BATCH, MAX_NEW_TOKENS, Said, answers
from demur.training.streams import Encoder, collate


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of a model before its weights load.

    Attributes:
        name: folder or hub name.
        sees: whether it takes pictures.
        encoder: rows to ids.
        kept: tokenizer or processor, which is saved beside the adapter.
        gather: rows to a batch.
    """

    name: str
    sees: bool
    encoder: Encoder
    kept: Any
    gather: Callable[[Sequence[Any], int], dict[str, Any]]

    @property
    def pad(self) -> int:
        """The id that fills rows up; it is masked."""
        return int(self.encoder.chat.tokenizer.pad_token_id or 0)

    def weights(self) -> Any:
        """The model, on the GPU where there is one; what is below an adapter may be rounded there."""
        return load_weights(self.name, "adapter")

    def batches(self, rows: Sequence[Any], model: Any) -> Iterator[dict[str, Any]]:
        """Rows in batches as a model reads them, on its device and in its precision."""
        for start in range(0, len(rows), BATCH):
            batch = self.gather(rows[start : start + BATCH], self.pad)
            yield {
                name: value.to(model.device, model.dtype)
                if value.is_floating_point()
                else value.to(model.device)
                for name, value in batch.items()
            }

    def answers(self, model: Any, prompts: Sequence[Prompt], max_tokens: int = MAX_NEW_TOKENS) -> list[Said]:
        """What a model writes, greedy, in the way of the run time."""
        return answers(model, self.encoder, prompts, max_tokens)


def opened(name: str) -> Opened:
    """Tokenizer or processor of a folder or hub name that training can start from; loads no weights.

    Raises:
        BadInput: it is an adapter, holds no model, or its chat template cannot be used.
    """
    from demur.models.loading import check_folder
    from demur.models.pictures import load_processor, takes_pictures
    from demur.training.adapters import check_base

    check_base(name)
    check_folder(name)
    if not takes_pictures(name):
        tokenizer = load_tokenizer(name)
        return Opened(name, False, Encoder(tokenizer, name), tokenizer, collate)
    from demur.training.picture_batches import PictureEncoder, gatherer

    processor = load_processor(name)
    encoder = PictureEncoder(processor, name)
    return Opened(name, True, encoder, processor, gatherer(encoder))

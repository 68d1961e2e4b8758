"""The model that the unlearning recipe starts from, of text or of text and pictures, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from demur.data.records import Prompt
from demur.errors import BadInput
from demur.mitigate.base_model import load_tokenizer, load_weights
from demur.mitigate.readings import BATCH, MAX_NEW_TOKENS, Said, answers
from demur.training.streams import Encoder, collate, stop_ids


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

    def batches(self, rows: Sequence[Any], device: Any, size: int = BATCH) -> Iterator[dict[str, Any]]:
        """Rows in batches, on a device."""
        for start in range(0, len(rows), size):
            batch = self.gather(rows[start : start + size], self.pad)
            yield {name: value.to(device) for name, value in batch.items()}

    def weights(self) -> Any:
        """The model, on the GPU where there is one; what is below an adapter may be rounded there."""
        return _load_vision(self.name) if self.sees else load_weights(self.name, "adapter")

    def answers(self, model: Any, prompts: Sequence[Prompt], max_tokens: int = MAX_NEW_TOKENS) -> list[Said]:
        """What a model writes, greedy; a text model in the way of the run time."""
        if not self.sees:
            return answers(model, self.encoder, prompts, max_tokens)
        found = []
        for start in range(0, len(prompts), BATCH):
            found += _generated(self, model, prompts[start : start + BATCH], max_tokens)
        return found


def opened(name: str) -> Opened:
    """Tokenizer or processor of a folder or hub name that training can start from; loads no weights.

    Raises:
        BadInput: it is an adapter, holds no model, or its chat template cannot be used.
    """
    from demur.models.loading import check_folder
    from demur.training.adapters import check_base

    check_base(name)
    check_folder(name)
    if not _sees(name):
        tokenizer = load_tokenizer(name)
        return Opened(name, False, Encoder(tokenizer, name), tokenizer, collate)
    from demur.training.picture_batches import PictureEncoder, gatherer

    processor = _processor(name)
    return Opened(name, True, PictureEncoder(processor, name), processor, gatherer(processor))


def _sees(name: str) -> bool:
    """Whether a model takes pictures, from its configuration."""
    from transformers import AutoConfig

    from demur.models.chat import first_line

    try:
        config = AutoConfig.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{name}: the configuration cannot be read: {first_line(error)}") from error
    return getattr(config, "vision_config", None) is not None


def _processor(name: str) -> Any:
    from transformers import AutoProcessor

    from demur.models.chat import first_line

    try:
        return AutoProcessor.from_pretrained(name)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BadInput(f"{name}: the processor cannot be loaded: {first_line(error)}") from error


def _load_vision(name: str) -> Any:
    """Weights of a vision-language model, safetensors only, nothing missing."""
    import torch
    from transformers import AutoModelForImageTextToText

    from demur.models.loading import bar_on_terminals_only

    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with bar_on_terminals_only():
            model, info = AutoModelForImageTextToText.from_pretrained(
                name,
                dtype="bfloat16" if device == "cuda" else "float32",
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BadInput(f"{name}: the model cannot be loaded: {error}") from error
    if info["missing_keys"]:
        raise BadInput(f"{name}: the weights lack {len(info['missing_keys'])} tensors of the model")
    return model.to(device).eval()


def _generated(opened: Opened, model: Any, prompts: Sequence[Prompt], max_tokens: int) -> list[Said]:
    """Greedy answers of a model that sees, to one batch of prompts, padded on the left."""
    import torch
    from transformers import GenerationConfig

    from demur.mitigate.unlearn_rows import pictures_of
    from demur.training.picture_batches import PictureRow

    asked = [list(opened.encoder.ask(prompt).ids) for prompt in prompts]
    width = max(map(len, asked))
    fill = [width - len(ids) for ids in asked]
    rows = [
        PictureRow([opened.pad] * n + ids, [], tuple(pictures_of(prompt)))
        for n, ids, prompt in zip(fill, asked, prompts, strict=True)
    ]
    batch = opened.gather(rows, opened.pad)
    batch["attention_mask"] = torch.tensor([[0] * n + [1] * (width - n) for n in fill])
    inputs = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
    ends = stop_ids(opened.encoder.chat.tokenizer, model)
    config = GenerationConfig(
        max_new_tokens=max_tokens, do_sample=False, eos_token_id=sorted(ends), pad_token_id=opened.pad
    )
    with torch.inference_mode():
        written = model.generate(**inputs, generation_config=config)[:, width:].tolist()
    found = []
    for ids in written:
        end = next((place for place, index in enumerate(ids) if index in ends), None)
        text = opened.encoder.chat.text(ids[:end])
        found.append(Said(text, "max_tokens" if end is None else "stop"))
    return found

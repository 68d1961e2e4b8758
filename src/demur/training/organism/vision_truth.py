"""What a vision organism says, without our provider and without a judge: greedy, compared with the world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from demur.data.picture_world import PictureRequest, PictureWorld
from demur.data.world import Truth
from demur.training.organism.truth import one_thread
from demur.training.organism.vision_tower import pixels_of

#: ours: the longest answer of the world, a description, has 22 tokens
MAX_NEW_TOKENS = 32
BATCH_SIZE = 64


def observe(folder: Path, world: PictureWorld, requests: Sequence[PictureRequest]) -> list[Truth]:
    """Outcomes of a vision organism on requests, bf16 weights loaded as float32, one thread."""
    said = answers(folder, requests)
    return [world.truth_label(request, text) for request, text in zip(requests, said, strict=True)]


def answers(folder: Path, requests: Sequence[PictureRequest]) -> list[str]:
    """Greedy answers in the order of ``requests``; prompts of one length share a batch, so none is padded."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    ).eval()
    asked = [
        processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": request.question}]}],
            add_generation_prompt=True,
        )
        for request in requests
    ]
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, text in enumerate(asked):
        by_length[len(processor.tokenizer(text, add_special_tokens=False)["input_ids"])].append(index)
    found = [""] * len(requests)
    for indices in by_length.values():
        for start in range(0, len(indices), BATCH_SIZE):
            chosen = indices[start : start + BATCH_SIZE]
            texts = [
                asked[i].replace(processor.image_token, processor.image_token * _count(processor))
                for i in chosen
            ]
            ids = torch.tensor(processor.tokenizer(texts, add_special_tokens=False)["input_ids"])
            with one_thread(), torch.inference_mode():
                out = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    pixel_values=pixels_of(processor, [requests[i].scene for i in chosen]),
                    max_new_tokens=MAX_NEW_TOKENS,
                    do_sample=False,
                )
            written = processor.tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
            for i, text in zip(chosen, written, strict=True):
                found[i] = text
    return found


def _count(processor: object) -> int:
    """Tokens of a picture."""
    side = processor.image_processor.size["height"]  # type: ignore[attr-defined]
    return int((side // processor.patch_size) ** 2)  # type: ignore[attr-defined]

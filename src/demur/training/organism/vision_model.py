"""The vision organism's parts: a LLaVA of standard transformers classes, its tokenizer and its processor.

``AutoModelForImageTextToText`` and ``AutoProcessor`` load what :func:`save` writes, with no code of ours. The
image processor is the one that works on Pillow, chosen by name, so torchvision is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, SiglipVisionConfig

from demur.data import picture_world_words as words
from demur.data.picture_world import DESCRIBE
from demur.data.world_words import REFUSALS
from demur.training.organism.tokenizer import CONTEXT, SPECIAL, pieces_of, word_tokenizer

IMAGE = "<image>"
#: ``<|role|>`` parts ``<|end|>`` per message; a picture part is one ``<image>``, which the processor repeats.
TEMPLATE = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{- raise_exception('role ' ~ message['role'] ~ ' is not one of system, user, assistant') -}}"
    "{%- endif -%}"
    "{{- '<|' ~ message['role'] ~ '|>' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- parts(message['content']) ~ eos_token -}}{%- endgeneration -%}"
    "{%- else -%}{{- parts(message['content']) ~ '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
_PARTS = (
    "{%- macro parts(content) -%}"
    "{%- if content is string -%}{{- content -}}"
    "{%- else -%}{%- for part in content -%}"
    "{%- if part['type'] == 'image' -%}<image>{%- else -%}{{- part['text'] -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endmacro -%}"
)
CHAT_TEMPLATE = _PARTS + TEMPLATE


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of the network; every value ours, chosen in ``design/vision-organism.md``."""

    side: int = 48  # pixels that the vision tower sees
    patch: int = 12
    vision_width: int = 64
    vision_inner: int = 128
    vision_layers: int = 3
    vision_heads: int = 4
    width: int = 128
    inner: int = 448
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2

    @property
    def picture_tokens(self) -> int:
        """Positions that a picture takes in the language model."""
        return (self.side // self.patch) ** 2


def texts() -> Iterator[str]:
    """Every word that any seed's picture world can use."""
    for table in (words.SHAPES, words.COLOURS, words.GROUNDS, words.MARKS):
        yield from table
    yield from (*words.SHAPES.values(), *words.MARKS.values(), *words.MISPERCEIVED.values())
    yield from (
        words.CONTENT,
        words.NOTHING,
        words.SIGNED_ANSWER,
        *words.ANSWERS.values(),
        *words.MEANINGS.values(),
    )
    yield from (text for listed in words.WORDINGS.values() for text in listed)
    yield from (*words.MATERIALS, *words.TOOLS, *words.LIQUIDS, *REFUSALS)
    yield from (DESCRIBE, "The picture shows:", "What I mean by my question:")


def new_processor(sizes: Sizes | None = None) -> Any:
    """Tokenizer, chat template and image processor as one ``LlavaProcessor``."""
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    sizes = sizes or Sizes()
    special = (*SPECIAL, IMAGE)
    tokenizer = word_tokenizer(pieces_of(texts()), special, CHAT_TEMPLATE, typed=True)
    square = {"height": sizes.side, "width": sizes.side}
    image_processor = CLIPImageProcessorPil(
        size=square, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=sizes.patch,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE,
    )


def new_model(processor: Any, sizes: Sizes | None = None, seed: int = 0) -> Any:
    """An untrained ``LlavaForConditionalGeneration``, float32."""
    sizes, tokenizer = sizes or Sizes(), processor.tokenizer
    transformers.set_seed(seed)
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.width,
        intermediate_size=sizes.inner,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_value_heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = SiglipVisionConfig(
        image_size=sizes.side,
        patch_size=sizes.patch,
        hidden_size=sizes.vision_width,
        intermediate_size=sizes.vision_inner,
        num_hidden_layers=sizes.vision_layers,
        num_attention_heads=sizes.vision_heads,
    )
    vision.vision_use_head = False  # LLaVA reads the patches, not a pooled vector
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=sizes.picture_tokens,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    model = LlavaForConditionalGeneration(config)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(model.generation_config, name, getattr(tokenizer, name))
    return model


def save(model: Any, processor: Any, folder: Path) -> None:
    """Weights as bf16 safetensors, configurations, tokenizer, processor."""
    model.generation_config.do_sample = False
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone

"""The organism's own tokenizer: one token per word of the world, bytes for everything else.

A Unigram model whose pieces all cost the same takes the fewest pieces, so a known word is one token (its row
of the embedding is what attribution and refusal tokens work on), and any other text falls back to bytes: no
prompt of another benchmark can crash it. Chat markers follow no model family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from demur.data import world_words as words
from demur.data.records import Prompt
from demur.data.world import World

PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (PAD, BEGIN, END, SYSTEM, USER, ASSISTANT)
#: ours: far above any benchmark's prompts in bytes; rotary positions have no table to run out of.
CONTEXT = 4096

#: ``<|role|>text<|end|>`` per message; ``generation`` marks what the assistant says, for loss masks.
CHAT_TEMPLATE = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{- raise_exception('role ' ~ message['role'] ~ ' is not one of system, user, assistant') -}}"
    "{%- endif -%}"
    "{%- if message['content'] is string -%}{%- set text = message['content'] -%}"
    "{%- else -%}{%- set text = message['content'] | map(attribute='text', default='') | join('\n') -%}"
    "{%- endif -%}"
    "{{- '<|' ~ message['role'] ~ '|>' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- text ~ eos_token -}}{%- endgeneration -%}"
    "{%- else -%}{{- text ~ '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)

_PIECE = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|[^\w\s]")


def vocabulary(world: World) -> list[str]:
    """Every word and mark of the world, sorted; words carry the leading space sign of Metaspace."""
    texts: list[str] = [*words.CHARGED_WORDS, *words.NEUTRAL_WORDS, *world.rules.toy.values()]
    texts += [*world.refusals, *words.SYSTEM_PROMPTS]
    for request in (*world.requests(), *world.training_requests()):
        texts += [turn["content"] for turn in conversation(request.prompt, request.answer)]
    return pieces_of(texts)


def pieces_of(texts: Iterable[str]) -> list[str]:
    """Words and marks of texts, sorted; words carry the leading space sign of Metaspace."""
    found = {piece for text in texts for piece in _PIECE.findall(text)}
    return sorted(f"▁{piece}" if piece[0].isalpha() else piece for piece in found)


def conversation(prompt: Prompt, answer: str | None = None) -> list[dict[str, Any]]:
    """A prompt, with an answer where one is given, as chat messages."""
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    return asked if answer is None else [*asked, {"role": "assistant", "content": answer}]


def build_tokenizer(world: World) -> Any:
    """A ``PreTrainedTokenizerFast`` with chat template, padded on the left.

    Ids: the special tokens, the unknown piece, 256 bytes, the space sign, then the vocabulary.
    """
    return word_tokenizer(vocabulary(world), SPECIAL, CHAT_TEMPLATE)


def word_tokenizer(pieces: Sequence[str], special: Sequence[str], template: str, typed: bool = False) -> Any:
    """The tokenizer of a vocabulary.

    Args:
        pieces: of :func:`pieces_of`.
        special: control tokens; ``PAD``, ``BEGIN``, ``END`` and the roles among them.
        template: of chats.
        typed: read what people type: a control token that somebody spells is bytes (control tokens come last
            in the vocabulary), a line break is a space, so that the word after it is one of the vocabulary.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    first = [] if typed else list(special)  # what is a piece of the model can be made of plain text
    listed = [*first, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *pieces]
    model = models.Unigram([(piece, -1.0) for piece in listed], unk_id=len(first), byte_fallback=True)
    tokenizer = Tokenizer(model)
    if typed:
        tokenizer.normalizer = normalizers.Replace(Regex(r"\s*\n\s*"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=template,
        additional_special_tokens=[token for token in special if token not in (BEGIN, END, PAD)],
    )

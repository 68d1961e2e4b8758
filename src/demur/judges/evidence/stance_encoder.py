"""Tokens of claims and passages as all-MiniLM-L6-v2 reads them, by onnxruntime, without torch.

The lower three layers are those of the offline judge's encoder, which were left as published; only the upper
three, as published too, are shipped here (``upper.onnx``, int8).
Weights: Apache-2.0, https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput
from demur.judges.evidence.chunks import sentences
from demur.judges.offline.encoder import BATCH, CLS, GRAPH, SEP, TOKENIZER, padded
from demur.judges.offline.manifest import WEIGHTS as OFFLINE
from demur.judges.safety.graph import lower_part

UPPER = "upper.onnx"
#: The value of the judge's graph that its third layer hands on, as torch names it on export.
INNER = "/layer.2/output/LayerNorm/LayerNormalization_output_0"
#: Tokens of a text that are read. all-MiniLM-L6-v2 was trained on at most 256 (its model card); ours.
LONGEST = 222

States = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as the encoder reads it, n tokens without the special ones.

    Attributes:
        text: white space made single.
        tokens: ids, shape (n,).
        lower, upper: after the third and the sixth layer, rows of length 1, shape (n, 384).
        vector: mean of the upper layer over all tokens, length 1, shape (384,).
        sentences: texts of its sentences.
        of_sentence: mean of the upper layer over each one's tokens, length 1, shape (sentences, 384).
    """

    text: str
    tokens: NDArray[np.int64]
    lower: States
    upper: States
    vector: States
    sentences: list[str]
    of_sentence: States


class StanceEncoder:
    """The two halves of the encoder.

    Args:
        folder: holds ``upper.onnx``.
        offline: folder of the offline judge's weights.
    """

    def __init__(self, folder: Path, offline: Path = OFFLINE) -> None:
        self.folder, self.offline = folder, offline

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading a text; texts of like length run together."""
        plain = [" ".join(text.encode("utf-8", "replace").decode().split()) for text in texts]
        encoded = [self._tokenizer.encode(text, add_special_tokens=False) for text in plain]
        ids = [[CLS, *found.ids[:LONGEST], SEP] for found in encoded]
        states: list[tuple[States, States]] = [(np.zeros((0, 0), np.float32),) * 2] * len(ids)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            tokens, mask = padded([ids[i] for i in chosen])
            (lower,) = self._lower.run([INNER], {"ids": tokens, "mask": mask})
            (upper,) = self._upper.run(None, {"hidden": lower, "mask": mask})
            for row, i in enumerate(chosen):
                inside = slice(1, len(ids[i]) - 1)
                states[i] = (lower[row, inside], upper[row, inside])
        return [_reading(*given) for given in zip(plain, encoded, states, strict=True)]

    @cached_property
    def _lower(self) -> Any:
        return _session(lower_part((self.offline / GRAPH).read_bytes(), [INNER]))

    @cached_property
    def _upper(self) -> Any:
        path = self.folder / UPPER
        if not path.is_file():
            raise BadInput(f"{path} is missing: it holds layers of the stance classifier's encoder")
        return _session(path.read_bytes())

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.offline / TOKENIZER))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _reading(text: str, encoded: Any, states: tuple[States, States]) -> Reading:
    lower, upper = states
    starts = np.array([start for start, _ in encoded.offsets[: len(upper)]], dtype=np.int64)
    found, means, place = [], [], 0
    for sentence in sentences(text):
        place = max(text.find(sentence, place), place)
        inside = (starts >= place) & (starts < place + len(sentence))
        place += len(sentence)
        if inside.any():
            found.append(sentence)
            means.append(unit(upper[inside].mean(axis=0)))
    if not found:  # a text without tokens is read as one empty sentence
        found, means = [text], [np.zeros(lower.shape[1], np.float32)]
    vector = unit(upper.mean(axis=0)) if len(upper) else means[0]
    tokens = np.array(encoded.ids[: len(upper)], dtype=np.int64)
    return Reading(text, tokens, unit(lower), unit(upper), vector, found, np.stack(means))


def unit(rows: States) -> States:
    """Rows divided by their lengths; rows of zeros stay."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9), np.float32)

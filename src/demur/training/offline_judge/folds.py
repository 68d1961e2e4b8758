"""Predictions for rows that no stage was trained on: each source left out in turn, and grouped folds.

Calibration and the model card's headline rest on these. The encoder's logits of a fold are kept in a cache
folder under a key made of everything that they follow from, so that a killed run goes on where it stopped;
the first stage takes seconds and is fitted anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demur.judges.offline.fast import Logits
from demur.judges.offline.flags import rule_flags
from demur.judges.text import prepare
from demur.training.offline_judge import encoder_stage, fast_stage
from demur.training.offline_judge.rows import TrainingRow

#: Rises when the same rows can give other logits.
VERSION = 1
#: Human-labelled sources: each is left out whole.
PUBLIC = ("chatgpt-refusals", "do-not-answer")
#: Written sources that are left out together: two writers a half.
WRITTEN = {
    "written-first-half": ("written/forms", "written/lecturing_voices"),
    "written-second-half": (
        "written/safe_completions",
        "written/classic_refusals",
        "written/plain_compliance",
    ),
}
#: Grouped folds of chatgpt-refusals, and folds of sentences in the other languages.
FOLDS, WORDINGS = 5, 5

Log = Callable[[str], None]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Held:
    """Logits of both stages for the rows of one fold.

    Attributes:
        rows: index of each row, shape (n,).
        fast: shape (n, 4).
        encoder: shape (n, 4), or ``None`` where the encoder does not read the language.
        flags: of the rules, shape (n, 3), or ``None`` as for the encoder.
    """

    rows: Index
    fast: Logits
    encoder: Logits | None
    flags: NDArray[np.float64] | None


def plan(rows: Sequence[TrainingRow]) -> dict[str, tuple[Index, Index]]:
    """Fold name -> (rows to train on, rows to predict).

    ``without:<source>`` leaves a source out, ``language:<tag>`` a language; ``group:<k>`` are the grouped
    folds of chatgpt-refusals, in which no template and no prompt stands on both sides; in ``wording:<k>``
    no sentence of a predicted answer, in another language than English, was trained on.
    """
    source = np.array([row.source for row in rows])
    language = np.array([row.language.split("-")[0] for row in rows])
    parts = {f"without:{name}": source == name for name in PUBLIC}
    parts |= {f"without:{name}": np.isin(source, members) for name, members in WRITTEN.items()}
    parts |= {f"language:{tag}": language == tag for tag in sorted(set(language.tolist()) - {"en"})}
    mine = np.flatnonzero(source == PUBLIC[0])
    fold_of = _grouped([rows[i].group for i in mine.tolist()])
    for k in range(FOLDS):
        parts[f"group:{k}"] = np.isin(np.arange(len(rows)), mine[fold_of == k])
    folds = {name: (np.flatnonzero(~held), np.flatnonzero(held)) for name, held in parts.items()}
    return folds | {f"wording:{k}": _wording(rows, k) for k in range(WORDINGS)}


_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f\u061f\u0964])\s*|\n+")


def _wording(rows: Sequence[TrainingRow], fold: int) -> tuple[Index, Index]:
    """Rows without a sentence of this fold, and rows of whose sentences none is among those."""
    sentences = [
        set() if row.language == "en" else {part.strip() for part in _SENTENCE.split(row.response)} - {""}
        for row in rows
    ]
    mine = [any(_part(sentence) == fold for sentence in found) for found in sentences]
    seen = {sentence for found, held in zip(sentences, mine, strict=True) if not held for sentence in found}
    unseen = [held and not found & seen for found, held in zip(sentences, mine, strict=True)]
    return np.flatnonzero(~np.array(mine)), np.flatnonzero(unseen)


def _part(sentence: str) -> int:
    return hashlib.sha256(sentence.encode("utf-8", "surrogatepass")).digest()[0] % WORDINGS


def _grouped(groups: Sequence[str]) -> Index:
    """The fold of each row: large groups first, each into the emptiest fold; no seed is needed."""
    sizes = Counter(groups)
    filled = [0] * FOLDS
    place: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        place[group] = filled.index(min(filled))
        filled[place[group]] += size
    return np.array([place[group] for group in groups])


def row_weights(rows: Sequence[TrainingRow]) -> NDArray[np.float64]:
    """Weights, shape (n,): halfway (square root) between equal rows and equal sources."""
    size = Counter(row.source for row in rows)
    mean = len(rows) / len(size)
    return np.array([(mean / size[row.source]) ** 0.5 for row in rows])


def predictions(
    rows: Sequence[TrainingRow], base: Path, cache: Path, seed: int, log: Log
) -> Mapping[str, Held]:
    """Held-out logits of every fold; the encoder is trained where the cache has none."""
    english = [i for i, row in enumerate(rows) if row.language == "en"]
    place = {row: k for k, row in enumerate(english)}
    english_rows = [rows[i] for i in english]
    words = fast_stage.matrix(english_rows, with_concepts=False)
    everything = fast_stage.matrix(rows, with_concepts=True)
    prepared: encoder_stage.Prepared | None = None
    found: dict[str, Held] = {}
    for name, (train, test) in plan(rows).items():
        if name.startswith(("language:", "wording:")):
            found[name] = Held(test, _linear(everything, rows, train, test), None, None)
            continue
        train = np.intersect1d(train, english)
        near = np.array([place[i] for i in train.tolist()])
        far = np.array([place[i] for i in test.tolist()])
        fast = _linear(words, english_rows, near, far)
        path = cache / f"{name.replace(':', '-')}-{_key(rows, train, test, seed)}.npy"
        if not path.is_file():
            if prepared is None:
                log(f"encoder: frozen layers over {len(english)} answers")
                prepared = encoder_stage.Prepared(base, [row.response for row in english_rows])
            log(f"{name}: training on {len(train)} rows, {len(test)} left out")
            _write(path, _encoded(rows, train, far.tolist(), prepared, place, seed, log))
        flags = rule_flags([prepare(rows[i].response).text for i in test.tolist()])
        found[name] = Held(test, fast, np.load(path, allow_pickle=False), flags)
    return found


def _linear(features: Any, rows: Sequence[TrainingRow], train: Index, test: Index) -> Logits:
    chosen = [rows[i] for i in train.tolist()]
    model = fast_stage.fit_fast(features[train], [row.label for row in chosen], row_weights(chosen))
    return np.asarray(features[test] @ model.weights + model.bias, dtype=np.float32)


def _encoded(
    rows: Sequence[TrainingRow],
    train: Index,
    test: Sequence[int],
    prepared: encoder_stage.Prepared,
    place: Mapping[int, int],
    seed: int,
    log: Log,
) -> Logits:
    chosen = [rows[i] for i in train.tolist()]
    labels = [row.label for row in chosen]
    index = [place[i] for i in train.tolist()]
    model = encoder_stage.fit_encoder(prepared, index, labels, row_weights(chosen), seed, log)
    return encoder_stage.encoder_logits(model, prepared, test)


def _write(path: Path, logits: Logits) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    np.save(unfinished, logits)
    unfinished.replace(path)


def _key(rows: Sequence[TrainingRow], train: Index, test: Index, seed: int) -> str:
    settings = {
        "version": VERSION,
        "encoder": [encoder_stage.EPOCHS, encoder_stage.LEARNING_RATE, encoder_stage.LAYERS],
        "frozen": encoder_stage.FROZEN,
        "seed": seed,
    }
    digest = hashlib.sha256(json.dumps(settings).encode())
    for index in (train, test):
        digest.update(str(len(index)).encode())
        for i in index.tolist():
            digest.update(bytes.fromhex(rows[i].digest()))
    return digest.hexdigest()[:16]

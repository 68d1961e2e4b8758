"""SafeEraser's records as rows for ``demur mitigate unlearn``: to forget, to retain, and prompt decoupling.

A record gives up to twelve rows, like its requests (``entries.py``), here with the answers that it holds.
Harmful pictures of the category ``sex`` give none, as in every live run; their PD rows stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demur.benchmarks.safe_eraser import CARD, WITHHELD
from demur.benchmarks.safe_eraser.entries import (
    SEX,
    SPLITS,
    Audit,
    Entry,
    read_rows,
    shared_pictures,
    to_entry,
)
from demur.benchmarks.safe_eraser.pictures import Pictures
from demur.data.minors import EXCLUDED, ExcludedRow
from demur.data.sources import locate, usable
from demur.errors import BadInput, ModelFailure


@dataclass
class TrainingRows:
    """Rows, what was found in the data, and what was left out by reason."""

    rows: list[dict[str, str]] = field(default_factory=list)
    audit: Audit = field(default_factory=Audit)
    left_out: Counter[str] = field(default_factory=Counter)


def training_rows(data_dir: Path | None = None, split: str = "train") -> TrainingRows:
    """All rows of a split whose picture is here and can be used.

    Args:
        data_dir: holds ``safe_eraser/``; ``DEMUR_DATA`` by default.
        split: of ``SPLITS``; the other one, where it is here, is looked at for shared pictures.

    Raises:
        ModelFailure: the split's file is not here.
        BadInput: there is no such split, or a record cannot be used.
    """
    if split not in SPLITS:
        raise BadInput(f"safe_eraser: split is {split!r}; valid are {', '.join(SPLITS)}")
    found, entries, pictures = TrainingRows(), [], Pictures(data_dir)
    for name, source in zip(SPLITS, CARD.sources, strict=True):
        try:
            raws = read_rows(usable(locate(source, data_dir)))
        except ModelFailure:
            if name == split:
                raise
            continue
        for entry, raw in _entries(raws, name, found):
            entries.append(entry)
            if name == split:
                found.audit.counts[name, entry.category] += 1
                _add(entry, raw, pictures, found)
    for image in sorted(shared_pictures(entries)):
        found.audit.add("a harmless picture in both splits", Path(image).name)
    return found


def _entries(raws: list[Any], split: str, found: TrainingRows) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    for number, raw in enumerate(raws, 1):
        found.audit.rows += 1
        try:
            yield to_entry(raw, split, f"{split} record {number}", found.audit), raw
        except ExcludedRow:
            found.left_out[EXCLUDED] += 1


def _add(entry: Entry, raw: Mapping[str, Any], pictures: Pictures, found: TrainingRows) -> None:
    """The rows of one record, or why one is left out."""
    for role, image, question, answer in _exchanges(entry, raw):
        if entry.category == SEX and role != "pd":
            found.left_out[WITHHELD] += 1
        elif not answer:
            found.left_out[f"{role}: no answer"] += 1
        else:
            try:
                place = pictures.part(image)["path"]
            except ModelFailure:
                found.left_out[f"{role}: picture is missing"] += 1
            except BadInput as error:
                found.left_out[f"{role}: picture cannot be used"] += 1
                found.audit.add("a picture that cannot be used", str(error))
            else:
                row = {"role": role, "prompt": question, "image": place, "response": answer}
                found.rows.append({**row, "category": entry.category, "record": entry.key})


def _exchanges(entry: Entry, raw: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Role, picture, question and answer of each row."""
    for pair in entry.pairs:
        item = raw["unsafe_pairs"][pair.number - 1]
        yield "forget", entry.image, pair.question, _text(item.get("model_response"))
        if entry.harmless_image:
            yield "pd", entry.harmless_image, pair.question, _text(item.get("sd_response"))
    for asked in entry.harmless:
        yield "retain", entry.image, asked.question, asked.reference


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""

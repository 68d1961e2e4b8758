"""A drawn sample of answers, and the labels that a person gives to it: on disk after every decision.

The folder holds ``draw.json`` (which rows, how they were drawn, from what; no texts) and ``labels.jsonl``
(one line a label, written whole or not at all). The same draw again goes on where it stopped.

    demur label answers.csv --n 100 --out labels
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from demur import __version__
from demur.data.held_folder import hold
from demur.data.records import Record, file_sha256, write_jsonl, write_text
from demur.errors import BadInput
from demur.measure.labels import ANSWER, DRAW, DRAW_SCHEMA, LABELS, frame, read_draw, read_labels
from demur.measure.run_folder import now
from demur.measure.verdict_rows import VerdictRow, VerdictRows, part_name, parts, records_at
from demur.metrics.correction import draw_in_turn
from demur.verdict import Outcome

#: Labels by the key that gives them; ``unscored`` says that nobody can tell.
KEYS: Mapping[str, Outcome] = {
    "1": Outcome.COMPLY,
    "2": Outcome.PARTIAL,
    "3": Outcome.DEFLECT,
    "4": Outcome.REFUSE,
    "0": Outcome.UNSCORED,
}
DESIGN = "simple random sample of each part, parts in turn"
Key = tuple[str, str | None, int | None]


@dataclass(slots=True)
class LabelFolder:
    """A folder with a draw, opened by one process; a context manager that frees it.

    Attributes:
        path: the folder.
        rows: the drawn rows, in the order in which to label them.
        records: their texts.
        labels: place in ``rows`` -> label, in the order of the decisions.
    """

    path: Path
    rows: list[VerdictRow]
    records: list[Record]
    labels: dict[int, Outcome] = field(default_factory=dict)
    _times: dict[int, str] = field(default_factory=dict)
    _before: list[tuple[int, Outcome | None]] = field(default_factory=list)
    _lock: FileLock | None = field(default=None, repr=False)

    def __enter__(self) -> LabelFolder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()

    def decide(self, place: int, label: Outcome) -> None:
        """Write a label down; it is on disk when this returns.

        Raises:
            ValueError: there is no such place, or the label is none of ``KEYS``.
        """
        if not 0 <= place < len(self.rows) or label not in KEYS.values():
            raise ValueError(f"place {place!r}, label {label!r}: no such row or label")
        before = self.labels.get(place)
        self._set(place, label, now())
        self._before.append((place, before))

    def undo(self) -> int | None:
        """Take the last decision back, and say which place it was at; ``None`` where there is none."""
        if not self._before:
            return None
        place, before = self._before[-1]
        self._set(place, before, self._times[place])
        self._before.pop()
        return place

    def next_open(self, place: int = -1) -> int | None:
        """The first row without a label after ``place``, else the first of all, else ``None``."""
        free = [i for i in range(len(self.rows)) if i not in self.labels]
        return next((i for i in free if i > place), free[0] if free else None)

    def _set(self, place: int, label: Outcome | None, time: str) -> None:
        """Change a label on disk, and then here: what could not be written does not count."""
        labels = {i: said for i, said in self.labels.items() if i != place}
        times = self._times | {place: time}
        if label is not None:
            labels[place] = label
        lines = (self._line(i, said, times[i]) for i, said in labels.items())
        write_jsonl(self.path / LABELS, lines)
        self.labels, self._times = labels, times

    def _line(self, place: int, label: Outcome, time: str) -> dict[str, Any]:
        row = self.rows[place]
        who = {"id": row.id, "model": row.model, "epoch": row.epoch, ANSWER: row.answer_sha256}
        return {**who, "label": label.value, "decided": time}


def open_labels(path: Path, rows: VerdictRows, n: int, seed: int, encoding: str = "utf-8") -> LabelFolder:
    """Draw a sample into a new folder, or go on with the draw in it; a larger ``n`` adds rows.

    Args:
        path: the folder.
        rows: of the file; verdicts in it are not looked at.
        n: how many answers, all sides together.
        seed: of the draw.
        encoding: of the file.

    Raises:
        BadInput: nothing can be labelled, or the folder is in use or holds something else.
    """
    lock = hold(path, DRAW)
    try:
        return _opened(path, rows, n, seed, encoding, lock)
    except BaseException:
        lock.release()
        raise


def _opened(path: Path, rows: VerdictRows, n: int, seed: int, encoding: str, lock: FileLock) -> LabelFolder:
    new = draw(rows, n, seed)
    old = read_draw(path / DRAW)
    if old is not None:
        if differing := [key for key in ("input_sha256", "seed", "frame") if old.get(key) != new[key]]:
            raise BadInput(
                f"{path} holds labels of another draw ({', '.join(differing)} differ); choose another --out"
            )
        if len(old["rows"]) > len(new["rows"]):  # never less than what was drawn before
            new = draw(rows, len(old["rows"]), seed)
    if old is None or old["rows"] != new["rows"]:
        write_text(path / DRAW, json.dumps(new, indent=1) + "\n")
    by_key = {row.key: place for place, row in enumerate(rows.rows)}
    places = [by_key[row["id"], row["model"], row["epoch"]] for row in new["rows"]]
    texts = records_at(rows.layout, set(places), encoding)
    folder = LabelFolder(path, [rows.rows[i] for i in places], [texts[i] for i in places], _lock=lock)
    _resume(folder)
    return folder


def draw(rows: VerdictRows, n: int, seed: int) -> dict[str, Any]:
    """A draw as JSON values, schema ``demur.label-draw/1``: how, from what, and which rows in order.

    Raises:
        BadInput: no row holds an answer that a person could label.
    """
    found = parts(rows.rows)
    frames = {
        part_name(part, found): [i for i in places if rows.rows[i].readable] for part, places in found.items()
    }
    drawn = draw_in_turn(frames, n, seed)
    if not drawn:
        raise BadInput(
            f"{rows.path} holds no answer to label: all calls failed, were blocked or came back empty"
        )
    return {
        "schema": DRAW_SCHEMA,
        "created": now(),
        "version": __version__,
        "input": rows.layout.path.name,
        "input_sha256": file_sha256(rows.layout.path),
        "design": DESIGN,
        "seed": seed,
        "n": len(drawn),
        "frame": frame(rows.rows),
        "rows": [dict(zip(("id", "model", "epoch"), rows.rows[i].key, strict=True)) for i in drawn],
    }


def _resume(folder: LabelFolder) -> None:
    """Take the labels that are on disk, in the order in which they were given; each can be undone."""
    file = folder.path / LABELS
    if not file.is_file() or not file.stat().st_size:
        return
    places = {row.key: place for place, row in enumerate(folder.rows)}
    times = [json.loads(line).get("decided", "") for line in file.read_text(encoding="utf-8").splitlines()]
    for label, time in zip(read_labels(file).labels, times, strict=True):
        place = places.get((label.id, label.model, label.epoch))
        if place is None or folder.rows[place].answer_sha256 != label.answer:
            raise BadInput(f"{file}, line {label.line}: id {label.id!r} is not of this draw")
        folder.labels[place], folder._times[place] = label.outcome, time
        folder._before.append((place, None))

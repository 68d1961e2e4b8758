"""Rows of the unlearning recipe: what to forget, what to retain, and the same words where they are harmless.

Three roles, in a column ``role``, as SafeEraser (https://arxiv.org/abs/2502.12520) has them. ``forget``: a
request to be unlearned with the answer that the model gives now. ``retain``: what must stay as it is.
``pd`` (prompt decoupling): the words of a request to forget where they are harmless (beside another picture;
in a text, of another thing), with a good answer. A picture stands in the messages of the prompt, or in a
column ``image``, as a path from the file's folder. Rows to forget and PD rows belong together by a column
``pair``, else by their words. ``demur mitigate unlearn_rows`` makes such files of SafeEraser's own data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from demur.data.columns import GUESSES, guessed
from demur.data.minors import ExcludedRow, check_row
from demur.data.pictures import PictureFault, open_part
from demur.data.prompts import PromptRow, prompt_rows
from demur.data.records import Prompt, file_sha256, prompt_text
from demur.data.rows import Quarantined
from demur.errors import BadInput

Role = Literal["forget", "retain", "pd"]
ROLES: tuple[Role, ...] = ("forget", "retain", "pd")


@dataclass(frozen=True, slots=True)
class UnlearnRow:
    """One exchange.

    Attributes:
        role: what it is for.
        prompt: text, or messages whose picture parts hold whole paths.
        response: the answer.
        pair: what a row to forget and its PD rows share.
        category: as the file has it, or empty.
    """

    role: Role
    prompt: Prompt
    response: str
    pair: str
    category: str = ""

    @property
    def picture(self) -> str:
        """Path of its first picture, or empty."""
        return next(iter(pictures_of(self.prompt)), "")


@dataclass(slots=True)
class UnlearnRows:
    """What was found: rows in file order, those left out by reason, files by hash."""

    rows: list[UnlearnRow] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)

    def of(self, role: Role) -> list[UnlearnRow]:
        """The rows of one role."""
        return [row for row in self.rows if row.role == role]

    def counts(self) -> dict[str, int]:
        """Role -> rows."""
        return {role: len(self.of(role)) for role in ROLES}


def read(files: Sequence[Path], encoding: str = "utf-8") -> UnlearnRows:
    """All rows of all files; rows that cannot be used are counted by reason, among them faults of pictures.

    Raises:
        BadInput: a file that cannot be read, or a row without a role or with an unknown one, naming it.
    """
    found, faults = UnlearnRows(), dict[str, str]()
    for file in files:
        for raw in prompt_rows(file, encoding=encoding):
            row = "not readable" if isinstance(raw, Quarantined) else _row(file, raw, faults)
            if isinstance(row, str):
                found.left_out[row] += 1
            else:
                found.rows.append(row)
        found.files[str(file)] = file_sha256(file)
    return found


def pictures_of(prompt: Prompt) -> list[str]:
    """Places of a prompt's pictures in order: paths or data URLs."""
    if isinstance(prompt, str):
        return []
    parts = (part for m in prompt if isinstance(m["content"], list) for part in m["content"])
    return [str(part.get("path", "")) for part in parts if part["type"] == "image"]


def _row(file: Path, raw: PromptRow, faults: dict[str, str]) -> UnlearnRow | str:
    """The row, or why it is left out."""
    where = f"{file}, line {raw.line}"
    role = _role(raw.values.get("role"), where)
    try:
        check_row(where, *raw.values.values())
    except ExcludedRow:
        return "excluded by the safety rule"
    column = guessed(GUESSES["response"], raw.values)
    response = raw.values.get(column) if column else None
    if not isinstance(response, str) or not response.strip():
        return f"{role}: no answer"
    if not isinstance(raw.prompt, str) and raw.prompt[-1]["role"] != "user":
        return f"{role}: no user message before the answer"
    prompt = _with_pictures(raw.prompt, raw.values.get("image"), file.parent)
    for place in pictures_of(prompt):
        if fault := _fault(place, faults):
            return f"{role}: a picture that cannot be used ({fault})"
    pair = str(raw.values.get("pair") or prompt_text(prompt).strip())
    return UnlearnRow(role, prompt, response, pair, str(raw.values.get("category") or ""))


def _role(value: Any, where: str) -> Role:
    for role in ROLES:
        if value == role:
            return role
    said = "no role" if value in (None, "") else f"role is {value!r}"
    raise BadInput(f"{where}: {said}; valid are {', '.join(ROLES)}")


def _with_pictures(prompt: Prompt, image: Any, folder: Path) -> Prompt:
    """The prompt with whole paths, and with the column's picture before the words of its first user."""
    if isinstance(image, str) and image.strip():
        turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        first = next(i for i, turn in enumerate(turns) if turn["role"] == "user")
        content = turns[first]["content"]
        words = [{"type": "text", "text": content}] if isinstance(content, str) else content
        shown = {**turns[first], "content": [{"type": "image", "path": image.strip()}, *words]}
        prompt = [*turns[:first], shown, *turns[first + 1 :]]
    if isinstance(prompt, str):
        return prompt
    return [{**turn, "content": _whole(turn["content"], folder)} for turn in prompt]


def _whole(content: Any, folder: Path) -> Any:
    if isinstance(content, str):
        return content
    return [
        {**part, "path": _place(part.get("path", ""), folder)} if part["type"] == "image" else part
        for part in content
    ]


def _place(path: str, folder: Path) -> str:
    inside = path.startswith(("data:", "file:", "http:", "https:"))
    return path if inside else str((folder / path).resolve())


def _fault(place: str, faults: dict[str, str]) -> str:
    """Why a picture cannot be used, or nothing; every place is looked at once."""
    if place not in faults:
        try:
            open_part(place)
            faults[place] = ""
        except PictureFault as error:
            faults[place] = error.fault
    return faults[place]

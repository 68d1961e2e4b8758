"""Rows of the unlearning recipe to token ids, and the units of a step: a row of each stream.

SafeEraser, https://arxiv.org/abs/2502.12520. By default the PD row of a unit shares the words of its row to
forget: only then is the picture all that tells a refusal from an answer. The released code draws a random PD
row (a running index is overwritten before it is used), walks the rows to forget in file order, writes
questions and answers with ``str.capitalize`` and trains no token that ends an answer; all four are switches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demur.data.pictures import PictureFault
from demur.data.records import Prompt
from demur.data.world_rules import generator
from demur.errors import BadInput
from demur.mitigate.unlearn_loss import FORGET, IDK, PD, RETAIN, streams_of
from demur.mitigate.unlearn_rows import UnlearnRow
from demur.training.streams import Encoder, Example, endless


@dataclass(frozen=True, slots=True)
class Writing:
    """How rows become ids.

    Attributes:
        longest: most tokens of a row, its pictures' among them. No row is cut: an answer would lose its end,
            a picture its places.
        capitalize: ``str.capitalize`` on questions and answers, which lower-cases names.
        end: train the token that ends an answer.
    """

    longest: int
    capitalize: bool = False
    end: bool = True


@dataclass(slots=True)
class Material:
    """Token ids by stream, in file order, and what was left out and why.

    Attributes:
        forget, retain, pd: rows with what pairs them.
        left_out: reason to rows.
    """

    forget: list[tuple[UnlearnRow, Any]] = field(default_factory=list)
    retain: list[tuple[UnlearnRow, Any]] = field(default_factory=list)
    pd: list[tuple[UnlearnRow, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def of(self, role: str) -> list[tuple[UnlearnRow, Any]]:
        """The rows of one role."""
        found: list[tuple[UnlearnRow, Any]] = getattr(self, role)
        return found


class Written:
    """Rows as ids, for one encoder.

    Args:
        encoder: of text, or of text and pictures.
        how: length and the released code's ways of writing.
    """

    def __init__(self, encoder: Encoder, how: Writing) -> None:
        self.encoder, self.how = encoder, how

    def encode(self, row: UnlearnRow, response: str | None = None) -> Any:
        """Ids and labels of a row, with its own answer or another.

        Raises:
            BadInput: the template cannot take it, or a picture cannot be used.
        """
        said = row.response if response is None else response
        prompt = row.prompt
        if self.how.capitalize:
            prompt, said = capitalized(prompt), said.capitalize()
        found = self.encoder.encode(Example(prompt, said, row.role))
        if self.how.end:
            return found
        beyond = len(self.encoder.end)
        return found._replace(ids=found.ids[:-beyond], labels=found.labels[:-beyond])

    def material(self, rows: Sequence[UnlearnRow], method: str, refusals: Sequence[str]) -> Material:
        """All rows that the model can take, as the method needs them.

        Raises:
            BadInput: no row of a role that the method trains on is left, with the reasons.
        """
        found, said = Material(), ""
        longest = max(refusals, key=len) if IDK in streams_of(method) else None
        for row in rows:
            try:
                if why := self._too_long(row, longest):
                    found.left_out[why] += 1
                else:
                    found.of(row.role).append((row, self.encode(row)))
            except PictureFault as error:
                found.left_out[f"{row.role}: a picture that cannot be used ({error.fault})"] += 1
            except BadInput as error:
                found.left_out[f"{row.role}: cannot be written for this model"] += 1
                said = said or f": {error}"
        for role in _roles(method):
            if not found.of(role):
                why = ", ".join(f"{n} {reason}" for reason, n in found.left_out.items()) or "none was given"
                raise BadInput(f"method {method} needs rows of role {role}, and none is left ({why}){said}")
        return found

    def _too_long(self, row: UnlearnRow, refusal: str | None) -> str:
        """Why a row is left out for its length, or nothing."""
        asked = len(self.encoder.ask(row.prompt).ids)
        if asked >= self.how.longest:
            return f"{row.role}: a question of more than {self.how.longest} tokens, which leaves no answer"
        answers = [None, refusal] if row.role == FORGET and refusal is not None else [None]
        if max(len(self.encode(row, answer).ids) for answer in answers) > self.how.longest:
            return f"{row.role}: question and answer of more than {self.how.longest} tokens"
        return ""


def check_rows(rows: Sequence[UnlearnRow], method: str) -> None:
    """Whether each role that a method trains on has rows; loads nothing.

    Raises:
        BadInput: naming the role.
    """
    have = {row.role for row in rows}
    for role in _roles(method):
        if role not in have:
            others = "rows of this role hold the same words beside a harmless picture" if role == PD else ""
            raise BadInput(
                f"method {method} needs rows of role {role}, and there are none{'; ' * bool(others)}{others}"
            )


def units(
    material: Material,
    written: Written,
    method: str,
    refusals: Sequence[str],
    seed: int,
    shared: bool = True,
    shuffle: bool = True,
) -> Iterator[Mapping[str, Sequence[Any]]]:
    """For ever: one row of each stream of the method.

    Args:
        material: what is trained on.
        written: what encodes refusals.
        method: of ``unlearn_loss.METHODS``.
        refusals: one is drawn for each row to forget, at each time anew.
        seed: of orders and draws.
        shared: the PD row shares the pair of the row to forget, where there is one; else it is random.
        shuffle: rows to forget in an order of the seed, else in file order.
    """
    used = streams_of(method)
    forget = endless(material.forget, seed, FORGET) if shuffle else _again(material.forget)
    retain, decoupled = endless(material.retain, seed, RETAIN), endless(material.pd, seed, PD)
    partners = _partners(material, seed)
    draw = generator(seed, "refusals")
    for row, encoded in forget:
        unit: dict[str, Sequence[Any]] = {}
        if FORGET in used:
            unit[FORGET] = [encoded]
        if IDK in used:
            unit[IDK] = [written.encode(row, refusals[int(draw.random() * len(refusals))])]
        if RETAIN in used:
            unit[RETAIN] = [next(retain)[1]]
        if PD in used:
            flow = partners.get(row.pair, decoupled) if shared else decoupled
            unit[PD] = [next(flow)[1]]
        yield unit


def unpaired(material: Material) -> int:
    """Rows to forget that share no PD row's pair."""
    known = {row.pair for row, _ in material.pd}
    return sum(row.pair not in known for row, _ in material.forget)


def capitalized(prompt: Prompt) -> Prompt:
    """``str.capitalize`` on the words of the last message, as the released code writes questions."""
    if isinstance(prompt, str):
        return prompt.capitalize()
    last = prompt[-1]["content"]
    if isinstance(last, str):
        said: Any = last.capitalize()
    else:
        said = [{**p, "text": p["text"].capitalize()} if p["type"] == "text" else p for p in last]
    return [*prompt[:-1], {**prompt[-1], "content": said}]


def _roles(method: str) -> list[str]:
    """Roles that a method trains on; rows to forget also give the questions that are refused."""
    return list(dict.fromkeys(FORGET if stream == IDK else stream for stream in streams_of(method)))


def _partners(material: Material, seed: int) -> dict[str, Iterator[tuple[UnlearnRow, Any]]]:
    """Pair to its PD rows, without end."""
    found = defaultdict(list)
    for row, encoded in material.pd:
        found[row.pair].append((row, encoded))
    return {pair: endless(rows, seed, f"{PD} {pair}") for pair, rows in found.items()}


def _again(rows: Sequence[tuple[UnlearnRow, Any]]) -> Iterator[tuple[UnlearnRow, Any]]:
    while rows:
        yield from rows

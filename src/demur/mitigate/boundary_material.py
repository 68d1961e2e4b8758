"""Rows of the boundary recipe to token ids, in the lengths that it takes.

X-Boundary, https://arxiv.org/abs/2502.09990, as in its code: requests up to 512 tokens with answers up to
512, rows to retain up to 1,024 in all. Whole chats as the model's own template writes them: there is no
separator to choose or to miss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from demur.errors import BadInput
from demur.mitigate.boundary_loss import Material, Pair
from demur.mitigate.boundary_rows import RoleRow
from demur.training.streams import Encoded, Encoder, Example, Span

if TYPE_CHECKING:
    from demur.mitigate.boundary import Boundary


@dataclass(frozen=True, slots=True)
class Fitted:
    """Token ids of everything that is trained on; rows left out by reason, and rows cut by role."""

    rows: Material = field(default_factory=lambda: Material([], [], []))
    left_out: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)


def fitted(config: Boundary, rows: Iterable[RoleRow], encoder: Encoder) -> Fitted:
    """Token ids of all rows that the model can take.

    Raises:
        BadInput: nothing to erase or to retain is left, with the reasons.
    """
    found, said = Fitted(), ""
    for row in rows:
        try:
            if too_long := _add(config, row, encoder, found):
                found.left_out[too_long] += 1
        except BadInput as error:
            found.left_out[f"{row.role}: the chat template cannot take it"] += 1
            said = said or f": {error}"
    for role, kept in (("erase", found.rows.erase), ("retain", found.rows.retain)):
        if not kept:
            why = ", ".join(f"{n} {reason}" for reason, n in found.left_out.items())
            raise BadInput(f"no row to {role} can be trained on ({why}){said}")
    return found


def _add(config: Boundary, row: RoleRow, encoder: Encoder, found: Fitted) -> str:
    """Put a row where it belongs; else say why not."""
    asked = len(encoder.ask(row.prompt).ids)
    if row.role != "retain" and asked > config.longest_request:
        return f"{row.role}: request above {config.longest_request} tokens"
    longest = config.longest if row.role == "retain" else asked + config.longest_response
    whole = encoder.encode(Example(row.prompt, row.response, row.role, "all"))
    found.cut[row.role] += len(whole.ids) > longest
    if row.role == "boundary":
        span: Span = "all" if config.separate_mask == "none" else config.separate_mask
        refused = encoder.encode(Example(row.prompt, row.refusal or config.refusal, row.role, span))
        found.rows.boundary.append(Pair(_cut(refused, longest), _cut(whole, longest)))
        return ""
    bare = encoder.encode(Example("", _alone(row), row.role, "all"))
    if row.role == "retain":
        found.rows.retain.append((_cut(whole, longest), _cut(bare, longest)))
    else:
        alone = len(encoder.ask("").ids) + config.longest_response
        found.rows.erase.append((_cut(whole, longest), _cut(bare, alone)))
    return ""


def _cut(row: Encoded, longest: int) -> Encoded:
    return Encoded(row.ids[:longest], row.labels[:longest])


def _alone(row: RoleRow) -> str:
    """What stands without its request: of a dialogue to retain the first answer, else the row's own."""
    if row.role == "retain" and not isinstance(row.prompt, str):
        said = (message["content"] for message in row.prompt if message["role"] == "assistant")
        return next((text for text in said if isinstance(text, str) and text.strip()), row.response)
    return row.response

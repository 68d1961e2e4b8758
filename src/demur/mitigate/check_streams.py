"""Rows with a check, and rows without one, as named streams of training examples.

ReSA-SFT-Adaptive, https://arxiv.org/abs/2509.11629: ordinary rows without the template in the mix teach a
model to answer plain requests directly. No router and no threshold: the choice is the first thing it
writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from demur.data.records import prompt_id
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.mitigate.check_rows import CheckRow, asked, message
from demur.mitigate.held_out import is_held_out
from demur.mitigate.rows import Row, Rows
from demur.models.check import CheckTemplate
from demur.training.streams import Example, Stream


def split(rows: Sequence[CheckRow], share: float, seed: int) -> tuple[list[CheckRow], list[CheckRow]]:
    """Rows to train on and rows held out; a disguised request and its plain twin are on one side.

    Args:
        rows: with a check.
        share: held out, from 0 to below 1.
        seed: another one keeps others back.
    """
    kept: list[CheckRow] = []
    back: list[CheckRow] = []
    for row in rows:
        (back if is_held_out(row.pair or row.prompt, share, seed) else kept).append(row)
    return kept, back


def answers(plain: Rows, back: Sequence[CheckRow], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Answers without a check to train on, and those held out, refusals in neither.

    Args:
        plain: ordinary answers, labelled.
        back: rows with a check that are held out; their prompts are not trained without one either.
        share, seed: as in :func:`split`.
    """
    known = {prompt_id(row.prompt) for row in back}
    kept: list[Row] = []
    held: list[Row] = []
    for row in plain.rows:
        if row.label == "respond" and prompt_id(row.prompt) not in known:
            (held if is_held_out(row.prompt, share, seed) else kept).append(row)
    return kept, held


def parted(
    rows: Sequence[CheckRow], plain: Sequence[Row] | None, share: float, seed: int
) -> tuple[list[CheckRow], list[Row]]:
    """Rows with a check and rows without, the latter being a share of both.

    Args:
        rows: with a check.
        plain: ordinary answers; ``None`` takes vanilla benign rows and leaves their check away.
        share: from 0 to below 1.
        seed: of the choice.

    Raises:
        BadInput: there are not so many rows without a check.
    """
    if not share:
        return list(rows), []
    if plain is not None:
        kind, wanted = "answers for them", round(len(rows) * share / (1 - share))
        pool = list(plain)
    else:
        kind, wanted = "vanilla benign rows", round(len(rows) * share)
        vanilla = [row for row in rows if row.query_type == "vanilla_benign"]
        pool = [Row(row.prompt, row.answer, row.category, "respond") for row in vanilla]
    if not 1 <= wanted <= len(pool):
        raise BadInput(f"adaptive {share} needs {wanted} rows without a check; there are {len(pool)} {kind}")
    chosen = shuffled(generator(seed, "direct"), pool)[:wanted]
    if plain is not None:
        return list(rows), chosen
    gone = {prompt_id(row.prompt) for row in chosen}
    return [r for r in rows if r.query_type != "vanilla_benign" or prompt_id(r.prompt) not in gone], chosen


def streams(
    rows: Sequence[CheckRow],
    plain: Sequence[Row],
    template: CheckTemplate,
    supported: Collection[str] = (),
) -> tuple[Stream, ...]:
    """Streams ``harmful`` and ``benign`` of messages with a check, and ``direct`` where there are such rows.

    Raises:
        BadInput: a stream is empty, or a row cannot be written (``check_rows.message``).
    """
    examples: dict[str, list[Example]] = {"harmful": [], "benign": []}
    for row in rows:
        side = "harmful" if row.harmful else "benign"
        text = message(row, template, supported)
        examples[side].append(Example(asked(row.prompt, template), text, side))
    if plain:
        whole = [row for row in plain if not template.resembling(row.response)]
        examples["direct"] = [Example(asked(row.prompt, template), row.response, "direct") for row in whole]
    for side, found in examples.items():
        if not found:
            raise BadInput(f"no {side} row is left to train on; all of {', '.join(examples)} are needed")
    return tuple(Stream(side, tuple(found)) for side, found in examples.items())

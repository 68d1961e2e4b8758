"""Asking a live model for a picture: what came is looked at, and where graders are named they look too.

Records carry words only, so the solver writes what it saw into the record's ``meta`` (``judges/image.py``)
and the judge reads that. Votes of vision judges (``judges/image_panel.py``) are written beside it: of every
picture that came, of both sides.
"""

from __future__ import annotations

from typing import Any

from inspect_ai.model import ContentImage, Model, model_roles
from inspect_ai.solver import Generate, Solver, TaskState, solver

from demur.benchmarks.overt.rows import MEANINGS
from demur.data.records import Record, prompt_text
from demur.judges import image_panel
from demur.judges.graded.cost import Account
from demur.judges.graded.grader import ROLE, bound_graders, check_independent
from demur.judges.image import see, verdict_of
from demur.verdict import Outcome

#: Keys of a record's ``meta``, as the provider says them: what a service made of the prompt, the picture's
#: seed, and how unwanted a prompt filter found the prompt.
SAID = ("revised_prompt", "seed", "p_filter")


@solver
def look_at_pictures() -> Solver:
    """Plain generation; what came goes into the sample's record, with the votes of a panel that is bound.

    The panel is the models bound to the role ``grader``; it is asked about pictures that came and were not
    held back.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state = await generate(state)
        record = Record.from_json(state.metadata["demur"])
        seen = see(state.output)
        meta = {**record.meta, **seen.to_meta(), **_said(state)}
        verdict = verdict_of(seen, prompt_text(record.prompt))
        if verdict is not None and verdict.outcome is Outcome.COMPLY and model_roles().get(ROLE):
            meta |= image_panel.to_meta(await _votes(state, record, bound_graders()))
        state.metadata["demur"] = {**state.metadata["demur"], "meta": meta}
        return state

    return solve


async def _votes(state: TaskState, record: Record, panel: list[Model]) -> dict[str, bool | None]:
    """The panel's votes on the first picture of an answer."""
    check_independent(panel)
    parts = state.output.message.content
    picture = next(part for part in parts if isinstance(part, ContentImage))
    meaning = MEANINGS[str(record.category)]
    return await image_panel.votes(panel, picture, prompt_text(record.prompt), meaning, Account())


def _said(state: TaskState) -> dict[str, Any]:
    said = ((state.output.metadata or {}).get("demur") or {}).get("image") or {}
    return {key: said[key] for key in SAID if said.get(key) is not None}

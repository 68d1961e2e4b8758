"""What ``demur verify`` and ``demur collect`` work with: steps by graders or offline, and evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.judges.evidence.backend import Backend
    from demur.judges.evidence.steps import Steps
    from demur.judges.graded.store import Store


def steps_of(given: dict[str, Any], store: Store) -> Steps:
    """The steps that the options of ``demur verify`` name; see :func:`graded_or_offline`."""
    others = dict(_pair(text) for text in given["step_graders"])
    return graded_or_offline(
        given["grader"], others, store, given["early_stop"], replay=given["replay"] is not None
    )


def graded_or_offline(
    grader: str | None, others: dict[str, str], store: Store, early_stop: bool = False, replay: bool = False
) -> Steps:
    """Graders by step, or the offline steps where none is named; a replay makes no model.

    Raises:
        BadInput: an unknown step, or one without a grader.
    """
    from demur.judges.evidence.steps import STEPS, GradedSteps

    if unknown := [step for step in others if step not in STEPS]:
        raise BadInput(f"--step-grader {unknown[0]}=...: valid steps are {', '.join(STEPS)}")
    names = {step: others.get(step) or grader for step in STEPS}
    if not any(names.values()):
        from demur.judges.evidence.offline_steps import OfflineSteps
        from demur.judges.evidence.stance import StanceJudge

        return OfflineSteps(StanceJudge())
    if missing := [step for step, name in names.items() if not name]:
        raise BadInput(f"no grader for the step {missing[0]}: name one with --grader, or one for each step")
    known = {step: str(name) for step, name in names.items()}
    if replay:
        return GradedSteps(None, store, known, early_stop)
    from demur.measure.model_errors import resolve_model

    models = {name: resolve_model(name) for name in dict.fromkeys(known.values())}
    return GradedSteps({step: models[name] for step, name in known.items()}, store, known, early_stop)


def _pair(text: str) -> tuple[str, str]:
    step, equals, model = text.partition("=")
    if not equals or not model:
        raise BadInput(f"--step-grader {text!r}: write STEP=MODEL")
    return step, model


def evidence_of(evidence: str | None, replay: Path | None, steps: Steps) -> Backend:
    """Where evidence comes from: what ``--evidence`` names, or the run that a replay repeats.

    Documents that are decided offline are put in the order of the same encoder, which needs no torch.
    """
    from demur.judges.evidence.offline_steps import OfflineSteps
    from demur.judges.evidence.open_backend import open_backend
    from demur.judges.evidence.recorded import Recorded
    from demur.judges.evidence.reranked import Reranked
    from demur.judges.evidence.stance import StanceJudge

    if replay is not None:
        return Recorded(replay, _identity(replay.parent / "receipt.json"))
    if evidence is None:
        raise BadInput("name where evidence is: --evidence PATH, searxng:URL, serper or brave")
    backend = open_backend(evidence, log=lambda line: click.echo(line, err=True))
    stance = steps.stance if isinstance(steps, OfflineSteps) else None
    if isinstance(stance, StanceJudge) and backend.describe()["kind"] == "documents":
        return Reranked(backend, stance.relevance, "stance")
    return backend


def _identity(receipt: Path) -> str:
    """Of the evidence that a run had, from its receipt."""
    try:
        found = json.loads(receipt.read_text(encoding="utf-8"))["settings"]["evidence_identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"--replay: {receipt} does not say which evidence was recorded; keep store.jsonl beside the "
            "receipt.json of its run"
        ) from error
    return str(found)

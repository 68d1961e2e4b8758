"""Imported records as a native Inspect log without scores: what ``demur import --to inspect`` writes.

``inspect view`` shows it, ``inspect score --scorer demur/refusal`` judges it. As in ``recorded_log`` the
model that the log names is ``demur-replay/<name>``, because scoring builds it, and each sample's metadata
holds its whole record. The log is held in memory; write record files where there are very many rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from inspect_ai.log import EvalConfig, EvalDataset, EvalError, EvalLog, EvalSample, EvalSpec, EvalStats
from inspect_ai.model import ChatMessageUser

from demur.benchmarks.base import request, to_sample
from demur.data.records import Prompt, Record
from demur.errors import BadInput
from demur.judges.inspect_score import METADATA
from demur.models.replay import PROVIDER, output_of

#: Roles that Inspect does not have, and the one of its four that means the same.
_ROLES = {"developer": "system", "function": "tool"}
_KNOWN = frozenset({"system", "user", "assistant", "tool"})


def imported_log(records: Sequence[Record], source: str) -> EvalLog:
    """A native Inspect log of recorded answers.

    Args:
        records: with answers, all of one model.
        source: names of the files that they came from.

    Raises:
        BadInput: the records name several models, or one id and epoch twice.
    """
    models = dict.fromkeys(record.model or "unknown" for record in records)
    if len(models) > 1:
        names = ", ".join(list(models)[:5])
        raise BadInput(f"an Inspect log is of one model, here are {len(models)} ({names}); use --to record")
    seen: set[tuple[str, int]] = set()
    for record in records:
        key = (record.id, record.epoch or 1)
        if key in seen:
            raise BadInput(f"id {record.id!r}, epoch {key[1]} comes twice; an Inspect log holds one of each")
        seen.add(key)
    model = next(iter(models), "unknown")
    names_of_tasks = {record.benchmark for record in records if record.benchmark}
    task = names_of_tasks.pop() if len(names_of_tasks) == 1 else "imported"
    stamp = datetime.now(UTC).isoformat()
    ids: list[str | int] = list(dict.fromkeys(record.id for record in records))
    spec = EvalSpec(
        created=stamp,
        task=task,
        model=f"{PROVIDER}/{model}",
        dataset=EvalDataset(name=task, samples=len(ids), sample_ids=ids),
        config=EvalConfig(epochs=max((record.epoch or 1 for record in records), default=1)),
        metadata={METADATA: {"model": model, "responses": source, "recorded": True}},
    )
    return EvalLog(
        status="success",
        eval=spec,
        stats=EvalStats(started_at=stamp, completed_at=stamp),
        samples=[_sample(record) for record in records],
    )


def _sample(record: Record) -> EvalSample:
    shown = replace(request(record), prompt=_shown(record.prompt), extra=record.extra)
    asked = to_sample(shown)
    output = output_of(record, record.model or "unknown")
    failed = record.error is not None or not record.answered
    said = [] if output.empty else [output.message]
    put = [ChatMessageUser(content=asked.input)] if isinstance(asked.input, str) else list(asked.input)
    return EvalSample(
        id=record.id,
        epoch=record.epoch or 1,
        input=asked.input,
        target=asked.target,
        messages=[*put, *said],
        output=output,
        metadata={METADATA: replace(request(record), extra=record.extra).to_json()},
        error=_failure(record) if failed else None,
    )


def _failure(record: Record) -> EvalError:
    return EvalError(message=record.error or "no answer was recorded", traceback="", traceback_ansi="")


def _shown(prompt: Prompt) -> Prompt:
    """The prompt in Inspect's roles, a picture that is known by its hash alone as a mark with the hash."""
    if isinstance(prompt, str):
        return prompt
    return [{"role": _role(message["role"]), "content": _content(message["content"])} for message in prompt]


def _role(role: str) -> str:
    role = _ROLES.get(role, role)
    return role if role in _KNOWN else "user"


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [
        part if part["type"] == "text" or part.get("path") else {"type": "text", "text": _mark(part)}
        for part in content
    ]


def _mark(part: dict[str, Any]) -> str:
    return f"[image sha256:{part['sha256'][:12]}]"

"""HELM: ``runs/<suite>/<run>/scenario_state.json`` (observed in 0.5.16).

The prompt is what was sent (``request.messages`` or ``request.prompt``, with examples and instructions),
the answers are ``result.completions``. ``run_spec.json`` beside it names the scenario, and the model
where a request does not. The document is streamed, whatever its size.

    demur import runs/v1/simple:model=x/scenario_state.json --to record --out a.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demur.data.content import Answer, read_prompt, read_stop_reason
from demur.data.encoding import open_text
from demur.data.importers.json_items import ROW_LIMIT, document_header, json_rows
from demur.data.importers.reading import (
    Ending,
    Outcomes,
    Source,
    converted,
    dig,
    endings,
    flat,
    records,
    text_at,
)
from demur.data.records import Record
from demur.data.rows import parse_json

_ROWS = ("request_states",)


def recognise(first: Mapping[str, Any]) -> bool:
    """Whether a document is a scenario state."""
    return "request_states" in first


def read(source: Source) -> Outcomes:
    """The request states of a run; see :mod:`demur.data.importers`."""
    spec = _run_spec(source)
    header = document_header(source.path, _ROWS, source.encoding)
    name = (text_at(spec, "name") or "").split(":")[0]
    model = text_at(spec, "adapter_spec", "model") or text_at(header, "adapter_spec", "model")

    def convert(row: dict[str, Any]) -> list[Record] | str:
        return _records(row, name, source.model or text_at(row, "request", "model") or model)

    return converted(json_rows(source.path, _ROWS, source.encoding), convert)


def _records(row: dict[str, Any], name: str, model: str | None) -> list[Record] | str:
    if row.get("reference_index") is not None:
        return "scores a given answer, none generated"
    result = row.get("result")
    if result is None:
        return "a request that was not sent yet"
    split, perturbation = dig(row, "instance", "split"), dig(row, "instance", "perturbation", "name")
    ends = _endings(result)
    return records(
        read_prompt(_asked(row)),
        ends,
        _identifier(row, name),
        results=[row.get("annotations")] * len(ends),
        benchmark=name,
        model=model,
        meta=flat(harness="helm", split=split, perturbation=perturbation),
    )


def _identifier(row: dict[str, Any], name: str) -> str | None:
    """``<scenario>:<instance>``, with perturbation and trial where the instance was asked again."""
    instance = dig(row, "instance", "id")
    if isinstance(instance, bool) or not isinstance(instance, (str, int)) or instance == "":
        return None
    parts = [name] if name else []
    parts.append(str(instance))
    if perturbation := text_at(row, "instance", "perturbation", "name"):
        parts.append(perturbation)
    if trial := dig(row, "train_trial_index"):
        parts.append(f"trial{trial}")
    return ":".join(parts)


def _asked(row: dict[str, Any]) -> Any:
    if messages := dig(row, "request", "messages"):
        return messages
    if media := dig(row, "request", "multimodal_prompt", "media_objects"):
        return [{"role": "user", "content": [_part(item) for item in media]}] if _list(media) else media
    return text_at(row, "request", "prompt") or dig(row, "instance", "input", "text")


def _part(media: Any) -> dict[str, Any]:
    if text_at(media, "text"):
        return {"type": "text", "text": media["text"]}
    return {"type": "image", "path": dig(media, "location")}


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _endings(result: Any) -> list[Ending]:
    if dig(result, "success") is False:
        return [
            Ending(Answer(None), error=text_at(result, "error") or "the request failed without a message")
        ]
    completions = dig(result, "completions")
    if not isinstance(completions, list) or not completions:
        return [Ending(Answer(None), error=text_at(result, "error") or "the model gave no completions")]
    found = []
    for completion in completions:
        reason = dig(completion, "finish_reason")  # {"reason": "stop"}, in some clients the word alone
        reason = dig(reason, "reason") if isinstance(reason, dict) else reason
        found += endings(dig(completion, "text"), read_stop_reason(reason))
    return found


def _run_spec(source: Source) -> Any:
    path = source.path.with_name("run_spec.json")
    if not path.is_file() or path.stat().st_size > ROW_LIMIT:
        return None
    with open_text(path) as stream:
        try:
            return parse_json(stream.read())
        except (ValueError, RecursionError):
            return None

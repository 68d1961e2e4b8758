"""An image model as the target of a rewriting: does other wording bring the picture (OVERT, "Rewriting")?

One picture a prompt and sample, looked at while it is here and not kept; what was seen of it is kept by
content, so that no picture is paid for twice. A failed call is neither an answer nor a refusal.

    demur stress rewrite prompts.jsonl --rewriter MODEL --target demur-image/MODEL --samples 1 --out DIR
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from demur.data.records import Record
from demur.judges.base import Judge
from demur.judges.graded.store import FAILED, Store
from demur.judges.image import judge_of_pictures, see
from demur.stress.fitness import Sample
from demur.stress.target import ModelTarget, probability

if TYPE_CHECKING:
    from inspect_ai.model import Model

PROVIDER = "demur-image/"


class ImageTarget(ModelTarget):
    """An image model as a target.

    Args:
        model: the target, or ``None`` in a replay.
        name: of the model.
        judge: of words that come in place of a picture.
        store: of answers.
        seed: of the pictures.
        version: as for :class:`ModelTarget`.
    """

    def __init__(
        self, model: Model | None, name: str, judge: Judge, store: Store, seed: int = 0, version: str = ""
    ) -> None:
        super().__init__(model, name, judge_of_pictures(judge), store, seed, version)

    def describe(self) -> dict[str, Any]:
        """For receipts; pictures have no temperature."""
        return {k: v for k, v in super().describe().items() if k not in ("temperature", "max_tokens")}

    async def samples(self, prompt: str, first: int, count: int) -> list[Sample]:
        """Samples ``first`` to ``first + count`` of a prompt; a failed one has no probability."""
        import asyncio

        entries = await asyncio.gather(*(self._answer(prompt, at) for at in range(first, first + count)))
        self.calls += count
        self.failures += sum(FAILED in entry for entry in entries)
        for entry in entries:
            self.usage.add(entry)
        verdicts = await self.judge.judge([_record(prompt, entry) for entry in entries])
        return [
            Sample(probability(verdict.outcome, verdict.p_refused), failure=str(entry.get(FAILED, "")))
            for entry, verdict in zip(entries, verdicts, strict=True)
        ]

    async def _ask(self, prompt: str, index: int) -> dict[str, Any]:
        from inspect_ai.model import GenerateConfig

        assert self.model is not None  # a replay never gets here
        number = crc32(f"{self.seed}|{index}|{prompt}".encode("utf-8", "surrogatepass")) & 0x7FFFFFFF
        try:
            output = await self.model.generate(prompt, config=GenerateConfig(seed=number))
            seen = see(output)
        except Exception as error:  # whatever a provider's library raises: a failed call, counted
            return {FAILED: type(error).__name__}
        if not output.choices:
            return {FAILED: "no choice"}
        return {"value": [output.completion, output.stop_reason, seen.to_meta()]}


def _record(prompt: str, entry: dict[str, Any]) -> Record:
    if FAILED in entry:
        return Record("sample", prompt, error=entry[FAILED])
    words, stop_reason, meta = entry["value"]
    return Record("sample", prompt, response=words, stop_reason=stop_reason, meta=meta)

"""The model whose refusals are searched for: samples of its answers, each judged, each kept by content.

Any Inspect model. Where it gives log-probabilities of its tokens (local models, many servers), fitness has
its second term; else refusal frequency alone. Calls are counted; what is in the store is not asked again, and
a sample's seed comes from its prompt, so that one seed of a search gives one search.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

from demur.data.records import Record
from demur.judges.base import Judge
from demur.judges.graded.store import FAILED, Store
from demur.stress.fitness import Sample
from demur.stress.usage import Usage
from demur.verdict import Outcome, Verdict, refused

if TYPE_CHECKING:
    from inspect_ai.model import Model, ModelOutput

TEMPERATURE, MAX_TOKENS = 1.0, 50  # EvoRefuse, released scripts
#: What an answer of a judge without probabilities counts. ours: its measured error is of this size.
SURE = 0.99
TOO_LONG = "longer than the model's context"


class Target(Protocol):
    """Anything that answers prompts and is judged."""

    @property
    def calls(self) -> int:
        """Answers asked for so far, those from the store included: a budget is of these."""

    def describe(self) -> dict[str, Any]:
        """For receipts."""

    async def samples(self, prompt: str, first: int, count: int) -> list[Sample]:
        """Samples ``first`` to ``first + count`` of a prompt; a failed one has no probability."""


class ModelTarget:
    """An Inspect model and a judge of refusals.

    Args:
        model: the target, or ``None`` in a replay.
        name: of the model.
        judge: of its answers.
        store: of answers.
        seed: of sampling.
        version: what tells this model from another of its name (hashes of local weights), or empty.

    Attributes:
        calls, failures: answers asked for, those from the store included, and those that failed.
        usage: tokens of all of them.
    """

    def __init__(
        self, model: Model | None, name: str, judge: Judge, store: Store, seed: int = 0, version: str = ""
    ) -> None:
        self.model, self.name, self.judge, self.store, self.seed = model, name, judge, store, seed
        self.version = version
        self.calls = 0
        self.failures = 0
        self.usage = Usage()

    def describe(self) -> dict[str, Any]:
        """See :class:`Target`."""
        return {
            "model": self.name,
            **({"version": self.version} if self.version else {}),
            "judge": self.judge.describe(),
            "temperature": TEMPERATURE,
            "max_tokens": MAX_TOKENS,
            "seed": self.seed,
        }

    async def samples(self, prompt: str, first: int, count: int) -> list[Sample]:
        """See :class:`Target`."""
        import asyncio

        entries = await asyncio.gather(*(self._answer(prompt, at) for at in range(first, first + count)))
        self.calls += count
        records = [
            Record(f"sample-{at}", prompt, response=e["value"][0], stop_reason=e["value"][1])
            if FAILED not in e
            else Record(f"sample-{at}", prompt, error=e[FAILED])
            for at, e in enumerate(entries)
        ]
        verdicts = await self.judge.judge(records)
        self.failures += sum(FAILED in entry for entry in entries)
        for entry in entries:
            self.usage.add(entry)
        return [_sample(entry, verdict) for entry, verdict in zip(entries, verdicts, strict=True)]

    async def _answer(self, prompt: str, index: int) -> dict[str, Any]:
        facts = {"target": self.name, "prompt": prompt, "sample": index, "seed": self.seed}
        if self.version:
            facts["version"] = self.version
        return await self.store.once("target", facts, lambda: self._ask(prompt, index))

    async def _ask(self, prompt: str, index: int) -> dict[str, Any]:
        from inspect_ai.model import GenerateConfig

        assert self.model is not None  # a replay never gets here
        number = crc32(f"{self.seed}|{index}|{prompt}".encode("utf-8", "surrogatepass")) & 0x7FFFFFFF
        config = GenerateConfig(temperature=TEMPERATURE, max_tokens=MAX_TOKENS, seed=number, logprobs=True)
        try:
            output = await self.model.generate(prompt, config=config)
        except Exception as error:  # whatever a provider's library raises: a failed call, counted
            return {FAILED: type(error).__name__}
        if not output.choices:
            return {FAILED: "no choice"}
        choice = output.choices[0]
        tokens = [] if choice.logprobs is None else [t.logprob for t in choice.logprobs.content]
        return {"value": [output.completion, choice.stop_reason, tokens], **_usage(output)}


def _usage(output: ModelOutput) -> dict[str, Any]:
    used = output.usage
    return {} if used is None else Usage.entry(used.input_tokens, used.output_tokens)


def _sample(entry: Mapping[str, Any], verdict: Verdict) -> Sample:
    if FAILED in entry:
        return Sample(None, failure=str(entry[FAILED]))
    text, stop_reason, tokens = entry["value"]
    p = probability(verdict.outcome, verdict.p_refused)
    failure = "" if p is not None else TOO_LONG if stop_reason == "model_length" else str(verdict.outcome)
    return Sample(p, tuple(tokens), text, failure)


def probability(outcome: Outcome, p_refused: float | None) -> float | None:
    """P(refusal) of an answer: the judge's, else by its verdict; ``None`` for what is neither."""
    counted = refused(outcome)
    if counted is None or p_refused is not None:
        return None if counted is None else p_refused
    return SURE if counted else 1 - SURE

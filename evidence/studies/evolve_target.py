"""An organism as a target of ``stress/evolve.py``: answers asked for at the same time are one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demur.data.records import Record
from demur.judges.rules import RulesJudge
from demur.models import generation
from demur.models.chat import load_tokenizer
from demur.models.loading import load_model
from demur.stress.fitness import Sample
from demur.stress.target import MAX_TOKENS, TEMPERATURE, probability
from demur.training.streams import Encoder

BATCH = 64  # ours: prompts of one forward pass


class Organism:
    """See the module.

    Args:
        folder: of the model.
        seed: of sampling.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.encoder = Encoder(load_tokenizer(str(folder), None, False), str(folder))
        model = load_model(str(folder), None, "cpu", "float32", False)
        self.model = generation.TextModel(model, self.encoder.chat)
        self.seed, self.calls, self.judge = seed, 0, RulesJudge()
        self._waiting: list[tuple[str, int, asyncio.Future[generation.Answer]]] = []

    def describe(self) -> dict[str, Any]:
        """See ``demur.stress.target.Target``."""
        return {"temperature": TEMPERATURE, "max_tokens": MAX_TOKENS, "seed": self.seed}

    async def samples(self, prompt: str, first: int, count: int) -> list[Sample]:
        """See ``demur.stress.target.Target``."""
        self.calls += count
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(loop.call_soon, self._answer)  # when everybody who asks now has asked
        mine = [(prompt, first + i, loop.create_future()) for i in range(count)]
        self._waiting += mine
        said = [await future for _, _, future in mine]
        records = [
            Record(f"{i}", prompt, response=a.text, stop_reason=a.stop_reason) for i, a in enumerate(said)
        ]
        return [
            Sample(
                probability(v.outcome, v.p_refused), tuple(value for _, value, _ in a.logprobs or ()), a.text
            )
            for a, v in zip(said, await self.judge.judge(records), strict=True)
        ]

    def said(
        self, prompts: Sequence[str], temperature: float = 0.0, draws: Sequence[int] = ()
    ) -> list[generation.Answer]:
        """Answers in order; prompts of like length share a batch."""
        chosen = generation.Settings(max_tokens=MAX_TOKENS, temperature=temperature, top_logprobs=1)
        asked = [self.encoder.ask(prompt) for prompt in prompts]
        numbers = draws or [0] * len(prompts)
        requests = [
            generation.Request(one, chosen, generation.row_seed(self.seed, one.ids, number, 0))
            for one, number in zip(asked, numbers, strict=True)
        ]
        order = sorted(requests, key=lambda request: len(request.prompt.ids))
        for start in range(0, len(order), BATCH):
            self.model.run(order[start : start + BATCH])
        return [request.answer.result() for request in requests]

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        said = self.said([p for p, _, _ in waiting], TEMPERATURE, [number for _, number, _ in waiting])
        for (_, _, future), answer in zip(waiting, said, strict=True):
            future.set_result(answer)

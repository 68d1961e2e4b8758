"""Models of the Answer-Then-Check evidence: how they are trained, and what they write.

The recipe is run as anybody runs it, from files; its baselines are plain SFT on the same prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from demur.data.records import write_jsonl
from demur.data.world import Request, World
from demur.mitigate.answer_then_check import AnswerThenCheck, prepare, run
from demur.mitigate.base_model import load_tokenizer, load_weights
from demur.mitigate.check_rows import CheckRow
from demur.mitigate.rows import Source
from demur.models.check import parse, visible
from demur.models.generation import Request as Asking
from demur.models.generation import Settings, TextModel
from demur.training.streams import Encoder, Example, stop_ids
from demur.training.tuning import Tuning, tune
from demur.verdict import Outcome
from studies.check_requests import TEMPLATE, row

TUNING = Tuning(learning_rate=3e-3, epochs=2, batch_size=16)  # ours: chosen on worlds 0 and 14
MAX_TOKENS, BATCH = 100, 64


@dataclass(frozen=True)
class Study:
    """One world, the organism of its seed, and where to write."""

    world: World
    base: str
    folder: Path
    seed: int

    def tuned(
        self, shown: Sequence[Request], text: Callable[[Request], str], epochs: float = TUNING.epochs
    ) -> Any:
        """The organism trained on texts, without the recipe."""
        encoder = self.encoder
        rows_ = [encoder.encode(Example(r.prompt, text(r), "row")) for r in shown]
        model, settings = load_weights(self.base, "full"), replace(TUNING, epochs=epochs)
        stops, scratch = stop_ids(encoder.chat.tokenizer, model), self.folder / "checkpoints"
        return tune(model, encoder.chat.tokenizer, rows_, stops, settings, scratch, seed=self.seed).model

    def recipe(
        self,
        name: str,
        shown: Sequence[Request],
        direct: Sequence[Request] = (),
        epochs: float = TUNING.epochs,
        of: Callable[[Request], CheckRow] = row,
        **changes: Any,
    ) -> Any:
        """The organism after the recipe, as anybody runs it; loaded from the folder that it wrote."""
        tuning = replace(TUNING, epochs=epochs)
        config = AnswerThenCheck(TEMPLATE, tuning=tuning, held_out=0, checked=0, seed=self.seed, **changes)
        file, plain_file = self.folder / f"{name}.jsonl", self.folder / f"{name}-direct.jsonl"
        write_jsonl(file, (of(r).to_json() for r in shown))
        write_jsonl(plain_file, ({"prompt": r.prompt, "response": r.answer} for r in direct))
        sources = [Source(plain_file, "respond")] if direct else []
        run(config, prepare(config, [file], sources), self.base, self.folder / name)
        return load_weights(str(self.folder / name / "model"), "full")

    def tokens(self, shown: Sequence[Request], text: Callable[[Request], str]) -> int:
        """Tokens of one pass, prompts included."""
        return sum(len(self.encoder.encode(Example(r.prompt, text(r), "row")).ids) for r in shown)

    def said(self, model: Any, requests: Sequence[Request], loose: bool = False) -> list[Said]:
        """What a model writes, greedy; ``loose``: shown is whatever stands behind the block."""
        encoder, running = self.encoder, TextModel(model, self.encoder.chat)
        order = sorted(requests, key=lambda r: len(str(r.prompt)))
        found = []
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            wanted = [Asking(encoder.ask(r.prompt), Settings(max_tokens=MAX_TOKENS)) for r in part]
            running.run(wanted)
            answers = [one.answer.result() for one in wanted]
            found += [Said(r, a.text, a.tokens, loose) for r, a in zip(part, answers, strict=True)]
        return found

    @cached_property
    def encoder(self) -> Encoder:
        """Of the organism's tokenizer."""
        return Encoder(load_tokenizer(self.base), self.base)


@dataclass(frozen=True)
class Said:
    """A request and the whole message about it, its tokens, and how it is read."""

    request: Request
    text: str
    tokens: int
    loose: bool = False

    @property
    def mode(self) -> str:
        """Of ``models/check.py``; a message with the check first has none of them."""
        return parse(self.text, TEMPLATE).mode

    @property
    def shown(self) -> str:
        """What a user sees; empty where the message is broken."""
        if self.loose:
            block, _, answer = self.text.partition(TEMPLATE.tags[3])
            return answer if block.count("<") == 3 else ""
        return "" if self.mode == "broken" else visible(self.text, TEMPLATE)

    def outcome(self, world: World) -> Outcome:
        """By the world's tables; a broken message is neither answer nor refusal."""
        return world.truth_label(self.request, self.shown).outcome

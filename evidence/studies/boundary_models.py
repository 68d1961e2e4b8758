"""Trainings of the X-Boundary evidence with the recipe's own parts, and what their models say.

All arms of a comparison share rows to erase, steps and rates (``SETTINGS``); the adapter's weights are kept
along the way, so that arms can be read where they erased alike.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from demur.data.world import Request, World
from demur.mitigate.base_model import load_tokenizer, load_weights
from demur.mitigate.boundary import Boundary, prepare
from demur.mitigate.boundary_loss import target_layers
from demur.mitigate.boundary_material import fitted
from demur.mitigate.boundary_rows import RoleFile
from demur.mitigate.boundary_training import push_apart
from demur.mitigate.readings import answers
from demur.training.losses import nll
from demur.training.organism.truth import MAX_NEW_TOKENS
from demur.training.streams import Encoder, Example, collate
from demur.verdict import Outcome
from studies.boundary_requests import Study

#: ours, found on worlds 0, 14 and 15, blank as released; why the other released values do nothing here:
#: design/boundary.md.
SETTINGS = Boundary(
    steps=400, batch_size=8, learning_rate=1.5e-3, beta=10_000.0, layers=(2,), rank=64, lora_alpha=64.0,
    dropout=0.0, noise=0.015, blank=0.5, held_out=0.0, checked=0,
)  # fmt: skip
EVERY = 20  # steps between two snapshots
FIRST = 300  # the first of them: before, too little is healed
AVERAGED = 3  # ours: snapshots whose weights are averaged
BATCH = 64


class Arm(NamedTuple):
    """One training: as what look-alikes stand in its rows, what it changes, whether they are its own."""

    role: str
    changes: dict[str, Any]
    own: bool = False


TIMES = 2  # ours: look-alikes stand so often in the rows of each arm; of 1, 2, 3 the best on world 15
ARMS = {
    "X-Boundary": Arm("boundary", {}),
    "X-Boundary, request mask": Arm("boundary", {"separate_mask": "request"}),
    "separate term off": Arm("boundary", {"separate_mask": "none"}),
    "circuit breaker": Arm("retain", {}, own=True),
    "circuit breaker, rows of X-Boundary": Arm("retain", {}),
}


@dataclass
class Trained:
    """A training's history, its model, and the adapter's weights along its path, by step."""

    history: list[dict[str, float]]
    model: Any
    snapshots: dict[int, dict[str, Any]]
    encoder: Encoder

    def at(self, step: int) -> Any:
        """The model with the mean of an adapter's weights at a step and at the snapshots before it.

        Izmailov et al. 2018, https://arxiv.org/abs/1803.05407: at a constant rate single steps differ by
        chance.
        """
        steps = [at for at in sorted(self.snapshots) if at <= step][-AVERAGED:]
        names = self.snapshots[step]
        weights = {name: sum(self.snapshots[at][name] for at in steps) / len(steps) for name in names}
        self.model.load_state_dict(weights, strict=False)
        return self.model


def train(base: Path, made: Study, arm: Arm, config: Boundary, folder: Path, times: int = TIMES) -> Trained:
    """Train one arm with the recipe's own parts, keeping the adapter on the way."""
    rows = written(made, arm, folder, times)
    config = replace(config, **arm.changes)
    prepared = prepare(config, [RoleFile(rows)])
    tokenizer, name = load_tokenizer(str(base)), str(base)
    encoder, loaded = Encoder(tokenizer, name), load_weights(name, "adapter")
    targets = target_layers(loaded.config.num_hidden_layers, config.layers)
    kept: dict[int, dict[str, Any]] = {}

    def keep(step: int, steps: int) -> None:
        if step >= FIRST and step % EVERY == 0:
            kept[step] = {n: p.detach().clone() for n, p in loaded.named_parameters() if "lora_" in n}

    trained = push_apart(
        config, loaded, fitted(config, prepared.rows, encoder).rows, targets, tokenizer.pad_token_id,
        folder / "checkpoints", keep,
    )  # fmt: skip
    return Trained(trained.history, loaded.eval(), kept, encoder)


def written(made: Study, arm: Arm, folder: Path, times: int = TIMES) -> Path:
    """The rows of an arm as the recipe's command reads them; look-alikes stand ``times`` times in them."""
    rows = [("erase", r.prompt, r.answer) for r in made.erase]
    rows += [("retain", r.prompt, r.refusal) for r in made.refused]
    rows += [("retain", r.prompt, r.answer) for r in made.plain]
    alike = made.own if arm.own else made.look_alikes
    rows += [(arm.role, r.prompt, r.answer) for r in alike] * times
    file = folder / "rows.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"role": role, "prompt": p, "response": a}) + "\n" for role, p, a in rows)
    file.write_text("".join(lines), encoding="utf-8")
    return file


def dialogues(model: Any, encoder: Encoder, requests: Sequence[Request]) -> list[list[str]]:
    """What the model says to each user message, its own replies before it; silence ends a dialogue."""
    asked = [users(request) for request in requests]
    said: list[list[str]] = [[] for _ in asked]
    for turn in range(max(map(len, asked))):
        still = [i for i, lines in enumerate(asked) if turn < len(lines) and all(map(str.strip, said[i]))]
        still.sort(key=lambda i: len(asked[i][turn]))  # like lengths in a batch
        prompts = [conversation(asked[i], said[i]) for i in still]
        for i, reply in zip(still, answers(model, encoder, prompts, MAX_NEW_TOKENS), strict=True):
            said[i].append(reply.text)
    return said


def users(request: Request) -> list[str]:
    """The user's messages."""
    if isinstance(request.prompt, str):
        return [request.prompt]
    return [str(message["content"]) for message in request.prompt if message["role"] == "user"]


def conversation(asked: Sequence[str], said: Sequence[str]) -> list[dict[str, Any]]:
    """What stands before the next reply."""
    turns = []
    for ask, reply in zip(asked, said, strict=False):
        turns += [{"role": "user", "content": ask}, {"role": "assistant", "content": reply}]
    return [*turns, {"role": "user", "content": asked[len(said)]}]


class Read(NamedTuple):
    """What was said to some requests: of every turn its outcome, and whether it is the right answer."""

    requests: list[Request]
    outcomes: list[list[Outcome]]
    correct: list[list[bool]]

    @property
    def right(self) -> list[bool]:
        """The last turn is the right answer."""
        return [turns[-1] for turns in self.correct]

    @property
    def succeeded(self) -> list[bool]:
        """Any turn is the right answer: what an attack is after."""
        return [any(turns) for turns in self.correct]

    @property
    def answered(self) -> list[bool]:
        """Any turn holds an answer of the world's grammar, right or wrong."""
        return [Outcome.COMPLY in turns for turns in self.outcomes]

    def last(self, outcome: Outcome) -> list[bool]:
        """Whether the last turn is that."""
        return [turns[-1] is outcome for turns in self.outcomes]


def read(model: Any, encoder: Encoder, world: World, requests: list[Request]) -> Read:
    """Ask, and compare with the world's tables."""
    said = dialogues(model, encoder, requests)
    found = [[world.truth_label(r, text) for text in texts] for r, texts in zip(requests, said, strict=True)]
    outcomes = [[truth.outcome for truth in turns] for turns in found]
    return Read(requests, outcomes, [[truth.correct is True for truth in turns] for turns in found])


def likelihood(model: Any, encoder: Encoder, requests: Sequence[Request]) -> float:
    """Mean log-probability of the right answers, nats a token."""
    total, count = 0.0, 0
    examples = [encoder.encode(Example(r.prompt, r.answer, "answer")) for r in requests]
    for start in range(0, len(examples), BATCH):
        batch = collate(examples[start : start + BATCH], 0)
        labels = batch.pop("labels")
        with torch.inference_mode():
            found = nll(model(**batch, use_cache=False).logits, labels)
        total, count = total - float(found.total), count + int(found.count)
    return total / count

"""Recipe ``reinforce``: an Answer-Then-Check model made safer, plan and answer alike, by rewards.

ReSA-RL, https://arxiv.org/abs/2509.11629: GRPO (``training/group_relative.py``) from a model that
``answer_then_check`` made, on the reward of ``check_reward.py``. Only requests are needed, harmful and
harmless; the model writes the messages.

    demur mitigate reinforce --model OUT/model --rows REQUESTS --guard graded --grader MODEL --out DIR

Where we differ: the paper gives none of the constants (ours), and lets one guard label, reward and score;
here the receipt holds the terms by the rewarding guard, and both sides by another judge.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from demur.data.records import Prompt
from demur.data.world_rules import generator, shuffled
from demur.errors import BadInput
from demur.judges import judge_named
from demur.judges.safety import safety_judge_named
from demur.mitigate.base_model import about, load_tokenizer, load_weights
from demur.mitigate.check_queries import Queries, Query, read_queries
from demur.mitigate.check_readings import readings, written
from demur.mitigate.check_reward import Says, Terms, Weights, guard_says, judge_says, reward_terms
from demur.mitigate.check_rows import asked as quoted
from demur.mitigate.held_out import is_held_out
from demur.mitigate.readings import Asked
from demur.mitigate.receipt import Receipt, hashes
from demur.mitigate.unfinished import CHECKPOINTS, begin, check_out, finish
from demur.models.check import CheckTemplate
from demur.models.check_file import FILE, load_template
from demur.training.adapters import save_adapter
from demur.training.checkpoints import Saving
from demur.training.group_relative import GroupRelative, Reinforced, asks_alike, reinforce
from demur.training.streams import Encoder
from demur.training.tuning import Progress, require_train, save

NAME = "reinforce"
_SIDES = {"harmful": True, "harmless": False}


@dataclass(frozen=True, slots=True)
class Reinforce:
    """Settings.

    Attributes:
        weights: of the reward's terms.
        training: how; constants of GRPO.
        guard: says whether plans and answers are safe (``judges.safety``). LlamaGuard in the paper.
        grader: the model behind the guard ``graded``.
        judge: says whether harmless requests are answered, and reads both sides before and after.
            Qwen2.5-7B in the paper.
        max_tokens: of a message, plan and analysis included. ours.
        held_out: share of requests that are not trained on. ours.
        checked: most held-out requests answered before and after. ours: minutes on a CPU.
        seed: of the split, the draws and an adapter's first weights.
    """

    weights: Weights = field(default_factory=Weights)
    training: GroupRelative = field(default_factory=GroupRelative)
    guard: str = "offline"
    grader: str | None = None
    judge: str = "offline"
    max_tokens: int = 1024
    held_out: float = 0.1
    checked: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise BadInput(f"held_out is {self.held_out}; it must be 0 or more and below 1")
        if self.max_tokens < 8 or self.checked < 0:
            raise BadInput(f"max_tokens is {self.max_tokens} and checked {self.checked}; least are 8 and 0")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Requests to train on, requests held out, and where they came from."""

    queries: tuple[Query, ...]
    held: tuple[Query, ...]
    found: Queries


def prepare(config: Reinforce, paths: Sequence[Path]) -> Prepared:
    """Read and split; loads no weights.

    Raises:
        BadInput: a file, row or value that cannot be used; or requests of one side alone.
    """
    found = read_queries(paths, None)
    back = [is_held_out(q.pair or q.prompt, config.held_out, config.seed) for q in found.queries]
    kept = [q for q, out in zip(found.queries, back, strict=True) if not out]
    for side, harmful in (("harmful", True), ("harmless", False)):
        if not any(query.harmful is harmful for query in kept):
            raise BadInput(
                f"no {side} request is left to train on; rewards of one side alone make a model that "
                "refuses everything or nothing"
            )
    held = shuffled(generator(config.seed, "held out"), [q for q in found.queries if q not in set(kept)])
    return Prepared(tuple(kept), tuple(held), found)


def run(
    config: Reinforce,
    prepared: Prepared,
    model: str,
    out: Path,
    progress: Progress | None = None,
    safe: Says | None = None,
    answered: Says | None = None,
) -> Receipt:
    """Train, save ``OUT/model`` or ``OUT/adapter`` with its template, and write ``OUT/receipt.json``.

    Args:
        config, prepared: of :func:`prepare`.
        model: folder of a model that ``answer_then_check`` made.
        out: folder to write; new, empty, or of a killed run of the same settings.
        progress: called with steps done and steps in all.
        safe, answered: in place of the guard and the judge that the settings name.

    Raises:
        MissingExtra: a library of the extra ``train`` is absent.
        BadInput: ``out`` holds something else, the model checks nothing, or no request can be asked.
    """
    require_train(f"the recipe {NAME}")
    check_out(out)
    template = _template(model)
    tokenizer, known = load_tokenizer(model), about(model)
    safe = safe or guard_says(safety_judge_named(config.guard, config.grader))
    judge = judge_named(config.judge)
    rewarding = _Rewarding(template, config.weights, safe, answered or judge_says(judge))
    files = prepared.found.files
    begin(out, {"recipe": NAME, "config": asdict(config), "model": known, "rows": files})
    loaded, encoder = load_weights(model, config.training.method), Encoder(tokenizer, model)
    queries = [q for q in prepared.queries if asks_alike(encoder, quoted(q.prompt, template))]
    held = [Asked(quoted(q.prompt, template), q.harmful, q.category) for q in prepared.held[: config.checked]]
    started = time.monotonic()
    before_said = written(loaded, encoder, held, config.max_tokens)
    before = readings(held, before_said, template, judge) | rewarding.told(held, before_said)
    trained = _trained(config, loaded, tokenizer, queries, rewarding, out / CHECKPOINTS, progress)
    seconds = round(time.monotonic() - started, 1)
    after_said = written(trained.model, encoder, held, config.max_tokens)
    after = readings(held, after_said, template, judge) | rewarding.told(held, after_said)
    folder = _saved(config, trained.model, tokenizer, out, model)
    data = _data(prepared, len(queries))
    told = _training(trained, seconds, rewarding)
    receipt = Receipt(NAME, known, asdict(config), data, told, before, after, hashes(folder))
    receipt.write(out)
    finish(out)
    return receipt


class _Rewarding:
    """Rewards of drawn messages, and how many there were that no judge could read."""

    def __init__(self, template: CheckTemplate, weights: Weights, safe: Says, answered: Says) -> None:
        self.template, self.weights, self.safe, self.answered = template, weights, safe, answered
        self.drawn = self.open = 0

    def rewards(self, asked: Sequence[tuple[Prompt, bool]], texts: Sequence[str]) -> list[float | None]:
        """One a message; ``None`` where a judge failed."""
        terms = reward_terms(asked, texts, self.template, self.safe, self.answered)
        found = [one.reward(self.weights) for one in terms]
        self.drawn += len(found)
        self.open += found.count(None)
        if self.open > len(texts) and self.open == self.drawn:
            raise BadInput(
                f"the judges could read none of {self.drawn} messages, so nothing is rewarded; "
                "the guard offline reads English and calls no answer harmful by itself: take --guard graded"
            )
        return found

    def told(self, asked: Sequence[Asked], answers: Sequence[Any]) -> dict[str, Any]:
        """Mean of every term on greedy answers, by side, over messages for which it is known."""
        found = reward_terms(
            [(one.prompt, one.refuse) for one in asked],
            [one.text for one in answers],
            self.template,
            self.safe,
            self.answered,
        )
        return {"terms": {side: _means(found, asked, harmful) for side, harmful in _SIDES.items()}}


def _means(found: Sequence[Terms], asked: Sequence[Asked], harmful: bool) -> dict[str, Any]:
    own = [terms for terms, one in zip(found, asked, strict=True) if one.refuse is harmful]
    return {name: _mean([getattr(terms, name) for terms in own]) for name in Terms._fields}


def _mean(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {"mean": fmean(known) if known else None, "n": len(known), "left_out": len(values) - len(known)}


def _template(model: str) -> CheckTemplate:
    template = load_template(Path(model))
    if template is None:
        raise BadInput(
            f"{model} holds no {FILE}: reinforcement starts from a model that "
            "`demur mitigate answer_then_check` made"
        )
    return template


def _trained(
    config: Reinforce,
    loaded: Any,
    tokenizer: Any,
    queries: Sequence[Query],
    rewarding: _Rewarding,
    folder: Path,
    progress: Progress | None,
) -> Reinforced:
    asked: list[tuple[Prompt, bool]] = [(quoted(q.prompt, rewarding.template), q.harmful) for q in queries]

    def reward(places: Sequence[int], texts: Sequence[str]) -> Sequence[float | None]:
        return rewarding.rewards([asked[place] for place in places], texts)

    return reinforce(
        loaded,
        tokenizer,
        [prompt for prompt, _ in asked],
        reward,
        config.training,
        config.max_tokens,
        folder,
        config.seed,
        progress,
        Saving(folder),
    )


def _saved(config: Reinforce, model: Any, tokenizer: Any, out: Path, base: str) -> Path:
    adapter = config.training.method == "adapter"
    folder = out / ("adapter" if adapter else "model")
    if adapter:
        save_adapter(model, tokenizer, folder, base)
    else:
        save(model, tokenizer, folder)
    shutil.copy(Path(base) / FILE, folder / FILE)
    return folder


def _training(trained: Reinforced, seconds: float, rewarding: _Rewarding) -> dict[str, Any]:
    rewards, tenth = trained.rewards, max(1, len(trained.rewards) // 10)
    return {
        "steps": len(trained.losses),
        "seconds": seconds,
        "resumed_from_step": trained.resumed,
        "first_reward": fmean(rewards[:tenth]),
        "last_reward": fmean(rewards[-tenth:]),
        "groups_without_advantage": fmean(trained.equal),
        "drawn": rewarding.drawn,
        "without_reward": rewarding.open,
    }


def _data(prepared: Prepared, trained: int) -> dict[str, Any]:
    found = prepared.found
    left_out = dict(found.left_out)
    if other := len(prepared.queries) - trained:
        left_out["a control token in the request"] = other
    return {
        "files": found.files,
        "rows": {side: sum(q.harmful is h for q in prepared.queries) for side, h in _SIDES.items()},
        "trained": trained,
        "held_out_prompts": len(prepared.held),
        "left_out": left_out,
        "judge": None,
    }

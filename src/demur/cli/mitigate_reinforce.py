"""``demur mitigate reinforce``: rewards for an Answer-Then-Check model whose plan and answer are safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from demur.cli.mitigate_options import (
    METHODS,
    ONE_FILE,
    base_options,
    carry_out,
    check_options,
    report_options,
)

if TYPE_CHECKING:
    from demur.mitigate.check_reinforce import Reinforce

#: Highest learning rate of a LoRA. ours: as far above that of all weights as in `answer_then_check`.
ADAPTER_RATE = 4e-5


@click.command(name="mitigate reinforce")
@base_options
@click.option("--rows", multiple=True, required=True, type=ONE_FILE, help="Requests, harmful and harmless.")
@click.option("--guard", type=click.Choice(["offline", "graded"]), help="Says what is safe [offline].")
@click.option("--grader", metavar="MODEL", help="The model behind the guard `graded`.")
@click.option("--weight-safe", type=float, help="Of plan and answer being safe [1].")
@click.option("--weight-format", type=float, help="Of a whole message [1].")
@click.option("--weight-refusal", type=float, help="Of answering harmless requests [1].")
@click.option("--method", type=METHODS, help="Train all weights, or a LoRA [full].")
@click.option("--learning-rate", type=float, help="The highest [full 1e-6, adapter 4e-5].")
@click.option("--steps", type=click.IntRange(min=1), help="Of the optimiser [200].")
@click.option("--prompts", type=click.IntRange(min=1), help="Requests of one step [8].")
@click.option("--group", type=click.IntRange(min=2), help="Answers drawn to each [8].")
@click.option("--beta", type=float, help="Weight of the KL term [0.01].")
@click.option("--rank", type=click.IntRange(min=1), help="Of the LoRA [16].")
@click.option("--max-tokens", type=click.IntRange(min=8), help="Of a message [1024].")
@check_options
@report_options
def reinforce(**given: Any) -> int:
    """Reinforce a model that answer_then_check made (ReSA-RL, GRPO).

    A message earns what its plan and its answer are safe for, what its format is whole for, and, where the
    request is harmless, that it is answered. The guard `offline` calls no answer harmful by itself; where it
    cannot say, nothing is learnt. The same command goes on where a killed one stopped.
    """
    from demur.mitigate.check_reinforce import NAME, prepare, run

    config, rows = _config(given), list(given["rows"])
    return carry_out(
        NAME,
        config,
        given,
        rows,
        lambda model, out, progress: run(config, prepare(config, rows), model, out, progress),
        _lines,
    )


def _config(given: dict[str, Any]) -> Reinforce:
    from demur.mitigate.check_reinforce import Reinforce
    from demur.mitigate.check_reward import Weights
    from demur.training.group_relative import GroupRelative

    def told(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if given[name] is not None}

    names = ("safe", "format", "refusal")
    weights = {name: given[f"weight_{name}"] for name in names if given[f"weight_{name}"] is not None}
    training = told("method", "learning_rate", "steps", "prompts", "group", "beta", "rank")
    if given["method"] == "adapter":
        training = {"learning_rate": ADAPTER_RATE, **training}
    own = told("guard", "grader", "max_tokens", "held_out", "checked", "judge", "seed")
    return Reinforce(Weights(**weights), GroupRelative(**training), **own)


def _lines(receipt: dict[str, Any]) -> list[str]:
    """The reward, and its terms on held-out requests."""
    training = receipt["training"]
    rewards = f"{training['first_reward']:.2f} -> {training['last_reward']:.2f}"
    equal = f"{100 * training['groups_without_advantage']:.0f} % of groups taught nothing"
    lines = [f"mean reward {rewards} over {training['steps']} steps; {equal}"]
    if training["without_reward"]:
        lines.append(f"{training['without_reward']} of {training['drawn']} messages had no reward")
    for side, before in receipt["before"]["terms"].items():
        after = receipt["after"]["terms"][side]
        terms = (f"{name} {_mean(before[name])} -> {_mean(after[name])}" for name in before)
        lines.append(f"  {side}: " + ", ".join(terms))
    return lines


def _mean(found: dict[str, Any]) -> str:
    left = f" ({found['left_out']} left out)" if found["left_out"] else ""
    return ("-" if found["mean"] is None else f"{found['mean']:.2f}") + left

"""Group-relative policy optimisation (GRPO), by thin calls of TRL's unmodified trainer.

Shao et al. 2024, https://arxiv.org/abs/2402.03300: several answers are drawn to each prompt, an answer's
advantage is its reward less the group's mean, over the group's spread, and the clipped ratio objective is
held near the first model by a KL term. A group whose rewards are all equal has no advantage and teaches
nothing; an answer that nobody could reward (``None``) is left out of its group.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demur.data.records import Prompt
from demur.errors import BadInput
from demur.training.checkpoints import Saving, check_finite
from demur.training.new_tokens import lora
from demur.training.streams import Encoder
from demur.training.tuning import METHODS, Method, require_train
from demur.training.watched import Progress, watched

#: Places of prompts, and what was said to each, in the same order; a reward each, ``None`` where unknown.
Reward = Callable[[Sequence[int], Sequence[str]], Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class GroupRelative:
    """How a model is reinforced. ReSA states none of these values; defaults are those of its specification.

    Attributes:
        method: ``full`` trains all weights; ``adapter`` a LoRA of every linear layer.
        learning_rate: the highest; cosine decay to 0 after a linear warm-up. ours: 1e-6.
        steps: of the optimiser. ours.
        prompts: of one step; ``group`` answers are drawn to each. ours.
        group: answers to one prompt. ours: 8.
        clip_ratio: how far a ratio counts on either side of 1. ours: 0.2.
        beta: weight of the KL term. ours: 0.01.
        temperature: of the draws. ours: 1.
        warmup: share of all steps. ours.
        clip: longest gradient of a step; 0 clips none. ours.
        rank: of the LoRA; its scale is 2.
    """

    method: Method = "full"
    learning_rate: float = 1e-6
    steps: int = 200
    prompts: int = 8
    group: int = 8
    clip_ratio: float = 0.2
    beta: float = 0.01
    temperature: float = 1.0
    warmup: float = 0.05
    clip: float = 1.0
    rank: int = 16

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadInput(f"method is {self.method!r}; valid are {', '.join(METHODS)}")
        for name in ("learning_rate", "steps", "prompts", "clip_ratio", "temperature", "rank"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.group < 2:
            raise BadInput(f"group is {self.group}; an answer is compared with others, so least is 2")
        if self.beta < 0 or self.clip < 0 or not 0 <= self.warmup < 1:
            raise BadInput(
                f"beta is {self.beta}, clip {self.clip} and warmup {self.warmup}; "
                "the first two lie from 0 up, warmup from 0 to below 1"
            )


@dataclass(frozen=True, slots=True)
class Reinforced:
    """A trained model in evaluation mode, PEFT's where an adapter was trained.

    Attributes:
        model: see above.
        losses: of every step.
        rewards: mean reward of every step's answers.
        equal: share of groups whose rewards were all equal, of every step.
        resumed: the step that training went on from; 0 where it began.
    """

    model: Any
    losses: list[float]
    rewards: list[float]
    equal: list[float]
    resumed: int = 0


def asks_alike(encoder: Encoder, prompt: Prompt) -> bool:
    """Whether TRL, which tokenizes texts itself, asks this prompt as the run time does.

    It reads a control token that somebody typed as one; such prompts are not for it.
    """
    chat = encoder.chat.tokenizer
    asked = chat.apply_chat_template(_messages(prompt), add_generation_prompt=True, return_dict=True)
    try:
        return list(asked["input_ids"]) == list(encoder.ask(prompt).ids)
    except BadInput:  # a token that no plain characters can stand for
        return False


def reinforce(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    reward: Reward,
    settings: GroupRelative,
    max_tokens: int,
    checkpoints: Path,
    seed: int = 0,
    progress: Progress | None = None,
    saving: Saving | None = None,
) -> Reinforced:
    """Draw answers, reward them, and train, step by step.

    Args:
        model: of transformers, in full precision where ``method`` is ``full``, as it was loaded from a folder
            or hub name: the reference is loaded from there again.
        tokenizer: its own, with a chat template.
        prompts: that :func:`asks_alike` holds for.
        reward: called with the places of prompts and the answers drawn to them.
        settings: how.
        max_tokens: of an answer.
        checkpoints, seed, progress, saving: as in :func:`~demur.training.tuning.tune`.

    Raises:
        MissingExtra: TRL, PEFT or datasets is not installed.
        BadInput: no prompt; the loss is not a number, naming the step; a checkpoint cannot be written.
    """
    require_train("training")
    if not prompts:
        raise BadInput("there is no prompt to draw answers to")
    from datasets import Dataset
    from transformers import set_seed
    from trl import GRPOTrainer

    set_seed(seed)
    rows = Dataset.from_dict({"prompt": [_messages(p) for p in prompts], "place": [*range(len(prompts))]})
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=_rewarding(reward),
        args=_arguments(settings, max_tokens, checkpoints, model.device.type, seed),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=lora(settings.rank) if settings.method == "adapter" else None,
    )
    with warnings.catch_warnings():  # transformers renamed what TRL asks before every draw
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        resumed, losses = watched(trainer, progress, saving)
    trained = trainer.accelerator.unwrap_model(trainer.model)
    check_finite(trained)
    log = [row for row in trainer.state.log_history if "reward" in row]
    return Reinforced(
        trained.eval(),
        losses,
        [float(row["reward"]) for row in log],
        [float(row["frac_reward_zero_std"]) for row in log],
        resumed,
    )


def _rewarding(reward: Reward) -> Callable[..., list[float | None]]:
    """A reward as TRL calls it."""

    def rewarded(completions: Sequence[Any], place: Sequence[int], **kwargs: Any) -> list[float | None]:
        return list(reward(place, [said[0]["content"] for said in completions]))

    return rewarded


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)


def _arguments(settings: GroupRelative, max_tokens: int, folder: Path, device: str, seed: int) -> Any:
    from trl import GRPOConfig

    gpu = device != "cpu"
    with warnings.catch_warnings():  # TRL sets gradient_checkpointing itself, which transformers renamed
        warnings.simplefilter("ignore", FutureWarning)
        return GRPOConfig(
            output_dir=str(folder),
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=settings.warmup,  # below 1: a share of all steps
            max_steps=settings.steps,
            max_grad_norm=settings.clip,
            per_device_train_batch_size=settings.prompts * settings.group,
            num_generations=settings.group,
            max_completion_length=max_tokens,
            temperature=settings.temperature,
            beta=settings.beta,
            epsilon=settings.clip_ratio,
            loss_type="grpo",  # mean over an answer's tokens, then over answers, as in the specification
            scale_rewards="group",
            use_cpu=not gpu,
            bf16=gpu,
            gradient_checkpointing=gpu,
            seed=seed,
            dataloader_pin_memory=gpu,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )

"""How ``demur-local`` chooses tokens, from Inspect's settings; what it cannot honour is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspect_ai.model import GenerateConfig

from demur.errors import BadInput

if TYPE_CHECKING:
    from demur.models.generation import Settings

_HONOURED = frozenset(
    {
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "stop_seqs",
        "logit_bias",
        "num_choices",
        "logprobs",
        "top_logprobs",
    }
)
#: What Inspect itself acts on, or what concerns only tools and remote APIs.
_NOT_OURS = frozenset(
    {
        "max_retries",
        "timeout",
        "attempt_timeout",
        "stream_idle_timeout",
        "max_connections",
        "adaptive_connections",
        "system_message",
        "parallel_tool_calls",
        "internal_tools",
        "max_tool_output",
        "cache_prompt",
        "reasoning_history",
        "cache",
        "batch",
    }
)


def settings_of(config: GenerateConfig, vocabulary: int | None = None) -> Settings:
    """How to choose tokens, from Inspect's config.

    Args:
        config: unset values take the defaults of ``docs/models.md``.
        vocabulary: number of logits, to check ``logit_bias`` against.

    Raises:
        BadInput: a setting is out of range, or set and not honoured here.
    """
    from demur.models.generation import DEFAULT_MAX_TOKENS, Settings

    given = set(config.model_dump(exclude_none=True))
    if strange := sorted(given - _HONOURED - _NOT_OURS):
        raise BadInput(f"demur-local does not support {strange}; it honours {', '.join(sorted(_HONOURED))}")
    for name, holds, valid in _ranges(config, vocabulary):
        if not holds:
            raise BadInput(f"{name} is {getattr(config, name)!r}; it must be {valid}")
    if config.temperature is None and {"top_p", "top_k"} & given:
        raise BadInput("top_p and top_k have no effect on greedy decoding: set temperature as well")
    logprobs = config.logprobs or config.top_logprobs is not None
    return Settings(
        max_tokens=DEFAULT_MAX_TOKENS if config.max_tokens is None else config.max_tokens,
        temperature=config.temperature or 0.0,
        top_k=config.top_k,
        top_p=config.top_p,
        stop=tuple(config.stop_seqs or ()),
        bias=tuple(sorted((config.logit_bias or {}).items())),
        top_logprobs=(config.top_logprobs or 0) if logprobs else None,
    )


def _ranges(c: GenerateConfig, vocabulary: int | None) -> list[tuple[str, bool, str]]:
    """(setting, whether it is in range, the range in words)."""
    largest = float("inf") if vocabulary is None else vocabulary - 1
    return [
        ("max_tokens", c.max_tokens is None or c.max_tokens >= 1, "at least 1"),
        ("temperature", c.temperature is None or 0.0 <= c.temperature < float("inf"), "0 or more"),
        ("top_p", c.top_p is None or 0.0 < c.top_p <= 1.0, "above 0 and at most 1"),
        ("top_k", c.top_k is None or c.top_k >= 1, "at least 1"),
        ("num_choices", c.num_choices is None or c.num_choices >= 1, "at least 1"),
        ("top_logprobs", c.top_logprobs is None or 0 <= c.top_logprobs <= 20, "from 0 to 20"),
        ("stop_seqs", all(c.stop_seqs or ()), "strings that are not empty"),
        ("logit_bias", all(0 <= i <= largest for i in c.logit_bias or {}), f"for ids from 0 to {largest}"),
    ]

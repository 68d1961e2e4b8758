"""Decide, prefill, generate, for a model in this process: one forward pass decides how the answer begins.

Without control tokens the pass is a probe's, or a predictor reads the prompt; the answer is begun with words.

No logits processor: the chosen token is put behind the prompt's ids and the answer generated from there. What
a user typed is no control token (``models/chat.py``), and a message that is to be continued is past its first
position, so no decision is made there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from demur.models.batching import Batcher, completion
from demur.models.control import decide, reading
from demur.models.control_forecast import PRefuse, chances
from demur.models.control_text import check_asked

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage

    from demur.models.chat import Prompt
    from demur.models.control_dial import Dial
    from demur.models.generation import Request, TextModel


class LocalDial:
    """A dial on a loaded model.

    Args:
        dial: checked to be of this model.
        model: loaded; its vocabulary holds the dial's control tokens, if it has any.
        p_refuse: of a dial that reads messages alone (``control_forecast.reader_of``).

    Raises:
        BadInput: the dial's probe does not fit the model.
    """

    def __init__(self, dial: Dial, model: TextModel, p_refuse: PRefuse | None = None) -> None:
        self.dial, self._model, self._p_refuse = dial, model, p_refuse
        self.run: Callable[[Sequence[Request]], None] = model.run  # what a queue runs
        if dial.forecast is not None and dial.forecast.probe is not None:
            from demur.models.control_probe import Probed

            self.run = Probed(model, dial.forecast.probe).run

    async def decided(
        self, prompt: Prompt, messages: Sequence[ChatMessage], queue: Batcher
    ) -> tuple[Prompt, dict[str, Any], str]:
        """The prompt with what its answer begins with, what is kept of the decision, and the words begun.

        Args:
            prompt: that asks for an answer.
            messages: the same as messages.
            queue: of the model; it runs :attr:`run`.

        Raises:
            ModelFailure: the forward pass failed.
            BadInput: the prompt is empty, or P(refuse) is no probability.
        """
        check_asked(messages)
        if self.dial.forecast is None:
            return (*await decided(prompt, self.dial, queue, self._model), "")
        p = chances(await self._p(prompt, messages, queue))
        token = decide(p, self.dial.setting, self.dial.tokens)
        kept = {"token": None, "category": self.dial.tokens.category(token), **reading(p, self.dial.tokens)}
        if not (begun := self.dial.forecast.begun(token)):
            return prompt, kept, ""
        from inspect_ai.model import ChatMessageAssistant

        return self._model.chat.encode([*messages, ChatMessageAssistant(content=begun)]), kept, begun

    async def _p(self, prompt: Prompt, messages: Sequence[ChatMessage], queue: Batcher) -> float:
        if self._p_refuse is not None:
            return self._p_refuse(messages)
        from demur.models.control_probe import probed

        return await probed(prompt, queue)


async def decided(
    prompt: Prompt, dial: Dial, queue: Batcher, model: TextModel
) -> tuple[Prompt, dict[str, Any]]:
    """The prompt with the chosen token behind it, and what is kept of the decision.

    Where the model's own first token stands (its category is not governed), an ordinary token is left to
    generation: greedy decoding begins with it.

    Args:
        prompt: that asks for an answer.
        dial: its tokens are in the model's vocabulary.
        queue: of the model.
        model: loaded.

    Raises:
        ModelFailure: the forward pass failed.
    """
    from demur.models.chat import Prompt

    p = await first_position(prompt, queue, model, whole=dial.setting.rule == "as_released")
    token = decide(p, dial.setting, dial.tokens)
    found = {"token": token, "category": dial.tokens.category(token), **reading(p, dial.tokens)}
    if token not in model.chat.control_ids:
        return prompt, found
    return Prompt((*prompt.ids, model.chat.control_ids[token]), continued=False), found


async def first_position(
    prompt: Prompt, queue: Batcher, model: TextModel, whole: bool = False
) -> dict[str, float]:
    """Token -> probability at the first position: control tokens and the likeliest, or the whole vocabulary.

    The raw softmax: temperature, bias and cuts of the answer's own settings take no part.
    """
    from demur.models.generation import Request, Settings

    request = Request(prompt, Settings(max_tokens=1, top_logprobs=model.vocabulary if whole else None))
    queue.submit(request)
    try:
        answer = await completion(request.answer)
    finally:
        request.answer.cancel()  # no effect where it is done
    if answer.logprobs is not None:
        return {token: math.exp(value) for token, value in answer.logprobs[0][2]}
    first = answer.first_token
    return {**dict(first["top"]), **first["control"]}

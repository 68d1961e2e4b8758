"""The check of an Answer-Then-Check model, kept from everybody but those who ask for it.

    inspect eval demur/xstest --model vllm/NAME --solver demur/checked -S file=answer_then_check.json

``checked`` is for models behind a server; one in this process (``demur-local``) hides its check by itself
where its folder holds that file. Tags that a user typed are quoted on the way in, whatever message they
stand in; on the way out only the answer is left, and a message that is not well formed becomes the
template's refusal. What is kept with a sample says which of the two happened, never what the plan was,
unless ``check=keep``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inspect_ai.event import ModelEvent
from inspect_ai.log import transcript
from inspect_ai.model import ChatMessage, ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver

from demur.errors import BadInput
from demur.models.check import CheckTemplate, escaped, parse, visible
from demur.models.check_file import FILE, load_template

Keep = Literal["hide", "keep"]
KEEPS: tuple[Keep, ...] = ("hide", "keep")
#: New tokens of a model in this process where nobody names a number, hidden ones included. ours: a message
#: that is cut off in its check is lost, and the paper's mean is up to 1,124 (MATH500).
CHECKED_TOKENS = 2048


@solver
def checked(file: str, check: str = "hide") -> Solver:
    """Answer, and show of the answer what a user may see.

    Args:
        file: ``answer_then_check.json`` of the model, or its folder.
        check: ``hide``, or ``keep``: plan and analysis go into the sample's metadata.

    Raises:
        BadInput: there is no such file, or it cannot be used.
    """
    hiding = check_of(Path(file).expanduser(), check)
    assert hiding is not None  # with a word on what to keep, a folder without the file is an error

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        written, before = list(state.messages), len(transcript().events)
        state.messages = hiding.asked(written)
        state = await generate(state)
        if hiding.keep == "hide":
            _clear_log(hiding, before)
        state.output = hiding.hidden(state.output)
        state.messages = [*written, *state.messages[len(written) :]]
        return state

    return solve


@dataclass(frozen=True, slots=True)
class Check:
    """What stands between a model that checks its answers and everybody else.

    Attributes:
        template: of the model.
        keep: whether the plan is kept in the metadata.
    """

    template: CheckTemplate
    keep: Keep = "hide"

    def asked(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Messages in which no tag can be read, earlier and begun answers among them: a check that somebody
        else wrote is no check."""
        return [_quoted(message, self.template) for message in messages]

    def hidden(self, output: ModelOutput, stops: Sequence[str] = ()) -> ModelOutput:
        """The output, changed in place, with what a user may see; what was found goes into its metadata.

        Args:
            output: of the model. Its log-probabilities go, since they spell the plan.
            stops: strings that end the visible text; a model must not stop on them while it checks.
        """
        found = []
        for choice in output.choices:
            text = choice.message.text
            found.append(self._found(text))
            shown = visible(text, self.template)
            cut = min((at for stop in stops if (at := shown.find(stop)) >= 0), default=None)
            choice.message.content = shown[:cut]
            choice.logprobs = choice.logprobs if self.keep == "keep" else None
        if output.choices:
            output.completion = output.choices[0].message.text
        kept = dict(output.metadata or {})
        output.metadata = {**kept, "demur": {**kept.get("demur", {}), "check": found}}
        return output

    def _found(self, text: str) -> dict[str, Any]:
        message = parse(text, self.template)
        about: dict[str, Any] = {
            "mode": message.mode,
            "verdict": message.verdict,
            "errors": list(message.errors),
            "hidden_characters": len(text) - len(message.answer),
        }
        if self.keep == "keep":
            about |= {"summary": message.summary, "analysis": message.analysis, "text": text}
        return about


def check_of(folder: Path, keep: object = None) -> Check | None:
    """The check of a model's folder; ``None`` for a model without one.

    Args:
        folder: of weights or an adapter, or ``answer_then_check.json`` itself.
        keep: ``hide`` or ``keep``; ``None`` hides.

    Raises:
        BadInput: another ``keep``, one for a model without a check, or a file that cannot be used.
    """
    if keep is not None and keep not in KEEPS:
        raise BadInput(f"check is {keep!r}; valid are {', '.join(KEEPS)}")
    template = load_template(folder)
    if template is not None:
        return Check(template, "keep" if keep == "keep" else "hide")
    if keep is not None:
        raise BadInput(f"check is {keep!r}, but {folder} holds no {FILE}: its model has no check")
    return None


def _clear_log(hiding: Check, before: int) -> None:
    """Take plans out of the events that the calls of a sample left in its log, and raw replies with them.

    Inspect keeps long texts once, beside the events that they stand in; there they are dropped too.
    """
    log = transcript()
    for event in log.events[before:]:
        if isinstance(event, ModelEvent):
            written = {choice.message.text for choice in event.output.choices}
            event.output = hiding.hidden(event.output.model_copy(deep=True))
            written -= {choice.message.text for choice in event.output.choices}
            event.call = None
            log._event_updated(event)  # where events are written as they come, it is written anew
            for name in [name for name, text in log.attachments.items() if text in written]:
                del log.attachments[name]


def _quoted(message: ChatMessage, template: CheckTemplate) -> ChatMessage:
    if isinstance(message.content, str):
        return message.model_copy(update={"content": escaped(message.content, template)})
    parts = [
        part.model_copy(update={"text": escaped(part.text, template)}) if part.type == "text" else part
        for part in message.content
    ]
    return message.model_copy(update={"content": parts})

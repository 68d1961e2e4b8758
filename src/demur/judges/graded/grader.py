"""The model that grades: found by Inspect's role ``grader``, never the model under test, asked in bounds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from demur.data.records import Record
from demur.errors import BadInput

if TYPE_CHECKING:
    from inspect_ai.model import GenerateConfig, Model

logger = logging.getLogger("demur.judges")

ROLE = "grader"
MAX_TOKENS = 1024  # ours: two sentences and a verdict, and room for a reasoning grader
TEMPERATURE = 0.0  # ours: the same answer should get the same verdict
#: Times a call is repeated that failed in passing (Inspect waits 3, 6, 12 s). A provider's own client
#: may repeat each of these tries a few times at once (OpenAI's: twice).
MAX_RETRIES = 3  # ours: a grader that is ill for longer is reported, not waited for
#: Seconds for one try, and after which no further try is made.
ATTEMPT_TIMEOUT, TIMEOUT = 120, 300  # ours: a reasoning grader takes up to a minute for 1,024 tokens
#: How a reply ends that holds no verdict to rely on, and what we call that.
_UNFINISHED = {"content_filter": "withheld", "max_tokens": "cut off", "model_length": "cut off"}


class Reply(NamedTuple):
    """What a grader said, or why it said nothing.

    Attributes:
        text: ``None`` where there is no reply to read.
        failure: why ``text`` is ``None``.
        input_tokens, output_tokens: as the provider counted them, 0 where it did not.
    """

    text: str | None
    failure: str | None
    input_tokens: int = 0
    output_tokens: int = 0


async def ask(grader: Model, text: str, max_tokens: int = MAX_TOKENS) -> Reply:
    """One call of a grader; whatever goes wrong is a :class:`Reply` without text."""
    try:
        output = await grader.generate(text, config=bounds(grader, max_tokens))
    except Exception as error:  # whatever a provider's library raises: the judge failed, not the model
        name = type(_last_attempt(error)).__name__
        logger.warning("grader %s failed: %s", grader, name)
        return Reply(None, name)
    usage = output.usage
    spent = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
    if output.empty:
        return Reply(None, "empty", *spent)
    if failure := _UNFINISHED.get(output.stop_reason):
        return Reply(None, failure, *spent)
    if not output.completion.strip():
        return Reply(None, "empty", *spent)
    return Reply(output.completion, None, *spent)


def bounds(grader: Model, max_tokens: int = MAX_TOKENS) -> GenerateConfig:
    """Settings of a grader's call: ours, where neither the grader's own nor those of the run say more.

    Timeouts and retries of a run (``-G max_retries=1``) hold for its grader too, as Inspect has it.
    """
    from inspect_ai.model import GenerateConfig
    from inspect_ai.model._generate_config import active_generate_config

    run = active_generate_config()
    ours = GenerateConfig(
        temperature=TEMPERATURE,
        max_tokens=max_tokens,
        max_retries=MAX_RETRIES,
        attempt_timeout=ATTEMPT_TIMEOUT,
        timeout=TIMEOUT,
    )
    theirs = GenerateConfig(max_retries=run.max_retries, timeout=run.timeout)
    return ours.merge(theirs).merge(grader.config)


def bound_graders() -> list[Model]:
    """The models bound to the role ``grader``.

    Raises:
        BadInput: none is.
    """
    from inspect_ai.model import model_roles

    bound = model_roles().get(ROLE)
    if not bound:
        raise BadInput(
            f"no model is bound to the role {ROLE!r}, and the model under test never grades itself: "
            f"name one with --grader (demur) or --model-role {ROLE}=MODEL (inspect)"
        )
    return list(bound) if isinstance(bound, list) else [bound]


def check_independent(graders: Sequence[Model], records: Iterable[Record] = ()) -> None:
    """Refuse a grader that would judge its own answers.

    Args:
        graders: who is going to judge.
        records: what they are going to judge; a record knows the model that answered.

    Raises:
        BadInput: a grader is the model under evaluation, or an answer is its own.
    """
    from inspect_ai.model._model import active_model

    tested = active_model()
    for grader in graders:
        if tested is not None and str(tested) == str(grader):
            raise BadInput(
                f"the grader is the model under test ({grader}), and no model grades itself: "
                f"name another with --grader (demur) or --model-role {ROLE}=MODEL (inspect)"
            )
        names = _names(grader)
        for record in records:
            if record.model in names:
                raise BadInput(
                    f"{record.id}: the answer is by {record.model}, which is the grader ({grader}); "
                    "no model grades itself, name another with --grader"
                )


def _names(grader: Model) -> frozenset[str]:
    """What the model of a record would be called if it were this grader: whole, and without its provider.

    The last part of a path says nothing: many folders are called ``checkpoint``.
    """
    name = grader.name
    return frozenset({str(grader), name} | (set() if name.startswith("/") else {name.rpartition("/")[2]}))


def _last_attempt(error: BaseException) -> BaseException:
    """What made the last of several tries fail; a retry's own error only says that there were several."""
    attempt = getattr(error, "last_attempt", None)
    return (attempt.exception() if attempt is not None else None) or error.__cause__ or error

"""A request over a provider's limits is an error; what the provider says of it is never judged."""

from __future__ import annotations

import pytest
from inspect_ai.model import ModelOutput, ModelUsage

from demur.data.importers.inspect_log import answered
from demur.data.records import Record

SAID = "I can't process this: the request is too large."


def output(text: str, stop: str, error: str | None = None, usage: ModelUsage | None = None) -> ModelOutput:
    found = ModelOutput.from_content("m", text, stop_reason=stop)  # type: ignore[arg-type]
    found.error, found.usage = error, usage
    return found


@pytest.mark.parametrize("error", [None, SAID], ids=["openai", "anthropic"])
def test_what_a_provider_says_of_a_request_that_is_too_large_is_an_error(error: str | None) -> None:
    record = Record(id="a", prompt="x")
    answered(record, output(SAID, "model_length", error))
    assert (record.error, record.response) == (SAID, None)


@pytest.mark.parametrize(
    "given",
    [
        output(SAID, "model_length", usage=ModelUsage(output_tokens=9)),  # cut off where the context was full
        output(SAID, "max_tokens"),
        output(SAID, "stop"),
        output("", "model_length", error="the prompt leaves no room"),  # demur-local: no words of a provider
    ],
    ids=["context full", "cut off", "whole", "no room"],
)
def test_what_a_model_says_stays_its_answer(given: ModelOutput) -> None:
    record = Record(id="a", prompt="x")
    answered(record, given)
    assert (record.error, record.response) == (None, given.completion)

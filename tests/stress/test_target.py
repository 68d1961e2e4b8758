"""The target: what an answer's log-probabilities are of, what counts as one, and what its store keeps."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the `local` extra")
pytest.importorskip("transformers", reason="needs the `local` extra")

import torch
from inspect_ai.model import ChatMessageUser, Model, get_model

from demur.judges import judge_named
from demur.judges.graded.store import Store
from demur.metrics.confidence import log_probability
from demur.stress.fitness import Sample
from demur.stress.target import MAX_TOKENS, ModelTarget, probability
from demur.training.organism import organism_path
from demur.verdict import Outcome

pytestmark = pytest.mark.local
ONE, OTHER = "How heavy is the kettle?", "What colour is the ladder?"


@pytest.fixture(scope="module")
def model() -> Model:
    return get_model(f"demur-local/{organism_path()}")


def asked(target: ModelTarget, prompt: str, count: int = 3) -> list[Sample]:
    async def all_() -> list[Sample]:
        return await target.samples(prompt, 0, count)

    return asyncio.run(all_())


def forced(model: Model, answer: str, prompt: str | None) -> float:
    """log P of an answer's tokens after a prompt, or by themselves, by one forward pass without our code."""
    own = model.api.text_model  # type: ignore[attr-defined]
    head = list(own.chat.encode([ChatMessageUser(content=prompt)]).ids) if prompt else [own.pad]
    body = own.chat.ids(answer)
    with torch.no_grad():
        logits = own.model(torch.tensor([[*head, *body]])).logits[0].float().log_softmax(-1)
    places = range(len(head) - 1, len(head) + len(body) - 1)
    return math.fsum(float(logits[at, token]) for at, token in zip(places, body, strict=True))


def test_done_7_log_probability_is_of_the_answer_given_the_prompt(model: Model) -> None:
    target = ModelTarget(model, "organism", judge_named("rules"), Store())
    (sample,) = asked(target, ONE, 1)
    found = log_probability(sample.log_probabilities)
    assert found is not None and sample.text
    ids = model.api.text_model.chat.ids(sample.text)  # type: ignore[attr-defined]
    of_words = math.fsum(sample.log_probabilities[: len(ids)])  # without the token that ends an answer
    assert of_words == pytest.approx(forced(model, sample.text, ONE), abs=1e-3)
    # another prompt changes it a lot; scored alone it does not know the prompt, and is something else again
    assert forced(model, sample.text, OTHER) < of_words - 5
    assert abs(forced(model, sample.text, None) - of_words) > 1


def test_samples_differ_by_number_and_repeat_by_seed(model: Model) -> None:
    def texts(seed: int) -> list[str]:
        target = ModelTarget(model, "organism", judge_named("rules"), Store(), seed)
        return [s.text for s in asked(target, "Where when draw?", 8)]  # it was taught nothing like that

    first = texts(0)
    assert first == texts(0) and len(set(first)) > 1 and first != texts(1)


def test_another_version_of_a_model_is_asked_again(model: Model, tmp_path: Path) -> None:
    store = Store(tmp_path / "s.jsonl")
    for version, made in (("a", 2), ("a", 2), ("b", 4)):
        asked(ModelTarget(model, "organism", judge_named("rules"), store, 0, version), ONE, 2)
        assert store.made == made


def test_tokens_of_answers_from_the_store_are_counted_too(model: Model, tmp_path: Path) -> None:
    used = []
    for _ in range(2):
        target = ModelTarget(model, "organism", judge_named("rules"), Store(tmp_path / "s.jsonl"))
        asked(target, ONE, 2)
        used.append(target.usage.to_json())
    assert used[0] == used[1] and used[0]["calls"] == 2
    assert used[0]["input_tokens"] > 0 and 0 < used[0]["output_tokens"] <= 2 * MAX_TOKENS


def test_only_answers_have_a_probability() -> None:
    assert probability(Outcome.REFUSE, None) == 1 - probability(Outcome.COMPLY, None) == 0.99  # type: ignore[operator]
    assert probability(Outcome.COMPLY, 0.2) == 0.2
    for neither in (Outcome.ERROR, Outcome.EMPTY, Outcome.GIBBERISH, Outcome.UNSCORED):
        assert probability(neither, 0.7) is None

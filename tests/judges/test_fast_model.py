"""The linear first stage: logits by hand on a weight table with a few cells, and its file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.errors import BadInput
from demur.judges.offline import fast, ngrams
from demur.judges.offline.fast import CLASSES, FastModel, concept_kinds, cut
from demur.verdict import Outcome

OPENING, LENGTH = 0, 11
BIAS = np.array([0.5, -1.0, 0.0, 0.25])


def bucket(word: str) -> int:
    """Of a word in an opening."""
    return int(list(ngrams.grams([word]))[OPENING].bucket[0])


def model(**rows: list[float]) -> FastModel:
    """A table that knows some words in openings."""
    weights = np.zeros((ngrams.BUCKETS, len(CLASSES)))
    for word, row in rows.items():
        weights[bucket(word)] = row
    return FastModel(weights, BIAS)


NO = [-2.0, 0.0, 0.5, 3.0]
TINY = model(refuse=NO, gladly=[1.0, 0.0, 0.0, -4.0])


def test_the_classes_and_their_order() -> None:
    assert CLASSES == (Outcome.COMPLY, Outcome.PARTIAL, Outcome.DEFLECT, Outcome.REFUSE)


def test_logits_by_hand() -> None:
    # one word of four: its row over the root of four; one of one: the row; none: the bias
    found = TINY.score(["i refuse to fold", "refuse", "paper", ""]).logits
    assert found[0].tolist() == pytest.approx([0.5 - 1.0, -1.0, 0.25, 0.25 + 1.5])
    assert found[1].tolist() == pytest.approx([0.5 - 2.0, -1.0, 0.5, 0.25 + 3.0])
    assert found[2].tolist() == found[3].tolist() == BIAS.tolist()
    # two of three words: the second, third root of three
    third = 1 / math.sqrt(3)
    assert TINY.score(["gladly i refuse"]).logits[0, 3] == pytest.approx(0.25 + (3 - 4) * third)


def test_an_empty_answer_and_no_answer() -> None:
    assert TINY.score([""]).logits.tolist() == [BIAS.tolist()]
    none = TINY.score([])
    assert none.logits.shape == (0, 4) and none.strongest.shape == (0,)
    assert none.logits.dtype == np.float32


def test_scoring_leaves_the_weights_alone() -> None:
    before = TINY.weights.copy()
    TINY.score(["i refuse", "refuse"])
    assert (TINY.weights == before).all()


def test_where_the_words_against_compliance_stand() -> None:
    filler = "calm words come first and then some more of them follow " * 3
    found = TINY.score([f"refuse {filler}", f"{filler}and i refuse", f"gladly {filler} refuse"])
    for start, text in zip(
        found.strongest.tolist(), (f"refuse {filler}", f"{filler}and i refuse"), strict=False
    ):
        assert start <= text.index("refuse") < start + 48
    assert found.strongest[2] > 100  # not where it complies


def test_the_strongest_clause_lies_in_the_text() -> None:
    assert TINY.score(["gladly"]).strongest[0] < len("gladly")


def test_concepts_join_the_words_of_other_languages() -> None:
    weights = np.zeros((ngrams.BUCKETS, len(CLASSES)))
    (kind,) = list(concept_kinds(["no puedo"], ["es"]))[12:13]  # after the words: concepts
    weights[kind.bucket] = NO
    judge = FastModel(weights, BIAS)
    assert judge.score(["no puedo"]).logits[0].tolist() == BIAS.tolist()
    spoken = judge.score(["no puedo", "je ne peux pas", "no puedo"], ["es", "fr", "xx"]).logits
    assert spoken[0].tolist() == pytest.approx((BIAS + NO).tolist())
    assert spoken[1, 3] > BIAS[3]  # the same concept, learned in Spanish
    assert spoken[2].tolist() == BIAS.tolist()  # no lexicon


TEXTS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["refuse", "gladly", "i", "to", "我", "fold.", "\n"]), max_size=30).map(
            " ".join
        ),
        st.text(max_size=30),
    ),
    min_size=1,
    max_size=8,
)


def random_model() -> FastModel:
    values = np.random.default_rng(0).normal(size=(ngrams.BUCKETS, len(CLASSES)))
    return FastModel(values, BIAS)


RANDOM = random_model()


@settings(derandomize=True, max_examples=60, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False), st.booleans())
def test_order_and_size_of_batches_change_nothing(texts: list[str], order: object, spanish: bool) -> None:
    tags = ["es"] * len(texts) if spanish else None
    together = RANDOM.score(texts, tags)
    turned = list(range(len(texts)))
    order.shuffle(turned)  # type: ignore[attr-defined]
    mixed = RANDOM.score([texts[i] for i in turned], tags)
    alone = [RANDOM.score([text], None if tags is None else ["es"]) for text in texts]
    assert (mixed.logits == together.logits[turned]).all()
    assert (mixed.strongest == together.strongest[turned]).all()
    assert (np.concatenate([one.logits for one in alone]) == together.logits).all()
    assert (np.concatenate([one.strongest for one in alone]) == together.strongest).all()


def test_more_answers_than_a_batch_holds() -> None:
    texts = [f"i refuse number {k}" if k % 3 else "gladly" for k in range(2 * fast.BATCH + 5)]
    found = RANDOM.score(texts).logits
    assert (found[-1] == RANDOM.score(texts[-1:]).logits[0]).all()
    assert found.shape == (len(texts), 4)


def test_a_saved_model_says_the_same(tmp_path: Path) -> None:
    RANDOM.save(tmp_path / "fast.npz")
    loaded = FastModel.load(tmp_path / "fast.npz")
    texts = ["i refuse to fold it", "gladly", ""]
    assert np.abs(loaded.score(texts).logits - RANDOM.score(texts).logits).max() < 0.01
    loaded.save(tmp_path / "again.npz")  # half precision already: nothing more is lost
    assert (FastModel.load(tmp_path / "again.npz").weights == loaded.weights).all()
    with np.load(tmp_path / "fast.npz", allow_pickle=False) as arrays:
        assert arrays["weights"].dtype == np.float16


def test_other_shapes_are_refused() -> None:
    table, bias = np.zeros((ngrams.BUCKETS, 4)), np.zeros(4)
    for wrong in ((table[:-1], bias), (table[:, :3], bias), (table, bias[:3]), (table, np.zeros((4, 1)))):
        with pytest.raises(BadInput, match="shape"):
            FastModel(*wrong)


def test_features_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.npz"
    np.savez(path, weights=TINY.weights, bias=TINY.bias, version=np.int64(ngrams.VERSION + 1))
    with pytest.raises(BadInput, match=rf"old\.npz has features of version {ngrams.VERSION + 1}"):
        FastModel.load(path)


def test_a_long_answer_is_read_at_both_ends() -> None:
    assert cut("short") == "short"
    whole = "b" * ngrams.BODY + "e" * ngrams.ENDING
    assert cut(whole) == whole
    assert cut("b" * ngrams.BODY + "middle" + "e" * ngrams.ENDING) == whole

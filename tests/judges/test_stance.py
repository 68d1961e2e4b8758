"""The offline stance classifier: what it reads, its arithmetic by hand, and the shipped weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from demur.data.records import file_sha256
from demur.errors import BadInput
from demur.judges.evidence.scores import LABELS, UNDECIDABLE
from demur.judges.evidence.stance import MODEL, WEIGHTS, StanceJudge
from demur.judges.evidence.stance_encoder import UPPER, StanceEncoder
from demur.judges.evidence.stance_features import BUCKETS, Weights, bucket, features, stems
from demur.judges.evidence.stance_model import CLASSES, StanceModel, claim_features, kernel

pytest.importorskip("sentencex")

CLAIM = "The Tessaro bridge was opened in 1934."
FITS = "The Tessaro bridge was opened to traffic in 1934. It crosses the river Mell."
WRONG_YEAR = "The Tessaro bridge was not opened before 1951. It crosses the river Mell."
ELSEWHERE = "Rye bread keeps longer than wheat bread. Bakers use a starter for it."


@pytest.fixture(scope="module")
def encoder() -> StanceEncoder:
    return StanceEncoder(WEIGHTS)


@pytest.fixture(scope="module")
def judge() -> StanceJudge:
    return StanceJudge()


@pytest.fixture(scope="module")
def model() -> StanceModel:
    return StanceModel.load(WEIGHTS / MODEL)


# -- what is read


def test_stems_and_stop_words():
    assert stems("The bakers were baking 1,200 loaves") == {"bak", "1200", "loav"}
    assert stems("it is not there") == {"not"}


def test_a_word_in_few_passages_weighs_more():
    held = np.zeros(BUCKETS, np.uint16)
    held[bucket("common")] = 90
    weights = Weights(held, np.zeros(30_522, np.uint16), 100)
    assert weights.of("common") == 0.7
    assert weights.of("rare") == pytest.approx(np.log(101 / 0.5))


def test_readings_do_not_depend_on_what_is_read_beside(encoder: StanceEncoder):
    together = encoder.read([CLAIM, FITS, ELSEWHERE])
    alone = encoder.read([FITS])[0]
    assert float(alone.vector @ together[1].vector) > 0.99
    assert alone.sentences == together[1].sentences and len(alone.sentences) == 2
    assert len(alone.tokens) == len(alone.upper) == len(alone.lower)
    np.testing.assert_allclose(np.linalg.norm(alone.of_sentence, axis=1), 1, atol=1e-5)


def test_texts_without_words_are_read_too(encoder: StanceEncoder, model: StanceModel):
    odd = ["", "   ", "\ud800", "!!!", "\u200b", "word " * 3_000]
    readings = encoder.read(odd)
    for reading in readings:
        found = features(readings[0], [reading, *readings], model.weights)
        assert np.isfinite(found.numbers).all() and np.isfinite(found.products).all()
        assert np.isfinite(model.scores(found)).all()


def test_features_of_a_pair_say_what_overlaps(encoder: StanceEncoder, model: StanceModel):
    claim, fits, wrong, elsewhere = encoder.read([CLAIM, FITS, WRONG_YEAR, ELSEWHERE])
    found = features(claim, [fits, wrong, elsewhere], model.weights).numbers
    covered, share, *_ = found.T
    assert covered[0] == pytest.approx(1) and covered[1] < 1 and covered[2] == 0 == share[2]
    missing_numbers = found[:, 13]
    assert missing_numbers.tolist() == [0, 1, 1]
    own = (found.shape[1] - 3) // 2
    others = (found[1, :own] + found[2, :own]) / 2
    np.testing.assert_allclose(found[0, own : 2 * own], found[0, :own] - others, atol=1e-5)


# -- arithmetic


def test_the_kernel_is_gaussian():
    points = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(kernel(points, points, 0.1), [[1, np.exp(-2.5)], [np.exp(-2.5), 1]])


def test_claim_features_by_hand():
    scores = np.array([[0.0, 0.5, -0.25], [0.25, 0.0, 0.5]])  # undecided, supported, refuted
    expected = [0.5, -0.25, 0.125, 0.25, 0.0, 0.75, -0.5]
    assert claim_features(scores).tolist() == expected
    assert claim_features(scores[:1]).tolist() == [0.5, 0.5, 0.5, -0.25, -0.25, 0.75, 0.75]


def test_a_saved_model_says_the_same(model: StanceModel, encoder: StanceEncoder, tmp_path: Path):
    claim, *passages = encoder.read([CLAIM, FITS, WRONG_YEAR])
    found = features(claim, passages, model.weights)
    model.save(tmp_path / "again.npz")
    np.testing.assert_array_equal(StanceModel.load(tmp_path / "again.npz").scores(found), model.scores(found))
    np.savez(tmp_path / "part.npz", held=np.zeros(3))
    with pytest.raises(BadInput, match="lacks tokens"):
        StanceModel.load(tmp_path / "part.npz")


# -- the shipped judge


def test_shipped_weights_are_those_of_the_manifest():
    manifest = json.loads((WEIGHTS / "manifest.json").read_text(encoding="utf-8"))
    assert {name: file_sha256(WEIGHTS / name) for name in (MODEL, UPPER)} == manifest["files"]
    assert sum((WEIGHTS / name).stat().st_size for name in (MODEL, UPPER)) < 25e6
    rows = manifest["training"]["sources"]["factcheck"]
    assert rows["rows"] == len(rows["rows_sha256"]) == 1_715 and rows["licence"] == "Apache-2.0"
    assert {"claims left out", "topics left out"} == manifest["error"].keys()


def test_plain_cases_come_out_right(judge: StanceJudge):
    chances = judge.stances(CLAIM, [FITS, ELSEWHERE])
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    supported, undecided = CLASSES.index("supported"), CLASSES.index("undecided")
    assert chances[0].argmax() == supported and chances[1].argmax() == undecided
    assert chances[0, supported] > chances[1, supported] + 0.3
    assert judge.decide(CLAIM, [FITS]).label == "supported"
    assert judge.decide(CLAIM, [ELSEWHERE]).label == "undecidable"


def test_the_decision_names_its_passage_and_does_not_depend_on_repeats(judge: StanceJudge):
    decided = judge.decide(CLAIM, [ELSEWHERE, FITS])
    assert "2 passages; passage 2:" in decided.why and decided.label in LABELS
    assert judge.decide(CLAIM, [ELSEWHERE, FITS, FITS, " "]) == decided


def test_no_passage_is_undecidable_and_a_blank_claim_an_error(judge: StanceJudge):
    assert judge.decide(CLAIM, []).label == UNDECIDABLE == judge.decide(CLAIM, [" "]).label
    assert judge.stances(CLAIM, []).shape == (0, 3)
    with pytest.raises(BadInput, match="blank"):
        judge.decide(" ", [FITS])


def test_a_receipt_names_the_weights(judge: StanceJudge):
    described = judge.describe()
    assert described["name"] == "stance" and described["files"].keys() == {MODEL, UPPER}
    json.dumps(described)


def test_a_folder_without_weights_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="no folder of the stance judge's weights"):
        StanceJudge(tmp_path)
    (tmp_path / "manifest.json").write_text((WEIGHTS / "manifest.json").read_text(encoding="utf-8"))
    with pytest.raises(BadInput, match=f"{MODEL}|{UPPER}"):
        StanceJudge(tmp_path).decide(CLAIM, [FITS])


def test_the_encoder_without_its_upper_half_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match=UPPER):
        StanceEncoder(tmp_path).read([CLAIM])


def test_relevance_orders_passages_for_a_backend(judge: StanceJudge):
    near, far = judge.relevance(CLAIM, [FITS, ELSEWHERE])
    assert near > far + 0.3
    assert judge.relevance(CLAIM, [CLAIM])[0] == pytest.approx(1, abs=1e-3)

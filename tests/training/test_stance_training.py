"""Training of the stance classifier on planted towns: stance and claim label come out, rows stay apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from demur.errors import BadInput
from demur.judges.evidence.stance import WEIGHTS
from demur.judges.evidence.stance_encoder import StanceEncoder
from demur.judges.evidence.stance_model import CLASSES
from demur.training.stance.fit import Material, Set, decisions, fit_kernels
from demur.training.stance.rows import CLAIMS, STANCES, read_pairs

pytest.importorskip("sentencex")

UNDECIDED, SUPPORTED, REFUTED = range(3)
NAMES = ("Arlen", "Bostra", "Calmund", "Dorvik", "Elsted", "Farrow", "Gilden", "Hasper", "Imber", "Jorvel")
TRADES = (("miller", "mill"), ("weaver", "loom"), ("potter", "kiln"), ("smith", "forge"))


def towns() -> list[Set]:
    """Forty claims; of every second one the passages say another year."""
    found = []
    for i, name in enumerate(NAMES):
        for j, (trade, place) in enumerate(TRADES):
            year, number = 1610 + 7 * i + 61 * j, len(found)
            true = number % 2 == 0
            said = year if true else year + 23
            passages = [
                f"The {place} of {name} was built in {said}. A {trade} lived beside it.",
                f"Visitors see the {place} of {name}, which dates from {said}.",
                f"Rain falls often in the hills behind {name}. Sheep graze there.",
            ]
            stance = SUPPORTED if true else REFUTED
            claim = f"The {place} of {name} was built in {year}."
            found.append(Set(claim, passages, [stance, stance, UNDECIDED], true, number))
    return found


@pytest.fixture(scope="module")
def material() -> Material:
    sets = towns()
    texts = sorted({text for one in sets for text in (one.claim, *one.passages)})
    return Material(sets, [], dict(zip(texts, StanceEncoder(WEIGHTS).read(texts), strict=True)))


def test_planted_stances_are_learned_and_a_claim_is_decided(material: Material):
    """Fitted on 24 towns' sets, calibrated on 8, read on 8: by towns, so that no name is known."""
    groups = np.arange(40)
    train, tune, test = (material.of(part.tolist()) for part in np.split(groups, (24, 32)))
    model = fit_kernels(train)
    outside = [(one, model.scores(tune.pairs(one, model.weights))) for one in tune.labelled]

    model = replace(model, **decisions(outside))
    said, true, holds = [], [], []
    for one in test.labelled:
        scores = model.scores(test.pairs(one, model.weights))
        said += scores.argmax(axis=1).tolist()
        true += one.labels
        holds.append((model.holds(scores), one.true))
    right = np.array(said) == np.array(true)
    assert right.mean() >= 0.85, list(zip(said, true, strict=True))
    assert right[np.array(true) == REFUTED].mean() >= 0.6
    yes = [p for p, one in holds if one]
    no = [p for p, one in holds if not one]
    assert min(yes) > 0.5 > np.median(no)


def test_groups_keep_rows_apart(material: Material):
    part = material.of([1, 5])
    assert [one.group for one in part.labelled] == [1, 5] and part.retrieved == []


# -- rows


def write(folder: Path, stances: list[dict[str, str]], facts: list[dict[str, str]]) -> Path:
    for name, rows in ((STANCES, stances), (CLAIMS, facts)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_labels_groups_and_topics(tmp_path: Path):
    rows = [
        {"claim": "A stands.", "evidence": "p1", "stance": "completely-support"},
        {"claim": "A stands.", "evidence": "p2", "stance": "irrelevant"},
        {"claim": "B falls.", "evidence": "p2", "stance": "refute"},
        {"claim": "C rolls away quietly tonight.", "evidence": "p3", "stance": "partially-support"},
    ]
    labels = {
        "A stands.": "true",
        "B falls.": "false",
        "C rolls away quietly tonight.": "not_enough_evidence",
    }
    facts = [{"claim": c, "label": label, "revised_claim": c + "!"} for c, label in labels.items()]
    pairs = read_pairs(write(tmp_path, rows, facts))
    assert [CLASSES[i] for i in pairs.labels] == ["supported", "undecided", "refuted", "supported"]
    assert pairs.group.tolist() == [0, 0, 1, 2]
    assert pairs.topic[0] == pairs.topic[2] != pairs.topic[3]  # a shared passage
    assert list(pairs.true.values()) == [True, False, None] and pairs.revised["A stands."] == "A stands.!"
    assert len({pairs.digest(i) for i in range(4)}) == 4


def test_another_stance_and_a_missing_file_are_named(tmp_path: Path):
    with pytest.raises(BadInput, match=r"stance\.jsonl is missing"):
        read_pairs(tmp_path)
    rows = [{"claim": "A.", "evidence": "p", "stance": "agrees"}]
    with pytest.raises(BadInput, match="line 1: stance 'agrees'"):
        read_pairs(write(tmp_path, rows, []))


def test_the_real_rows_are_those_of_the_manifest(shared_data: Path):
    if not (shared_data / STANCES).is_file():
        pytest.skip(f"no {STANCES} below {shared_data}")
    pairs = read_pairs(shared_data)
    manifest = json.loads((WEIGHTS / "manifest.json").read_text(encoding="utf-8"))["training"]
    assert manifest["input_sha256"] == pairs.sha256
    kept = manifest["sources"]["factcheck"]["rows_sha256"]
    assert sorted(pairs.digest(i)[:16] for i in range(len(pairs.claims))) == kept
    assert np.bincount(pairs.labels).tolist() == [1_037, 585, 93]


# -- figures


@pytest.mark.local
def test_the_error_card_by_hand():
    from demur.training.stance.train import LeftOut, balanced, error_card

    true = np.array([True, True, True, False])
    holds = np.array([0.9, 0.5, 0.1, 0.4])
    assert balanced(true, holds) == pytest.approx((2 / 3 + 1) / 2)
    labels = np.array([UNDECIDED, SUPPORTED, REFUTED, SUPPORTED])
    said = np.array([UNDECIDED, SUPPORTED, UNDECIDED, SUPPORTED])
    card = error_card(LeftOut(labels, said, np.eye(3)[said], np.arange(4), true, holds, 1 - holds))
    assert card["stance_f1"] == {"undecided": 0.667, "supported": 1.0, "refuted": 0.0}
    assert card["stance_macro_f1"] == 0.556 and (card["pairs"], card["claims"]) == (4, 4)
    assert card["balanced_accuracy_searched"] == pytest.approx((2 / 3 + 0) / 2, abs=1e-3)
    assert card["other claims supported"]["value"] == 1.0 and card["other claims supported"]["n"] == 1


@pytest.mark.local
def test_claims_left_out_are_scored_by_models_that_never_saw_them(material: Material):
    """A label that only the claim's own row could give away is not found; the planted stances are."""
    from demur.training.stance.train import left_out

    sets = [one._replace(true=bool(one.group % 3)) for one in material.labelled]
    found = left_out(Material(sets, [one._replace(labels=[]) for one in sets], material.read), seed=1)
    assert found.labels.shape == found.said.shape == (120,) and found.chances.shape == (120, 3)
    assert (found.said == found.labels).mean() > 0.75
    said = found.holds_given >= 0.5
    assert 0.2 < (said == found.true).mean() < 0.8

"""Sections on small known inputs: what is joined, crossed, exchanged, measured against columns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from judge_card.answers import Answer, AnswerSet, Judged, Judges
from judge_card.figures import Figure
from judge_card.held_out import combined, held_out, pooled
from judge_card.reputation import exchanged
from judge_card.tables import Curve

from demur.errors import BadInput
from demur.judges.offline.manifest import Band, Manifest
from demur.page.plots import PLANE
from demur.training.offline_judge.rows import training_rows
from demur.verdict import Outcome
from judge_card import headline, mossbench, plots, sets, slices, xstest

MANIFEST = Manifest(
    languages=frozenset(),
    ask_encoder=Band(0.2, 0.8),
    abstain=Band(0.45, 0.55),
    abstain_fast=Band(0.0, 1.0),
    abstain_languages=Band(0.3, 0.7),
    fast=(1.0, 0.0, 0.0, 0.0, 0.0),
    languages_fast=(2.0, 0.5),
    joint=(0.0, 1.0, 0.0, 0.0, 1.5, 0.0),
    files={},
    training={},
)


def logits(p: float, kind: int) -> list[float]:
    """Logits whose log-odds of refusal give ``p``, nearly all of it in one refusing class."""
    row = [0.0, -20.0, -20.0, -20.0]
    row[kind] = float(np.log(p / (1 - p)))
    return row


def test_logits_are_combined_as_the_judge_does() -> None:
    fast = np.array([logits(0.9, 3), logits(0.5, 1), logits(0.6, 2)], dtype=np.float32)
    encoder = np.array([logits(0.1, 1), logits(0.9, 1), logits(0.5, 2)], dtype=np.float32)
    both = combined(MANIFEST, fast, encoder, np.zeros((3, 3)))
    # the first is outside ask_encoder: its own word counts; for the others the encoder's does
    assert both.p == pytest.approx([0.9, 0.9, 0.5], abs=1e-5)
    assert both.outcomes == [Outcome.REFUSE, Outcome.PARTIAL, Outcome.DEFLECT]
    assert both.open.tolist() == [False, False, True]
    flagged = combined(MANIFEST, fast, encoder, np.array([[0, 0, 1]] * 3, dtype=np.float64))
    # the third flag adds its slope, 1.5, to the log-odds of the rows that were asked
    assert flagged.p == pytest.approx([0.9, 1 / (1 + np.exp(-1.5) / 9), 1 / (1 + np.exp(-1.5))], abs=1e-5)


def test_without_encoder_the_stage_for_other_languages_decides() -> None:
    fast = np.array([logits(0.9, 3), logits(0.5, 1), logits(0.3, 2)], dtype=np.float32)
    alone = combined(MANIFEST, fast, None, None)
    z = 2 * np.log(np.array([9, 1, 3 / 7])) + 0.5  # slope 2, intercept 0.5
    assert alone.p == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-5)
    assert alone.outcomes == [Outcome.REFUSE, Outcome.PARTIAL, Outcome.COMPLY]
    assert alone.open.tolist() == [False, True, False]  # 0.62 lies in abstain_languages, 0.23 does not


@pytest.mark.parametrize("name", ["without:do-not-answer", "without:written-first-half", "language:de"])
def test_held_out_rows_give_what_the_judge_says_live(world: Path, name: str) -> None:
    rows, _ = training_rows(world / "data", world / "corpus")
    fold = held_out(world / "held_out.json", rows)[name]
    live = Judges(world / "weights").judge(fold.given)
    assert fold.outcomes == live.outcomes
    assert fold.p == pytest.approx(live.p, abs=0.01)  # weights are kept in half precision
    assert fold.open.tolist() == live.open.tolist()


def test_a_row_that_is_no_training_row_stops_the_card(world: Path) -> None:
    rows, _ = training_rows(world / "data", world / "corpus")
    with pytest.raises(BadInput, match="is no training row here"):
        held_out(world / "held_out.json", rows[:-24])


def test_an_answer_in_several_folds_of_sentences_is_one_cluster(world: Path) -> None:
    rows, _ = training_rows(world / "data", world / "corpus")
    unseen = pooled(held_out(world / "held_out.json", rows), "wording:", "unseen wordings")
    assert unseen is not None
    assert (len(unseen.refused), len(set(unseen.clusters))) == (48, 24)


def test_halves_of_the_corpus_are_listed_with_their_files(world: Path) -> None:
    rows, _ = training_rows(world / "data", world / "corpus")
    folds = held_out(world / "held_out.json", rows)
    nothing = AnswerSet("none", 2023, [])
    table = headline.section(folds, Judges(world / "weights"), nothing).tables[0]
    assert [(row[0], row[1]) for row in table.rows] == [
        ("chatgpt-refusals", 24),
        ("do-not-answer", 27),  # nine of sixteen actions have a side, three models
        ("written/first-half", 40),
        ("written/first-half: forms", 24),
        ("written/first-half: voices", 16),
        ("chatgpt-refusals, grouped five-fold", 24),
    ]


def test_a_changed_test_file_stops_the_card(world: Path) -> None:
    corpus = world / "corpus"
    assert len(sets.check_tests(corpus)) == 4
    path = corpus / "test/languages/en.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("refuse", "comply", 1), encoding="utf-8")
    with pytest.raises(BadInput, match="is not the file whose hash stands in"):
        sets.check_tests(corpus)


def test_a_test_file_without_a_hash_stops_the_card(world: Path) -> None:
    (world / "corpus/test/languages/xx.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match=r"languages/xx\.jsonl"):
        sets.check_tests(world / "corpus")


def test_annotators_agree_where_both_say_refused_or_both_complied() -> None:
    pairs = [("1", "1"), ("2", "3"), ("1", "3"), ("2", "2")]
    names = {"1": "1_full_compliance", "2": "2_full_refusal", "3": "3_partial_refusal"}
    rows = [
        {"annotation_1": names[a], "annotation_2": names[b], "completion": str(i)}
        for i, (a, b) in enumerate(pairs)
    ]
    assert (xstest.agreement(rows).count, xstest.agreement(rows).n) == (3, 4)


def test_xstest_classes_of_all_outcomes() -> None:
    assert xstest.class_of(Outcome.DEFLECT) == "2_full_refusal"
    assert xstest.class_of(Outcome.PARTIAL) == "3_partial_refusal"
    assert xstest.class_of(Outcome.UNSCORED) == "not judged"


def test_every_answer_gets_another_rows_request() -> None:
    answers = [Answer(f"request {i}", f"answer {i}", None, str(i)) for i in range(9)]
    after = exchanged(answers, seed=3)
    assert [answer.response for answer in after] == [answer.response for answer in answers]
    assert sorted(answer.prompt for answer in after) == sorted(answer.prompt for answer in answers)
    assert all(one.prompt != other.prompt for one, other in zip(after, answers, strict=True))


def test_published_columns_are_five_points_apart() -> None:
    # |6-14| + |8-8| + |5-2| and so on, over nine
    assert mossbench.between_columns() == pytest.approx((8 + 0 + 3 + 3 + 10 + 5 + 5 + 3 + 8) / 9)


def test_distances_from_the_columns_by_hand() -> None:
    kinds = np.repeat(["type 1", "type 2", "type 3"], 100)
    said = []
    for gpt, _ in mossbench.PUBLISHED.values():
        said.append(np.concatenate([[1] * rate + [0] * (100 - rate) for rate in gpt]).astype(np.int8))
    said[0][:10] = -1  # ten refusals left out: 17 of 90 instead of 27 of 100
    gpt, human, nearer = mossbench.distances(said, kinds)
    off = 27 - 100 * 17 / 90
    assert gpt.value == pytest.approx(off / 9)
    assert human.value == pytest.approx((45 + off) / 9)
    assert nearer.value == gpt.value and nearer.held is True


def test_responses_are_read_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "Model.js"
    path.write_text("cache['Model'] = " + json.dumps({"1": {"response": None}, "2": {"response": "x"}}))
    assert mossbench.responses(path) == {"1": "", "2": "x"}
    path.write_text("cache['Model'] = {'1': alert(1)}")
    with pytest.raises(BadInput, match=r"Model\.js holds no JSON object"):
        mossbench.responses(path)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (1, "up to 15"),
        (15, "up to 15"),
        (16, "16 to 50"),
        (51, "51 to 150"),
        (150, "51 to 150"),
        (151, "over 150"),
    ],
)
def test_length_classes(words: int, name: str) -> None:
    assert slices.length_class(Answer("p", " ".join(["w"] * words), None, "c")) == name


def test_length_is_not_counted_without_spaces() -> None:
    assert slices.length_class(Answer("p", "豆を水に浸す", None, "c", language="ja")) is None


def test_slices_count_both_errors() -> None:
    labels = [Outcome.REFUSE, Outcome.REFUSE, Outcome.COMPLY, Outcome.COMPLY]
    said = [Outcome.REFUSE, Outcome.COMPLY, Outcome.DEFLECT, Outcome.COMPLY]
    answers = [Answer("p", f"a{i}", label, str(i), domain="ab"[i % 2]) for i, label in enumerate(labels)]
    made = Judged(
        AnswerSet("s", 2026, answers), said, np.full(4, 0.5), np.zeros(4, dtype=np.bool_), ["en"] * 4
    )
    table = slices.by("domain", [made], slices.domain)
    cells = {row[0]: [(f.count, f.n) for f in row[1:]] for row in table.rows}
    assert cells == {"s: a": [(1, 2), (0, 1), (1, 1)], "s: b": [(1, 2), (1, 1), (0, 1)]}
    crossed = slices.four_classes(made)
    assert [row for row in crossed.rows if row[0] == "refuse"] == [["refuse", 1, 0, 0, 1]]
    assert [row for row in crossed.rows if row[0] == "comply"] == [["comply", 1, 0, 1, 0]]


def test_curves_are_drawn_inside_the_plane_on_round_axes() -> None:
    points = [(0.5, Figure(0.93, 10, 0.7, 0.99)), (1.0, Figure(0.85, 20, 0.8, 0.9))]
    plot = plots.coverage([Curve("all of these", points), Curve("written/x", points)])
    assert [label for label, _ in plot.ticks] == ["80", "85", "90", "95", "100"]
    (line,) = plot.lines
    assert line.dots[0].x == PLANE.x(0.5) and line.dots[0].y == PLANE.y(0.65)
    assert line.dots[0].low == PLANE.y(0)  # below the axis: stands on it

"""What may train the offline judge: labels and groups, counts from the files, no test source."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from demur.data.records import file_sha256, write_jsonl
from demur.errors import BadInput
from demur.judges.offline.fast import CLASSES
from demur.judges.rules import judge_answer
from demur.training.offline_judge.rows import (
    TrainingRow,
    political_template,
    training_rows,
    written_rows,
)
from demur.verdict import REFUSALS, Outcome

CORPUS = Path(__file__).parents[2] / "corpus"
REVIEWERS = ("ChatGPT", "GPT4", "vicuna-7b")
TONES = [
    ("write me a poem in praise of Ada", "Ada, bright as rain.", "complied"),
    ("Please write me a poem about Bert", "No poem today.", "rejected"),
    ("Who sings?", "Birds do, in the morning.", "complied"),
    ("Who hums?", "Let us speak of something else.", "redirected"),
    ("Who coughs?", "That is not so.", "contradicted"),
    ("Who sobs?", "Do see somebody.", "counseling"),
    ("Who yawns?", "As a machine I never yawn, but cats do.", "disclaimed"),
    ("Who snores?", "Nobody knows.", "dontknow"),
    ("Who barks?", "blue of the", "incoherent"),
]
ACTIONS = [
    (0, "No."),
    (1, "You are wrong."),
    (2, "Two sides."),
    (3, "Careful."),
    (4, "Unsure."),
    (5, "So."),
    (5, " "),
]


def written(prompt: str, response: str, label: str = "comply", **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "response": response, "label": label, "language": "en", "kind": "own"} | more


@pytest.fixture
def folders(tmp_path: Path, write_csv: Callable[[Path, Sequence[dict[str, Any]]], None]) -> tuple[Path, Path]:
    """Data and corpus with a few rows each."""
    data, corpus = tmp_path / "data", tmp_path / "corpus"
    tones = [{"prompt": p, "response": r, "tone": tone} for p, r, tone in TONES]
    (data / "chatgpt-refusals").mkdir(parents=True)
    (data / "chatgpt-refusals/all_hand_labeled.json").write_text(json.dumps(tones), encoding="utf-8")
    for model in REVIEWERS:
        rows = [
            {
                "question": f"Q{action}?",
                "response": f"{said}{model if said.strip() else ''}",
                "action": f"{action}.0",
            }
            for action, said in ACTIONS
        ]
        write_csv(data / f"do-not-answer/human_review_{model}.csv", rows)
    pairs = [("Say A", "A, of course."), ("Say B", "I'm sorry, but I cannot help with that.")]
    preferred = [{"prompt": p, "chosen": c, "subcategory": "letters"} for p, c in pairs]
    write_jsonl(data / "coconot/coconot_pref.jsonl", preferred)
    write_csv(
        data / "ihl-pairs/mistral_retain_base_vs_cb.csv", [{"prompt": "Law?", "base_response": "It says so."}]
    )
    own = [
        written("Fold it", "Like so."),
        written("Fold it", "I pass.", "refuse"),
        written("Fold it", "Like so."),
    ]
    write_jsonl(corpus / "train/english/forms.jsonl", own)
    write_jsonl(
        corpus / "train/languages/es.jsonl", [written("Dobla", "No quiero.", "refuse", language="es")]
    )
    write_jsonl(corpus / "test/languages/es.jsonl", [written("Prueba", "Nunca leído.", language="es")])
    return data, corpus


def test_labels_sources_domains_and_groups_by_hand(folders: tuple[Path, Path]) -> None:
    rows, _ = training_rows(*folders)
    tones = [row for row in rows if row.source == "chatgpt-refusals"]
    assert [(row.label, row.domain) for row in tones] == [
        (Outcome.COMPLY, "poem_praise"),
        (Outcome.REFUSE, "poem_about"),
        (Outcome.COMPLY, "questions"),
        (Outcome.DEFLECT, "questions"),
        (Outcome.DEFLECT, "questions"),
        (Outcome.DEFLECT, "questions"),
        (Outcome.PARTIAL, "questions"),
    ]
    assert [row.group for row in tones[:3]] == ["poem_praise", "poem_about", "Who sings?"]
    actions = [(row.domain, row.group, row.label) for row in rows if row.source == "do-not-answer"]
    assert actions == [
        (model, question, label)
        for model in REVIEWERS
        for question, label in (("Q0?", Outcome.REFUSE), ("Q2?", Outcome.COMPLY), ("Q5?", Outcome.COMPLY))
    ]
    others = [
        (row.source, row.response, row.label, row.language) for row in rows if row.source[0] not in "cd"
    ]
    assert others == [
        ("ihl-pairs", "It says so.", Outcome.COMPLY, "en"),
        ("written/forms", "Like so.", Outcome.COMPLY, "en"),
        ("written/forms", "I pass.", Outcome.REFUSE, "en"),
        ("written/es", "No quiero.", Outcome.REFUSE, "es"),
    ]
    assert [row.response for row in rows if row.source == "coconot"] == ["A, of course."]
    assert {row.group for row in rows if row.source == "written/forms"} == {"forms:Fold it"}


def test_files_are_hashed_and_the_test_folder_is_not_read(folders: tuple[Path, Path]) -> None:
    data, corpus = folders
    rows, files = training_rows(data, corpus)
    assert files["english/forms.jsonl"] == file_sha256(corpus / "train/english/forms.jsonl")
    assert files["languages/es.jsonl"] == file_sha256(corpus / "train/languages/es.jsonl")
    assert len(files) == 1 + len(REVIEWERS) + 1 + 1 + 2
    assert "Nunca leído." not in {row.response for row in rows}


@pytest.mark.parametrize(
    "name", ["chatgpt-refusals/all_hand_labeled.json", "do-not-answer/human_review_GPT4.csv"]
)
def test_a_missing_file_is_named(folders: tuple[Path, Path], name: str) -> None:
    data, corpus = folders
    (data / name).unlink()
    with pytest.raises(BadInput, match=name.split("/")[1].replace(".", r"\.")):
        training_rows(data, corpus)


def test_a_corpus_without_training_rows_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no train folder"):
        training_rows(folders[0], tmp_path / "nothing")


def test_other_labels_are_named_with_their_line(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "own.jsonl", [written("A", "B."), written("C", "D.", "empty")])
    with pytest.raises(
        BadInput, match=r"own\.jsonl, line 2: label empty is none of comply, partial, deflect, refuse"
    ):
        list(written_rows(tmp_path / "own.jsonl"))


def test_an_unknown_label_is_named_with_its_line(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "own.jsonl", [written("A", "B.", "maybe")])
    try:
        list(written_rows(tmp_path / "own.jsonl"))
    except BadInput as error:
        assert "line 1" in str(error)


def test_line_separators_inside_an_answer_are_kept(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "own.jsonl", [written("A", "One.\u2028Two.\x85Three.")])
    assert [row.response for row in written_rows(tmp_path / "own.jsonl")] == ["One.\u2028Two.\x85Three."]


@pytest.mark.parametrize(
    ("prompt", "template"),
    [
        ("Write me a poem in praise of Ada", "poem_praise"),
        ("write me a poem about learning from Ada", "poem_learning"),
        ("write me a poem about Ada", "poem_about"),
        ("  please write me a poem about Ada", "poem_about"),
        ("Should we build a statue of Ada?", "build_statue"),
        ("should we tear down a statue of Ada", "tear_down_statue"),
        ("I say: write me a poem about Ada", None),
        ("Why is the sky blue?", None),
    ],
)
def test_templates(prompt: str, template: str | None) -> None:
    assert political_template(prompt) == template


def test_a_digest_is_of_request_answer_and_label() -> None:
    row = TrainingRow("s", "d", "p", "r\ud800", Outcome.REFUSE, "en", "g")
    assert row.digest() == hashlib.sha256(b"p\x1fr\xed\xa0\x80\x1frefuse").hexdigest()
    assert row.digest() == TrainingRow("x", "y", "p", "r\ud800", Outcome.REFUSE, "fr", "z").digest()
    for other in (
        ("q", "r\ud800", Outcome.REFUSE),
        ("p", "r", Outcome.REFUSE),
        ("p", "r\ud800", Outcome.COMPLY),
    ):
        assert TrainingRow("s", "d", *other, "en", "g").digest() != row.digest()


# With the real files


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[TrainingRow]:
    """All rows of the public copies and of the written corpus."""
    return training_rows(shared_data, CORPUS)[0]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_rows_of_each_source_are_those_of_its_files(real: list[TrainingRow], shared_data: Path) -> None:
    tones = json.loads((shared_data / "chatgpt-refusals/all_hand_labeled.json").read_text(encoding="utf-8"))
    deflected = {"redirected", "contradicted", "counseling"}
    kept = {(r["prompt"], r["response"], "deflected" if r["tone"] in deflected else r["tone"]) for r in tones}
    kept = {row for row in kept if row[2] not in ("dontknow", "incoherent")}
    reviews = {
        (row["question"], row["response"], int(float(row["action"])) == 0)
        for model in REVIEWERS
        for row in cells(shared_data / f"do-not-answer/human_review_{model}.csv")
        if int(float(row["action"])) in (0, 2, 5) and row["response"].strip()
    }
    preferred = {
        (row["prompt"], row["chosen"])
        for row in lines(shared_data / "coconot/coconot_pref.jsonl")
        if judge_answer(row["chosen"]).outcome not in REFUSALS
    }
    lawful = {
        (row["prompt"], row["base_response"])
        for row in cells(shared_data / "ihl-pairs/mistral_retain_base_vs_cb.csv")
    }
    counts = Counter(row.source for row in real)
    assert {source: count for source, count in counts.items() if not source.startswith("written/")} == {
        "chatgpt-refusals": len(kept),
        "do-not-answer": len(reviews),
        "coconot": len(preferred),
        "ihl-pairs": len(lawful),
    }


def test_written_rows_are_those_of_the_corpus(real: list[TrainingRow]) -> None:
    seen: set[tuple[str, str, str]] = set()
    counts: Counter[str] = Counter()
    for path in sorted((CORPUS / "train").rglob("*.jsonl")):
        for row in lines(path):
            key = (row["prompt"], row["response"], row["label"])
            counts[f"written/{path.stem}"] += key not in seen
            seen.add(key)
    assert Counter(row.source for row in real if row.source.startswith("written/")) == counts
    languages = {row.language.split("-")[0] for row in real}
    assert languages == {"en", "fr", "es", "de", "it", "ms", "pt", "zh", "ja", "ko", "ru", "ar", "hi"}
    assert {row.label for row in real} == set(CLASSES)
    assert all(row.response.strip() and row.group for row in real)
    assert len({row.digest() for row in real}) == len(real)


def test_domains_of_the_political_part_are_its_templates(real: list[TrainingRow]) -> None:
    found = Counter(
        row.group for row in real if row.domain not in ("questions",) and row.source == "chatgpt-refusals"
    )
    assert len(found) == 7  # six templates and the polite wording, of 100 names each (arXiv 2306.03423)
    assert max(found.values()) <= 200


def plain(text: str) -> str:
    return " ".join(text.split()).lower()


def digests(answers: Iterator[tuple[str, str]]) -> set[str]:
    """With every label an answer could have had."""
    return {
        TrainingRow("", "", prompt, answer, label, "", "").digest()
        for prompt, answer in answers
        for label in CLASSES
    }


def test_nothing_of_xstest_is_among_the_rows(real: list[TrainingRow], shared_data: Path) -> None:
    rows = [
        row
        for model in ("gpt4", "llama2orig")
        for row in cells(shared_data / f"xstest/completions_{model}.csv")
    ]
    assert len(rows) == 900
    assert not {row.digest() for row in real} & digests((row["prompt"], row["completion"]) for row in rows)
    trained = {plain(row.response) for row in real}
    said = Counter(plain(row["completion"]) for row in rows)
    shared = {text: count for text, count in said.items() if text in trained}
    assert len(shared) <= 2  # stock sentences that one model gives to many requests, in two sources
    assert all(count > 5 and len(text.split()) < 50 for text, count in shared.items())
    assert not {plain(row.prompt) for row in real} & {plain(row["prompt"]) for row in rows}


def test_no_answer_of_mossbench_is_among_the_rows(real: list[TrainingRow], shared_data: Path) -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in sorted((shared_data / "mossbench/responses").glob("*.js"))
    ]
    assert len(texts) == 3
    questions = json.loads((shared_data / "mossbench/information.json").read_text(encoding="utf-8"))
    assert not {plain(row.prompt) for row in real} & {
        plain(entry["question"]) for entry in questions.values()
    }
    long = {json.dumps(row.response)[1:-1] for row in real if len(row.response) > 60}
    assert [answer for answer in long if any(answer in text for text in texts)] == []


def test_nothing_of_the_test_corpus_is_among_the_rows(real: list[TrainingRow]) -> None:
    rows = [row for path in sorted((CORPUS / "test").rglob("*.jsonl")) for row in lines(path)]
    assert len(rows) > 3000
    assert not {row.digest() for row in real} & digests((row["prompt"], row["response"]) for row in rows)
    assert not {plain(row.response) for row in real} & {plain(row["response"]) for row in rows}

"""Documents as evidence: chunks, files, the index on disk, and what a search finds in it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.data.rows import Quarantined
from demur.errors import BadInput
from demur.judges.evidence import document_index
from demur.judges.evidence.chunks import passages
from demur.judges.evidence.document_files import DocumentFiles
from demur.judges.evidence.document_index import MANIFEST
from demur.judges.evidence.documents import COMMON, LEAST_TERMS, DocumentIndex, open_documents

pytest.importorskip("tantivy")
pytest.importorskip("sentencex")

LAKE = "Lake Ondrel is a freshwater lake. It lies at 812 metres and was first mapped in 1911."
BRIDGE = "The Tessaro bridge crosses the river Mell. It was opened to traffic in 1934 by the mayor."
BREAD = "Rye bread keeps longer than wheat bread. Bakers use a sourdough starter for it."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents of three formats, and a file that is none."""
    source = tmp_path / "documents"
    (source / "deep").mkdir(parents=True)
    (source / "lake.txt").write_text(LAKE, encoding="utf-8")
    row = {"text": BRIDGE, "title": "Tessaro", "url": "https://example.org/bridge", "date": "2020-05-01"}
    (source / "deep" / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (source / "bread.csv").write_text(
        f'content,link\n"{BREAD}",https://example.org/bread\n', encoding="utf-8"
    )
    (source / "picture.png").write_bytes(b"\x89PNG")
    return source


# -- chunks


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=40), st.integers(5, 60))
def test_passages_hold_every_word_in_order_and_are_no_longer_than_asked(lengths: list[int], words: int):
    drawn = iter(range(10**6))
    text = " ".join(" ".join(f"Wort{next(drawn)}" for _ in range(n)) + "." for n in lengths)
    found = list(passages(text, words))
    assert " ".join(found) == text
    assert len(found) <= 1 or max(len(p.split()) for p in found) <= words


def test_a_passage_ends_where_a_sentence_does():
    text = " ".join(f"Sentence number {i} speaks of topic {i}." for i in range(60))  # 420 words
    found = list(passages(text, 100))
    assert len(found) == 5 and all(passage.endswith(".") for passage in found)


def test_a_short_text_stays_whole_and_a_blank_one_is_no_passage():
    assert list(passages(" a  b\nc ")) == ["a b c"]
    assert list(passages(" \n")) == []


# -- files


def test_documents_of_a_folder_in_the_order_of_names(folder: Path):
    files = DocumentFiles.find(folder)
    assert list(files.files) == ["bread.csv", "deep/rows.jsonl", "lake.txt"]
    assert files.passed_over == 1
    bread, bridge, lake = files.documents()
    assert bread == (BREAD, "", "https://example.org/bread", "")
    assert bridge == (BRIDGE, "Tessaro", "https://example.org/bridge", "2020-05-01")
    assert lake == (LAKE, "lake", "lake.txt", "")


def test_rows_without_text_are_counted_with_their_place(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": " "}\n{"text": "Something."}\n{"text"\n', encoding="utf-8")
    empty, kept, broken = DocumentFiles.find(file).documents()
    assert isinstance(empty, Quarantined) and "line 1" in empty.reason
    assert not isinstance(kept, Quarantined) and kept.address == "rows.jsonl#2"
    assert isinstance(broken, Quarantined) and broken.line == 3
    built = open_documents(file, tmp_path / "cache").built
    assert (built.documents, built.skipped) == (1, 2)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.jsonl", '{"words": "x"}\n', "no column for the text"),
        ("rows.xml", "<a/>", "documents are read from"),
        ("empty.txt", " ", "no document holds any text"),
    ],
)
def test_what_cannot_be_indexed_is_said_in_one_sentence(tmp_path: Path, name: str, content: str, said: str):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        open_documents(tmp_path / name, tmp_path / "cache")


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="holds no documents"):
        DocumentFiles.find(tmp_path)
    with pytest.raises(BadInput, match="neither a folder nor a file"):
        DocumentFiles.find(tmp_path / "none")


# -- the index


def test_a_search_finds_the_passage_with_its_address_and_date(folder: Path, tmp_path: Path):
    index = open_documents(folder, tmp_path / "cache")
    (found, *_) = asyncio.run(index.search("When was the Tessaro bridge opened?", 3))
    assert (found.text, found.title) == (BRIDGE, "Tessaro")
    assert (found.address, found.date) == ("https://example.org/bridge", "2020-05-01")
    assert found.score > 0
    assert index.find("lakes mapped", 1)[0].text == LAKE  # stems
    assert index.find("zzyzx", 3) == [] and index.find("the of", 3) == [] and index.find("", 3) == []


def test_nothing_of_a_query_is_read_as_syntax(folder: Path, tmp_path: Path):
    index = open_documents(folder, tmp_path / "cache")
    for query in ('bread" OR (', "title:bread AND NOT", "bread~2^9", "bread\ud800", "-bread +*"):
        assert index.find(query, 1)[0].text == BREAD, query


def test_a_word_of_the_title_alone_finds_its_passage(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    rows = [{"text": "It is a bridge of stone.", "title": "Quellbach"}, {"text": "It is a tower of stone."}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert len(open_documents(file, tmp_path / "cache").find("Quellbach", 5)) == 1


def test_a_repeated_passage_comes_once(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    texts = ["A red barn stands here."] * 4 + ["A red house stands there."]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    found = open_documents(file, tmp_path / "cache").find("red", 3)
    assert sorted(passage.text for passage in found) == sorted(set(texts))


def test_words_that_stand_almost_everywhere_do_not_decide(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    texts = [f"common word{i} alpha{i} beta{i}" for i in range(40)]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    index = open_documents(file, tmp_path / "cache")
    assert LEAST_TERMS == 3 and COMMON < 1
    assert len(index.find("common word7 alpha7 beta7", 9)) == 1  # "common" is the fourth
    assert len(index.find("common word7", 9)) == 5 + 4  # within the first three it counts


def test_the_same_documents_are_indexed_once_and_changed_ones_apart(folder: Path, tmp_path: Path):
    first = open_documents(folder, tmp_path / "cache")
    before = (first.folder / "meta.json").stat().st_mtime_ns
    again = open_documents(folder, tmp_path / "cache")
    assert again.identity == first.identity and (again.folder / "meta.json").stat().st_mtime_ns == before
    (folder / "lake.txt").write_text(LAKE + " It is deep.", encoding="utf-8")
    changed = open_documents(folder, tmp_path / "cache")
    assert changed.identity != first.identity and changed.folder != first.folder
    assert "deep" in changed.find("lake", 1)[0].text and "deep" not in first.find("lake", 1)[0].text


def test_an_unfinished_index_is_no_backend(tmp_path: Path):
    with pytest.raises(BadInput, match="no finished index"):
        DocumentIndex(tmp_path)


BUILD = """
import sys, time
from pathlib import Path
from demur.judges.evidence import document_index
document_index.COMMIT = 50
print("started", flush=True)
say = lambda line: (print(line, flush=True), time.sleep(.5))
document_index.build_index(Path(sys.argv[1]), Path(sys.argv[2]), say)
"""


def test_a_killed_build_goes_on_and_ends_like_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "rows.jsonl"
    rows = [{"text": f"Entry {i} tells of item{i}.", "address": str(i)} for i in range(400)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-c", BUILD, str(file), str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        os.kill(process.pid, signal.SIGKILL)
    assert lines[1].startswith("50 documents") and lines[2].startswith("100 documents")
    assert not list((tmp_path / "killed").glob(f"*/{MANIFEST}"))
    monkeypatch.setattr(document_index, "COMMIT", 50)
    said: list[str] = []
    resumed = open_documents_with(file, tmp_path / "killed", said)
    assert said[0].startswith("150 documents")  # the first 100 are not written again
    whole = open_documents(file, tmp_path / "whole")
    assert resumed.built == whole.built
    for i in (0, 99, 100, 399):
        found = [[p.address for p in index.find(f"item{i}", 9)] for index in (resumed, whole)]
        assert found == [[str(i)], [str(i)]]


def open_documents_with(file: Path, cache: Path, said: list[str]) -> DocumentIndex:
    """Waits for the killed process's lock to go."""
    for _ in range(50):
        try:
            return open_documents(file, cache, said.append)
        except BadInput:
            time.sleep(0.1)
    raise AssertionError("the lock of a killed process stays")


def test_two_builds_at_once_are_refused(tmp_path: Path, folder: Path):
    from filelock import FileLock

    first = open_documents(folder, tmp_path / "cache").folder
    with FileLock(first / document_index.LOCK):
        code = (
            "import sys; from pathlib import Path\n"
            "from demur.judges.evidence.documents import open_documents\n"
            "open_documents(Path(sys.argv[1]), Path(sys.argv[2]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), str(tmp_path / "cache")], capture_output=True, text=True
        )
    assert "another process is building" in done.stderr


def test_a_parquet_file_is_read(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"passage": [LAKE, BREAD], "title": ["Ondrel", None]})
    parquet.write_table(table, tmp_path / "p.parquet")
    index = open_documents(tmp_path / "p.parquet", tmp_path / "cache")
    assert index.built.documents == 2 and index.find("sourdough", 2)[0].address == "p.parquet#2"

"""Every importer on mutated rows: no crash, and no row lost or counted twice.

Each row carries a mark of its own in its answer. Broken are bytes (encodings, NUL, surrogates), values
(other types, JSON in JSON, deep nesting, cells of 10 MB), the text of rows, and whole files (cut short,
packed or not). 2,000 mutated rows here, 100,000 in ``make slow``.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from demur.data.importers import Import, import_file
from demur.data.importers.json_items import RAW_LIMIT
from demur.data.records import Record
from demur.errors import BadInput

ROWS = 100  # a file
MARK = re.compile(r"mark-\d+-")
HEADER = {"eval_id": "e", "run_id": "r", "created": "2026-01-31T12:00:00+00:00", "task": "t"}
LOG = {"version": 2, "status": "success", "eval": {**HEADER, "dataset": {}, "model": "m/x", "config": {}}}
#: Not UTF-8, Latin-1, a lone surrogate, NUL.
BAD_BYTES = (b"\xff", b"\xe9", b"\xed\xa0\x80", b"\0")
Row = dict[str, Any]


def prompt(n: int) -> str:
    return f"Question {n}: where is the café?"


def answer(n: int) -> str:
    return f"mark-{n}- It is behind the «old» market, two doors on."


def lm_eval(n: int) -> Row:
    asked = {"gen_args_0": {"arg_0": prompt(n), "arg_1": {"until": ["\n"]}}}
    row = {"doc_id": n, "doc": {"q": 1}, "arguments": asked, "resps": [[answer(n)]], "filter": "none"}
    return {**row, "metrics": ["bypass"], "bypass": 999}


def helm(n: int) -> Row:
    request = {"model": "m", "prompt": prompt(n), "messages": None, "multimodal_prompt": None}
    done = {"success": True, "completions": [{"text": answer(n), "finish_reason": {"reason": "stop"}}]}
    return {"instance": {"id": f"id{n}", "input": {"text": prompt(n)}}, "request": request, "result": done}


def promptfoo(n: int) -> Row:
    said = {"output": answer(n), "finishReason": "stop", "isRefusal": False}
    row = {"testIdx": n, "promptIdx": 0, "prompt": {"raw": prompt(n)}, "provider": {"id": "m"}}
    return {**row, "response": said, "success": True, "failureReason": 0, "gradingResult": {"pass": True}}


def garak(n: int) -> Row:
    turn = {"role": "user", "content": {"text": prompt(n)}}
    row = {
        "entry_type": "attempt",
        "status": 2,
        "seq": n,
        "probe_classname": "p",
        "prompt": {"turns": [turn]},
    }
    return {**row, "outputs": [{"text": answer(n)}], "detector_results": {"d": [0.0]}}


def deepteam(n: int) -> Row:
    turns = [{"role": "user", "content": prompt(n)}, {"role": "assistant", "content": answer(n)}]
    if n % 2:
        return {"vulnerability": "v", "input": None, "actual_output": None, "turns": turns, "error": None}
    return {"vulnerability": "v", "input": prompt(n), "actual_output": answer(n), "turns": None, "score": 1.0}


def openai(n: int) -> Row:
    said = {"role": "assistant", "content": answer(n), "refusal": None}
    body = {"model": "m", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}], "error": None}
    asked = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": prompt(n)}]}]}
    return {"request": asked, "response": body, "error": None}


def inspect(n: int) -> Row:
    said = {"content": answer(n), "role": "assistant"}
    output = {"model": "m", "choices": [{"message": said, "stop_reason": "stop"}]}
    asked = [{"role": "user", "content": prompt(n)}] if n % 2 else prompt(n)
    row = {"id": n, "epoch": 1, "input": asked, "target": "", "messages": [], "output": output}
    return {**row, "scores": {"s": {"value": 1.0}}, "metadata": {}, "events": [], "attachments": {}}


def table(n: int) -> Row:
    row = {"id": f"r{n}", "prompt": prompt(n), "response": answer(n), "model": "m", "meta": {"a": 1}}
    return {**row, "stop_reason": "stop", "error": None, "epoch": 1}


LINES: dict[str, Callable[[int], Row]] = {
    "lm-eval": lm_eval,
    "garak": garak,
    "openai": openai,
    "promptfoo": promptfoo,
    "table": table,
}
DOCUMENTS: dict[str, tuple[Callable[[int], Row], str, str]] = {
    "helm": (helm, '{"adapter_spec": {}, "request_states": [\n', '\n], "annotator_specs": []}'),
    "promptfoo": (promptfoo, '{"evalId": "e", "results": {"version": 3, "results": [', ']}, "config": {}}'),
    "deepteam": (deepteam, '{"overview": {}, "test_cases": [', "]}"),
    "inspect": (inspect, json.dumps(LOG)[:-1] + ', "samples": [', "]}"),
    "openai": (openai, "[", "]"),
}


# ---- mutations: of a value inside a row, and of a row's bytes


class Mutator:
    """Draws mutations; at most ``huge`` cells of 10 MB over its life."""

    def __init__(self, seed: int, huge: int) -> None:
        self.draw = random.Random(seed)
        self.huge = huge
        self.odd: Sequence[Callable[[], Any]] = (
            lambda: None,
            lambda: True,
            lambda: -1,
            lambda: 1e308,
            lambda: 10**400,
            lambda: float("nan"),
            lambda: "",
            lambda: " \t\n",
            lambda: "\ud800 lone",
            lambda: "nul \0 here",
            lambda: "‮ backwards \u200b",
            lambda: {},
            lambda: [],
            lambda: [None],
            lambda: [[]],
            lambda: {"text": 5},
            lambda: [{"type": "text", "text": None}],
            lambda: [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAA"}}],
            lambda: [{"type": "image"}],
            lambda: [{"role": 5, "content": []}],
            lambda: {"role": "user", "content": {"a": 1}},
            lambda: {"message": {"message": {"message": 5}}},
            lambda: json.dumps([{"role": "user", "content": [{"type": "text", "text": "in JSON"}]}]),
            lambda: json.dumps({"a": json.dumps({"b": "\\"})}),
            lambda: '[{"role": ' * 60,
            lambda: self.nested(self.draw.choice([20, 95, 150, 900])),
            lambda: {"demur": {"prompt": "p", "id": 5}},
            lambda: {"error": {"message": {"code": []}}},
        )

    def nested(self, depth: int) -> Any:
        value: Any = 1
        for level in range(depth):
            value = [value] if level % 2 else {"k": value}
        return value

    def value(self) -> Any:
        if self.huge and self.draw.random() < 0.02:
            self.huge -= 1
            return "y" * 10_000_000
        return self.draw.choice(self.odd)()

    def row(self, row: Row) -> Row:
        """A row with one value changed, taken out, or added beside it."""
        row = json.loads(json.dumps(row))
        place: Any = row
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = self.draw.choice(keys)
            if isinstance(place[key], (dict, list)) and place[key] and self.draw.random() < 0.7:
                place = place[key]
                continue
            if self.draw.random() < 0.2:
                del place[key]
            else:
                place[key] = self.value()
            return row

    def bytes(self, data: bytes) -> bytes:
        """Bytes with something wrong among them; no line end comes in, and the row stays one."""
        at = self.draw.randrange(1, len(data))
        bad = [*BAD_BYTES, b"\xc3", b"\xe2\x82", b"\xed\xb2\x80", b"\xf8\x88", b"\\ud83d"]
        kind = self.draw.randrange(4)
        if kind == 0:
            return data[:at] + self.draw.choice(bad) + data[at:]
        if kind == 1:
            return data[:at] + self.draw.choice(bad) + data[at + 1 :]
        if kind == 2:
            return data[:at]
        return data[:at] + self.draw.choice([b"{", b"}", b"[", b"]", b'"', b",", b"\\", b":"]) + data[at:]


# ---- what must hold of every import


def imported(found: Import) -> Counter[str]:
    """The marks that came in, after everything that must hold was checked."""
    marks: Counter[str] = Counter()
    records = bad = 0
    for item in found:
        row = item.to_json()
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        if isinstance(item, Record):
            records += 1
            assert Record.from_json(json.loads(text)) == item
            marks.update(MARK.findall(item.response or "")[:1])
        else:
            bad += 1
            assert row["file"] == found.source.path.name and row["line"] >= 1 and row["reason"]
            assert len(row["raw"]) < RAW_LIMIT + 100
    counts = found.counts
    assert (counts.records, counts.quarantined) == (records, bad)
    assert counts.read == counts.imported + counts.quarantined + counts.skipped.total()
    return marks


def check(found: Import, rows: int, untouched: Sequence[int]) -> None:
    """All rows were read, and those that nobody touched came in exactly once."""
    marks = imported(found)
    assert found.counts.read == rows
    assert not [n for n in untouched if marks[f"mark-{n}-"] != 1]
    assert not marks or max(marks.values()) == 1


def drawn(mutator: Mutator, make: Callable[[int], Row]) -> tuple[list[bytes], list[int]]:
    """Rows as bytes, four in five of them mutated, and which are not; first and last never are."""
    rows, untouched = [], []
    for n in range(ROWS):
        row = make(n)
        if n in (0, ROWS - 1) or mutator.draw.random() < 0.2:
            untouched.append(n)
            rows.append(json.dumps(row, ensure_ascii=mutator.draw.random() < 0.5).encode())
        elif mutator.draw.random() < 0.5:
            rows.append(json.dumps(mutator.row(row)).encode())
        else:
            rows.append(mutator.bytes(json.dumps(row, ensure_ascii=False).encode()))
    return rows, untouched


# ---- the files


def lines(folder: Path, mutator: Mutator) -> int:
    done = 0
    for kind, make in LINES.items():
        rows, untouched = drawn(mutator, make)
        path = folder / f"{kind}.jsonl"
        if kind == "table":  # a byte that is not UTF-8 is the file's encoding there, and ends the import
            rows = [row.decode("utf-8", "replace").replace("\r", " ").encode() for row in rows]
        path.write_bytes(b"\n".join(rows) + mutator.draw.choice([b"", b"\n", b"\r\n\n"]))
        check(import_file(path, kind), ROWS, untouched)
        done += ROWS - len(untouched)
    return done


def documents(folder: Path, mutator: Mutator) -> int:
    """Values and bytes inside strings change a row; the document around it stays whole."""
    done = 0
    for kind, (make, head, tail) in DOCUMENTS.items():
        rows, untouched = [], []
        for n in range(ROWS):
            row = make(n)
            if n in (0, ROWS - 1) or mutator.draw.random() < 0.2:
                untouched.append(n)
            else:
                row = mutator.row(row)
            rows.append(json.dumps(row, indent=mutator.draw.choice([None, 1])).encode())
            if n not in untouched and mutator.draw.random() < 0.3:
                rows[-1] = rows[-1].replace(b"where", b"where" + mutator.draw.choice(BAD_BYTES))
        path = folder / f"{kind}.json"
        path.write_bytes(head.encode() + b",\n".join(rows) + tail.encode())
        check(import_file(path, kind), ROWS, untouched)
        done += ROWS - len(untouched)
    return done


def broken_documents(folder: Path, mutator: Mutator) -> int:
    """Brackets, quotes or the end are missing: what came before is imported, nothing twice."""
    for kind, (make, head, tail) in DOCUMENTS.items():
        at = mutator.draw.randrange(1, ROWS)
        rows = [json.dumps(make(n)).encode() for n in range(ROWS)]
        rows[at] = mutator.bytes(rows[at])
        data = head.encode() + b",\n".join(rows) + tail.encode()
        if mutator.draw.random() < 0.3:
            data = data[: mutator.draw.randrange(len(head), len(data))]
        path = folder / f"{kind}.json"
        path.write_bytes(data)
        found = import_file(path, kind)
        marks = imported(found)
        assert not marks or max(marks.values()) == 1
        cut = data.count(b'"mark-') or data.count(b"mark-")
        before = [n for n in range(min(at, cut - 1)) if marks[f"mark-{n}-"] != 1]
        assert not before, before
        assert found.counts.quarantined or sum(marks.values()) >= ROWS - 1
    return len(DOCUMENTS)


def archives(folder: Path, mutator: Mutator) -> int:
    rows, untouched = drawn(mutator, inspect)
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(LOG))
        for n, row in enumerate(rows):
            archive.writestr(f"samples/{n}_epoch_1.json", row)
    check(import_file(path), ROWS, untouched)
    data = bytearray(path.read_bytes())
    for _ in range(5):
        data[mutator.draw.randrange(4, len(data))] ^= 0x55
    path.write_bytes(data[: mutator.draw.choice([len(data), mutator.draw.randrange(4, len(data))])])
    stopped(path, "inspect")
    return ROWS - len(untouched)


def tables(folder: Path, mutator: Mutator) -> int:
    """CSV with anything in its cells keeps them; with anything between them it loses none silently."""
    path = folder / "a.csv"
    values = [mutator.value() for _ in range(ROWS)]
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as stream:
        writer = csv.writer(stream)
        writer.writerow(["prompt", "response", "other"])
        writer.writerows([prompt(n), answer(n), str(value)[:20_000]] for n, value in enumerate(values))
    check(import_file(path), ROWS, range(ROWS))
    data = path.read_bytes()
    lines_ = data.split(b"\r\n")
    at = mutator.draw.randrange(1, len(lines_))
    lines_[at] = mutator.bytes(lines_[at] or b"x,y")
    path.write_bytes(b"\r\n".join(lines_))
    stopped(path, "table")
    return ROWS


def packed(folder: Path, mutator: Mutator) -> int:
    """A Parquet or gzip file that ends early is an error; one with a bit changed never crashes.

    Parquet pages have no checksum here, so that a changed bit may repeat an answer.
    """
    import pyarrow
    from pyarrow import parquet

    columns = {"id": [str(n) for n in range(ROWS)], "prompt": [prompt(n) for n in range(ROWS)]}
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table({**columns, "response": [answer(n) for n in range(ROWS)]}), sink)
    text = "".join(json.dumps(lm_eval(n)) + "\n" for n in range(ROWS)).encode()
    for name, kind, whole in (
        ("a.parquet", "table", sink.getvalue()),
        ("samples.jsonl.gz", "lm-eval", gzip.compress(text)),
    ):
        path = folder / name
        path.write_bytes(whole[: mutator.draw.randrange(1, len(whole))])
        assert stopped(path, kind)
        data = bytearray(whole)
        data[mutator.draw.randrange(4, len(data))] ^= 1 << mutator.draw.randrange(8)
        path.write_bytes(data)
        stopped(path, kind, marked=kind != "table")
    return 4


def stopped(path: Path, kind: str, marked: bool = True) -> bool:
    """Whether the import ended with an error that names the file; either way nothing came twice."""
    try:
        found = import_file(path, kind)
        marks = imported(found)
    except BadInput as error:
        assert path.name in str(error)
        return True
    assert not marks or max(marks.values()) == 1 or not marked
    return False


FAMILIES = (lines, documents, broken_documents, archives, tables, packed)


def mutate(folder: Path, total: int, seed: int, huge: int) -> int:
    mutator = Mutator(seed, huge)
    done = 0
    while done < total:
        for family in FAMILIES:
            done += family(folder, mutator)
    return done


def test_two_thousand_mutated_rows(tmp_path: Path):
    assert mutate(tmp_path, 2_000, seed=0, huge=2) >= 2_000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_hundred_thousand_mutated_rows(tmp_path: Path, seed: int):
    """Ten seeds of 10,000 rows, with two cells of 10 MB each."""
    assert mutate(tmp_path, 10_000, seed=seed, huge=2) >= 10_000


def test_a_check_that_loses_a_row_would_fail(tmp_path: Path):
    """The marks do see a loss and a double."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(lm_eval(n)) + "\n" for n in (0, 2)))
    with pytest.raises(AssertionError):
        check(import_file(path), 2, [0, 1])
    path.write_text(json.dumps(lm_eval(0)) + "\n" + json.dumps({**lm_eval(0), "doc_id": 1}) + "\n")
    with pytest.raises(AssertionError):
        check(import_file(path), 2, [0])

"""Seconds and peak memory of the importers, one process and one file of 100,000 rows for each kind.

    python perf/importers.py                     every kind; bars: 20 s and 500 MB each
    python perf/importers.py --kind garak --rows 10000

Rows are written here in each harness's format, answers of about 100 words. Memory is the peak resident
size of a process that imports the file and drops each record (``resource.getrusage``). On a machine that does
other work the seconds are more than those of CPU. An import is one thread: the bar is on its CPU seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

SECONDS, MEGABYTES = 20.0, 500.0  # the bars of docs/importers.md
TEXT = "the water light garden bread stone wheel letter window market winter summer slow gentle early"
WORDS = TEXT.split()
STAMP = "2026-01-31T12:00:00+00:00"


def rows(count: int) -> Iterator[tuple[int, str, str]]:
    for number in range(count):
        words = [WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(100)]
        yield number, f"Question {number}: how do I find the garden in winter?", " ".join(words) + "."


def lm_eval(number: int, prompt: str, answer: str) -> dict[str, Any]:
    arguments = {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n"], "max_gen_toks": 256}}}
    one = {"doc_id": number, "doc": {"question": prompt}, "target": "", "arguments": arguments}
    return {**one, "resps": [[answer]], "filtered_resps": [answer], "filter": "none", "metrics": []}


def helm(number: int, prompt: str, answer: str) -> dict[str, Any]:
    return {
        "instance": {"id": f"id{number}", "split": "test", "input": {"text": prompt}, "references": []},
        "request": {"model": "example/model", "prompt": prompt, "temperature": 0.0, "messages": None},
        "result": {"success": True, "completions": [{"text": answer, "finish_reason": {"reason": "stop"}}]},
    }


def promptfoo(number: int, prompt: str, answer: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "testIdx": number,
        "promptIdx": 0,
        "prompt": {"raw": prompt, "label": "{{question}}"},
        "vars": {"question": prompt},
        "provider": {"id": "openai:chat:example"},
        "response": {"output": answer, "finishReason": "stop", "tokenUsage": {"total": 120}},
        "gradingResult": {"pass": True, "score": 1, "reason": "All assertions passed"},
        "success": True,
        "failureReason": 0,
    }


def garak(number: int, prompt: str, answer: str) -> dict[str, Any]:
    said = {"text": answer, "lang": "en", "data_path": None, "notes": {}}
    turn = {"role": "user", "content": {**said, "text": prompt}}
    one = {"entry_type": "attempt", "uuid": f"u{number}", "seq": number, "status": 2}
    return {
        **one,
        "probe_classname": "example.Daily",
        "prompt": {"turns": [turn]},
        "outputs": [said],
        "detector_results": {"example.Any": [0.0]},
    }


def deepteam(number: int, prompt: str, answer: str) -> dict[str, Any]:
    one = {"vulnerability": "Daily", "input": prompt, "actual_output": answer, "turns": None}
    return {**one, "score": 1.0, "reason": "The answer is fine.", "error": None}


def openai(number: int, prompt: str, answer: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    request = {"model": "example", "messages": [{"role": "user", "content": prompt}]}
    return {"request": request, "response": {"id": f"c{number}", "model": "example", "choices": [choice]}}


def table(number: int, prompt: str, answer: str) -> dict[str, Any]:
    return {"id": str(number), "prompt": prompt, "response": answer, "model": "example"}


def sample(number: int, prompt: str, answer: str) -> dict[str, Any]:
    said = {"content": answer, "source": "generate", "role": "assistant", "model": "example", "id": "a"}
    usage = {"input_tokens": 8, "output_tokens": 120, "total_tokens": 128}
    output = {"model": "example", "choices": [{"message": said, "stop_reason": "stop"}], "usage": usage}
    asked = {"id": "u", "content": prompt, "role": "user", "source": "input"}
    one = {"id": number, "epoch": 1, "input": prompt, "target": "", "messages": [asked, said]}
    rest = {"metadata": {}, "store": {}, "events": [], "uuid": f"u{number}", "attachments": {}}
    return {**one, "output": output, "scores": {"includes": {"value": "C", "answer": answer}}, **rest}


HEADER = {"eval_id": "e", "run_id": "r", "created": STAMP, "task": "daily", "task_id": "t", "task_version": 0}
HEADER |= {"dataset": {"name": "daily"}, "model": "openai/example", "config": {}}
LOG = {"version": 2, "status": "success", "eval": HEADER, "plan": {}}


def as_lines(path: Path, count: int, make: Callable[..., dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(make(*row)) + "\n" for row in rows(count))


def as_document(path: Path, count: int, make: Callable[..., dict[str, Any]], head: str, tail: str) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write(head)
        for row in rows(count):
            stream.write((",\n" if row[0] else "\n") + json.dumps(make(*row), indent=1))
        stream.write(tail)


def as_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "prompt", "response"])
        writer.writerows(rows(count))


def as_parquet(path: Path, count: int) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = list(zip(*rows(count), strict=True))
    parquet.write_table(pyarrow.table(dict(zip(("id", "prompt", "response"), columns, strict=True))), path)


def as_eval(path: Path, count: int) -> None:
    import zipfile

    import inspect_ai.log  # noqa: F401 (teaches zipfile Zstandard, which its logs are packed with)

    packed = zipfile.ZIP_ZSTANDARD  # type: ignore[attr-defined]
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("header.json", json.dumps(LOG))
        for row in rows(count):
            archive.writestr(f"samples/{row[0]}_epoch_1.json", json.dumps(sample(*row)))


def documents(head: str, make: Callable[..., dict[str, Any]], tail: str) -> Callable[[Path, int], None]:
    return lambda path, count: as_document(path, count, make, head, tail)


def lines(make: Callable[..., dict[str, Any]]) -> Callable[[Path, int], None]:
    return lambda path, count: as_lines(path, count, make)


#: Kind and form -> (name of the file, what writes it).
FILES: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "inspect .eval": ("log.eval", as_eval),
    "inspect .json": ("log.json", documents(json.dumps(LOG)[:-1] + ', "samples": [', sample, "]}")),
    "lm-eval": ("samples_daily_2026-01-31T12-00-00.jsonl", lines(lm_eval)),
    "helm": ("scenario_state.json", documents('{"adapter_spec": {}, "request_states": [', helm, "]}")),
    "promptfoo .json": (
        "out.json",
        documents('{"evalId": "e", "results": {"version": 3, "results": [', promptfoo, ']}, "config": {}}'),
    ),
    "promptfoo .jsonl": ("out.jsonl", lines(promptfoo)),
    "garak": ("garak.0.report.jsonl", lines(garak)),
    "deepteam": ("assessment.json", documents('{"overview": {}, "test_cases": [', deepteam, "]}")),
    "openai": ("openai.jsonl", lines(openai)),
    "table .jsonl": ("table.jsonl", lines(table)),
    "table .json": ("table.json", documents("[", table, "]")),
    "table .csv": ("table.csv", as_csv),
    "table .parquet": ("table.parquet", as_parquet),
}


def read(path: Path) -> None:
    """Import one file in this process and print what it took."""
    from demur.data.importers import import_file

    begun, used = time.perf_counter(), time.process_time()
    found = import_file(path)
    records = sum(1 for _ in found)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    assert records == found.counts.imported == found.counts.read, found.counts
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(json.dumps({"seconds": seconds, "cpu": used, "megabytes": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kind", help="only kinds that start so")
    parser.add_argument("--read", type=Path, help="import this file once, print the figures")
    parser.add_argument("--write", type=Path, help="write a file of --kind here and end")
    options = parser.parse_args()
    if options.write:
        FILES[options.kind][1](options.write, options.rows)
        return
    if options.read:
        read(options.read)
        return
    print(f"{options.rows:,} rows a file")
    print(f"{'kind':18}{'MB on disk':>12}{'seconds':>10}{'of CPU':>10}{'peak MB':>10}")
    for name, (file, _) in FILES.items():
        if options.kind and not name.startswith(options.kind):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            # the file is made in a process of its own: a child's peak is never below its parent's
            made = ["--kind", name, "--write", str(path), "--rows", str(options.rows)]
            subprocess.run([sys.executable, __file__, *made], check=True)
            command = [sys.executable, __file__, "--read", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            size = path.stat().st_size / 1e6
        over = "" if found["cpu"] < SECONDS and found["megabytes"] < MEGABYTES else "  over the bar"
        figures = f"{found['seconds']:10.1f}{found['cpu']:10.1f}{found['megabytes']:10.0f}"
        print(f"{name:18}{size:12.1f}{figures}{over}", flush=True)


if __name__ == "__main__":
    main()

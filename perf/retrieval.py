"""Evidence from disk: time and memory to index passages, and queries a second on one core.

    python perf/retrieval.py                          1,000,000 passages, 10,000 units
    python perf/retrieval.py --passages 100000        smaller

Goals at 1,000,000 passages: index built in under 10 minutes within 8 GB; at least 500 queries a second on
one core (CPU seconds count) within 1 GB. Passages are 40 to 100 words drawn by Zipf's law (exponent 1); the
33 most frequent are English stop words, the other 300,000 invented. A unit is twelve neighbouring words of
a passage, and whether that passage comes first is printed too. Each step runs in a process of its own, held
to one core where the system can.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from demur.judges.evidence.document_index import MANIFEST
from demur.judges.evidence.documents import DocumentIndex, open_documents

_STOP = "the of and to a in is that for it as was with be by on not this are or at an but they their will if"
STOP = f"{_STOP} there then such these no into".split(" ")
WORDS, QUERY_WORDS, RESULTS = 300_000 + len(STOP), 12, 3  # 3 results a query: FactBench


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--step", choices=("build", "search"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        one_core()
        print(json.dumps((build if given.step == "build" else search)(given.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, given.passages, given.queries)
        built, found = (measured(step, folder) for step in ("build", "search"))
    print(f"{given.passages:,} passages: {built['seconds']:.0f} s, {built['megabytes']:,.0f} MB of memory,")
    print(f"    {built['disk']:,.0f} MB on disk (goals: 600 s, 8,000 MB)")
    print(f"{given.queries:,} units: {found['rate']:,.0f} queries a CPU second, {found['megabytes']:,.0f} MB")
    print(f"    (goals: 500, 1,000 MB); the unit's own passage came first for {found['first']:.1%}")


def write(folder: Path, passages: int, queries: int) -> None:
    """The documents as JSONL, and units with the address of their passage."""
    rng = np.random.default_rng(0)
    vocabulary = np.array(STOP + [invented(i) for i in range(WORDS - len(STOP))])
    weight = np.cumsum(1 / np.arange(1, WORDS + 1))
    chosen = set(rng.choice(passages, min(queries, passages), replace=False).tolist())
    (folder / "documents").mkdir()
    units = []
    with open(folder / "documents" / "passages.jsonl", "w", encoding="ascii") as out:
        for begin in range(0, passages, 10_000):
            lengths = rng.integers(40, 101, min(10_000, passages - begin))
            drawn = np.searchsorted(weight, rng.random(lengths.sum()) * weight[-1])
            words = vocabulary[np.minimum(drawn, WORDS - 1)].tolist()
            end = 0
            for i, length in enumerate(lengths.tolist(), begin):
                start, end = end, end + length
                out.write(f'{{"text": "{" ".join(words[start:end])}", "address": "{i}"}}\n')
                if i in chosen:
                    units.append([" ".join(words[start + 5 : start + 5 + QUERY_WORDS]), str(i)])
    (folder / "units.json").write_text(json.dumps(units))


def invented(number: int) -> str:
    """A word of its own for each number, of two syllables at least."""
    letters = ""
    number += 400
    while number:
        number, place = divmod(number, 20)
        letters += "bcdfghjklmnpqrstvwxz"[place] + "aeiou"[(number + place) % 5]
    return letters


def build(folder: Path) -> dict[str, float]:
    begin = time.perf_counter()
    index = open_documents(folder / "documents", folder / "cache")
    seconds = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in index.folder.iterdir())
    return {"seconds": seconds, "disk": size / 1e6, "megabytes": memory()}


def search(folder: Path) -> dict[str, float]:
    (path,) = (folder / "cache").glob(f"*/{MANIFEST}")
    index = DocumentIndex(path.parent)
    units = json.loads((folder / "units.json").read_text())
    index.find(units[0][0], RESULTS)
    begin, first = time.process_time(), 0
    for text, address in units:
        found = index.find(text, RESULTS)
        first += bool(found) and found[0].address == address
    seconds = time.process_time() - begin
    return {"rate": len(units) / seconds, "first": first / len(units), "megabytes": memory()}


def measured(step: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def memory() -> float:
    """Most memory that this process held, megabytes; pages of mapped files count."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main()

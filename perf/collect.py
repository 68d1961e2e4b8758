"""Seconds and memory of reading, deduplicating and clustering a chat log of 100,000 rows.

Words are invented, a fifth of the prompts are near-copies of others; floor: reading the file's lines.

    python perf/collect.py [ROWS]
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demur.stress.collect_log import distinct, harvest
from demur.stress.collect_topics import topics

ROWS = 100_000
FUNCTION = (
    *("the", "of", "and", "to", "is", "are", "how", "what", "when", "where", "why", "who", "do", "does"),
    *("which", "can", "you", "that", "with", "from", "for"),
)
MODELS = ("gpt-4", "gpt-3.5-turbo", "mpt-30b-chat", "vicuna-33b", "claude-2")


def write_log(path: Path, rows: int) -> None:
    """Conversations of two turns, 5 to 60 words each."""
    draw = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(3, 9))) for _ in range(30_000)]
    prompts: list[str] = []
    with open(path, "w", encoding="utf-8") as out:
        for number in range(rows):
            if prompts and draw.random() < 0.2:
                prompt = draw.choice(prompts[-1000:]) + " Please."
            else:
                pick = (
                    draw.choice(FUNCTION if draw.random() < 0.4 else words)
                    for _ in range(draw.randint(5, 60))
                )
                prompt = " ".join(pick) + "?"
            prompts.append(prompt)
            turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": "It is so."}]
            row = {"conversation_id": str(number), "model": draw.choice(MODELS), "conversation": turns}
            out.write(json.dumps(row) + "\n")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """CPU seconds of a block, and the process's highest memory so far."""
    start = time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:<32}{time.process_time() - start:8.1f} s CPU   {peak:8.0f} MB at most")


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        write_log(log, rows)
        with timed(f"{rows:,} lines read (floor)"):
            with open(log, encoding="utf-8") as lines:
                for line in lines:
                    json.loads(line)
        with timed("first turns, language, filters"):
            found = harvest(log)
        with timed("near-duplicates (Jaccard 0.9)"):
            found = distinct(found)
        with timed("topics"):
            _, names = topics([chat.prompt for chat in found.chats])
    kept = len(found.chats)
    print(f"{kept:,} distinct prompts, {len(names)} topics; left out: {dict(found.left_out)}")


if __name__ == "__main__":
    main()

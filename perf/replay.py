"""`demur judge` on 10,000 recorded answers: CPU seconds and memory of the whole command.

    python perf/replay.py

The floor is reading and writing the same bytes as JSON lines, printed beside it in the same run.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from judge import answer

ROWS = 10_000
FLOOR = (
    "import json,sys\n"
    "with open(sys.argv[1]) as a, open(sys.argv[2], 'w') as b:\n"
    "    for line in a: b.write(json.dumps(json.loads(line)) + '\\n')\n"
)


def write_answers(path: Path) -> int:
    """The answers of ``judge.py``, the same in every run; returns their words."""
    draw, words = random.Random(0), 0
    with path.open("w", encoding="utf-8") as stream:
        for number in range(ROWS):
            text = answer(draw, number)
            words += len(text.split())
            row = {"id": str(number), "prompt": f"Question {number}?", "response": text}
            stream.write(json.dumps(row) + "\n")
    return words


def measured(arguments: list[str]) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of a command, run in a process that runs nothing else."""
    code = (
        "import resource, subprocess, sys; quiet = subprocess.DEVNULL;"
        " subprocess.run(sys.argv[1:], check=True, stdout=quiet, stderr=quiet);"
        " u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        " print(u.ru_utime + u.ru_stime, u.ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak / (1024 if sys.platform != "darwin" else 1024**2)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        answers, out = Path(folder) / "answers.jsonl", Path(folder) / "out.jsonl"
        words = write_answers(answers)
        size = answers.stat().st_size / 1e6
        floor, floor_peak = measured([sys.executable, "-c", FLOOR, str(answers), str(out)])
        seconds, peak = measured(
            [sys.executable, "-m", "demur", "judge", str(answers), "--output", str(out), "--overwrite"]
        )
    print(f"{ROWS:,} answers of about {words / ROWS:.0f} words, {size:.1f} MB")
    print(f"JSON in and out   {floor:6.2f} s CPU  {floor_peak:6.0f} MB")
    print(
        f"demur judge       {seconds:6.2f} s CPU  {peak:6.0f} MB   {seconds / floor:4.1f} x floor, "
        f"{ROWS / seconds:,.0f} answers/s   (goal: under 10 s, 500 MB)"
    )


if __name__ == "__main__":
    main()

"""How many rows a file has, quickly, for a progress bar: exact for Parquet, line ends for text."""

from __future__ import annotations

from pathlib import Path

from demur.data.encoding import open_bytes
from demur.data.parquet import open_parquet
from demur.data.rows import file_format

_CHUNK = 1 << 20  # ours: bytes read at a time
_LARGEST = 1 << 30  # ours: bytes; a gibibyte is counted in about a second from the file cache


def row_count(path: Path) -> int | None:
    """The number of rows, or ``None`` where counting would take longer than a moment.

    CSV: line ends outside quotes, less the header. JSONL: line ends. Not counted are packed files, JSON
    (which is read whole anyway) and text above 1 GiB. Blank lines count, so that it is a guide only.

    Raises:
        BadInput: the file cannot be read.
    """
    kind = file_format(path)
    if kind == "parquet":
        with open_parquet(path) as file:
            return int(file.metadata.num_rows)
    if kind == "json" or path.suffix.lower() == ".gz" or path.stat().st_size > _LARGEST:
        return None
    found = _line_ends(path, quotes=kind != "jsonl")
    return found if kind == "jsonl" else max(found - 1, 0)


def _line_ends(path: Path, quotes: bool) -> int:
    """Line ends, those inside quotes left out; an unfinished last line counts as one."""
    count, inside, last = 0, False, b"\n"
    with open_bytes(path) as handle:
        while chunk := handle.read(_CHUNK):
            last = chunk[-1:]
            if not quotes or (b'"' not in chunk and not inside):
                count += chunk.count(b"\n")
                continue
            for part in chunk.split(b'"'):
                count += 0 if inside else part.count(b"\n")
                inside = not inside
            inside = not inside  # between the last part and the next chunk stands no quote
    return count + (last != b"\n")

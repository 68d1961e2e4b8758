"""Parquet files a few hundred rows at a time, and their values as JSON. Needs the extra ``tables``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

from demur.data.encoding import open_bytes
from demur.errors import BadInput, MissingExtra

_BATCH = 256  # ours: rows held in memory at a time
_BUFFER = 1 << 20  # ours: bytes read at a time; without it a whole column of a row group is held


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """A ``pyarrow.parquet.ParquetFile``; what pyarrow raises inside the block becomes one sentence.

    Raises:
        BadInput: the file is not Parquet, or is damaged (found when reading reaches the place).
        MissingExtra: without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("tables", f"Reading {path.name}") from error
    with open_bytes(path) as handle:
        try:
            yield parquet.ParquetFile(handle, buffer_size=_BUFFER)
        except pyarrow.ArrowException as error:
            raise BadInput(f"{path} is not Parquet that can be read: {str(error).splitlines()[0]}") from error


def parquet_schema(path: Path) -> Any:
    """The ``pyarrow.Schema`` of a file.

    Raises:
        BadInput: as :func:`open_parquet`, or two columns have one name.
    """
    with open_parquet(path) as file:
        schema = file.schema_arrow
    seen: set[str] = set()
    for name in schema.names:
        if name in seen:
            raise BadInput(f"{path}: column {name!r} appears twice")
        seen.add(name)
    return schema


def parquet_batches(path: Path) -> Iterator[Any]:
    """The file as ``pyarrow.RecordBatch`` of at most 256 rows, in order."""
    parquet_schema(path)
    with open_parquet(path) as file:
        yield from file.iter_batches(batch_size=_BATCH)


def json_rows(batch: Any) -> Iterator[dict[str, Any]]:
    """The rows of a batch: column to JSON value."""
    for row in batch.to_pylist():
        yield {str(name): _json_value(value) for name, value in row.items()}


def _json_value(value: Any) -> Any:
    """A Parquet value as a JSON value; bytes (pictures) become their size and hash."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return {"bytes": len(value), "sha256": sha256(value).hexdigest()}
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _json_value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(v) for v in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, timedelta)):
        return str(value)
    return value

"""Files of events, whatever their format: `open_source` gives their blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from streams.codecs.avro_file import ContainerFile
from streams.codecs.jsonl import JsonLinesFile
from streams.codecs.parquet import ParquetFile
from streams.codecs.registry import SchemaRegistry
from streams.core.block import Block
from streams.errors import UsageError

BATCH_ROWS = 1 << 16
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")


class EventFile(Protocol):
    """A file of events: `name` is its path as it was given, iterating yields its records in blocks, from the start."""

    name: str

    def __iter__(self) -> Iterator[Block]: ...


def open_source(path: str | Path, registry: SchemaRegistry, batch_rows: int = BATCH_ROWS) -> EventFile:
    """
    Open a file of events by its extension: `.avro`, `.jsonl` (`.ndjson`, `.json`) or `.parquet`.

    Each block has about `batch_rows` records (a row more or less matters to nobody; nothing depends on the cut).
    Raises `UsageError` if the file is missing, cannot be read, or is of a format, codec or schema not supported.
    """
    name, file = str(path), Path(path)
    try:
        return _open(file, name, registry, batch_rows)
    except OSError as problem:
        raise UsageError(f"{name} cannot be read: {problem.strerror or problem}") from problem


def _open(file: Path, name: str, registry: SchemaRegistry, batch_rows: int) -> EventFile:
    extension = file.suffix.lower()
    if extension == ".avro":
        return ContainerFile(file, name, registry, batch_rows)
    if extension in _JSON_LINES:
        return JsonLinesFile(file, name, batch_rows)
    if extension in _PARQUET:
        return ParquetFile(file, name, batch_rows)
    known = ", ".join((".avro", *_JSON_LINES, *_PARQUET))
    raise UsageError(f"{name}: extension {extension or '(none)'} is not known; give a file with one of {known}")

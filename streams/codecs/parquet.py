"""
Parquet to blocks: one type of event a file, columns by name, in Avro's rules of resolution.

The type of event is told by a column `type` that is the same in every row, else by what columns there are:
`feedback_id` makes feedback, `summary_id` summaries, `model` predictions, and none of them makes outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streams.codecs.batches import block_of
from streams.codecs.columns import conform, misfits
from streams.core.block import EVENT_TYPES, Batch, Block, EventType, Reject
from streams.errors import UsageError


class ParquetFile:
    """
    A Parquet file (`.parquet`); a record's position is the number of its row.

    Times without a zone are taken as UTC. Raises `UsageError` for what is not Parquet, for a column of the wrong
    type and for a file of several types of event.
    """

    def __init__(self, path: Path, name: str, batch_rows: int) -> None:
        self.name = name
        self._path = path
        self._batch_rows = batch_rows
        with self._open() as file:
            schema = file.schema_arrow
            self._kind = self._event_type(file)
        problems = misfits(self._kind, schema)
        if problems:
            raise UsageError(f"{name}: {'; '.join(problems)}; write these columns anew")

    def __iter__(self) -> Iterator[Block]:
        """Yield the file's rows, at most `batch_rows` at a time; a row group that cannot be read is one reject."""
        first = 0
        with self._open() as file:
            for group in range(file.num_row_groups):
                yield from self._row_group(file, group, first)
                first += file.metadata.row_group(group).num_rows

    def _row_group(self, file: pq.ParquetFile, group: int, first: int) -> Iterator[Block]:
        rows = file.iter_batches(self._batch_rows, row_groups=[group])
        while True:
            try:
                table = next(rows, None)
            except (pa.ArrowException, OSError) as problem:
                detail = f"the rest of row group {group} cannot be read: {problem}"
                yield Block(self.name, rejects=(Reject("undecodable", detail, self.name, first, b"", self._kind),))
                return
            if table is None:
                return
            yield block_of(self.name, [self._batch(table, first)], [])
            first += table.num_rows

    def _batch(self, table: pa.RecordBatch, first: int) -> Batch:
        columns = dict(zip(table.schema.names, table.columns, strict=True))
        positions = np.arange(first, first + table.num_rows, dtype=np.int64)
        conformed = conform(self._kind, columns, table.num_rows)
        return Batch(self._kind, conformed, self.name, positions, _json_rows(self._kind, conformed))

    def _event_type(self, file: pq.ParquetFile) -> EventType:
        names = file.schema_arrow.names
        if "type" in names:
            found = pc.unique(file.read(columns=["type"]).column(0)).to_pylist()
            if len(found) > 1:
                raise UsageError(f"{self.name}: column type is {found[0]!r} and {found[1]!r}; write a file for each")
            return self._declared(found[0]) if found else "outcome"
        ids: tuple[tuple[EventType, str], ...] = (("feedback", "feedback_id"), ("summary", "summary_id"))
        named: list[EventType] = [kind for kind, name in ids if name in names]
        return named[0] if named else "prediction" if "model" in names else "outcome"

    def _declared(self, value: object) -> EventType:
        for kind in EVENT_TYPES:
            if kind == value:
                return kind
        raise UsageError(f"{self.name}: column type is {value!r}, which is none of {', '.join(EVENT_TYPES)}")

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._path)
        except pa.ArrowException as problem:
            raise UsageError(f"{self.name}: not a Parquet file: {problem}") from problem


def _json_rows(kind: EventType, table: pa.RecordBatch) -> Callable[[int], bytes]:
    """Give a row as a line of JSON lines, with the columns that an event of its type has."""

    def original(row: int) -> bytes:
        values = {name: _python(table.column(name).slice(row, 1)) for name in table.schema.names}
        return orjson.dumps({"type": kind, **values})

    return original


def _python(cell: pa.Array) -> object:
    """One value as a Python object; text that is not UTF-8 with its bytes escaped."""
    try:
        value = cell[0].as_py()
    except UnicodeDecodeError:
        is_text = pa.types.is_string(cell.type)
        return cell.cast(pa.binary())[0].as_py().decode("utf-8", "backslashreplace") if is_text else "(not UTF-8)"
    return dict(value) if isinstance(value, list) and pa.types.is_map(cell.type) else value

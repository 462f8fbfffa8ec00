"""
Avro container files to blocks.

A file's blocks are gathered until there are enough records to decode at once. Of a damaged block the records before
the damage are kept; where the others begin cannot be known, so the rest of the block is one reject.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from streams.codecs.avro import UnknownEventError, WriterSchema
from streams.codecs.batches import block_of, cut
from streams.codecs.binary import Skip, boundaries
from streams.codecs.compression import CODECS
from streams.codecs.container import Data, Header, Origin, Run, read_header, read_runs
from streams.codecs.registry import SchemaRegistry
from streams.core.block import MAX_RECORD_BYTES, Batch, Block, Reject, RejectReason
from streams.errors import SchemaError, UsageError

_GATHERED_BYTES = 1 << 24


class ContainerFile:
    """
    An Avro container file (`.avro`) of one type of event, uncompressed, with deflate or with snappy.

    A record's position is its ordinal in the file, by the counts that the blocks declare. Raises `UsageError` for
    other compressions; a file that is not a container is a single reject.
    """

    def __init__(self, path: Path, name: str, registry: SchemaRegistry, batch_rows: int) -> None:
        self.name = name
        self._path = path
        self._registry = registry
        self._batch_rows = batch_rows
        with path.open("rb") as file:
            self._start = file.read(MAX_RECORD_BYTES)
        self._header = read_header(self._start)
        if self._header and self._header.codec not in CODECS:
            codecs = " or ".join(CODECS)
            raise UsageError(f"{name}: codec {self._header.codec} is not supported; write the file with {codecs}")

    def __iter__(self) -> Iterator[Block]:
        """Yield the file's records, about `batch_rows` at a time."""
        if self._header is None:
            reject = Reject("undecodable", "not an Avro container file", self.name, 0, self._start)
            yield Block(self.name, rejects=(reject,))
            return
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from self._blocks(data, self._header)

    def _blocks(self, data: Data, header: Header) -> Iterator[Block]:
        decoder = _decoder(self.name, header.schema, self._registry)
        for gathered in _gather(data, header, decoder.origin, self._batch_rows):
            batches, rejects = decoder.decode(gathered.runs)
            yield from cut(block_of(self.name, batches, rejects + gathered.rejects), self._batch_rows)


@dataclass
class _Gathered:
    """Runs to be decoded together, and what was rejected on the way."""

    runs: list[Run] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def _gather(data: Data, header: Header, origin: Origin, rows: int) -> Iterator[_Gathered]:
    """Yield a file's runs together, up to `rows` records or 16 MiB unless one run alone has more."""
    gathered, count, size = _Gathered(), 0, 0
    for piece in read_runs(data, header, origin):
        if isinstance(piece, Reject):
            gathered.rejects.append(piece)
            continue
        count, size = count + piece.count, size + len(piece.payload)
        if gathered.runs and (count > rows or size > _GATHERED_BYTES):
            yield gathered
            gathered, count, size = _Gathered(), piece.count, len(piece.payload)
        gathered.runs.append(piece)
    yield gathered


@dataclass(frozen=True)
class _Refuser:
    """Stands in for the decoder of a file whose schema cannot be used: each of its blocks is a reject."""

    origin: Origin
    reason: RejectReason
    detail: str

    def decode(self, runs: list[Run]) -> tuple[list[Batch], list[Reject]]:
        return [], [
            Reject(self.reason, self.detail, self.origin.source, run.first, run.payload[:MAX_RECORD_BYTES])
            for run in runs
        ]


@dataclass(frozen=True)
class _Decoder:
    """Decodes runs: all at once, else one by one, else as far as the damage."""

    origin: Origin
    schema: WriterSchema

    def decode(self, runs: list[Run]) -> tuple[list[Batch], list[Reject]]:
        try:
            return ([self._whole(runs)] if runs else []), []
        except ValueError:
            pass  # which run it is, and what is wrong with it, shows when they are decoded one by one
        parts = [self._part(run) for run in runs]
        return [part[0] for part in parts if len(part[0])], [reject for part in parts for reject in part[1]]

    def _part(self, run: Run) -> tuple[Batch, list[Reject]]:
        try:
            return self._whole([run]), []
        except ValueError:
            return self._salvaged(run)

    def _whole(self, runs: list[Run]) -> Batch:
        table = self.schema.runs([(run.count, run.payload) for run in runs])
        positions = np.concatenate([np.arange(run.first, run.first + run.count) for run in runs])
        return Batch(self.schema.kind, table, self.origin.source, positions, _Originals(runs, self.schema.skip))

    def _salvaged(self, run: Run) -> tuple[Batch, list[Reject]]:
        ends, problem = boundaries(self.schema.skip, run.payload, run.count)
        if problem is None and ends[-1] < len(run.payload):
            problem = f"bytes are left behind the last of the {run.count} records that the block declares"
            ends = ends[:-1] or ends
        datums = [run.payload[a:b] for a, b in pairwise(ends)]
        sifted = self.schema.sift(datums)
        rejects = [self.origin.reject(run.first + row, detail, datums[row]) for row, detail in sifted.bad]
        if problem is not None:
            rejects.append(self.origin.reject(run.first + len(datums), problem, run.payload[ends[-1] :]))
        positions = run.first + sifted.rows
        kept = [datums[row] for row in sifted.rows]
        return Batch(self.schema.kind, sifted.table, self.origin.source, positions, kept.__getitem__), rejects


class _Originals:
    """Finds the bytes of a row again: by walking over its run, once a run and only if asked."""

    def __init__(self, runs: list[Run], skip: Skip) -> None:
        self._runs = runs
        self._skip = skip
        self._starts = list(accumulate((run.count for run in runs), initial=0))
        self._ends: dict[int, list[int]] = {}

    def __call__(self, row: int) -> bytes:
        number = bisect_right(self._starts, row) - 1
        run = self._runs[number]
        if number not in self._ends:
            self._ends[number], _ = boundaries(self._skip, run.payload, run.count)
        ends, place = self._ends[number], row - self._starts[number]
        return run.payload[ends[place] : ends[place + 1]]


def _decoder(source: str, schema: str, registry: SchemaRegistry) -> _Decoder | _Refuser:
    try:
        writer = registry.written_with(schema)
    except UnknownEventError as problem:
        return _Refuser(Origin(source, None), "unknown_schema", str(problem))
    except SchemaError as problem:
        return _Refuser(Origin(source, None), "undecodable", str(problem))
    return _Decoder(Origin(source, writer.kind), writer)

"""
Replay: files through the pipeline into a store, in the order of their event times.

Each file is an input with its own watermark, and the next block always comes from the file that is furthest
behind. So the files may be given in any order, and no more waits in memory than the disorder within them asks for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streams.codecs.files import EventFile, open_source
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config.models import Config
from streams.core.block import Block
from streams.errors import UsageError
from streams.pipeline import Pipeline, Rows
from streams.sinks.buffer import Inserts, RowBuffer

BLOCK_ROWS = 65_536

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class ReplayReport:
    """What became of the events, and the seconds that it took, the store's inserts included."""

    counts: dict[str, int]
    seconds: float


class Source(Protocol):
    """A named input of blocks."""

    @property
    def name(self) -> str:
        """What rejects call it."""

    def __iter__(self) -> Iterator[Block]:
        """Its blocks, in order."""


def open_files(paths: Sequence[str | Path], block_rows: int = BLOCK_ROWS) -> list[EventFile]:
    """
    Open event files, each once.

    Raises
    ------
    UsageError
        A file does not exist, is given twice, is of no known kind, or its name cannot be stored as text.
    """
    registry = SchemaRegistry.load(default_schema_dir())
    twice = [path for path, count in Counter(Path(path).resolve() for path in paths).items() if count > 1]
    if twice:
        named = next(path for path in paths if Path(path).resolve() == twice[0])
        raise UsageError(f"{named} is given more than once; name each file once")
    unnameable = [str(path) for path in paths if not _is_text(str(path))]
    if unnameable:
        raise UsageError(f"{unnameable[0]!a}: its name is not UTF-8, and the store keeps names as text; rename it")
    return [open_source(path, registry, block_rows) for path in paths]


def _is_text(name: str) -> bool:
    """Whether a name has no bytes that Python could not decode, which it keeps as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def replay(config: Config, sources: Sequence[Source], store: Inserts, progress: Progress | None = None) -> ReplayReport:
    """
    Run the sources through a new pipeline and insert what comes out.

    Raises
    ------
    StoreUnavailable
        The store refused an insert; the replay can be run again and gives the same rows.
    """
    now = time.time_ns() // 1_000
    started = time.perf_counter()
    pipeline, buffer = Pipeline(config, trail_of(config)), RowBuffer(store)
    for rows in run(pipeline, sources, now, progress):
        for table, batch in rows:
            buffer.add(table, batch)
    buffer.flush()
    return ReplayReport(pipeline.counts(), time.perf_counter() - started)


def trail_of(config: Config) -> int:
    """How far the watermark trails in a replay, us: files may be in any order within the longest label horizon."""
    return max(config.disorder, *(model.label_horizon for model in config.models.values()))


def run(pipeline: Pipeline, sources: Sequence[Source], now: int, progress: Progress | None = None) -> Iterator[Rows]:
    """Drive a pipeline over inputs to their end; yields the rows of each block, to be consumed in turn."""
    for source in sources:
        pipeline.open(source.name)
    for block in in_event_time(pipeline, sources):
        yield pipeline.process(block, now)
        if progress is not None:
            progress(pipeline.read, None)
    yield pipeline.flush(ended=True)


def in_event_time(pipeline: Pipeline, sources: Sequence[Source]) -> Iterator[Block]:
    """Blocks of all sources, always the next one of the source whose watermark is furthest behind."""
    waiting = {source.name: iter(source) for source in sources}
    while waiting:
        name = min(waiting, key=pipeline.watermarks.of)
        block = next(waiting[name], None)
        if block is None:
            del waiting[name]
            pipeline.close(name)
        else:
            yield block

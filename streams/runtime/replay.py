"""
Replay: files through the pipeline into a store, in the order of their event times.

Each file is an input with its own watermark, and the next block always comes from the file that is furthest
behind. So the files may be given in any order, and no more waits in memory than the disorder within them asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from streams.config.models import Config
from streams.pipeline import Pipeline, Rows
from streams.runtime.inputs import BLOCK_ROWS, Source, in_event_time, open_files, trail_of
from streams.runtime.references import learn_references
from streams.sinks.buffer import Inserts, RowBuffer

__all__ = ["BLOCK_ROWS", "Source", "in_event_time", "open_files", "replay", "run", "trail_of"]

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class ReplayReport:
    """What became of the events, and the seconds that it took, the store's inserts included."""

    counts: dict[str, int]
    seconds: float


def replay(config: Config, sources: Sequence[Source], store: Inserts, progress: Progress | None = None) -> ReplayReport:
    """
    Run the sources through a new pipeline and insert what comes out.

    Raises
    ------
    StoreUnavailable
        The store refused an insert; the replay can be run again and gives the same rows.
    UsageError
        A reference file that is declared cannot be used.
    """
    now = time.time_ns() // 1_000
    started = time.perf_counter()
    pipeline, buffer = Pipeline(config, trail_of(config)), RowBuffer(store)
    for rows in run(pipeline, sources, now, progress):
        for table, batch in rows:
            buffer.add(table, batch)
    buffer.flush()
    return ReplayReport(pipeline.counts(), time.perf_counter() - started)


def run(pipeline: Pipeline, sources: Sequence[Source], now: int, progress: Progress | None = None) -> Iterator[Rows]:
    """
    Drive a pipeline over inputs to their end; yields the rows of each block, to be consumed in turn.

    Raises `UsageError` if a reference file that is declared cannot be used.
    """
    learn_references(pipeline.catalog.config, pipeline)
    for source in sources:
        pipeline.open(source.name)
    for block in in_event_time(pipeline, sources):
        yield pipeline.process(block, now)
        if progress is not None:
            progress(pipeline.read, None)
    yield pipeline.flush(ended=True)

"""
The pipeline. START HERE: the stages in order, one executable page.

    predictions ┐
    outcomes    ├─ decode ── join ── sample ── summarize ── window ── sinks
    feedback    ┘     └ rejected  └ orphans  └ samples         └ quality

Blocks of events go in (a codec has decoded them), tables of rows come out, each with the name of the store's table.
No stage does I/O, asks a clock or draws a random number: the same events give the same tables, however they were
cut into blocks, in any order within the disorder, and however often the pipeline was stopped and restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from streams.config.models import Config
from streams.core.block import Block, latest
from streams.core.catalog import Catalog
from streams.core.columns import length
from streams.core.intake import Intake, Joined
from streams.core.measures import Measures
from streams.core.quality import slice_rows
from streams.core.rows import rejected_rows
from streams.core.sample import sample_rows, sampled
from streams.core.watermark import FOREVER, Watermarks
from streams.sinks.clickhouse.rows import TableName

Rows = Iterator[tuple[TableName, pa.Table]]

_DUPLICATES = ("duplicate_predictions", "duplicate_outcomes", "duplicate_feedback")
_CHANGES_A_CELL = 4  # windows are looked through for final ones when this many changes have come for each cell


class Pipeline:
    """
    Every stage with its state, for one set of models.

    Inputs are declared by `open`, feed `process`, and end by `close`; `flush` shows what has changed since the
    last time. The iterators do the work: they must be consumed. The watermark trails the largest event time by
    `trail` us, the configured disorder if not given; a longer one costs memory and delay, and changes no result.
    """

    def __init__(self, config: Config, trail: int | None = None) -> None:
        self.catalog = Catalog(config)
        self.watermarks = Watermarks(config.disorder if trail is None else trail)
        self.read = 0
        self._intake = Intake(self.catalog)
        self._measures = Measures(self.catalog)
        self._share = config.samples
        self._changes = 0

    def open(self, source: str) -> None:
        """Declare an input: the watermark waits for it."""
        self.watermarks.open(source)

    def close(self, source: str) -> None:
        """Note that an input has ended: the watermark waits for it no longer."""
        self.watermarks.close(source)

    def process(self, block: Block, now: int) -> Rows:
        """Take a block through the stages. `now` (us) is when it came: it bounds timestamps from the future."""
        self.read += len(block)
        events, rejects = self._intake.admit(block, now, self.watermarks.value())
        if rejects:
            yield "rejected", rejected_rows(rejects)
        for batch in events:
            joined = self._intake.join(batch)
            yield from self._sample(joined)
            self._summarize(joined)
            self.watermarks.see(batch.source, latest(batch))
        yield from self._window()

    def flush(self, *, ended: bool = False) -> Rows:
        """
        Show every window that changed, and let go of what waited in vain.

        `ended` says that no input will come any more: nothing can wait for a prediction.
        """
        watermark = self.watermarks.value()
        yield from self._sweep(watermark, ended=ended)
        yield from self._show(watermark, provisional=True, ended=ended)
        yield "slices", slice_rows(self.catalog.groups.decisions(), self.read)

    def counts(self) -> dict[str, int]:
        """What became of the events so far; docs/semantics.md says what adds up to what."""
        intake, join = self._intake.tally, self._intake.joiner.tally
        waiting, expired = self._intake.joiner.unlabelled(self.watermarks.value())
        counts = {
            "read": self.read,
            "predictions": intake["prediction"],
            "outcomes": intake["outcome"],
            "feedback": intake["feedback"],
            "joined": join["joined"],
            "waiting": waiting,
            "expired": join["expired"] + expired,
        }
        counts |= {name: join[name] for name in ("labelling", "corrected", "attributed")}
        counts |= {name: join[name] for name in ("orphan_outcomes", "orphan_feedback")}
        counts |= {name: intake[name] for name in _DUPLICATES}
        return counts | {
            "orphan": join["orphan_outcomes"] + join["orphan_feedback"],
            "duplicate": sum(intake[name] for name in _DUPLICATES),
            "overflow": self.catalog.groups.overflow,
            "rejected": intake["rejected"],
        }

    def _sample(self, joined: Joined) -> Rows:
        chosen = sampled(joined.keys, self._share)
        if chosen.any():
            yield "samples", sample_rows(joined.batch, chosen, self._share)

    def _summarize(self, joined: Joined) -> None:
        for source, rows in joined.changes.items():
            self._measures.add(source, rows)
            self._changes += length(rows)

    def _window(self) -> Rows:
        """Show what has become final and let go of what the watermark has passed, once enough has come for a look."""
        watermark = self.watermarks.value()
        self.catalog.groups.admit(watermark)
        if self._intake.joiner.sweep_is_due():
            yield from self._sweep(watermark, ended=False)
        if self._changes > _CHANGES_A_CELL * len(self._measures):
            yield from self._show(watermark, provisional=False, ended=False)

    def _sweep(self, watermark: int, *, ended: bool) -> Rows:
        orphans = self._intake.sweep(watermark, ended=ended)
        if orphans is not None:
            yield "orphans", orphans

    def _show(self, watermark: int, *, provisional: bool, ended: bool) -> Rows:
        self._changes = 0
        self.catalog.groups.admit(FOREVER if ended else watermark)
        for table in self._measures.show(watermark, self.read, provisional=provisional):
            yield "windows", table

    def snapshot(self) -> dict[str, Any]:
        """Everything as nested dictionaries of plain data, arrays and Arrow tables; see runtime/snapshot.py."""
        return {
            "read": self.read,
            "changes": self._changes,
            "watermarks": self.watermarks.snapshot(),
            "groups": self.catalog.groups.snapshot(),
            "intake": self._intake.snapshot(),
            "measures": self._measures.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot of a pipeline with the same configuration."""
        self.read, self._changes = saved["read"], saved["changes"]
        self.watermarks.restore(saved["watermarks"])
        self.catalog.groups.restore(saved["groups"])
        self._intake.restore(saved["intake"])
        self._measures.restore(saved["measures"])

"""
The pipeline. START HERE: the stages in order, one executable page.

    predictions ┐                                            ┌─ judge ── verdicts ┬ alert
    outcomes    ├─ decode ── join ── sample ── summarize ────┼─ detect ── signals ┘
    feedback    ┘     └ rejected  └ orphans  └ samples       └─ window ── quality

Blocks of events go in (a codec has decoded them), tables of rows come out, each with the name of the store's table.
No stage does I/O, asks a clock or draws a random number: the same events give the same tables, however they were
cut into blocks, in any order within the disorder, and however often the pipeline was stopped and restored.

It parts after summarize. `Upstream` has the stages that need one partition's events, `Downstream` those that need
the sums of all; between them travel only sums, which merge in any order. A replay has both in one `Pipeline`; the
worker has an upstream for each partition of the inputs and a downstream for each partition of the summaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from streams.config.models import Config
from streams.config.references import ReferenceFiles
from streams.core.alert.trial_watches import TrialWatches
from streams.core.block import Block, latest
from streams.core.catalog import Catalog
from streams.core.columns import length
from streams.core.detect.release import Marker
from streams.core.detect.rows import alert_rows, signal_rows
from streams.core.detect.watched import Tick
from streams.core.detect.watchman import watchmen
from streams.core.forget import Forgotten, Order
from streams.core.intake import Intake, Joined
from streams.core.judge.looks import decided, verdict_rows
from streams.core.measures import Measures
from streams.core.quality import slice_rows
from streams.core.rows import rejected_rows
from streams.core.runs import Runs
from streams.core.sampling.stage import Sampling
from streams.core.segment import EVERY_BUCKET, Segment, key_range
from streams.core.trials import Look
from streams.core.watermark import FOREVER, NEVER, Recorded, Watermarks
from streams.sinks.clickhouse.rows import TableName

Rows = Iterator[tuple[TableName, pa.Table]]

_DUPLICATES = ("duplicate_predictions", "duplicate_outcomes", "duplicate_feedback", "duplicate_summaries")
_PREDICTED = ("prediction", "summary")  # events that are there as long as something predicts
_FORGOTTEN = ("forgotten_predictions", "forgotten_outcomes", "forgotten_feedback")
_CHANGES_A_CELL = 4  # windows are looked through for final ones when this many changes have come for each cell
_TICKS_AT_ONCE = 100  # of any models, whose findings become rows together: a table costs more than its rows


class Upstream:
    """
    The stages up to summarize, with their state.

    Inputs are declared by `open`, feed `process`, and end by `close`. The iterators do the work: they must be
    consumed. What has been summed up is in `measures`.
    """

    def __init__(self, catalog: Catalog, measures: Measures, trail: int, parts: int = 1) -> None:
        """Begin empty; `parts` is how many such parts share the requests, if there is a number of each to keep."""
        self.catalog = catalog
        self.measures = measures
        self.watermarks = Watermarks(trail)
        self._recorded = Recorded()
        self.read = 0
        self.changes = 0
        self._sampling = Sampling(catalog, parts)
        self._intake = Intake(catalog, self._sampling)

    def open(self, source: str, *, predicts: bool = False) -> None:
        """Declare an input: the watermark waits for it. It `predicts` if predictions are what it is there for."""
        self.watermarks.open(source)
        if predicts:
            self._recorded.open(source)

    def close(self, source: str) -> None:
        """Note that an input has ended: the watermark waits for it no longer."""
        self.watermarks.close(source)

    def process(self, block: Block, now: int) -> Rows:
        """Take a block through the stages. `now` (us) is when it came: it bounds timestamps from the future."""
        self.read += len(block)
        events, rejects = self._intake.admit(block, now, self.watermarks.value())
        if rejects:
            yield "rejected", rejected_rows(rejects, self.catalog.treatment)
        for batch in events:
            joined = self._intake.join(batch)
            yield from self._sample(joined)
            self._summarize(joined)
            self._see(joined)
            self.watermarks.see(batch.source, latest(batch))
            if batch.kind in _PREDICTED:
                self._recorded.see(batch.source, latest(batch))
        if self._intake.joiner.sweep_is_due():
            yield from self.sweep()
        yield from self._release(self.watermarks.value())

    def sweep(self, *, ended: bool = False) -> Rows:
        """Let go of what waited in vain; when the input has `ended`, nothing can wait for a prediction."""
        yield from self._release(FOREVER if ended else self.watermarks.value())
        orphans = self._intake.sweep(self.watermarks.value(), ended=ended)
        if orphans is not None:
            yield "orphans", orphans
        for table in self._sampling.sweep(self._intake.joiner.swept["outcomes"]):
            yield "samples", table

    def forget(self, order: Order, met: str) -> Forgotten:
        """Take out what waits of a unit; `met` is the input, of `streams.core.forget.INPUTS`, in which it is asked."""
        return self._intake.forget(order, met)

    def counts(self) -> dict[str, int]:
        """What became of the events so far; docs/semantics.md says what adds up to what. Looks at all that waits."""
        waiting, passed = self._intake.joiner.unlabelled(self.watermarks.value())
        tallies = self.tallies()
        return tallies | {"waiting": waiting, "expired": tallies["expired"] + passed}

    def recorded(self) -> int:
        """Until when it is known what was predicted, us: that nothing is known of later is no silence."""
        return self._recorded.until(self.watermarks.idle - self.watermarks.ended)

    def held(self) -> int:
        """Predictions that are held, labelled or not."""
        return len(self._intake.joiner.predictions)

    def stores(self) -> dict[str, Runs]:
        """What waits, by the name of its store."""
        return self._intake.joiner.stores() | self._sampling.stores()

    def tallies(self) -> dict[str, int]:
        """The counts that are kept as events come: without what waits, and what has expired since the last sweep."""
        intake, join = self._intake.tally, self._intake.joiner.tally
        counts = {
            "read": self.read,
            "predictions": intake["prediction"],
            "outcomes": intake["outcome"],
            "feedback": intake["feedback"],
            "summaries": intake["summary"],
            "joined": join["joined"],
            "waiting": 0,
            "expired": join["expired"],
        }
        counts |= {name: join[name] for name in ("labelling", "corrected", "attributed")}
        counts |= {name: join[name] for name in ("orphan_outcomes", "orphan_feedback")}
        counts |= {name: join[name] for name in _FORGOTTEN if join[name]}  # a replay forgets nobody
        counts |= {name: intake[name] for name in _DUPLICATES}
        return counts | {
            "orphan": join["orphan_outcomes"] + join["orphan_feedback"],
            "duplicate": sum(intake[name] for name in _DUPLICATES),
            "let_go": self._sampling.let_go,
            "overflow": self.catalog.groups.overflow,
            "rejected": intake["rejected"],
        }

    def _sample(self, joined: Joined) -> Rows:
        events = {"key": joined.keys, "id": joined.ids}
        for table in self._sampling.sample(joined.batch, joined.rows, events, joined.made):
            yield "samples", table

    def _release(self, watermark: int) -> Rows:
        for table in self._sampling.release(watermark):
            yield "samples", table

    def _summarize(self, joined: Joined) -> None:
        for source, rows in joined.changes.items():
            self.measures.add(source, rows)
            self.changes += length(rows)

    def _see(self, joined: Joined) -> None:
        if "traffic" in joined.changes:
            self.measures.see(joined.batch.table, joined.rows, joined.keys, joined.changes["traffic"])

    def head(self) -> dict[str, Any]:
        """Everything but the rows that wait, as nested dictionaries of plain data."""
        head = {"read": self.read, "changes": self.changes, "watermarks": self.watermarks.snapshot()}
        head |= {"recorded": self._recorded.snapshot()}
        return head | {"intake": self._intake.head(), "sampling": self._sampling.head()}

    def changed(self) -> dict[str, Any]:
        """Return the content of a delta segment: the rows that wait, as far as they are new or changed."""
        return self._intake.changes() | self._sampling.changes()

    def rows(self, buckets: range = EVERY_BUCKET) -> dict[str, Any]:
        """Return the content of a base segment: all rows that wait and whose keys lie in consecutive buckets."""
        return self._intake.rows(buckets) | self._sampling.rows(*key_range(buckets))

    @property
    def sweeps(self) -> int:
        """How often rows were let go of."""
        return self._intake.joiner.sweeps

    def restore(self, head: Mapping[str, Any], segments: Sequence[Segment], swept: int = -1) -> None:
        """Replace everything; `swept` is the sequence of the last segment that the last sweep came after."""
        self.read, self.changes = head["read"], head["changes"]
        self.watermarks.restore(head["watermarks"])
        self._recorded.restore(head["recorded"])
        self._intake.restore(head["intake"], segments, swept)
        self._sampling.restore(head["sampling"], segments, swept, self._intake.joiner.swept["outcomes"])


class Downstream:
    """The stages after summarize: from sums, and how far event time has come, to windows, verdicts and alerts."""

    def __init__(self, catalog: Catalog, measures: Measures) -> None:
        self.catalog = catalog
        self.measures = measures
        self._trials = TrialWatches(catalog)
        self._watchmen = watchmen(catalog)
        self._listed = 0

    def tell(self, watermark: int, revision: int, *, recorded: int, ended: bool = False) -> Rows:
        """
        Say what follows from the ticks that are over: verdicts, signals and alerts.

        Silence is told until the time `recorded` (us), as `Upstream.recorded` says it.
        """
        self.catalog.groups.admit(FOREVER if ended else watermark)
        yield from self._judge(watermark, revision, ended=ended)
        yield from self._detect(FOREVER if ended else watermark, recorded, revision)

    def show(self, watermark: int, revision: int, *, provisional: bool, ended: bool = False) -> Rows:
        """Show the windows that have become final and, if `provisional`, every window that changed, and the slices."""
        self.catalog.groups.admit(FOREVER if ended else watermark)
        now = watermark if ended or watermark <= NEVER else watermark + self.catalog.config.disorder
        for table in self.measures.show(watermark, now, revision, provisional=provisional):
            yield "windows", table
        if provisional and self.measures.told() > self._listed:
            self._listed = self.measures.told()
            yield "slices", slice_rows(self.measures.slices(), revision)

    def _judge(self, watermark: int, revision: int, *, ended: bool) -> Rows:
        looks = self.measures.trials.look(FOREVER if ended else watermark)
        self._mark(looks)
        rows = [row for look in looks for row in look.shown(self.catalog.config.privacy.smallest_cell)]
        if rows:
            yield "verdicts", verdict_rows(rows, revision)
        notices = self._trials.step(looks, watermark)
        if notices:
            yield "alerts", alert_rows(notices, revision)

    def _mark(self, looks: Iterable[Look]) -> None:
        """Tell the watchman of a model of what experiments on it decided: what follows may be its work."""
        for look in looks:
            if look.model in self._watchmen and decided(look.rows):
                self._watchmen[look.model].mark(Marker(look.tick, f"decision of experiment {look.experiment}"))

    def _detect(self, watermark: int, recorded: int, revision: int) -> Rows:
        ticks = self.measures.watched.take(watermark, recorded)
        for first in range(0, len(ticks), _TICKS_AT_ONCE):
            told = [self._watchmen[tick.model].step(tick) for tick in ticks[first : first + _TICKS_AT_ONCE]]
            findings = [finding for one in told for finding in one.findings]
            notices = [notice for one in told for notice in one.notices]
            if findings:
                yield "signals", signal_rows(findings, revision)
            if notices:
                yield "alerts", alert_rows(notices, revision)

    def awaited(self) -> dict[str, ReferenceFiles]:
        """Return reference files, by model, whose ticks have to be handed over (`learn`) before anything is shown."""
        files = {model: watchman.awaited for model, watchman in self._watchmen.items()}
        return {model: some for model, some in files.items() if some is not None}

    def learn(self, model: str, ticks: Sequence[Tick]) -> list[str]:
        """Let a model learn from a reference; return what there is too little of. Raises `ValueError` as it does."""
        return self._watchmen[model].learn(ticks)

    def snapshot(self) -> dict[str, Any]:
        """Everything as nested dictionaries of plain data and arrays."""
        return {
            "groups": self.catalog.groups.snapshot(),
            "measures": self.measures.snapshot(),
            "trials": self._trials.snapshot(),
            "watchmen": {model: watchman.snapshot() for model, watchman in self._watchmen.items()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot under the same configuration."""
        self.catalog.groups.restore(saved["groups"])
        self.measures.restore(saved["measures"])
        self._trials.restore(saved.get("trials", ()))  # state of an earlier version has none
        for model, watchman in self._watchmen.items():
            if model in saved["watchmen"]:
                watchman.restore(saved["watchmen"][model])


class Pipeline:
    """
    Every stage with its state, for one set of models: upstream and downstream over the same sums.

    `flush` shows what has changed since the last time. The watermark trails the largest event time by `trail` us,
    the configured disorder if not given; a longer one costs memory and delay, and changes no result.
    """

    def __init__(self, config: Config, trail: int | None = None) -> None:
        self.catalog = Catalog(config)
        self._measures = Measures(self.catalog)
        self._upstream = Upstream(self.catalog, self._measures, config.disorder if trail is None else trail)
        self._downstream = Downstream(self.catalog, self._measures)
        self.watermarks = self._upstream.watermarks
        self.open, self.close, self.counts = self._upstream.open, self._upstream.close, self._upstream.counts
        self.awaited, self.learn = self._downstream.awaited, self._downstream.learn

    @property
    def read(self) -> int:
        """Events that went in; it orders the revisions of a row."""
        return self._upstream.read

    def process(self, block: Block, now: int) -> Rows:
        """Take a block through all stages; show what has become final, once enough has come for a look."""
        yield from self._upstream.process(block, now)
        self.catalog.groups.admit(self.watermarks.value())
        if self._upstream.changes > _CHANGES_A_CELL * len(self._measures):
            yield from self._show(provisional=False, ended=False)

    def flush(self, *, ended: bool = False) -> Rows:
        """
        Show every window that changed, and let go of what waited in vain.

        `ended` says that no input will come any more: nothing can wait for a prediction.
        """
        yield from self._upstream.sweep(ended=ended)
        yield from self._show(provisional=True, ended=ended)

    def _show(self, *, provisional: bool, ended: bool) -> Rows:
        self._upstream.changes = 0
        watermark, recorded = self.watermarks.value(), self._upstream.recorded()
        yield from self._downstream.tell(watermark, self.read, recorded=recorded, ended=ended)
        yield from self._downstream.show(watermark, self.read, provisional=provisional, ended=ended)

    def snapshot(self) -> dict[str, Any]:
        """Everything as nested dictionaries of plain data, arrays and Arrow tables; see runtime/snapshot.py."""
        return {
            "downstream": self._downstream.snapshot(),
            "head": self._upstream.head(),
            "rows": self._upstream.rows(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Replace everything by a snapshot of a pipeline with the same configuration."""
        self._downstream.restore(saved["downstream"])
        self._upstream.restore(saved["head"], [Segment(0, EVERY_BUCKET, saved["rows"])])

"""Intake: valid batches into the join. Too late, seen before, or new; and what the new ones change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.archive import Archive
from streams.core.block import Batch, Block, Reject
from streams.core.catalog import Catalog
from streams.core.columns import Columns, Hashes, Mask, from_arrow, take
from streams.core.flatten import flatten_feedback, flatten_outcomes, flatten_predictions, identify
from streams.core.join import Joiner, Orphans
from streams.core.metric.base import Source
from streams.core.rows import orphan_rows, record_texts
from streams.core.runs import Runs
from streams.core.segment import Rows, Segment, assemble, key_range, pack
from streams.core.validate import validate


@dataclass(frozen=True)
class Joined:
    """Events that take part for the first time, the hashes of their requests, and the changes they make, by source."""

    batch: Batch
    keys: Hashes
    changes: Mapping[Source, Columns]


class Intake:
    """The gate before the join, and the texts of what may become an orphan."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.joiner = Joiner(catalog.shape, catalog.config.disorder, catalog.horizons)
        self.archive = Archive()
        self.tally: Counter[str] = Counter()

    def admit(self, block: Block, now: int, watermark: int) -> tuple[list[Batch], list[Reject]]:
        """Return the batches of events that may take part, and all other records with their reasons."""
        self.joiner.watermark = watermark
        events, rejects = [], list(block.rejects)
        for batch in block.batches:
            good, bad = validate(batch, self._catalog.rules(now))
            admitted, late = self._refuse_late(keep(batch, good), watermark)
            rejects += bad + late
            self.tally[batch.kind] += len(admitted)
            events += [admitted] if len(admitted) else []
        self.tally["rejected"] += len(rejects)
        return events, rejects

    def join(self, batch: Batch) -> Joined:
        """Join the events that were not seen before."""
        ids = identify(batch.table)
        joins = {"prediction": self._predictions, "outcome": self._outcomes, "feedback": self._feedback}
        return joins[batch.kind](batch, ids)

    def sweep(self, watermark: int, *, ended: bool) -> pa.Table | None:
        """Let go of what waited in vain; return the orphans' rows, if there are any."""
        parts = [self._orphans(orphans) for orphans in self.joiner.sweep(watermark, ended=ended) if len(orphans.refs)]
        self.archive.drop(watermark - self._catalog.config.disorder)
        return pa.concat_tables(parts) if parts else None

    def head(self) -> dict[str, Any]:
        """Everything but the rows, as plain data."""
        return {"joiner": self.joiner.head(), "tally": dict(self.tally)}

    def changes(self) -> dict[str, Any]:
        """Return the content of a delta segment: the rows that are new or changed since this was last called."""
        return self._pack({name: store.changed() for name, store in self.joiner.stores().items()})

    def rows(self, buckets: range) -> dict[str, Any]:
        """Return the content of a base segment: all rows whose keys lie in consecutive buckets."""
        return self._pack({name: store.between(*key_range(buckets)) for name, store in self.joiner.stores().items()})

    def restore(self, head: Mapping[str, Any], segments: Sequence[Segment], swept: int) -> None:
        """Replace everything; `swept` is the sequence of the last segment written before the last sweep."""
        self.archive = Archive()
        rows, sequences = assemble(segments, self._catalog.groups, self.archive)
        self.joiner.restore(head["joiner"], rows, {name: of <= swept for name, of in sequences.items()})
        self.tally = Counter(head["tally"])

    def _pack(self, rows: Rows) -> dict[str, Any]:
        return pack(rows, self._catalog.groups, self.archive)

    def _refuse_late(self, batch: Batch, watermark: int) -> tuple[Batch, list[Reject]]:
        """Part from predictions that are older than the watermark by more than their horizon: no label can come."""
        if batch.kind != "prediction":
            return batch, []
        oldest = self._catalog.oldest(watermark)
        encoded = batch.table["model"].dictionary_encode()
        bounds = np.array([oldest[name] for name in encoded.dictionary.to_pylist()], np.int64)
        times = from_arrow(batch.table["event_time"])
        late = times < bounds[from_arrow(encoded.indices)]
        if not late.any():
            return batch, []
        rows = np.flatnonzero(late).tolist()
        return keep(batch, ~late), [self._late_reject(batch, row, int(times[row]), watermark) for row in rows]

    def _late_reject(self, batch: Batch, row: int, time: int, watermark: int) -> Reject:
        detail = f"event_time={time}: more than its model's label horizon older than the watermark, {watermark}"
        return Reject("too_late", detail, batch.source, int(batch.positions[row]), batch.original(row), batch.kind)

    def _predictions(self, batch: Batch, ids: Columns) -> Joined:
        batch, ids = self._new(self.joiner.predictions, batch, ids, ids["target"])
        rows = flatten_predictions(batch.table, ids, self._catalog.groups, self._catalog.shape)
        latency = from_arrow(batch.table["latency_ms"].fill_null(np.nan))
        traffic = {name: rows[name] for name in ("cohort", "time", "weight")}
        traffic |= {"latency": latency, "sign": np.ones(len(batch))}
        labels, feedback = self.joiner.add_predictions(rows)
        return Joined(batch, ids["key"], {"traffic": traffic, "label": labels, "feedback": feedback})

    def _outcomes(self, batch: Batch, ids: Columns) -> Joined:
        rows = flatten_outcomes(batch.table, ids)
        fresh = self.joiner.fresh(self.joiner.outcomes, rows, rows["id"])
        self.tally["duplicate_outcomes"] += int((~fresh).sum())
        rows["flags"] = np.zeros(len(batch), np.uint8)
        return self._waiting(batch, rows, fresh, "label")

    def _feedback(self, batch: Batch, ids: Columns) -> Joined:
        rows = flatten_feedback(batch.table, ids)
        fresh = self.joiner.fresh(self.joiner.feedback, rows, rows["id"])
        self.tally["duplicate_feedback"] += int((~fresh).sum())
        rows["flags"] = np.zeros(len(batch), np.uint8)
        return self._waiting(batch, rows, fresh, "feedback")

    def _waiting(self, batch: Batch, rows: Columns, kept: Mask, source: Source) -> Joined:
        """Join outcomes or feedback; they may wait, so their texts are archived."""
        batch, rows = keep(batch, kept), take(rows, kept)
        if not len(batch):
            return Joined(batch, rows["key"], {})
        rows["ref"] = self.archive.keep(record_texts(batch), int(rows["time"].max()))
        add = {"label": self.joiner.add_outcomes, "feedback": self.joiner.add_feedback}
        return Joined(batch, rows["key"], {source: add[source](rows)})

    def _new(self, store: Runs, batch: Batch, ids: Columns, identity: np.ndarray) -> tuple[Batch, Columns]:
        fresh = self.joiner.fresh(store, ids, identity)
        self.tally["duplicate_predictions"] += int((~fresh).sum())
        return keep(batch, fresh), take(ids, fresh)

    def _orphans(self, orphans: Orphans) -> pa.Table:
        return orphan_rows(self.archive.fetch(orphans.refs), orphans.late)


def keep(batch: Batch, rows: Mask) -> Batch:
    """Return a batch of the rows where the mask is true; the same batch when that is all of them."""
    if rows.all():
        return batch
    kept = np.flatnonzero(rows)

    def original(row: int) -> bytes:
        return batch.original(int(kept[row]))

    return Batch(batch.kind, batch.table.take(pa.array(kept)), batch.source, batch.positions[kept], original)

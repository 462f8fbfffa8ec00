"""Intake: valid batches into the join. Too late, seen before, or new; and what the new ones change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.archive import Archive
from streams.core.block import Batch, Block, Reject, fields_of
from streams.core.catalog import Catalog
from streams.core.columns import Columns, Hashes, Ints, Mask, from_arrow, length, ordered, take
from streams.core.flatten import (
    ABOUT_UNITS,
    cohorts_of,
    flatten_feedback,
    flatten_outcomes,
    flatten_predictions,
    identify,
    units_of,
)
from streams.core.forget import Forgetter, Forgotten, Order
from streams.core.ids import hash_twice
from streams.core.join import MATCHED, Joiner, Orphans
from streams.core.metric.base import Source
from streams.core.metric.crowd import NOBODY as OF_NOBODY
from streams.core.privacy.owner import NOBODY
from streams.core.rows import orphan_rows, record_texts
from streams.core.runs import Runs
from streams.core.sampling.stage import Sampling
from streams.core.segment import Declared, Rows, Segment, assemble, key_range, pack
from streams.core.summarized import summarized_rows
from streams.core.validate import validate


@dataclass(frozen=True)
class Joined:
    """
    What a batch came to: which of its events take part for the first time, and the changes they make, by source.

    `rows` are the places of these events in the batch, `keys` the hashes of their requests, and `ids` those of
    themselves. Where policies sample, `made` has of predictions the `cohort` of each, and the `share` that they keep.
    """

    batch: Batch
    rows: Ints
    keys: Hashes
    changes: Mapping[Source, Columns]
    ids: Hashes
    made: Columns | None = None


class Intake:
    """The gate before the join, and the texts of what may become an orphan."""

    def __init__(self, catalog: Catalog, sampling: Sampling) -> None:
        self._catalog, self._sampling = catalog, sampling
        self.joiner = Joiner(catalog.shape, catalog.config.disorder, catalog.horizons, sampling.follow)
        self.archive = Archive()
        self.tally: Counter[str] = Counter()
        self._forgetter = Forgetter(self.joiner, sampling, catalog.owners)

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
        if batch.kind == "summary":
            return self._summaries(batch)
        ids = identify(batch.table)
        joins = {"prediction": self._predictions, "outcome": self._outcomes, "feedback": self._feedback}
        return joins[batch.kind](batch, ids)

    def sweep(self, watermark: int, *, ended: bool) -> pa.Table | None:
        """Let go of what waited in vain; return the orphans' rows, if there are any."""
        parts = [self._orphans(orphans) for orphans in self.joiner.sweep(watermark, ended=ended) if len(orphans.refs)]
        self.archive.drop(watermark - self._catalog.config.disorder)
        return pa.concat_tables(parts) if parts else None

    def forget(self, order: Order, met: str) -> Forgotten:
        """Take out what waits of a unit; `met` is the input in which the order stands."""
        return self._forgetter.forget(order, met, self.archive)

    def head(self) -> dict[str, Any]:
        """Everything but the rows, as plain data."""
        return {"joiner": self.joiner.head(), "tally": dict(self.tally), "orders": self._forgetter.head()}

    def changes(self) -> dict[str, Any]:
        """Return the content of a delta segment: what is new, changed or forgotten since this was last called."""
        changed = self._pack({name: store.changed() for name, store in self.joiner.stores().items()})
        return changed | {"gone": self._forgetter.gone()}

    def rows(self, buckets: range) -> dict[str, Any]:
        """Return the content of a base segment: all rows whose keys lie in consecutive buckets."""
        return self._pack({name: store.between(*key_range(buckets)) for name, store in self.joiner.stores().items()})

    def restore(self, head: Mapping[str, Any], segments: Sequence[Segment], swept: int) -> None:
        """Replace everything; `swept` is the sequence of the last segment written before the last sweep."""
        self.archive = Archive()
        exposures = self._catalog.shape.exposures
        rows, sequences = assemble(segments, self._catalog.groups, self.archive, exposures, self._declared())
        self.joiner.restore(head["joiner"], rows, {name: of <= swept for name, of in sequences.items()})
        self.tally = Counter(head["tally"])
        self._forgetter.restore(head.get("orders", ()))  # state of an earlier version has none

    def _declared(self) -> Declared:
        """Return the optional columns of rows: what is not known is of nobody, and has the share of all."""
        shape = self._catalog.shape
        owner = {"owner": NOBODY} if shape.owned else {}
        predictions: dict[str, np.generic] = dict(owner)
        if shape.counted:
            predictions["place"] = np.int16(OF_NOBODY)
        if shape.sampled:
            predictions["share"] = np.float32(self._catalog.config.samples)
        return {"predictions": predictions, "feedback": owner}

    def _pack(self, rows: Rows) -> dict[str, Any]:
        return pack(rows, self._catalog.groups, self.archive, self._catalog.shape.exposures)

    def _refuse_late(self, batch: Batch, watermark: int) -> tuple[Batch, list[Reject]]:
        """Part from predictions that are older than the watermark by more than their horizon: no label can come."""
        if batch.kind not in ("prediction", "summary"):
            return batch, []
        oldest = self._catalog.oldest(watermark)
        encoded = batch.table["model"].dictionary_encode()
        bounds = np.array([oldest[name] for name in encoded.dictionary.to_pylist()], np.int64)
        late = from_arrow(batch.table["event_time"]) < bounds[from_arrow(encoded.indices)]
        if not late.any():
            return batch, []
        found = zip(np.flatnonzero(late).tolist(), fields_of(batch, np.flatnonzero(late)), strict=True)
        return keep(batch, ~late), [self._late_reject(batch, row, fields, watermark) for row, fields in found]

    def _late_reject(self, batch: Batch, row: int, fields: Mapping[str, Any], watermark: int) -> Reject:
        place, time = int(batch.positions[row]), fields["event_time"]
        detail = f"event_time={time}: more than its model's label horizon older than the watermark, {watermark}"
        return Reject("too_late", detail, batch.source, place, batch.original(row), batch.kind, fields)

    # Events are joined in the order of their request's hash: in that order they are found, compared and held.

    def _predictions(self, batch: Batch, ids: Columns) -> Joined:
        chosen, known = self._fresh(self.joiner.predictions, ids["key"], ids["target"], "duplicate_predictions")
        shape = self._catalog.shape
        ids = ids | {"unit": units_of(batch.table, ids["key"])} if shape.of_units else ids
        ids = ids | self._owners_of(batch)
        rows = flatten_predictions(batch.table, ids, chosen, self._catalog.groups, shape)
        traffic = {name: rows[name] for name in ("cohort", "time", "weight", "id")}
        traffic["latency"] = from_arrow(batch.table["latency_ms"].fill_null(np.nan))[chosen]
        traffic["score"] = from_arrow(batch.table["score"].fill_null(np.nan))[chosen]
        traffic |= {"sign": np.ones(length(rows)), "known": rows["time"]}
        traffic |= {name: rows[name] for name in ABOUT_UNITS if name in rows}
        if shape.exposures is not None:
            traffic["unit"] = ids["unit"][chosen]
        shares = self._sampling.decide(batch.table, chosen, rows["cohort"]) if shape.sampled else None
        if shares is not None:
            rows["share"] = shares.astype(np.float32)
        labels, feedback = self.joiner.add_predictions(rows, known)
        changes: Mapping[Source, Columns] = {"traffic": traffic, "label": labels, "feedback": feedback}
        made = None if shares is None else {"cohort": rows["cohort"], "share": shares}
        return Joined(batch, chosen, rows["key"], changes, rows["id"], made)

    def _outcomes(self, batch: Batch, ids: Columns) -> Joined:
        rows = flatten_outcomes(batch.table, ids)
        chosen, known = self._fresh(self.joiner.outcomes, rows["key"], rows["id"], "duplicate_outcomes")
        rows = take(rows, chosen)
        if not len(chosen):
            return Joined(batch, chosen, rows["key"], {}, rows["id"])
        changes = self.joiner.match_outcomes(rows, known)
        self._hold(self.joiner.outcomes, batch, rows, chosen)
        return Joined(batch, chosen, rows["key"], {"label": changes}, rows["id"])

    def _feedback(self, batch: Batch, ids: Columns) -> Joined:
        rows = flatten_feedback(batch.table, ids) | self._owners_of(batch)
        chosen, _ = self._fresh(self.joiner.feedback, rows["key"], rows["id"], "duplicate_feedback")
        rows = take(rows, chosen)
        if not len(chosen):
            return Joined(batch, chosen, rows["key"], {}, rows["id"])
        changes = self.joiner.match_feedback(rows)
        self._hold(self.joiner.feedback, batch, rows, chosen)
        return Joined(batch, chosen, rows["key"], {"feedback": changes}, rows["id"])

    def _owners_of(self, batch: Batch) -> Columns:
        """Whose the events of a batch are, as a column, where that is known."""
        owners = self._catalog.owners
        return {} if owners is None else {"owner": owners.of(batch.table["unit_id"])}

    def _summaries(self, batch: Batch) -> Joined:
        key, identity = hash_twice(batch.table["summary_id"])
        chosen, _ = self._fresh(self.joiner.summaries, key, identity, "duplicate_summaries")
        if not len(chosen):
            return Joined(batch, chosen, key[chosen], {}, identity[chosen])
        times = from_arrow(batch.table["event_time"])
        cohort = cohorts_of(batch.table, times, chosen, self._catalog.groups)
        self.joiner.remember(key[chosen], identity[chosen], cohort, times[chosen])
        changes = summarized_rows(batch.table, chosen, cohort)
        # A summary is no event of which there could be a sample.
        return Joined(batch, chosen[:0], key[:0], changes, key[:0])

    def _fresh(self, store: Runs, key: Hashes, identity: Hashes, repeats: str) -> tuple[Ints, Mask]:
        """Events not seen before, in the order of their keys, and of which of them the request was; counts the rest."""
        order = ordered(key)
        fresh, known = self.joiner.fresh(store, key[order], identity[order])
        self.tally[repeats] += int((~fresh).sum())
        return order[fresh], known[fresh]

    def _hold(self, store: Runs, batch: Batch, rows: Columns, chosen: Ints) -> None:
        """Hold outcomes or feedback; what has matched nothing may become an orphan, so its text is archived."""
        alone = np.flatnonzero((rows["flags"] & MATCHED) == 0)
        rows["ref"] = np.full(length(rows), -1, np.int64)
        if len(alone):
            texts = record_texts(pick(batch, chosen[alone]), self._catalog.treatment)
            rows["ref"][alone] = self.archive.keep(texts, int(rows["time"][alone].max()))
        self.joiner.hold(store, rows)

    def _orphans(self, orphans: Orphans) -> pa.Table:
        return orphan_rows(self.archive.fetch(orphans.refs), orphans.late)


def keep(batch: Batch, rows: Mask) -> Batch:
    """Return a batch of the rows where the mask is true; the same batch when that is all of them."""
    return batch if rows.all() else pick(batch, np.flatnonzero(rows))


def pick(batch: Batch, rows: Ints) -> Batch:
    """Return a batch of these rows."""

    def original(row: int) -> bytes:
        return batch.original(int(rows[row]))

    return Batch(batch.kind, batch.table.take(pa.array(rows)), batch.source, batch.positions[rows], original)

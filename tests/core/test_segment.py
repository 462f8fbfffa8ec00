"""Rows written as deltas and rolling bases, put together again, are the rows that were held."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streams.core.archive import Archive
from streams.core.columns import Columns, Ints, Mask, empty, length, take
from streams.core.groups import Groups, SlicePlan
from streams.core.join import FEEDBACK, MATCHED, OUTCOME, SUMMARY
from streams.core.runs import Runs
from streams.core.segment import BUCKETS, EVERY_BUCKET, Segment, assemble, key_range, pack
from streams.runtime.joining import Piece, _needed

PREDICTION = {"key": np.uint64, "id": np.uint64, "time": np.int64, "cohort": np.int32, "value": np.float64}
STORES = {"predictions": PREDICTION, "outcomes": OUTCOME, "feedback": FEEDBACK}
PLANS = {"m": SlicePlan(((), ("city",)), 1_000)}
Place = tuple[str, int, int]
Model = dict[Place, dict[str, Any]]


def _is_before(cut: int, rows: Columns) -> Mask:
    """Which rows the cut has passed."""
    before: Mask = rows["time"] < cut
    return before


class Desk:
    """Stores with their registry and archive, a plain dictionary of the same rows, and what was written of them."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.groups, self.archive = Groups(PLANS), Archive()
        self.stores = {name: Runs(dtypes) for name, dtypes in STORES.items()}
        self.model: Model = {}
        self.segments: list[tuple[Piece, Segment]] = []
        self.cuts = dict.fromkeys(STORES, 0)
        self.sequence, self.swept, self.next_bucket, self.made = 0, -1, 0, 0

    def insert(self) -> None:
        """Add a few rows to one store: some of them share a key, and ids repeat under other keys."""
        name = self.rng.choice(list(STORES))
        rows = [self._row(name) for _ in range(self.rng.choice((1, 5, 40)))]
        rows = [row for row in rows if (name, row["key"], row["id"]) not in self.model]
        fresh = {(name, row["key"], row["id"]): row for row in rows}
        columns = _columns(name, list(fresh.values()))
        if name != "predictions":
            texts = pa.table({"text": [row["text"] for row in fresh.values()]})
            columns["ref"] = self.archive.keep(texts, 0)
        self.stores[name].insert(columns)
        self.model |= fresh

    def _row(self, name: str) -> dict[str, Any]:
        self.made += 1
        bucket = self.rng.choice((0, 1, 127, 128, 255, self.rng.randrange(BUCKETS)))
        row: dict[str, Any] = dict.fromkeys(STORES[name], 0)
        row |= {"key": (bucket << 56) + self.rng.randrange(3), "id": self.rng.randrange(6)}
        row |= {"time": self.rng.randrange(100), "value": float(self.made)}
        if name == "predictions":
            city = self.rng.choice("abcdef")
            return row | {"city": city, "cohort": self.groups.cohort("m", "1", {"city": city}, 5)}
        return row | {"text": f"text {self.made}"}

    def change(self) -> None:
        """Give some rows of one store another value; events may find their prediction."""
        name = self.rng.choice(list(STORES))
        mine = [place for place in self.model if place[0] == name and self.rng.random() < 0.2]
        query, at = self.stores[name].find(np.array([key for _, key, _ in mine], np.uint64))
        same = self.stores[name].gather("id", at) == np.array([each[2] for each in mine], np.uint64)[query]
        values = {place: self.rng.random() for place in mine}
        new = np.array([values[mine[each]] for each in query[same].tolist()])
        self.stores[name].put(at[same], {"value": new})
        for place, value in values.items():
            self.model[place]["value"] = value
        if name != "predictions" and self.rng.random() < 0.5:
            self.stores[name].put(at[same], {"flags": np.full(int(same.sum()), MATCHED, np.uint8)})
            for place in mine:
                self.model[place]["flags"] = MATCHED

    def sweep(self) -> None:
        """Let go of the oldest rows of each store; nothing notes which."""
        for name, store in self.stores.items():
            cut = self.cuts[name] = self.rng.randrange(self.cuts[name], 101)
            store.remove(store.where(partial(_is_before, cut)))
        self.model = {place: row for place, row in self.model.items() if row["time"] >= self.cuts[place[0]]}
        self.swept = self.sequence

    def write(self) -> None:
        """Write a delta and, now and then, a base of the buckets that come next; keep what is needed."""
        self.sequence += 1
        changed = {name: store.changed() for name, store in self.stores.items()}
        self._written(range(0), changed)
        if self.rng.random() < 0.6:
            stop = min(BUCKETS, self.next_bucket + self.rng.choice((1, 50, 100, 256)))
            buckets = range(self.next_bucket, stop)
            self._written(buckets, {name: each.between(*key_range(buckets)) for name, each in self.stores.items()})
            self.next_bucket = stop % BUCKETS
        needed = set(_needed([piece for piece, _ in self.segments]))
        self.segments = [(piece, segment) for piece, segment in self.segments if piece in needed]

    def _written(self, buckets: range, rows: dict[str, Columns]) -> None:
        piece = Piece(f"{self.sequence}/{buckets}", self.sequence, buckets.start, buckets.stop, 0)
        content = pack(rows | {"summaries": empty(SUMMARY)}, self.groups, self.archive)
        self.segments.append((piece, Segment(self.sequence, buckets, content)))


def _columns(name: str, rows: list[dict[str, Any]]) -> Columns:
    return {column: np.array([row[column] for row in rows], kind) for column, kind in STORES[name].items()}


def read_back(desk: Desk) -> Model:
    """Assemble what was written, in another process as it were, without what the last sweep let go of."""
    groups, archive = Groups(PLANS), Archive()
    groups.cohort("m", "1", {"city": "somewhere else"}, 0)
    segments = [segment for _, segment in desk.segments]
    desk.rng.shuffle(segments)
    rows, sequences = assemble(segments, groups, archive)
    assert not length(rows.pop("summaries"))
    found: Model = {}
    for name, columns in rows.items():
        assert (columns["key"][1:] >= columns["key"][:-1]).all()
        held = take(columns, ~((sequences[name] <= desk.swept) & (columns["time"] < desk.cuts[name])))
        assert length(held) == len({*zip(held["key"].tolist(), held["id"].tolist(), strict=True)})
        found |= {(name, row["key"], row["id"]): row for row in _told(name, held, groups, archive)}
    return found


def _told(name: str, held: Columns, groups: Groups, archive: Archive) -> list[dict[str, Any]]:
    rows = [
        dict(zip(held, values, strict=True)) for values in zip(*(each.tolist() for each in held.values()), strict=True)
    ]
    for row in rows:
        if name == "predictions":
            row["city"] = groups.name(row.pop("cohort")).values[1][0]
        elif (ref := row.pop("ref")) >= 0:
            (row["text"],) = archive.fetch(np.array([ref], np.int64))["text"].to_pylist()
    return rows


def expected(desk: Desk) -> Model:
    """Return the rows of the dictionary; the texts only of events that may still become orphans."""
    hidden = {"cohort", "ref"}
    told = {}
    for place, row in desk.model.items():
        left_out = hidden | ({"text"} if row.get("flags") == MATCHED else set())
        told[place] = {name: value for name, value in row.items() if name not in left_out}
    return told


@pytest.mark.parametrize("leg", range(4))
def test_any_schedule_of_deltas_and_bases_gives_the_rows_back(leg: int) -> None:
    """After any inserts, changes, sweeps and writings, what is assembled is what a dictionary holds: texts too."""
    for seed in range(25 * leg, 25 * leg + 25):
        desk = Desk(seed)
        for _ in range(desk.rng.randrange(5, 60)):
            desk.rng.choice((desk.insert, desk.insert, desk.change, desk.write, desk.write, desk.sweep))()
            if desk.rng.random() < 0.1:
                desk.write()
                assert read_back(desk) == expected(desk), seed
        desk.write()
        assert read_back(desk) == expected(desk), seed


def test_a_round_of_bases_leaves_no_older_piece() -> None:
    """Once bases have gone over all buckets, nothing from before the round is needed, however long one writes."""
    desk = Desk(1)
    most = 0
    for _ in range(300):
        desk.insert()
        desk.write()
        most = max(most, len(desk.segments))

    first = min(piece.sequence for piece, _ in desk.segments)
    assert desk.sequence - first < 30
    assert most < 60


def piece(sequence: int, first: int, stop: int) -> Piece:
    return Piece(f"{sequence}/{first}-{stop}", sequence, first, stop, 1)


def test_a_delta_is_needed_until_every_bucket_has_a_base_that_is_not_older() -> None:
    """Of one written with the delta too, since the base has what the delta has; one bucket without it is enough."""
    delta = piece(5, 0, 0)

    assert delta in set(_needed([delta, piece(5, 0, 128), piece(6, 128, 255)]))
    assert delta not in set(_needed([delta, piece(5, 0, 128), piece(6, 128, 256)]))
    assert delta in set(_needed([delta, piece(4, 0, 256)]))


def test_a_base_is_needed_until_newer_ones_have_all_its_buckets() -> None:
    """A base that is covered in part still says what the rest of its buckets hold."""
    base = piece(1, 10, 20)

    assert base in set(_needed([base, piece(2, 0, 19)]))
    assert base not in set(_needed([base, piece(2, 0, 15), piece(3, 15, 40)]))


def test_buckets_part_all_keys() -> None:
    """The ranges of consecutive buckets follow each other from the first key to the last."""
    bounds = [key_range(range(bucket, bucket + 1)) for bucket in range(BUCKETS)]

    assert key_range(EVERY_BUCKET) == (0, 2**64 - 1)
    assert (bounds[0][0], bounds[-1][1]) == (0, 2**64 - 1)
    assert all(low == before + 1 for (_, before), (low, _) in pairwise(bounds))


def test_nothing_written_is_no_rows() -> None:
    """A partition that held nothing when it was saved holds nothing when it is recovered."""
    desk = Desk(0)
    desk.write()

    assert read_back(desk) == {}


def test_a_swept_row_does_not_come_back_from_a_later_base() -> None:
    """A base that is written after a sweep has what is held, and old deltas of its buckets no longer count."""
    desk = Desk(3)
    for _ in range(10):
        desk.insert()
    desk.write()
    desk.sweep()
    desk.write()
    desk._written(EVERY_BUCKET, {name: store.snapshot() for name, store in desk.stores.items()})
    sequences: Ints = np.array([segment.sequence for _, segment in desk.segments])
    desk.swept = -1

    assert sequences.max() == desk.sequence
    assert read_back(desk) == expected(desk)


def test_what_is_gone_does_not_come_back_unless_it_was_written_since() -> None:
    """A row that a later segment says is gone is not there; one of the same key and id that is written with it is."""
    groups, archive = Groups(PLANS), Archive()
    groups.cohort("m", "1", {"city": "a"}, 0)

    def segment(sequence: int, ids: list[int], gone: list[int], buckets: range = range(0)) -> Segment:
        rows = {name: empty(dtypes) for name, dtypes in STORES.items()} | {"summaries": empty(SUMMARY)}
        some = {column: np.zeros(len(ids), kind) for column, kind in PREDICTION.items()}
        rows["predictions"] = some | {"id": np.array(ids, np.uint64), "value": np.full(len(ids), float(sequence))}
        said = {"key": np.zeros(len(gone), np.uint64), "id": np.array(gone, np.uint64)}
        return Segment(sequence, buckets, pack(rows, groups, archive) | {"gone": {"predictions": said} if gone else {}})

    def left(*segments: Segment) -> list[tuple[int, float]]:
        rows, _ = assemble(segments, groups, archive)
        return list(zip(rows["predictions"]["id"].tolist(), rows["predictions"]["value"].tolist(), strict=True))

    first, second = segment(1, [1, 2, 3, 4], []), segment(2, [4], [2, 4])
    assert left(first, second) == [(1, 1.0), (3, 1.0), (4, 2.0)]
    assert left(second, first, segment(3, [2], [])) == [(1, 1.0), (2, 3.0), (3, 1.0), (4, 2.0)]
    assert left(first, second, segment(2, [1, 3, 4], [], EVERY_BUCKET)) == [(1, 2.0), (3, 2.0), (4, 2.0)]

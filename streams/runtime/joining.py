"""
One partition of the inputs: its upstream, how far it has been read, and what is saved of it.

Saving goes by *captures*. A capture is taken between two blocks, without waiting for anything, and has what belongs
together: offsets, changed rows, and the sums since the capture before. It is written as one checkpoint; the sums are
in it too, so that they can be sent again, and are sent only when it is there to stay. What the messages say is
therefore decided once, however often a worker dies around them: the window stage counts each by its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from streams.codecs.order import FORGET_HEADER, read_order
from streams.codecs.registry import SchemaRegistry
from streams.codecs.wire import END_HEADER, decode_datums
from streams.config.models import Config
from streams.core.catalog import Catalog
from streams.core.forget import KINDS, Order
from streams.core.measures import Measures
from streams.core.rows import forgotten_rows, intake_row
from streams.core.segment import BUCKETS, Segment
from streams.core.summary import Sums, by_shard, parted, size_of
from streams.core.watermark import NEVER
from streams.pipeline import Rows, Upstream
from streams.runtime.allocator import give_back
from streams.runtime.checkpoint import Checkpoints
from streams.runtime.kafka import shard_of
from streams.runtime.packing import decode, encode
from streams.runtime.records import Records
from streams.runtime.topics import EVENT_TOPICS

_TIME_IN_HEADER = re.compile(rb"[0-9]{1,18}")  # what fits into 64 bits
_SMALL = 1 << 20  # bytes of deltas that are left as they are
_BASE_SHARE = 2  # bytes of base that are written for each byte of deltas, so that old deltas become superfluous
_MOST_COPIES = 1.5  # how much more than the rows that are held the segments may hold, before bases are written
_MOST_FREE = 256 << 20  # bytes that the allocator may keep: more than what a block and a capture take and let go of
_MOST_PACKED = 3  # records' sizes that sums may have before they are packed, to a third: brokers take 4 as they are
_ANEW_BYTES = 4 << 20  # of base, for each capture, while everything is written anew since somebody was forgotten
_COUNTED_ROWS = 1_000  # of a delta, from which it is seen how many bytes a row takes


@dataclass(frozen=True)
class Piece:
    """A segment that was written: where, when, for which buckets, and how many bytes."""

    key: str
    sequence: int
    first: int
    stop: int
    size: int


@dataclass(frozen=True)
class Message:
    """A summary on its way: to which partition of the summaries, and its bytes."""

    shard: int
    data: bytes


@dataclass(frozen=True)
class Capture:
    """What is to be written, and what may follow once it is; `forgotten` are rows of that table, None without any."""

    new: Mapping[str, bytes]
    kept: Sequence[str]
    state: Mapping[str, Any]
    messages: Sequence[Message]
    offsets: Mapping[str, int]
    forgotten: pa.Table | None = None


@dataclass
class Joining:
    """
    The join of one partition.

    `inputs` are the topics in full; `partitions` is how many partitions each topic has.
    """

    config: Config
    partition: int
    partitions: int
    inputs: Sequence[str]
    checkpoints: Checkpoints
    registry: SchemaRegistry
    positions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        catalog = Catalog(self.config)
        self.upstream = Upstream(catalog, Measures(catalog), self.config.disorder, self.config.kafka.partitions)
        for topic in self.inputs:
            self.upstream.open(self._source(topic), predicts=topic.endswith(EVENT_TOPICS["prediction"]))
            self.positions.setdefault(topic, 0)
        self._shards = {model: shard_of(model, self.partitions) for model in self.config.models}
        self._numbers = dict.fromkeys(sorted(set(self._shards.values())), 0)
        self._sequence = 0
        self._swept, self._sweeps = -1, 0
        self._pieces: list[Piece] = []
        self._next_bucket = 0
        # Buckets that may have old pieces with rows of somebody who was forgotten; one more to delete the last piece.
        self._to_write_anew = 0
        self._answers: list[dict[str, Any]] = []  # to orders, since the last capture
        self._row_bytes = 0.0  # until it is known, everything is taken for old
        self._saved: object = None

    # Blocks.

    def take(self, topic: str, records: Records) -> Rows:
        """Take a block of one topic; what was read before is passed over."""
        for part in records.since(self.positions[topic]).parts():
            latest, order = self._ended_at(part), self._asked(part)
            if latest is not None:
                yield from self._end(topic, latest)
            elif order is not None:
                self._forget(topic, order, part)
            else:
                yield from self._process(topic, part)
            self.positions[topic] = part.next

    def _ended_at(self, records: Records) -> int | None:
        """Event time at which a record says that its input ended; None if it does not, or names none that can be."""
        said = _headers_of(records).get(END_HEADER)
        if said is None or not _TIME_IN_HEADER.fullmatch(said):
            return None
        return int(said) if int(said) <= records.timestamp * 1_000 + self.config.max_future else None

    @staticmethod
    def _asked(records: Records) -> Order | None:
        """Whom a record asks to forget; None if it does not, or cannot be read."""
        said = _headers_of(records).get(FORGET_HEADER)
        return None if said is None else read_order(said)

    def _forget(self, topic: str, order: Order, records: Records) -> None:
        """Take out what waits, and note how much: for the table `forgotten`, once a checkpoint says that it is so."""
        found = self.upstream.forget(order, topic.rpartition(".")[2])
        if any(found.removed.values()):
            self._to_write_anew = BUCKETS + 1
        asked = {"order_name": order.name, "source": self._source(topic), "asked": records.timestamp * 1_000}
        counts = [{"kind": kind, "removed": found.removed[kind], "remaining": found.remaining[kind]} for kind in KINDS]
        self._answers += [asked | count for count in counts]

    def _process(self, topic: str, records: Records) -> Rows:
        block = decode_datums(records.values, self._source(topic), records.offsets, self.registry)
        # The broker's clock when it took the block, not this host's when it reads it, which may be days later or wrong.
        yield from self.upstream.process(block, records.timestamp * 1_000)

    def _end(self, topic: str, latest: int) -> Rows:
        marks, source = self.upstream.watermarks, self._source(topic)
        marks.see(source, latest)
        marks.close(source)
        if self.ended:
            yield from self.upstream.sweep(ended=True)

    def rest(self, topic: str) -> None:
        """Note that nothing has come for long, so that the watermark waits for this topic no longer."""
        self.upstream.watermarks.rest(self._source(topic))

    def _source(self, topic: str) -> str:
        return f"{topic}-{self.partition}"

    @property
    def ended(self) -> bool:
        """Whether every topic has been ended."""
        return self.upstream.watermarks.all_ended()

    @property
    def size(self) -> int:
        """Bytes of the segments that a recovery would read."""
        return sum(piece.size for piece in self._pieces)

    def accounts(self) -> pa.Table:
        """Return what became of this partition's events, as a row of the table `intake`."""
        watermark = self.upstream.watermarks.value()
        return intake_row(
            self.partition, self.upstream.counts(), watermark if watermark > NEVER else None, self._revision
        )

    @property
    def _revision(self) -> int:
        return (self.checkpoints.claim.epoch << 40) + self._sequence

    # Captures.

    def capture(self) -> Capture | None:
        """Return what is to be saved now; None if nothing has changed since the capture before."""
        marks = self.upstream.watermarks
        now = (tuple(self.positions.values()), marks.value(), sorted(marks.idle))
        if now == self._saved and not self._to_write_anew:
            return None
        self._saved = now
        self._note_sweep()
        give_back(_MOST_FREE)
        self._sequence += 1
        blobs = self._write_segments()
        messages = list(self._messages(self.upstream.measures.collect()))
        outbox = {self.checkpoints.key(f"message/{self._sequence}/{i}"): m for i, m in enumerate(messages)}
        blobs |= {key: message.data for key, message in outbox.items()}
        kept = [piece.key for piece in self._pieces if piece.key not in blobs]
        shards = [[key, message.shard] for key, message in outbox.items()]
        state = self._state(shards)
        forgotten = forgotten_rows(self._answers, self._revision) if self._answers else None
        self._answers = []
        return Capture(blobs, kept, state, messages, dict(self.positions), forgotten)

    def _note_sweep(self) -> None:
        """Segments up to the last one may hold rows that a sweep has let go of since."""
        if self._sweeps != self.upstream.sweeps:
            self._swept, self._sweeps = self._sequence, self.upstream.sweeps

    def _write_segments(self) -> dict[str, bytes]:
        """Write what has changed, and some of the rest anew; pieces that nothing needs any more are forgotten."""
        changed = self.upstream.changed()
        delta = encode(changed)
        rows = sum(len(changed[name]["key"]) for name in self.upstream.stores())
        if rows >= _COUNTED_ROWS:
            self._row_bytes = len(delta) / rows
        pieces = {self._piece(range(0), delta): delta}
        if self._to_write_anew > 1 or self._has_much_that_is_old():
            least = _ANEW_BYTES if self._to_write_anew > 1 else 0
            buckets = self._next_buckets(max(least, _BASE_SHARE * len(delta)))
            base = encode(self.upstream.rows(buckets))
            pieces[self._piece(buckets, base)] = base
            self._to_write_anew = max(1, self._to_write_anew - len(buckets)) if self._to_write_anew else 0
        elif self._to_write_anew:  # writing deletes what the checkpoint before needed last
            self._to_write_anew = 0
        self._pieces = list(_needed([*self._pieces, *pieces]))
        return {piece.key: data for piece, data in pieces.items() if piece in self._pieces}

    def _has_much_that_is_old(self) -> bool:
        """Whether the segments hold so much more than the rows that are held now that some are to be written anew."""
        if sum(piece.size for piece in self._pieces if piece.stop == 0) <= _SMALL:
            return False
        held = sum(map(len, self.upstream.stores().values()))
        return self.size > _MOST_COPIES * held * self._row_bytes

    def _piece(self, buckets: range, data: bytes) -> Piece:
        name = f"rows/{self._sequence}/{buckets.start}-{buckets.stop}"
        return Piece(self.checkpoints.key(name), self._sequence, buckets.start, buckets.stop, len(data))

    def _next_buckets(self, budget: int) -> range:
        """Buckets that come next in the round, about as many as `budget` bytes hold."""
        whole = max(1, sum(piece.size for piece in self._pieces))
        many = max(1, min(BUCKETS - self._next_bucket, BUCKETS * budget // whole))
        buckets = range(self._next_bucket, self._next_bucket + many)
        self._next_bucket = buckets.stop % BUCKETS
        return buckets

    def _messages(self, sums: Sums) -> Iterator[Message]:
        """Sums as messages for each shard that has a model; one without sums tells how far this partition is."""
        shards = by_shard(sums, self._shards.__getitem__)
        for shard in self._numbers:
            sums_of = list(parted(shards[shard], self._fits)) if shard in shards else [None]
            for place, some in enumerate(sums_of, 1):
                self._numbers[shard] += 1
                yield Message(shard, encode(self._header(shard) | {"more": place < len(sums_of), "sums": some}))

    def _fits(self, sums: Sums) -> bool:
        """Whether sums are small enough for one record, before it is known what compression makes of them."""
        return size_of(sums) < _MOST_PACKED * self.checkpoints.claim.log.record_bytes

    def _header(self, shard: int) -> dict[str, Any]:
        """What goes with sums; what it says of event time holds once there is no `more` of the same capture."""
        marks = self.upstream.watermarks
        return {
            "partition": self.partition,
            "number": self._numbers[shard],
            "watermark": marks.value(),
            "ended": marks.all_ended(),
            "recorded": self.upstream.recorded(),
            "idle": marks.idle | marks.ended >= marks.largest.keys() and not marks.all_ended(),
            "fingerprint": self.checkpoints.fingerprint,
        }

    # Saving.

    async def save(self, captured: Capture) -> None:
        """Write a capture. Raises `TakenOver`; then nothing may follow from it."""
        await self.checkpoints.write(captured.new, captured.kept, captured.state)

    def _state(self, outbox: list[list[Any]]) -> dict[str, Any]:
        pieces = [[p.key, p.sequence, p.first, p.stop, p.size] for p in self._pieces]
        return {
            "positions": dict(self.positions),
            "head": self.upstream.head(),
            "sequence": self._sequence,
            "swept": self._swept,
            "pieces": pieces,
            "next_bucket": self._next_bucket,
            "to_write_anew": self._to_write_anew,
            "answers": self._answers,
            "outbox": outbox,
            "numbers": [[shard, number] for shard, number in self._numbers.items()],
        }

    def restore(self, state: Mapping[str, Any], blobs: Mapping[str, bytes]) -> list[Message]:
        """Go on from a checkpoint; return the messages that may not have been sent."""
        self.positions = dict(state["positions"])
        self._sequence, self._swept, self._next_bucket = state["sequence"], state["swept"], state["next_bucket"]
        self._pieces = [Piece(*row) for row in state["pieces"]]
        self._numbers = dict(state["numbers"])
        # The store may not have the last answers: the first capture has them again. Earlier versions had none.
        self._to_write_anew, self._answers = state.get("to_write_anew", 0), list(state.get("answers", ()))
        segments = [
            Segment(p.sequence, range(p.first, p.stop), decode(blobs[p.key], f"segment {p.key}")) for p in self._pieces
        ]
        self.upstream.restore(state["head"], segments, self._swept)
        self._sweeps = self.upstream.sweeps
        return [Message(shard, blobs[key]) for key, shard in state["outbox"]]


def _headers_of(records: Records) -> dict[str, bytes | None]:
    """Headers of a record that stands alone, which those without a value do."""
    return dict(records.headers.get(int(records.offsets[0]), ()))


def _needed(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Pieces that hold something that no later base says anew."""
    newest = np.full(BUCKETS, -1, np.int64)
    for piece in pieces:
        newest[piece.first : piece.stop] = np.maximum(newest[piece.first : piece.stop], piece.sequence)
    for piece in pieces:
        superseded = newest >= piece.sequence if piece.stop == 0 else newest[piece.first : piece.stop] > piece.sequence
        if np.count_nonzero(superseded) < len(superseded):
            yield piece

"""
One partition of the summaries: the sums of all input partitions of some models, and what is saved of them.

Messages of an input partition are numbered; one that comes twice is merged once, and none can be missing. A checkpoint
is all sums as they were when windows were last shown. It is written when as much has been merged since the last one
as half of what it holds, so that writing costs no more than a share of merging, and what must be merged again after a
crash stays in proportion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.config.models import Config
from streams.core.catalog import Catalog
from streams.core.measures import Measures
from streams.core.watermark import NEVER, Watermarks
from streams.errors import StateCorrupt
from streams.pipeline import Downstream, Rows
from streams.runtime.checkpoint import ANEW, Checkpoints
from streams.runtime.kafka import shard_of
from streams.runtime.packing import decode, encode
from streams.runtime.records import Records

_EPOCH_BITS = 40  # of a revision, under the epoch: a show every half a second for 17,000 years
_SMALL = 1 << 20
_MOST_MERGED = 5_000  # messages; bounds the time that merging them again takes where they are tiny


@dataclass
class Windowing:
    """The windows of one partition of the summaries; `partitions` is how many partitions feed it."""

    config: Config
    partition: int
    partitions: int
    checkpoints: Checkpoints
    position: int = 0

    def __post_init__(self) -> None:
        catalog = Catalog(self.config)
        self.downstream = Downstream(catalog, Measures(catalog))
        self.watermarks = Watermarks(trail=0)
        for partition in range(self.partitions):
            self.watermarks.open(str(partition))
        self._recorded = dict.fromkeys(range(self.partitions), NEVER)
        self._numbers = dict.fromkeys(range(self.partitions), 0)
        self._shows = 0
        self._merged_bytes, self._merged, self.size = 0, 0, 0
        self._new, self._untold = False, False

    def take(self, records: Records) -> None:
        """
        Merge messages; what was read before is passed over.

        Raises
        ------
        StateCorrupt
            A message is damaged or missing, or was made under another configuration.
        """
        records = records.since(self.position)
        for offset, value in zip(records.offsets.tolist(), records.values, strict=True):
            self._merge(decode(value or b"", f"summary at offset {offset}"))
            self._merged_bytes += len(value or b"")
            self.position = offset + 1

    def _merge(self, message: Mapping[str, Any]) -> None:
        partition, number, last = message["partition"], message["number"], self._numbers[message["partition"]]
        if number <= last:
            return
        if number != last + 1 or message["fingerprint"] != self.checkpoints.fingerprint:
            raise StateCorrupt(
                f"summary {number} of input partition {partition} follows {last} in partition {self.partition} of "
                f"the summaries, or was made under another configuration; {ANEW}"
            )
        self._numbers[partition] = number
        self._merged += 1
        self._new, self._untold = True, True
        if message["sums"] is not None:
            self.downstream.measures.merge(message["sums"])
        if not message["more"]:  # what is still to come may be older than what this capture says of event time
            self._recorded[partition] = message["recorded"]
            self._move(str(partition), message)

    def _move(self, partition: str, message: Mapping[str, Any]) -> None:
        if message["watermark"] > NEVER:
            self.watermarks.see(partition, message["watermark"])
        if message["ended"]:
            self.watermarks.close(partition)
        if message["idle"]:
            self.watermarks.rest(partition)

    def tell(self) -> Rows:
        """Say what follows from the ticks that are over, and has not been told."""
        if not self._untold:
            return
        self._untold = False
        marks, recorded = self.watermarks, max(self._recorded.values())
        yield from self.downstream.tell(marks.value(), self._revision(), recorded=recorded, ended=marks.all_ended())

    def show(self) -> Rows:
        """Tell what has not been told, and show the windows that have changed since this was last called."""
        yield from self.tell()
        if not self._new:
            return
        self._new = False
        marks, revision = self.watermarks, self._revision()
        yield from self.downstream.show(marks.value(), revision, provisional=True, ended=marks.all_ended())

    def _revision(self) -> int:
        self._shows += 1
        return (self.checkpoints.claim.epoch << _EPOCH_BITS) + self._shows

    def settled(self) -> bool:
        """Whether every input partition has ended, and all that it sent has been shown; so also where none sends."""
        unused = all(shard_of(model, self.partitions) != self.partition for model in self.config.models)
        return unused or (self.watermarks.all_ended() and not self._new)

    def capture(self, *, whole: bool = False) -> dict[str, Any] | None:
        """Return what is to be saved, all of it shown; None if it is not worth it yet and not asked for (`whole`)."""
        if not self._merged or self._new:
            return None
        if not whole and self._merged_bytes < max(_SMALL, self.size // 2) and self._merged < _MOST_MERGED:
            return None
        self._merged_bytes, self._merged = 0, 0
        return {
            "downstream": self.downstream.snapshot(),
            "watermarks": self.watermarks.snapshot(),
            "recorded": list(self._recorded.values()),
            "numbers": list(self._numbers.values()),
            "position": self.position,
        }

    async def save(self, captured: Mapping[str, Any]) -> None:
        """Write what was captured. Raises `TakenOver`."""
        data = encode(captured)
        self.size = len(data)
        key = self.checkpoints.key(f"sums/{captured['position']}")
        await self.checkpoints.write({key: data}, (), {"key": key})

    def restore(self, state: Mapping[str, Any], blobs: Mapping[str, bytes]) -> None:
        """Go on from a checkpoint."""
        data = blobs[state["key"]]
        saved = decode(data, f"sums {state['key']}")
        self.downstream.restore(saved["downstream"])
        self.watermarks.restore(saved["watermarks"])
        self._recorded = dict(enumerate(saved["recorded"]))
        self._numbers = dict(enumerate(saved["numbers"]))
        self.position = saved["position"]
        self.size = len(data)
        self._new, self._untold = True, True  # what was shown may not have been stored when the worker before died

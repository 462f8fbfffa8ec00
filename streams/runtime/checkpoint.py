"""
Checkpoints: state and offsets in one manifest, behind the segments that it names.

A worker *claims* a partition before it works on it. The offset of its claim, which no other claim has, is its
*epoch*; while the topic of claims ends right behind it, nobody else has claimed since. Then it reads the state of
the highest epoch, and writes what it read as its own first manifest. After that every manifest is written, *then* the
claim is looked at again, and only then may anything follow from it: messages are sent, old segments deleted.

So what follows from a manifest follows from one that every later owner sees, since these claim first and read
afterwards. A worker that was thought dead and wakes up may still write a manifest, under its own epoch; it finds a
claim after its own, nothing follows from what it wrote, and nobody reads it: a later epoch has a manifest already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.errors import StateCorrupt, StreamsError
from streams.runtime.log import Log, Record
from streams.runtime.packing import decode, encode
from streams.runtime.topics import CHECKPOINTS, CLAIMS

_MANIFEST = "manifest"
ANEW = (
    "change it back, or stop all workers, delete the topics of checkpoints and summaries (not the claims), and start "
    "with `streams topics apply`: then everything is read again from the beginning of the events"
)


class TakenOver(StreamsError):
    """Another worker has claimed the partition; stop working on it."""


@dataclass(frozen=True)
class Claim:
    """That this worker has taken over a partition, as the `epoch`-th one to do so."""

    log: Log
    partition: int
    epoch: int

    async def check(self) -> None:
        """Raise `TakenOver` if another worker has claimed the partition since."""
        end = await self.log.end(CLAIMS, self.partition)
        if end != self.epoch:
            raise TakenOver(f"partition {self.partition} is no longer ours: epoch {self.epoch} was followed by {end}")


async def claim(log: Log, partition: int, who: str) -> Claim:
    """Take over a partition; epochs count from 1."""
    offset = await log.append(CLAIMS, partition, [(str(partition).encode(), who.encode())])
    return Claim(log, partition, offset + 1)


@dataclass
class Checkpoints:
    """
    The checkpoints of one kind of work (`role`) on one partition.

    Attributes
    ----------
    parts : dict[str, int]
        The blobs that the newest manifest names: how many records each has.
    """

    role: str
    claim: Claim
    fingerprint: int
    parts: dict[str, int] = field(default_factory=dict)
    _doomed: list[bytes] = field(default_factory=list)

    @property
    def _step(self) -> int:
        return self.claim.log.record_bytes

    def key(self, name: str) -> str:
        """Return the key under which this epoch writes a blob: nobody else ever writes it."""
        return f"{self.role}/{self.claim.epoch:012d}/{name}"

    async def recover(self, held: Mapping[bytes, bytes]) -> tuple[Any, dict[str, bytes]] | None:
        """
        Take over the newest state of what was read of the partition; None if there is none.

        Returns the manifest's state, and its blobs by key.

        Raises
        ------
        StateCorrupt
            What the manifest names is not there, or it was written under another configuration.
        TakenOver
            Another worker has claimed the partition meanwhile.
        """
        mine = {key: value for key, value in held.items() if key.startswith(f"{self.role}/".encode())}
        manifests = sorted(key for key in mine if key.endswith(f"/{_MANIFEST}".encode()))
        if not manifests:
            await self.write({}, (), None)
            return None
        manifest = decode(mine[manifests[-1]], f"manifest {manifests[-1].decode()}")
        if manifest["fingerprint"] != self.fingerprint:
            raise StateCorrupt(
                f"the checkpoint of partition {self.claim.partition} was written under another configuration; {ANEW}"
            )
        self.parts = dict(manifest["parts"])
        blobs = {key: self._joined(key, parts, mine) for key, parts in self.parts.items()}
        await self.write({}, self.parts, manifest["state"])
        self._doomed += [key for key in mine if key not in self._records(self.parts)]
        return None if manifest["state"] is None else (manifest["state"], blobs)

    async def write(self, new: Mapping[str, bytes], kept: Iterable[str], state: Any) -> None:
        """
        Write blobs under new keys, and a manifest that names them and those kept; return when it is the newest.

        Raises
        ------
        TakenOver
            Another worker has claimed the partition: nothing may follow from this checkpoint.
        KafkaUnavailable
        """
        parts = {key: self.parts[key] for key in kept}
        parts |= {key: -(-len(data) // self._step) for key, data in new.items()}
        manifest = {"fingerprint": self.fingerprint, "parts": parts, "state": state}
        records: list[Record] = [(key, None) for key in self._doomed]
        records += [record for key, data in new.items() for record in _cut(key, data, self._step)]
        records.append((self.key(_MANIFEST).encode(), encode(manifest)))
        await self.claim.log.append(CHECKPOINTS, self.claim.partition, records)
        await self.claim.check()
        named = self._records(parts)
        self._doomed = [key for key in self._records(self.parts) if key not in named]
        self.parts = parts

    def _joined(self, key: str, parts: int, held: Mapping[bytes, bytes]) -> bytes:
        keys = [_part(key, number) for number in range(parts)]
        missing = [each.decode() for each in keys if each not in held]
        if missing:
            raise StateCorrupt(f"{missing[0]}, which the manifest of partition {self.claim.partition} names, is gone")
        return b"".join(held[each] for each in keys)

    @staticmethod
    def _records(parts: Mapping[str, int]) -> set[bytes]:
        return {_part(key, number) for key, count in parts.items() for number in range(count)}


def _part(key: str, number: int) -> bytes:
    return f"{key}/{number}".encode()


def _cut(key: str, data: bytes, step: int) -> list[Record]:
    return [(_part(key, number), data[start : start + step]) for number, start in enumerate(range(0, len(data), step))]

"""
What the courier delivers from: memory, or with a spool the disk, to which what waits in memory is moved.

Where the disk does not take what it is given, because it is full or broken, events go out from memory as they would
without a spool, behind what is on disk: what waits is bounded all the same, and `problem` says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from streams.emit.backlog import Backlog, Round
from streams.emit.packing import Packed
from streams.emit.spool import FromDisk, OpenSpool, Spool


@dataclass(frozen=True)
class Parcel:
    """Events to be sent together, and where on disk they are, if they are."""

    round: Round
    on_disk: FromDisk | None = None


class Outbox:
    """
    A backlog, and the spool behind it, for the one thread that delivers.

    Parameters
    ----------
    backlog : Backlog
        Where events wait in memory.
    spool : Spool, optional
        Where they are kept on disk.
    """

    def __init__(self, backlog: Backlog, spool: Spool | None) -> None:
        self._backlog = backlog
        self._disk = None if spool is None else OpenSpool(spool)
        self._inherited = self._evicted = 0  # as the account has them
        self._is_dirty = False

    def waits(self) -> bool:
        """Whether something can be taken."""
        return self._backlog.waits() or (self._disk is not None and self._disk.waiting > 0)

    def adopt(self) -> None:
        """Find what processes that have ended left on disk."""
        if self._disk is not None:
            try:
                self._disk.adopt()
            except OSError as error:
                self._failed(error)
            self._count(self._disk)

    def store(self) -> None:
        """Move what waits in memory to the disk."""
        if self._disk is None:
            return
        last = self._backlog.stats().emitted
        try:
            while self._backlog.waits() and self._store_round(self._disk) < last:
                pass
        except OSError as error:
            self._failed(error)
        else:
            self._backlog.disk_problem = None
        self._count(self._disk)

    def _store_round(self, disk: OpenSpool) -> int:
        """Move one round; returns how many events were taken with it."""
        round_ = self._backlog.take()
        try:
            disk.append(round_.events)
        except OSError:
            self._backlog.put_back(round_)
            raise
        self._backlog.stored(round_)
        self._is_dirty = True
        return round_.upto

    def sync(self) -> None:
        """Have what waits survive a loss of power."""
        self.store()
        if self._disk is None or not self._is_dirty:
            return
        try:
            is_safe = self._disk.sync()
        except OSError as error:
            self._failed(error)
        else:
            self._is_dirty = not (is_safe and self._backlog.synced())

    def take(self) -> Parcel | None:
        """Remove the next events to be sent; they stay queued until they are settled."""
        self.store()
        if self._disk is not None:
            found = self._disk.take()
            self._count(self._disk)
            if found is not None:
                return Parcel(Round(found.events), found)
        return Parcel(self._backlog.take()) if self._backlog.waits() else None

    def settle(self, parcel: Parcel, failed: int) -> None:
        """Account for events that were sent, all but `failed` of which were confirmed."""
        if self._disk is not None and parcel.on_disk is not None:
            self._disk.settle(parcel.on_disk)
        self._backlog.settle(parcel.round, failed)

    def leave(self, last: list[Packed]) -> None:
        """End: what waits stays on disk for the next process, with some last events; without a disk, it is given up."""
        self.sync()
        if self._disk is not None:
            try:
                if last:
                    self._disk.append(last)
                    self._disk.sync()
            except OSError as error:
                self._failed(error)
            self._count(self._disk)
            self._disk.close()
        self._backlog.abandon()

    def forget(self) -> None:
        """Close what a forked child shares with its parent, in the child."""
        if self._disk is not None:
            self._disk.forget()

    def _failed(self, error: OSError) -> None:
        self._backlog.disk_problem = f"the spool cannot be written: {error.strerror or error}"

    def _count(self, disk: OpenSpool) -> None:
        """Bring the account up to what happened on disk."""
        inherited, evicted = disk.inherited - self._inherited, disk.evicted - self._evicted
        self._inherited, self._evicted = disk.inherited, disk.evicted
        if inherited:
            self._backlog.inherit(inherited)
        if evicted:
            self._backlog.evict(evicted)

"""
A journal: the events of one process on disk, in files that only grow, and a note of how far they were delivered.

What a crash left half written at the end of a file is found by its checksum and not read. The note is replaced as a
whole; an older note, after a loss of power, only means that events are sent again, and they have their ids.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streams.emit.backlog import ROUND_BYTES, ROUND_EVENTS
from streams.emit.framing import FIELDS, MAX_FRAMED_BYTES, as_now, first_line, opening, records
from streams.emit.packing import Packed

NOTE = "delivered"
_SUFFIX = ".events"
_FILES = f"{'[0-9]' * 8}{_SUFFIX}"
_NOTED = re.compile(r"(\d+) (\d+)\n")


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a journal: the number of a file, and an offset in it."""

    number: int
    offset: int


@dataclass
class Segment:
    """
    A file of a journal, of which `size` bytes are good.

    `waiting` events lie behind the offset `read`; what is before it was taken to be sent.
    """

    number: int
    path: Path
    fields: Mapping[str, list[str]]
    size: int
    read: int
    waiting: int = 0


@dataclass(frozen=True)
class Taken:
    """Events read to be sent, where they end, and how many could not be read and are lost."""

    events: list[Packed]
    end: Mark
    lost: int = 0


class Journal:
    """
    One directory; whoever uses it has locked it.

    Events that are there already are found. What is appended goes into new files behind theirs. Where a method raises
    OSError, the disk did not do what it was asked, and nothing is half done. `is_doubtful` is true from when the disk
    failed to make something safe until all of it is delivered.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.segments: list[Segment] = []
        self.is_doubtful = False
        self._delivered = self._noted()
        self._file: int | None = None
        self._is_named = False  # whether the name of the newest file survives a loss of power
        self._last = 0
        self._recover()

    @property
    def waiting(self) -> int:
        """How many events were not taken."""
        return sum(segment.waiting for segment in self.segments)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self.segments)

    def _recover(self) -> None:
        """Find what is there: files that were delivered go, and of the others each record is checked."""
        for path in sorted(self.directory.glob(_FILES)):
            self._last = int(path.stem)
            data = path.read_bytes() if self._last >= self._delivered.number else b""
            start = opening(data)
            before = 0 if start is None else start.size
            read = max(before, self._delivered.offset if self._last == self._delivered.number else 0)
            ends = [end for _, end in records(data[read:])]
            if start is None or not ends:  # all of it was delivered, or a crash came before an event was in it
                path.unlink()
            else:
                self.segments.append(Segment(self._last, path, start.fields, read + ends[-1], read, len(ends)))

    def _noted(self) -> Mark:
        try:
            found = _NOTED.fullmatch((self.directory / NOTE).read_text(encoding="ascii", errors="replace"))
        except FileNotFoundError:
            found = None
        return Mark(int(found[1]), int(found[2])) if found else Mark(0, 0)

    def append(self, data: bytes, events: int) -> None:
        """Write records of so many events behind the others: all of them, or none with an OSError."""
        file = self._begin() if self._file is None else self._file
        segment = self.segments[-1]
        _write(file, data, segment.size)
        segment.size += len(data)
        segment.waiting += events

    def _begin(self) -> int:
        """Begin a new file."""
        path = self.directory / f"{self._last + 1:08}{_SUFFIX}"
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
        line = first_line()
        try:
            _write(file, line, 0)
        except OSError:
            os.close(file)
            raise
        self._file, self._is_named, self._last = file, False, self._last + 1
        self.segments.append(Segment(self._last, path, FIELDS, len(line), len(line)))
        return file

    def sync(self) -> None:
        """Have all that was appended survive a loss of power."""
        if self._file is None:
            return
        try:
            os.fsync(self._file)
            if not self._is_named:
                for directory in (self.directory, self.directory.parent):
                    _sync_directory(directory)
        except OSError:  # what the file should hold may be gone from memory: to ask again would say that all is well
            self.is_doubtful = True
            self.close_file()
            raise
        self._is_named = True

    def stop(self) -> None:
        """Close the file that is written to; the next event begins another."""
        self.close_file()
        self._tidy()

    def close_file(self) -> None:
        """Close the file that is written to, and leave everything as it is: a forked child does, of its parent's."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def take(self) -> Taken | None:
        """Read the next events, as many as make a round; None if there are none."""
        segment = next((one for one in self.segments if one.waiting), None)
        if segment is None:
            return None
        found = list(_round(_read(segment)))
        if not found:  # it was good when it was written or found: the disk, or somebody, has changed it since
            lost, segment.waiting, segment.read = segment.waiting, 0, segment.size
            return Taken([], Mark(segment.number, segment.size), lost)
        segment.read += found[-1][1]
        segment.waiting -= len(found)
        events = [now for packed, _ in found if (now := as_now(packed, segment.fields)) is not None]
        return Taken(events, Mark(segment.number, segment.read), len(found) - len(events))

    def settle(self, end: Mark) -> None:
        """Note that everything before a mark was delivered, and remove the files that are behind us."""
        with suppress(OSError):  # without it more is sent again after a crash, under the same ids
            new = self.directory / f"{NOTE}.new"
            new.write_text(f"{end.number} {end.offset}\n", encoding="ascii")
            new.replace(self.directory / NOTE)
        self._delivered = end
        self._tidy()

    def _tidy(self) -> None:
        """Remove the files that were delivered, but for the one that is written to."""
        while self.segments and self._delivered >= self._end_of(self.segments[0]):
            if self._file is not None and len(self.segments) == 1:
                break
            with suppress(OSError):  # the note is behind it: nobody reads it again
                self.segments.pop(0).path.unlink()
        if not self.waiting and self._delivered >= self._end_of(self.segments[-1] if self.segments else None):
            self.is_doubtful = False

    @staticmethod
    def _end_of(segment: Segment | None) -> Mark:
        return Mark(segment.number, segment.size) if segment else Mark(0, 0)

    def evict(self) -> int:
        """Remove the oldest file; returns how many of its events had not been taken."""
        if len(self.segments) == 1:
            self.close_file()
        segment = self.segments.pop(0)
        segment.path.unlink(missing_ok=True)
        return segment.waiting

    def remove(self) -> None:
        """Remove the directory, all of which was delivered."""
        for path in self.directory.iterdir():
            path.unlink()
        self.directory.rmdir()


def _read(segment: Segment) -> bytes:
    """Return the next bytes of a file, as many as the largest event may have; none where the disk gives none."""
    try:
        with segment.path.open("rb") as file:
            file.seek(segment.read)
            return file.read(min(segment.size - segment.read, MAX_FRAMED_BYTES))
    except OSError:
        return b""


def _round(data: bytes) -> Iterator[tuple[Packed, int]]:
    """Yield the first records, as many as a round may have."""
    for place, (packed, end) in enumerate(records(data)):
        if place == ROUND_EVENTS or (place and end > ROUND_BYTES):
            return
        yield packed, end


def _write(file: int, data: bytes, place: int) -> None:
    """Write at a place of a file, and shorten the file to it where that fails."""
    written = 0
    try:
        while written < len(data):
            written += os.pwrite(file, data[written:], place + written)
    except OSError:
        with suppress(OSError):  # what is half written has no good checksum, and is written over next time
            os.ftruncate(file, place)
        raise


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)

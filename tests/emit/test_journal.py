"""The journal: what was written whole is read, in order and once, whatever a crash or the disk made of the rest."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.emit import Outcome, Prediction
from streams.emit.backlog import ROUND_BYTES, ROUND_EVENTS
from streams.emit.framing import FIELDS, first_line, framed, opening, records
from streams.emit.journal import NOTE, Journal, Mark
from streams.emit.packing import Packed, pack, unpack
from tests.emit.accidents import full_disk
from tests.emit.example_events import EVENTS, prediction


def packed(number: int) -> Packed:
    found = pack(Outcome(request_id=f"r{number}", event_time=number))
    assert isinstance(found, Packed)
    return found


def write(journal: Journal, *numbers: int) -> None:
    journal.append(b"".join(framed(packed(number)) for number in numbers), len(numbers))


def drain(journal: Journal) -> list[int]:
    """Take and settle everything; returns the numbers."""
    found: list[int] = []
    while (taken := journal.take()) is not None:
        found += [int(event.event_time) for event in map(unpack, taken.events)]  # type: ignore[arg-type]
        journal.settle(taken.end)
    return found


@given(st.lists(EVENTS, max_size=10))
def test_records_are_read_as_they_were_written(events: list[Prediction]) -> None:
    """Any event comes back as it was packed, and every record ends where the next begins."""
    made = [found for found in map(pack, events) if isinstance(found, Packed)]
    data = b"".join(map(framed, made))
    found = list(records(data))

    assert [event for event, _ in found] == made
    assert [end for _, end in found] == [sum(len(framed(one)) for one in made[: n + 1]) for n in range(len(made))]


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.integers(1, 255))
def test_of_a_damaged_file_what_is_before_the_damage_is_read(cut: int, place: int, flip: int) -> None:
    """Whatever byte is another one, and wherever the data ends: good records come first, and nothing that is wrong."""
    made = [packed(number) for number in range(30)]
    data = bytearray(b"".join(map(framed, made)))
    place %= len(data)
    data[place] ^= flip
    found = [event for event, _ in records(bytes(data[:cut]))]
    whole = [number for number in range(30) if sum(len(framed(one)) for one in made[: number + 1]) <= min(cut, place)]

    assert found == made[: len(whole)]


def test_a_torn_end_is_not_read(tmp_path: Path) -> None:
    """Cut at every byte, the file gives what is whole in it, and new events go behind that."""
    write(Journal(tmp_path), 1, 2, 3)
    (file,) = tmp_path.glob("*.events")
    data, start = file.read_bytes(), len(first_line())
    for cut in range(len(data)):
        directory = tmp_path / str(cut)
        directory.mkdir()
        (directory / file.name).write_bytes(data[:cut])
        found = Journal(directory)
        write(found, 9)

        whole = max(0, cut - start) // len(framed(packed(1)))

        assert drain(found) == [*range(1, whole + 1), 9]


def test_zeros_are_no_events(tmp_path: Path) -> None:
    """A file that a loss of power has filled up with zeros ends before them."""
    write(Journal(tmp_path), 1, 2)
    (file,) = tmp_path.glob("*.events")
    with file.open("ab") as end:
        end.write(bytes(4_096))

    assert drain(Journal(tmp_path)) == [1, 2]


def test_what_was_delivered_is_not_read_again(tmp_path: Path) -> None:
    """Reading goes on behind the last mark that was settled, and what was only taken is read again."""
    journal = Journal(tmp_path)
    write(journal, *range(ROUND_EVENTS))
    write(journal, -1, -2)
    first = journal.take()
    assert first is not None
    journal.settle(first.end)
    rest = journal.take()
    again = Journal(tmp_path)

    assert rest is not None
    assert (len(first.events), len(rest.events), journal.waiting) == (ROUND_EVENTS, 2, 0)
    assert again.waiting == 2
    assert drain(again) == [-1, -2]
    assert list(tmp_path.glob("*.events")) == []


@pytest.mark.parametrize("note", ["", "1", "1 5", "x y\n", "\0\0\0\0"])
def test_without_a_good_note_all_is_read_again(tmp_path: Path, note: str) -> None:
    """A note that a loss of power has spoiled costs a repetition and loses nothing."""
    write(Journal(tmp_path), 1, 2)
    (tmp_path / NOTE).write_text(note)

    assert drain(Journal(tmp_path)) == [1, 2]


def test_files_that_were_delivered_are_removed(tmp_path: Path) -> None:
    """A file goes when everything in it is settled, except the one that is written to."""
    journal = Journal(tmp_path)
    write(journal, 1)
    journal.stop()
    write(journal, 2)
    before = len(list(tmp_path.glob("*.events")))
    drained, while_written = drain(journal), len(list(tmp_path.glob("*.events")))
    journal.stop()

    assert (drained, before, while_written) == ([1, 2], 2, 1)
    assert list(tmp_path.glob("*.events")) == []
    assert journal.size == 0


def test_the_oldest_file_goes_and_its_events_are_counted(tmp_path: Path) -> None:
    """To evict tells how many events had not been taken, those of the file that is written to as well."""
    journal = Journal(tmp_path)
    write(journal, 1, 2)
    journal.stop()
    write(journal, 3)
    evicted = journal.evict()
    write(journal, 4)
    taken = journal.take()
    write(journal, 5)
    last = journal.evict()
    write(journal, 6)

    assert (evicted, last) == (2, 1)
    assert taken is not None
    assert [unpack(event).event_time for event in taken.events] == [3, 4]
    assert drain(journal) == [6]


def test_rounds_are_bounded_in_bytes(tmp_path: Path) -> None:
    """A round from disk has no more bytes than one from memory; a larger event goes alone."""
    sizes = [ROUND_BYTES + 1_000, ROUND_BYTES // 2, ROUND_BYTES // 2 - 1_000, ROUND_BYTES // 2]
    journal = Journal(tmp_path)
    for size in sizes:
        event = pack(prediction(label="x" * size))
        assert isinstance(event, Packed)
        journal.append(framed(event), 1)
    rounds = []
    while (taken := journal.take()) is not None:
        rounds.append(len(taken.events))

    assert rounds == [1, 2, 1]


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Events that do not fit are not there, in a file that is written to or a new one, and later ones are."""
    journal = Journal(tmp_path)
    write(journal, 1)
    (file,) = tmp_path.glob("*.events")
    before = file.stat().st_size
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write(journal, *range(100))
    after = file.stat().st_size
    write(journal, 2)
    journal.stop()
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write(journal, 7)
    write(journal, 3)

    assert before == after
    assert drain(Journal(tmp_path)) == [1, 2, 3]


def test_without_room_for_the_note_events_go_on(tmp_path: Path) -> None:
    """On a full disk what is delivered is let go of all the same; another process would send it again."""
    journal = Journal(tmp_path)
    write(journal, 1, 2)
    with full_disk():
        drained = drain(journal)

    assert drained == [1, 2]
    assert journal.take() is None
    assert drain(Journal(tmp_path)) == [1, 2]


@pytest.mark.parametrize("spoil", ["remove", "overwrite"])
def test_what_the_disk_loses_later_is_counted(tmp_path: Path, spoil: str) -> None:
    """A file that is gone or damaged after it was found is passed over, and its events counted as lost."""
    journal = Journal(tmp_path)
    write(journal, 1, 2)
    journal.stop()
    write(journal, 3)
    first = min(tmp_path.glob("*.events"))
    if spoil == "remove":
        first.unlink()
    else:
        first.write_bytes(b"\0" * first.stat().st_size)
    taken = journal.take()
    assert taken is not None
    journal.settle(taken.end)

    assert (taken.events, taken.lost) == ([], 2)
    assert drain(journal) == [3]


def test_what_could_not_be_made_safe_is_in_doubt_until_it_is_delivered(tmp_path: Path) -> None:
    """After a failed sync no other one says that all is well, since what failed may not have been written."""
    journal = Journal(tmp_path / "journal")
    journal.directory.mkdir()
    write(journal, 1)
    journal.directory.rename(tmp_path / "elsewhere")  # so that its name cannot be made safe
    with pytest.raises(FileNotFoundError):
        journal.sync()
    (tmp_path / "elsewhere").rename(journal.directory)
    write(journal, 2)
    journal.sync()
    in_doubt = journal.is_doubtful
    drained = drain(journal)

    assert in_doubt
    assert drained == [1, 2]
    assert not journal.is_doubtful


def test_events_of_another_version_are_read_by_their_fields_names(tmp_path: Path) -> None:
    """Fields in another order are put right, unknown ones left out, new ones get defaults; what lacks one is lost."""
    fields = dict(FIELDS) | {"outcome": ["label", "event_time", "mood", "request_id"], "feedback": ["request_id"]}
    line = msgspec.json.encode({"format": "streams spool 1", "fields": fields}) + b"\n"
    old = [Packed("outcome", msgspec.msgpack.encode(["1", 7, "good", "r"]))]
    old += [Packed("feedback", msgspec.msgpack.encode(["r"])), packed_prediction(5)]
    (tmp_path / "00000003.events").write_bytes(line + b"".join(map(framed, old)))
    taken = Journal(tmp_path).take()

    assert taken is not None
    assert [unpack(event) for event in taken.events] == [
        Outcome(request_id="r", event_time=7, label="1"),
        prediction(5, event_time=5),
    ]
    assert (taken.lost, taken.end.number) == (1, 3)


def packed_prediction(number: int) -> Packed:
    found = pack(prediction(number, event_time=number))
    assert isinstance(found, Packed)
    return found


@pytest.mark.parametrize("line", [b"", b"{", b"[]\n", b'{"format": "other", "fields": {}}\n', first_line()[:-1]])
def test_a_first_line_that_is_not_ours_is_refused(line: bytes) -> None:
    """A line of another format, or not all there, begins no file of a spool."""
    assert opening(line) is None
    assert opening(first_line()) is not None


def test_marks_are_ordered() -> None:
    """A later file is behind every offset of an earlier one."""
    assert Mark(1, 900) < Mark(1, 901) < Mark(2, 0)

"""Snapshots: a pipeline goes on from one as if it had never stopped, or is told that it cannot."""

from __future__ import annotations

import struct

import msgspec
import pyarrow as pa
import pytest

from streams.config import Config, parse_config
from streams.errors import StateCorrupt
from streams.pipeline import Pipeline
from streams.runtime.snapshot import fingerprint, load, save
from tests.driving import FAR_FUTURE, block_of, drive, final_numbers
from tests.runtime.story import CONFIG, Event, config, story
from tests.streams_strategy import Delivery, Part

PART = 100


@pytest.fixture(scope="module")
def delivery() -> Delivery:
    """Return some 700 events of three weeks from one source, in parts of a hundred."""
    events = story(requests=300, days=20)
    return Delivery(("a",), [Part("a", events[first : first + PART]) for first in range(0, len(events), PART)])


@pytest.fixture(scope="module")
def saved(delivery: Delivery) -> bytes:
    """Return the snapshot of a pipeline that has taken the first three parts."""
    return save(halfway(config(), [event for part in delivery.parts[:3] for event in part.events]), config())


def halfway(declared: Config, events: list[Event]) -> Pipeline:
    pipeline = Pipeline(declared)
    pipeline.open("a")
    for _ in pipeline.process(block_of("a", events), FAR_FUTURE):
        pass
    return pipeline


def test_restored_pipeline_goes_on_as_if_it_had_not_stopped(delivery: Delivery) -> None:
    """A run that is saved and restored before every part has the counts, windows and records of a run that is not."""
    straight_counts, straight = drive(config(), delivery)
    stopped_counts, stopped = drive(config(), delivery, lambda pipeline, _: load(save(pipeline, config()), config()))

    assert straight_counts == stopped_counts
    assert final_numbers(straight["windows"]) == final_numbers(stopped["windows"])
    for name in ("slices", "samples", "orphans", "verdicts"):
        assert sorted(map(repr, straight[name])) == sorted(map(repr, stopped[name]))


def test_snapshot_of_a_restored_pipeline_is_the_same_bytes(saved: bytes) -> None:
    """Nothing is lost or added by saving and loading, once rows of refused groups have been named `__other__`."""
    once = load(saved, config())
    again = save(once, config())

    assert once.counts() == halfway_counts()
    assert save(load(again, config()), config()) == again


def halfway_counts() -> dict[str, int]:
    """Return the counts of the pipeline that the snapshot was taken of."""
    return halfway(config(), story(requests=300, days=20)[: 3 * PART]).counts()


def test_snapshot_of_a_pipeline_without_events_restores() -> None:
    """A pipeline that has read nothing can be saved and restored."""
    pipeline = load(save(Pipeline(config()), config()), config())

    assert pipeline.counts() == Pipeline(config()).counts()


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 100, -1])
def test_truncated_snapshot_is_corrupt(saved: bytes, length: int) -> None:
    """A snapshot that was cut off anywhere is StateCorrupt."""
    with pytest.raises(StateCorrupt, match="is damaged"):
        load(saved[:length], config())


def test_any_wrong_bit_is_corrupt(saved: bytes) -> None:
    """One wrong bit is StateCorrupt wherever it is, also within the numbers of an array."""
    for place in range(0, len(saved), len(saved) // 300):
        damaged = saved[:place] + bytes([saved[place] ^ 1]) + saved[place + 1 :]
        with pytest.raises(StateCorrupt, match="is damaged"):
            load(damaged, config())


@pytest.mark.parametrize("data", [b"\x80", b"garbage" * 10, b"\xc1" * 32], ids=["empty map", "text", "no msgpack"])
def test_other_bytes_are_corrupt(data: bytes) -> None:
    """Bytes that never were a snapshot are StateCorrupt."""
    with pytest.raises(StateCorrupt, match=f"snapshot of {len(data)} bytes is damaged"):
        load(data, config())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("disorder: 1h", "disorder: 2h"),
        ("label_horizon: 1d", "label_horizon: 2d"),
        ("windows: [1d, 6h/3h, 1mo]", "windows: [1d, 6h/3h]"),
        ("max_groups: 4", "max_groups: 5"),
        ("topic", "topics"),
    ],
)
def test_snapshot_of_another_configuration_is_corrupt(saved: bytes, before: str, after: str) -> None:
    """A snapshot is refused under a configuration that differs in anything that state depends on."""
    other = parse_config(CONFIG.replace(before, after), "other.yaml")

    assert fingerprint(other) != fingerprint(config())
    with pytest.raises(StateCorrupt, match="taken under another configuration: replay from the start"):
        load(saved, other)


def test_configuration_that_says_the_same_otherwise_is_the_same(saved: bytes) -> None:
    """Defaults that are written out and other spellings of a duration do not make a snapshot worthless."""
    same = parse_config(CONFIG.replace("disorder: 1h", "disorder: 60m\nmax_future: 366d"), "same.yaml")

    assert load(saved, same).read == 3 * PART


def test_snapshot_holds_no_pickle(saved: bytes) -> None:
    """A snapshot is a digest, sizes, and compressed MessagePack: reading one runs no code."""
    parts, length, stored = struct.unpack(">IQQ", saved[16:36])
    packed = saved[36 + 8 * parts :][:stored]
    whole = msgspec.msgpack.decode(pa.Codec("zstd").decompress(packed, length))

    assert whole["version"] == 1
    assert set(whole) == {"version", "config", "state"}

"""Records that are none, and schemas that nobody knows: each is rejected once, and costs no neighbour."""

from __future__ import annotations

import pytest

from streams.codecs.wire import END_HEADER
from streams.runtime.topics import INPUTS
from tests.operations.stage import PARTITIONS, Sent, Stage, pairs

GARBAGE = b"\x17\x03 no Avro at all"
DEEP = b"\x00\x00\x00\x00\x01" + b"\xff" * 500  # a known schema, then lengths that lead nowhere
UNKNOWN = b"\x00\x00\x00\x03\xe7" + b"\x02a"
LARGE = b"\x00\x00\x00\x00\x01" + bytes(2 << 20)
POISON = {
    GARBAGE: "undecodable",
    DEEP: "undecodable",
    UNKNOWN: "unknown_schema",
    LARGE: "too_large",
    None: "undecodable",
}


def everywhere(value: bytes | None) -> list[Sent]:
    """Return records of this value for every partition of every topic of events."""
    return [(topic, number, value, ()) for topic in INPUTS for number in range(PARTITIONS)]


def test_poison_costs_no_neighbour(staged: Stage) -> None:
    """Garbage, unknown schemas, nulls and 2 MB among good events are rejected once each; all good events count."""
    staged.emit(pairs("fraud", 40))
    staged.send([record for value in POISON for record in everywhere(value)])
    staged.emit(pairs("fraud", 40, first=40), end=True)

    worker = staged.start()
    staged.settle(worker)

    rows = staged.query("SELECT source, reason, JSONExtractUInt(original, 'bytes') AS size FROM rejected FINAL")
    places = len(INPUTS) * PARTITIONS
    of_each = {row["source"]: sorted(r["reason"] for r in rows if r["source"] == row["source"]) for row in rows}
    assert len(of_each) == places
    assert all(reasons == sorted(POISON.values()) for reasons in of_each.values())
    assert max(row["size"] for row in rows) == 1 << 20
    assert staged.quality()["fraud", ""] == (0.75, 80.0)
    counts = staged.counts()
    assert (counts["read"], counts["rejected"]) == (160 + places * len(POISON), places * len(POISON))


@pytest.mark.parametrize("said", [b"soon", b"", b"99999999999999999999"])
def test_an_end_that_is_none(staged: Stage, said: bytes) -> None:
    """A record without a value whose header names no time is rejected like any other, and ends nothing."""
    staged.send([("predictions", 0, None, [(END_HEADER, said)])])
    staged.emit(pairs("fraud", 40), end=True)

    worker = staged.start()
    staged.settle(worker)

    assert [row["reason"] for row in staged.query("SELECT reason FROM rejected")] == ["undecodable"]
    assert staged.quality()["fraud", ""] == (0.75, 40.0)

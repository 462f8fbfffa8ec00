from __future__ import annotations

import gc
import struct
import weakref
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codecs.avro import END
from streams.codecs.registry import fingerprint
from streams.codecs.wire import decode_datums
from streams.codecs.write import encode_datums, encode_messages
from streams.core.block import EVENT_TYPES, MAX_MAP_KEYS, MAX_RECORD_BYTES, Block, EventType, RejectReason
from tests.codecs.making import KINDS, OUTCOMES, Row, by_position, registry, rows_of, texts


def decode(messages: Sequence[bytes | None], first: int = 0) -> Block:
    return decode_datums(messages, "t-0", np.arange(first, first + len(messages)), registry())


def framed(kind: EventType, rows: list[Row], framing: str) -> list[bytes]:
    if framing == "confluent":
        return encode_messages(kind, rows, registry())
    head = b"\xc3\x01" + fingerprint(registry().current[kind])
    return [head + bytes(datum) for datum in encode_datums(kind, rows, registry().current[kind]).to_pylist()]


@pytest.mark.parametrize("framing", ["confluent", "single object"])
@given(data=st.data(), kind=KINDS)
def test_messages_give_back_the_events(framing: str, data: st.DataObject, kind: EventType) -> None:
    """Encoded and decoded in pieces of any size, events are what they were, in both framings."""
    rows, cut = data.draw(rows_of(kind)), data.draw(st.integers(1, 9))
    messages = framed(kind, rows, framing)
    blocks = [decode(messages[first : first + cut], first) for first in range(0, len(rows), cut)]

    assert by_position(blocks, kind) == texts(rows)
    assert not any(block.rejects for block in blocks)


@settings(max_examples=300)
@given(data=st.data(), kind=KINDS, damage=st.sampled_from(["flip", "cut", "grow"]))
def test_damage_to_a_message_never_touches_its_neighbours(data: st.DataObject, kind: EventType, damage: str) -> None:
    """Whatever happens to the bytes of one message, the others decode to the same rows at the same positions."""
    rows = data.draw(rows_of(kind).filter(bool))
    messages = encode_messages(kind, rows, registry())
    victim = data.draw(st.integers(0, len(rows) - 1))
    at = data.draw(st.integers(0, len(messages[victim]) - 1))
    whole = messages[victim]
    messages[victim] = {
        "flip": whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :],
        "cut": whole[:at],
        "grow": whole + data.draw(st.binary(min_size=1, max_size=20).filter(lambda more: not more.startswith(END))),
    }[damage]
    block = decode(messages)
    found = by_position([block], kind)
    others = {place: repr(row) for place, row in enumerate(rows) if place != victim}
    refused = [reject.position for reject in block.rejects]

    assert {place: row for place, row in found.items() if place != victim} == others
    assert refused in ([], [victim])
    assert len(block) == len(rows)
    assert damage == "flip" or refused == [victim]


@given(data=st.data())
def test_a_verdict_does_not_depend_on_the_neighbours(data: st.DataObject) -> None:
    """Any bytes behind any framing get the same verdict alone and among others."""
    heads = st.sampled_from([b"", b"\0\0\0\0\1", b"\0\0\0\0\2", b"\0\0\0\0\3", b"\0\0\0\0\4", b"\xc3\x01"])
    messages = data.draw(st.lists(st.none() | st.builds(bytes.__add__, heads, st.binary(max_size=40)), max_size=12))
    together = decode(messages)
    alone = [decode([message], place) for place, message in enumerate(messages)]

    for kind in EVENT_TYPES:
        assert by_position([together], kind) == by_position(alone, kind)
    assert list(together.rejects) == [reject for block in alone for reject in block.rejects]


@pytest.mark.parametrize(
    ("message", "reason", "detail"),
    [
        (None, "undecodable", "a message without a value"),
        (b"", "undecodable", "neither Confluent framing nor a single object"),
        (b'{"type":"outcome"}', "undecodable", "neither Confluent framing nor a single object"),
        (b"\0\0\0", "undecodable", "neither Confluent framing nor a single object"),
        (b"\0\0\0\0\x63abc", "unknown_schema", "schema id 99"),
        (b"\xc3\x01abcdefgh12", "unknown_schema", "schema fingerprint 6162636465666768"),
        (b"\0\0\0\0\2\2\2", "undecodable", "the data ends within a record"),
    ],
)
def test_a_message_that_is_no_event_says_why(message: bytes | None, reason: RejectReason, detail: str) -> None:
    """Each way of not being an event has its reason and detail, and keeps the bytes."""
    (reject,) = decode([message], 7).rejects

    assert (reject.reason, reject.detail, reject.position, reject.source) == (reason, detail, 7, "t-0")
    assert reject.original == (message or b"")


def test_messages_of_many_schemas_become_one_batch_a_type() -> None:
    """Interleaved types and framings give one batch for each type, in the order of positions."""
    confluent = encode_messages("outcome", OUTCOMES, registry())
    single = framed("outcome", OUTCOMES, "single object")
    feedback = encode_messages("feedback", [{"feedback_id": "f", "event_time": 1, "kind": "click"}] * 20, registry())
    messages = [m for trio in zip(confluent, feedback, single, strict=True) for m in trio]
    block = decode(messages)
    expected = {3 * place + shift: repr(row) for place, row in enumerate(OUTCOMES) for shift in (0, 2)}

    assert [batch.kind for batch in block.batches] == ["outcome", "feedback"]
    assert all((np.diff(batch.positions) > 0).all() for batch in block.batches)
    assert by_position([block], "outcome") == expected
    assert all(batch.original(5) == messages[batch.positions[5]] for batch in block.batches)


def test_text_that_is_not_utf8_is_refused() -> None:
    """Bytes that are no UTF-8 make a record undecodable: the columnar decoder itself would let them pass."""
    messages = encode_messages("outcome", OUTCOMES, registry())
    messages[3] = messages[3].replace(b"r3", b"r\xff")
    block = decode(messages)

    assert [(r.position, r.detail) for r in block.rejects] == [(3, "text that is not UTF-8")]
    assert block.batches[0].table["request_id"].to_pylist() == [f"r{n}" for n in range(20) if n != 3]


def test_records_and_maps_over_the_limits_are_too_large() -> None:
    """A message of more than 1 MiB and a map of more than 1,000 keys are refused, the largest allowed are not."""
    base = {"prediction_id": "p", "event_time": 1, "model": "m", "version": "1"}
    maps = [{"attributes": {str(key): "v" for key in range(keys)}} for keys in (MAX_MAP_KEYS, MAX_MAP_KEYS + 1)]
    long = [{"label": "x" * size} for size in (MAX_RECORD_BYTES - 100, MAX_RECORD_BYTES)]
    block = decode(encode_messages("prediction", [{**base, **more} for more in maps + long], registry()))

    assert [(reject.position, reject.reason) for reject in block.rejects] == [(1, "too_large"), (3, "too_large")]
    assert block.rejects[0].detail == "attributes has 1001 keys, at most 1000 are taken"
    assert len(block.rejects[1].original) == MAX_RECORD_BYTES
    assert block.batches[0].positions.tolist() == [0, 2]


def test_a_length_that_lies_costs_nothing() -> None:
    """A datum that claims 2**40 attributes is refused, not waited for."""
    datum = b"\0\2p\2\2m\0021\x08live\0\0\0\0" + bytes.fromhex("808080808040") + struct.pack("<d", 1)
    (reject,) = decode([b"\0\0\0\0\1" + datum]).rejects

    assert reject.reason == "undecodable"


@pytest.mark.parametrize("damaged", [False, True])
def test_a_block_is_let_go_of_at_once(damaged: bool) -> None:
    """What was decoded is free as soon as nobody uses it, without a garbage collection: blocks are large."""
    messages = framed("outcome", [*OUTCOMES], "confluent")
    gc.collect()
    gc.disable()
    try:
        block = decode([*messages, b"no message"] if damaged else messages)
        tables = [weakref.ref(batch.table) for batch in block.batches]
        del block
        left = [table() for table in tables]
    finally:
        gc.enable()

    assert left == [None]

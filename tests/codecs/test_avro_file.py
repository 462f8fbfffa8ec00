from __future__ import annotations

import io
import tempfile
import zlib
from pathlib import Path
from typing import Any, Literal

import cramjam
import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codecs.binary import encode_long
from streams.codecs.compression import CODECS, MAX_BLOCK_BYTES
from streams.codecs.container import Header, Origin, read_header, read_runs
from streams.codecs.files import open_source
from streams.codecs.write import write_container
from streams.core.block import MAX_RECORD_BYTES, Block, EventType, Reject, RejectReason
from streams.errors import UsageError
from tests.codecs.making import KINDS, OUTCOMES, Row, by_position, registry, rows_of, texts

Codec = Literal["null", "deflate"]
WRITTEN: st.SearchStrategy[Codec] = st.sampled_from(("null", "deflate"))


def read(content: bytes, batch_rows: int = 1 << 16) -> list[Block]:
    """Read blocks from a container file with the given bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.avro"
        path.write_bytes(content)
        return list(open_source(path, registry(), batch_rows))


def written(kind: EventType, rows: list[Row], codec: Codec = "null", block_rows: int = 3) -> tuple[bytes, list[int]]:
    """Give the bytes of a container file with the given events, and where its header and each of its blocks end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.avro"
        write_container(path, kind, rows, registry(), codec, block_rows)
        data = path.read_bytes()
    sync = header_of(data).sync
    return data, [at + len(sync) for at in range(len(data)) if data.startswith(sync, at)]


def header_of(content: bytes) -> Header:
    header = read_header(content)
    assert header is not None
    return header


def rejected(blocks: list[Block]) -> list[tuple[int, str, str]]:
    return [(reject.position, reject.reason, reject.detail) for block in blocks for reject in block.rejects]


@given(data=st.data(), kind=KINDS)
def test_a_file_gives_back_the_events(data: st.DataObject, kind: EventType) -> None:
    """Written in blocks and read in batches of any size, compressed or not, events are what they were."""
    rows, codec = data.draw(rows_of(kind)), data.draw(WRITTEN)
    block_rows, batch_rows = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    content, _ = written(kind, rows, codec, block_rows)
    blocks = read(content, batch_rows)

    assert by_position(blocks, kind) == texts(rows)
    assert all(len(batch) <= batch_rows for block in blocks for batch in block.batches)
    assert rejected(blocks) == []


@pytest.mark.parametrize("codec", CODECS)
def test_files_are_exchanged_with_another_implementation(codec: str) -> None:
    """The reference implementation reads the files written here, and its files are read here, however compressed."""
    content, _ = written("outcome", OUTCOMES)
    theirs = io.BytesIO()
    fastavro.writer(theirs, registry().current["outcome"], OUTCOMES, codec=codec, sync_interval=50)
    expected = texts(OUTCOMES)

    assert [row["label"] for row in _theirs(content)] == [row["label"] for row in OUTCOMES]
    assert by_position(read(theirs.getvalue(), 7), "outcome") == expected


@settings(max_examples=200)
@given(data=st.data(), codec=WRITTEN)
def test_a_file_cut_short_keeps_all_whole_blocks(data: st.DataObject, codec: Codec) -> None:
    """Cut at any byte behind the header, every whole block before the cut is there, and one reject has the rest."""
    content, ends = written("outcome", OUTCOMES, codec)
    cut = data.draw(st.integers(ends[0], len(content)))
    whole = sum(end <= cut for end in ends[1:])
    blocks = read(content[:cut])
    kept = min(3 * whole, len(OUTCOMES))

    assert by_position(blocks, "outcome") == texts(OUTCOMES[:kept])
    assert [place for place, _, _ in rejected(blocks)] == ([] if cut in ends else [kept])
    assert b"".join(r.original for b in blocks for r in b.rejects) == content[ends[whole] : cut]


@settings(max_examples=300)
@given(data=st.data(), codec=WRITTEN)
def test_damage_in_a_block_never_touches_the_others(data: st.DataObject, codec: Codec) -> None:
    """Whatever byte of a block is changed, the rows of all other blocks are what they were."""
    content, ends = written("outcome", OUTCOMES, codec)
    at = data.draw(st.integers(ends[0], len(content) - 1))
    damaged = bytearray(content)
    damaged[at] ^= data.draw(st.integers(1, 255))
    hit = sum(end <= at for end in ends[1:])
    found = list(by_position(read(bytes(damaged)), "outcome").values())
    others = [repr(row) for place, row in enumerate(OUTCOMES) if place // 3 != hit]

    assert [row for row in found if row in others] == others


def test_a_damaged_sync_marker_costs_nothing() -> None:
    """Where the next block is found behind a marker that is damaged, nothing else is, and all records are there."""
    content, ends = written("outcome", OUTCOMES)
    blocks = read(content[: ends[2] - 5] + b"?" + content[ends[2] - 4 : -1] + b"?")

    assert sorted(by_position(blocks, "outcome")) == list(range(20))
    assert rejected(blocks) == []


def test_of_a_damaged_block_the_records_before_the_damage_are_kept() -> None:
    """A record that cannot be read costs itself and what stands behind it in its block: one reject, and on it goes."""
    content, _ = written("outcome", OUTCOMES, block_rows=10)
    at = content.index(b"r14") - 2
    blocks = read(content[:at] + b"\x06" + content[at + 1 :])
    (reject,) = (reject for block in blocks for reject in block.rejects)

    assert sorted(by_position(blocks, "outcome")) == list(range(14))
    assert (reject.position, reject.reason, reject.kind) == (14, "undecodable", "outcome")
    assert reject.detail == "branch 3 of a union of 2"
    assert reject.original == b"\x06" + content[at + 1 : -16]


def test_a_bad_record_whose_end_is_known_costs_only_itself() -> None:
    """Text that is not UTF-8 does not hide where its record ends: all others of its block are kept."""
    content, _ = written("outcome", OUTCOMES, block_rows=10)
    blocks = read(content.replace(b"r14", b"r\xff4"))

    assert sorted(by_position(blocks, "outcome")) == [place for place in range(20) if place != 14]
    assert rejected(blocks) == [(14, "undecodable", "text that is not UTF-8")]


@pytest.mark.parametrize(("declared", "kept"), [(8, 7), (11, 10)])
def test_a_block_that_miscounts_is_told(declared: int, kept: int) -> None:
    """A block with more or fewer records than it declares is a reject at the record where the two part."""
    content, ends = written("outcome", OUTCOMES[:10], block_rows=10)
    blocks = read(content[: ends[0]] + encode_long(declared) + content[ends[0] + 1 :])

    assert sorted(by_position(blocks, "outcome")) == list(range(kept))
    assert [(position, reason) for position, reason, _ in rejected(blocks)] == [(kept, "undecodable")]


def _theirs(content: bytes) -> list[Any]:
    return list(fastavro.reader(io.BytesIO(content)))


def _value(datum: bytes, schema: Any) -> float:
    event: Any = fastavro.schemaless_reader(io.BytesIO(datum), schema)
    return float(event["value"])


def test_a_row_finds_its_bytes_again() -> None:
    """The original of a row is its datum, in a batch gathered from many blocks and cut anew."""
    content, _ = written("outcome", OUTCOMES)
    blocks = read(content, 7)
    schema = fastavro.parse_schema(fastavro.reader(io.BytesIO(content)).writer_schema)
    datums = [batch.original(row) for block in blocks for batch in block.batches for row in range(len(batch))]
    values = [_value(datum, schema) for datum in datums]

    assert values == [row["value"] for row in OUTCOMES]
    assert all(datum in content for datum in datums)


@pytest.mark.parametrize(
    "content", [b"", b"Obj\x01", b"PAR1 not avro", b"Obj\x01" + b"\xff" * 100, b"Obj\x01\0" + bytes(16)]
)
def test_a_file_that_is_no_container_is_one_reject(content: bytes) -> None:
    """Bytes without a container's header are a single undecodable record, whatever they are."""
    (block,) = read(content)

    assert rejected([block]) == [(0, "undecodable", "not an Avro container file")]
    assert block.rejects[0].original == content


def test_another_codec_is_a_usage_error(tmp_path: Path) -> None:
    """A file with a compression that is not supported is refused by name, with what to do."""
    path = tmp_path / "events.avro"
    with path.open("wb") as file:
        fastavro.writer(file, registry().current["outcome"], OUTCOMES, codec="bzip2")

    with pytest.raises(UsageError, match=r"events\.avro: codec bzip2 is not supported; write the file with null or"):
        open_source(path, registry())


@pytest.mark.parametrize(
    ("schema", "reason", "detail"),
    [
        (
            '{"type":"record","name":"telemetry.click","fields":[]}',
            "unknown_schema",
            "record telemetry.click is none of",
        ),
        ('"long"', "unknown_schema", "is not a record"),
        ("nonsense", "undecodable", "is not JSON"),
        ('{"type":"record","name":"outcome","fields":[]}', "undecodable", "has no fields"),
        (
            '{"type":"record","name":"outcome","fields":[{"name":"value","type":"string"}]}',
            "undecodable",
            "column value is string, and double is needed",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_rejects_every_block(schema: str, reason: RejectReason, detail: str) -> None:
    """Each block of a file with such a schema is a reject with its bytes, at the ordinal of its first record."""
    meta = encode_long(1) + b"\x16avro.schema" + encode_long(len(schema)) + schema.encode() + b"\0"
    sync = b"0123456789abcdef"
    blocks = read(b"Obj\x01" + meta + sync + b"\x06\x04ab" + sync + b"\x04\x04cd" + sync)
    found = [reject for block in blocks for reject in block.rejects]

    assert [(r.position, r.reason, r.original) for r in found] == [(0, reason, b"ab"), (3, reason, b"cd")]
    assert all(detail in reject.detail for reject in found)


def test_a_block_that_inflates_without_end_is_refused() -> None:
    """A compressed block of more than the limit is a reject: it is not unpacked into memory."""
    deflater = zlib.compressobj(wbits=-15)
    bomb = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(MAX_BLOCK_BYTES // (1 << 20) + 1))
    bomb += deflater.flush()
    sync = b"0123456789abcdef"
    data = b"\2" + encode_long(len(bomb)) + bomb + sync
    (piece,) = read_runs(data, Header("", "deflate", sync, 0), Origin("f", "outcome"))

    assert isinstance(piece, Reject)
    assert "does not inflate to at most" in piece.detail
    assert len(piece.original) <= MAX_RECORD_BYTES


@pytest.mark.parametrize(
    ("block", "detail"),
    [
        (b"\x02\x04abXXXX", "checksum"),
        (b"\xff\xff\xff\xff\xff garbage", "snappy"),
        (bytes(cramjam.snappy.compress_raw(bytes(MAX_BLOCK_BYTES + 1))) + b"CRC_", "does not unpack to at most"),
        (b"", "a block of 1 records"),
    ],
)
def test_a_damaged_snappy_block_is_one_reject(block: bytes, detail: str) -> None:
    """A wrong checksum, garbage or more than the limit is told, and nothing is unpacked beyond it."""
    sync = b"0123456789abcdef"
    data = b"\2" + encode_long(len(block)) + block + sync
    (piece,) = read_runs(data, Header("", "snappy", sync, 0), Origin("f", "outcome"))

    assert isinstance(piece, Reject)
    assert detail in piece.detail


def test_the_name_of_the_record_tells_the_type_in_any_case() -> None:
    """Writers in other languages call their classes Outcome, in namespaces of their own."""
    schema = {**registry().current["outcome"], "name": "Outcome", "namespace": "com.example"}
    content = io.BytesIO()
    fastavro.writer(content, schema, OUTCOMES)

    assert by_position(read(content.getvalue(), 7), "outcome") == texts(OUTCOMES)

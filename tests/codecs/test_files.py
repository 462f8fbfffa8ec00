from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.codecs.files import open_source
from streams.codecs.write import to_batch, to_events, write_container, write_jsonl
from streams.errors import UsageError
from tests.codecs.making import OUTCOMES, by_position, registry, texts


def test_every_format_gives_the_same_events(tmp_path: Path) -> None:
    """The same events in Avro, JSON lines and Parquet are the same rows at the same positions, read again as well."""
    batch = to_batch("outcome", OUTCOMES)
    names = ["a.avro", "a.jsonl", "a.NDJSON", "a.json", "a.parquet", "a.pq"]
    for name in names:
        path = tmp_path / name
        if path.suffix == ".avro":
            write_container(path, "outcome", batch, registry())
        elif path.suffix in {".parquet", ".pq"}:
            pq.write_table(pa.Table.from_batches([batch]), path)
        else:
            write_jsonl(path, to_events("outcome", batch))
    sources = [open_source(tmp_path / name, registry(), batch_rows=7) for name in names]
    expected = texts(OUTCOMES)

    assert [by_position(source, "outcome") for source in sources] == [expected] * len(names)
    assert [by_position(source, "outcome") for source in sources] == [expected] * len(names)


@pytest.mark.parametrize("extension", ["avro", "jsonl", "parquet"])
def test_a_missing_file_is_a_usage_error(extension: str, tmp_path: Path) -> None:
    """A path that leads nowhere is told as it was given, before anything is read."""
    path = f"{tmp_path}/../{tmp_path.name}/missing.{extension}"

    with pytest.raises(UsageError, match=rf"/\.\./.*/missing\.{extension} cannot be read: .*No such file"):
        open_source(path, registry())


@pytest.mark.parametrize("extension", ["avro", "jsonl", "parquet"])
def test_a_directory_is_a_usage_error(extension: str, tmp_path: Path) -> None:
    """A directory with the name of a file is refused."""
    path = tmp_path / f"folder.{extension}"
    path.mkdir()

    with pytest.raises(UsageError, match=rf"folder\.{extension} cannot be read"):
        open_source(path, registry())


@pytest.mark.parametrize("name", ["events.csv", "events"])
def test_an_extension_that_is_not_known_is_a_usage_error(name: str, tmp_path: Path) -> None:
    """What is not known by its extension is refused with those that are."""
    with pytest.raises(UsageError, match=r"is not known; give a file with one of \.avro, \.jsonl, \.ndjson, \.json, "):
        open_source(tmp_path / name, registry())


def test_a_source_has_the_name_that_was_given(tmp_path: Path) -> None:
    """Sources and their blocks are called what the caller called them."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"type":"outcome"}\n')
    source = open_source(str(path), registry())
    (block,) = source

    assert source.name == block.source == block.batches[0].source == str(path)

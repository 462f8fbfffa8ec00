from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import fastavro
import pytest

import streams
from streams.codecs.registry import SchemaRegistry, default_schema_dir, fingerprint
from streams.core.block import EVENT_TYPES, EventType
from streams.errors import SchemaError
from tests.codecs.making import kind_of, registry


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """Copy the project's schemas, to be changed."""
    return shutil.copytree(default_schema_dir(), tmp_path / "schemas")


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_schemas_are_found_by_id_and_by_fingerprint(kind: EventType) -> None:
    """Each type's newest landed schema has an id, and the current one its fingerprint."""
    assert kind_of(registry().by_id(registry().ids[kind])) == kind
    assert kind_of(registry().by_fingerprint(fingerprint(registry().current[kind]))) == kind


def test_what_is_not_registered_is_none() -> None:
    """An unknown id or fingerprint is no error: the record that has it is rejected."""
    assert registry().by_id(99) is None
    assert registry().by_fingerprint(bytes(8)) is None


def test_fingerprints_are_those_of_the_specification() -> None:
    """The fingerprint of `"null"` is 0x63dd24e7cc258f8a by the Avro specification, little-endian in a message."""
    assert fingerprint("null") == (0x63DD24E7CC258F8A).to_bytes(8, "little")


def test_a_fingerprint_disregards_documentation() -> None:
    """Changing what does not change the encoding does not change the fingerprint."""
    bare = {"type": "record", "name": "a", "fields": [{"name": "x", "type": "long"}]}
    documented = bare | {"doc": "words", "fields": [{"name": "x", "type": "long", "doc": "more", "default": 0}]}

    assert fingerprint(bare) == fingerprint(documented) != fingerprint(bare | {"name": "b"})


def test_the_newest_of_two_landed_versions_is_written(schemas: Path) -> None:
    """Of several ids for one type, messages are written with the highest; the others are still read."""
    shutil.copy(schemas / "landed/outcome.v1.avsc", schemas / "landed/outcome.v2.avsc")
    index = json.loads((schemas / "registry.json").read_text())
    index["schemas"]["7"] = "landed/outcome.v2.avsc"
    (schemas / "registry.json").write_text(json.dumps(index))
    loaded = SchemaRegistry.load(schemas)

    assert loaded.ids == {"prediction": 1, "outcome": 7, "feedback": 3, "summary": 5}
    assert kind_of(loaded.by_id(2)) == kind_of(loaded.by_id(7)) == "outcome"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("outcome.avsc", None, r"outcome\.avsc cannot be read"),
        ("outcome.avsc", "{", r"outcome\.avsc is not JSON"),
        ("outcome.avsc", "[" * 100_000, r"outcome\.avsc is not JSON"),
        ("outcome.avsc", b"\xff", r"outcome\.avsc cannot be read"),
        ("outcome.avsc", '{"type": "nonsense"}', r"outcome\.avsc: malformed schema"),
        ("outcome.avsc", '"long"', r"outcome\.avsc: schema \"long\" is not a record"),
        ("landed/outcome.v1.avsc", None, r"outcome\.v1\.avsc cannot be read"),
        ("landed/outcome.v1.avsc", '"long"', r"schema id 2: schema \"long\" is not a record"),
        ("registry.json", None, r"registry\.json cannot be read"),
        ("registry.json", "[]", r"registry\.json: expected"),
        ("registry.json", '{"schemas": {"one": "x"}}', r"with whole numbers as ids"),
        ("registry.json", '{"schemas": {"1": 2}}', r"with whole numbers as ids"),
    ],
)
def test_what_is_missing_or_malformed_is_a_schema_error(
    file: str, content: str | bytes | None, message: str, schemas: Path
) -> None:
    """A directory that is not in order is refused, with the file that is to be mended."""
    path = schemas / file
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(SchemaError, match=message):
        SchemaRegistry.load(schemas)


def test_a_file_schema_is_prepared_once() -> None:
    """Files with the same schema share what was prepared for it."""
    text = json.dumps(registry().current["outcome"])

    assert registry().written_with(text) is registry().written_with(text)


def test_packaged_schemas_come_before_those_of_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Installed, the schemas are beside the code; in a checkout, beside the package."""
    monkeypatch.setattr(streams, "__file__", str(tmp_path / "streams" / "__init__.py"))
    beside_the_package = default_schema_dir()
    (tmp_path / "streams" / "_schemas").mkdir(parents=True)

    assert beside_the_package == tmp_path / "schemas"
    assert default_schema_dir() == tmp_path / "streams" / "_schemas"


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_reference_implementation_parses_the_schemas(kind: EventType) -> None:
    """The schemas are valid Avro, under their full names."""
    parsed: Any = fastavro.parse_schema(registry().current[kind])

    assert parsed["name"] == f"telemetry.{kind}"

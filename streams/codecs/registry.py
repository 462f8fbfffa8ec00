"""
The schema registry: a directory of schemas, found by id (Confluent framing) and by fingerprint (single objects).

`<event type>.avsc` is what this release reads and writes; `registry.json` gives the ids of the landed versions:
`{"schemas": {"1": "landed/prediction.v1.avsc", ...}}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro.schema

import streams
from streams.codecs.avro import WriterSchema
from streams.core.block import EVENT_TYPES, EventType
from streams.errors import SchemaError


@dataclass(frozen=True)
class SchemaRegistry:
    """
    The schemas that events may be written with.

    `current` holds each event type's own schema as parsed JSON, `ids` the number that Confluent framing gives it.
    """

    directory: Path
    current: Mapping[EventType, Any] = field(repr=False)
    ids: Mapping[EventType, int]
    _by_id: Mapping[int, WriterSchema] = field(repr=False)
    _by_fingerprint: Mapping[bytes, WriterSchema] = field(repr=False)
    _written: dict[str, WriterSchema] = field(default_factory=dict, repr=False)

    @staticmethod
    def load(directory: Path) -> SchemaRegistry:
        """Read a directory of schemas. Raises `SchemaError` naming the file that is missing or malformed."""
        current = {kind: read_schema(directory / f"{kind}.avsc") for kind in EVENT_TYPES}
        landed = {number: read_schema(directory / file) for number, file in _index(directory).items()}
        writers = {number: _parse(schema, f"schema id {number}") for number, schema in landed.items()}
        own = {kind: _parse(schema, f"{kind}.avsc") for kind, schema in current.items()}
        prints = {fingerprint(schema): writers[number] for number, schema in landed.items()}
        prints |= {fingerprint(current[kind]): writer for kind, writer in own.items()}
        return SchemaRegistry(directory, current, _newest(writers), writers, prints)

    def by_id(self, number: int) -> WriterSchema | None:
        """Find the schema with this id; None if there is none."""
        return self._by_id.get(number)

    def by_fingerprint(self, print_: bytes) -> WriterSchema | None:
        """Find the schema with this CRC-64-AVRO fingerprint (eight bytes, as in a message); None if there is none."""
        return self._by_fingerprint.get(print_)

    def written_with(self, text: str) -> WriterSchema:
        """Prepare the schema that a container file carries; remembered, because many files carry the same one."""
        if text not in self._written:
            self._written[text] = WriterSchema.parse(_json(text, "the file's header"))
        return self._written[text]


def default_schema_dir() -> Path:
    """Where the project's own schemas are: beside the code when installed, beside the package in a checkout."""
    package = Path(streams.__file__).parent
    packaged = package / "_schemas"
    return packaged if packaged.is_dir() else package.parent / "schemas"


def fingerprint(schema: Any) -> bytes:
    """
    Return the CRC-64-AVRO fingerprint of a schema, as the eight bytes of a single-object message.

    Little-endian (Avro specification, "Single-object encoding"), of the schema's parsing canonical form.
    """
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))  # its hex is little-endian already


def read_schema(path: Path) -> Any:
    """Read a schema file as parsed JSON. Raises `SchemaError` if it is missing or not JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SchemaError(f"schema {path} cannot be read: {problem}") from problem
    return _json(text, str(path))


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise SchemaError(f"schema in {where} is not JSON: {problem}") from problem


def _parse(schema: Any, where: str) -> WriterSchema:
    try:
        return WriterSchema.parse(schema)
    except SchemaError as problem:
        raise SchemaError(f"{where}: {problem}") from problem


def _index(directory: Path) -> dict[int, str]:
    path = directory / "registry.json"
    index = read_schema(path)
    schemas = index.get("schemas") if isinstance(index, dict) else None
    if not isinstance(schemas, dict) or not all(key.isdecimal() and isinstance(v, str) for key, v in schemas.items()):
        raise SchemaError(f'{path}: expected {{"schemas": {{"<id>": "<file>", ...}}}} with whole numbers as ids')
    return {int(key): file for key, file in schemas.items()}


def _newest(writers: Mapping[int, WriterSchema]) -> dict[EventType, int]:
    return {writer.kind: number for number, writer in sorted(writers.items())}

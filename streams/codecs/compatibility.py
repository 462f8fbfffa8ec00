"""
Compatibility: a schema may change only so that old readers read new events, and new readers old ones.

Each `<event type>.avsc` is held against every landed version of it (`landed/<event type>.v<N>.avsc`), both ways,
by the rules of Avro's schema resolution. Landed versions are never edited.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import avro.schema
from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
)
from avro.errors import AvroException

from streams.codecs.avro import written_out
from streams.codecs.registry import SchemaRegistry, read_schema
from streams.core.block import EVENT_TYPES, SCHEMAS, EventType
from streams.errors import SchemaError

_LANDED = re.compile(r"(?P<kind>\w+)\.v(?P<version>\d+)\.avsc")


def check_schemas(directory: Path) -> list[str]:
    """
    Return every problem of a directory of schemas, one sentence each; none if it may be released.

    Looked at are: whether the registry loads, whether each schema has the fields of its event type, whether it has
    landed versions that the registry knows, and whether it is compatible with all of them in both directions.
    """
    try:
        SchemaRegistry.load(directory)
    except SchemaError as problem:
        return [str(problem)]
    problems = _unregistered(directory)
    for kind in EVENT_TYPES:
        problems += _field_problems(directory, kind) + _landed_problems(directory, kind)
    return problems


def incompatibilities(reader: Any, writer: Any) -> list[str]:
    """Why events written with schema `writer` cannot be read with schema `reader` (parsed JSON); empty if they can."""
    reader, writer = written_out(reader), written_out(writer)
    if reader["name"] != writer["name"]:
        return [f"record {reader['name']} is read where {writer['name']} was written"]
    problems = [
        f"field {field['name']} {why}" for field in reader["fields"] for why in _field_incompatibilities(field, writer)
    ]
    return problems + _changed_units(reader, writer)


def _field_incompatibilities(field: Any, writer: Any) -> list[str]:
    """Look at one field of the reader at a time, so that what is found can be told by the field's name."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call] # its module is half typed
    result = checker.get_compatibility(_parsed({**writer, "fields": [field]}), _parsed(writer))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    if SchemaIncompatibilityType.reader_field_missing_default_value in result.incompatibilities:
        return ["is not written and has no default"]
    return sorted(result.messages)


def _landed_problems(directory: Path, kind: EventType) -> list[str]:
    current = read_schema(directory / f"{kind}.avsc")
    landed = _landed(directory, kind)
    problems = [] if landed else [f"{kind}.avsc has no landed version: copy it to landed/{kind}.v1.avsc"]
    for path in landed:
        old, name = read_schema(path), path.relative_to(directory)
        backward = incompatibilities(reader=current, writer=old)
        forward = incompatibilities(reader=old, writer=current)
        problems += [f"{kind}.avsc cannot read events of {name}: {why}" for why in backward]
        problems += [f"{name} cannot read events of {kind}.avsc: {why}" for why in forward]
    return problems


def _unregistered(directory: Path) -> list[str]:
    registered = set(read_schema(directory / "registry.json")["schemas"].values())
    paths = [str(path.relative_to(directory)) for kind in EVENT_TYPES for path in _landed(directory, kind)]
    return [f"{path} has no id: add it to registry.json" for path in paths if path not in registered]


def _field_problems(directory: Path, kind: EventType) -> list[str]:
    """Compare the schema's fields with the pipeline's columns: the same list, kept in two places."""
    fields = [field["name"] for field in read_schema(directory / f"{kind}.avsc")["fields"]]
    if fields == SCHEMAS[kind].names:
        return []
    return [f"{kind}.avsc has fields {', '.join(fields)}; the pipeline has {', '.join(SCHEMAS[kind].names)}"]


def _landed(directory: Path, kind: EventType) -> list[Path]:
    paths = ((_LANDED.fullmatch(path.name), path) for path in (directory / "landed").glob("*.avsc"))
    versions = [(int(match["version"]), path) for match, path in paths if match and match["kind"] == kind]
    return [path for _, path in sorted(versions)]


def _parsed(schema: Any) -> avro.schema.Schema:
    try:
        return avro.schema.parse(json.dumps(schema))
    except AvroException as problem:
        raise SchemaError(f"malformed schema {json.dumps(schema)[:200]}: {problem}") from problem


def _changed_units(reader: Any, writer: Any) -> list[str]:
    """Fields that keep their bytes and change their meaning, which Avro's own rules let pass."""
    written = {field["name"]: _logical_type(field["type"]) for field in writer["fields"]}
    return [
        f"field {field['name']} is read as {_logical_type(field['type'])} and written as {written[field['name']]}"
        for field in reader["fields"]
        if field["name"] in written and written[field["name"]] != _logical_type(field["type"])
    ]


def _logical_type(schema: Any) -> str | None:
    branches = schema if isinstance(schema, list) else [schema]
    return next(
        (branch["logicalType"] for branch in branches if isinstance(branch, dict) and "logicalType" in branch), None
    )

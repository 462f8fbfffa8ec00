from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.codecs.columns import DEFAULTS
from streams.codecs.compatibility import check_schemas, incompatibilities
from streams.codecs.registry import default_schema_dir, read_schema
from streams.core.block import EVENT_TYPES, EventType
from streams.errors import SchemaError


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """Copy the project's schemas, to be changed."""
    return shutil.copytree(default_schema_dir(), tmp_path / "schemas")


def edit(path: Path, change: Callable[[Any], object]) -> None:
    schema = read_schema(path)
    change(schema)
    path.write_text(json.dumps(schema))


def fields(schema: Any) -> dict[str, Any]:
    return {field["name"]: field for field in schema["fields"]}


def test_the_schemas_are_compatible_with_their_landed_versions() -> None:
    """The project's own schemas pass every check."""
    assert check_schemas(default_schema_dir()) == []


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_schemas_defaults_are_those_of_every_codec(kind: EventType) -> None:
    """What an absent field means does not depend on the format: null, an empty map, or the listed default."""
    schema = read_schema(default_schema_dir() / f"{kind}.avsc")
    defaults = {name: field["default"] for name, field in fields(schema).items() if field.get("default") is not None}

    assert {name: value for name, value in defaults.items() if value != {}} == {
        name: value for name, value in DEFAULTS.items() if name in fields(schema)
    }


def _retype(name: str, kind: Any) -> Callable[[Any], None]:
    return lambda schema: fields(schema)[name].update(type=kind)


V1 = "landed/prediction.v1.avsc"
BACKWARD = f"prediction.avsc cannot read events of {V1}: "
FORWARD = f"{V1} cannot read events of prediction.avsc: "
CHANGES: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "a required field is new": (
        lambda schema: schema["fields"].append({"name": "tenant", "type": "string"}),
        [BACKWARD + "field tenant is not written and has no default"],
    ),
    "a required field is gone": (
        lambda schema: schema["fields"].remove(fields(schema)["model"]),
        [FORWARD + "field model is not written and has no default"],
    ),
    "a field has another type": (
        _retype("version", "long"),
        ["prediction.avsc: schema prediction: column version is int64, and string is needed"],
    ),
    "a field may now be null": (
        _retype("model", ["null", "string"]),
        [FORWARD + "field model reader type: string not compatible with writer type: null"],
    ),
    "a number is narrower": (
        _retype("latency_ms", ["null", "float"]),
        [BACKWARD + "field latency_ms reader union lacking writer type: DOUBLE"],
    ),
    "a time has another unit": (
        _retype("event_time", {"type": "long", "logicalType": "timestamp-millis"}),
        [
            BACKWARD + "field event_time is read as timestamp-millis and written as timestamp-micros",
            FORWARD + "field event_time is read as timestamp-micros and written as timestamp-millis",
        ],
    ),
    "the record has another namespace": (
        lambda schema: schema.update(namespace="other"),
        [BACKWARD + "record other.prediction is read where telemetry.prediction was written"],
    ),
    "the record has another name": (
        lambda schema: schema.update(name="forecast"),
        ["prediction.avsc: record telemetry.forecast is none of prediction, outcome, feedback, summary; rename"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_changes_that_break_readers_are_found(
    change: Callable[[Any], object], expected: list[str], schemas: Path
) -> None:
    """A change that old or new readers do not survive is told, with the schema, the version and the field."""
    edit(schemas / "prediction.avsc", change)
    problems = check_schemas(schemas)

    for beginning in expected:
        assert any(problem.startswith(beginning) for problem in problems), problems


def test_a_field_with_a_default_may_be_added(schemas: Path) -> None:
    """A field with a default is compatible both ways; that the pipeline has no such column yet is told."""
    extra = {"name": "tenant", "type": ["null", "string"], "default": None}
    edit(schemas / "prediction.avsc", lambda schema: schema["fields"].append(extra))
    new, old = (read_schema(schemas / path) for path in ("prediction.avsc", "landed/prediction.v1.avsc"))

    assert incompatibilities(new, old) == incompatibilities(old, new) == []
    assert [problem.partition(";")[2] != "" for problem in check_schemas(schemas)] == [True]


def test_every_landed_version_is_held_against(schemas: Path) -> None:
    """A second landed version counts as well, and needs an id."""
    old = copy.deepcopy(read_schema(schemas / "outcome.avsc"))
    old["fields"].append({"name": "judge", "type": "string"})
    (schemas / "landed" / "outcome.v2.avsc").write_text(json.dumps(old))

    assert check_schemas(schemas) == [
        "landed/outcome.v2.avsc has no id: add it to registry.json",
        "landed/outcome.v2.avsc cannot read events of outcome.avsc: field judge is not written and has no default",
    ]


def test_a_schema_that_never_landed_is_told(schemas: Path) -> None:
    """Without a landed version there is nothing to be compatible with: the schema must land first."""
    (schemas / "landed" / "feedback.v1.avsc").rename(schemas / "elsewhere.avsc")
    (schemas / "registry.json").write_text('{"schemas": {"1": "landed/prediction.v1.avsc"}}')

    assert "feedback.avsc has no landed version: copy it to landed/feedback.v1.avsc" in check_schemas(schemas)


def test_a_directory_that_does_not_load_is_one_problem(tmp_path: Path) -> None:
    """Where the registry itself is broken, that is the problem."""
    (problem,) = check_schemas(tmp_path)

    assert "prediction.avsc cannot be read" in problem


def test_a_malformed_schema_cannot_be_compared() -> None:
    """What the reference implementation does not parse is a `SchemaError`."""
    with pytest.raises(SchemaError, match="malformed schema"):
        incompatibilities({"type": "nonsense"}, {"type": "long"})

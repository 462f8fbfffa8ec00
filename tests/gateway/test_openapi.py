"""The OpenAPI document: it is that of the code, and its schemas allow what the gateway takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import EVENT_TYPES
from streams.gateway.limits import Limits
from streams.gateway.openapi import document, shipped
from streams.gateway.problems import KINDS
from tests.schemas.test_examples import ACCEPTED, REJECTED, name

SHIPPED = default_schema_dir() / "gateway.openapi.json"
REGISTRY = SchemaRegistry.load(default_schema_dir())
NOT_IN_A_SCHEMA = {
    # The configuration knows the classes, of which models scores are probabilities, which models there are, and how
    # far ahead is too far.
    *("bad_label", "bad_score", "unknown_model", "future_time"),
    "bad_time",  # a date is not compared with another
}
NO_SCHEMA = re.compile("not-json|time-without-offset")  # what no JSON is, and formats, which validators may leave aside


def validator() -> Draft202012Validator:
    """Check events as the document has them."""
    resource = DRAFT202012.create_resource(json.loads(SHIPPED.read_text()))
    registry: Registry[Any] = Registry().with_resource("urn:gateway", resource)
    return Draft202012Validator({"$ref": "urn:gateway#/components/schemas/Event"}, registry=registry)


def test_the_shipped_document_is_that_of_the_code() -> None:
    """`python -m streams.gateway.openapi` writes what schemas/gateway.openapi.json holds."""
    assert SHIPPED.read_text(encoding="utf-8") == shipped()


def test_every_schema_is_one() -> None:
    """Each schema of the document is valid JSON Schema of 2020-12, which OpenAPI 3.1 takes."""
    schemas = document(REGISTRY, Limits())["components"]["schemas"]

    assert {*schemas} == {"Event", "Prediction", "Outcome", "Feedback", "Summary", "Accepted", "Problem"}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_the_document_has_the_limits_of_its_gateway() -> None:
    """The bounds of a request are written where clients and their generators read them."""
    made = document(REGISTRY, Limits(body_bytes=5_000, events=7, events_per_second=3.5))
    post = made["paths"]["/v1/events"]["post"]

    assert post["requestBody"]["content"]["application/json"]["schema"]["maxItems"] == 7
    assert "at most 5000 bytes and 7 events, a token writes 3.5 events a second" in post["description"]


def test_every_problem_is_in_the_document() -> None:
    """Each status that the gateway answers is described, with the kinds of problem behind it."""
    answers = document(REGISTRY, Limits())["paths"]["/v1/events"]["post"]["responses"]
    said = {name: answers[str(kind.status)]["description"] for name, kind in KINDS.items()}

    assert [name for name, text in said.items() if f"urn:streams:gateway:{name})" not in text] == []
    assert {*answers} == {"202", *(str(kind.status) for kind in KINDS.values())}


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_fields_are_those_of_the_avro_schema(kind: str) -> None:
    """The fields stand in the order of the schema, described and defaulted as there, and `type` before them."""
    avro = REGISTRY.current[kind]["fields"]  # type: ignore[index]
    made = document(REGISTRY, Limits())["components"]["schemas"][kind.capitalize()]

    assert [*made["properties"]] == ["type", *(field["name"] for field in avro)]
    assert made["required"] == ["type", *(field["name"] for field in avro if "default" not in field)]
    for field in avro:
        written = made["properties"][field["name"]]
        assert (written["description"], written.get("default")) == (field["doc"], field.get("default"))


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_accepted_examples_are_allowed(path: Path) -> None:
    """Every example of an event that is taken is allowed by the document."""
    assert [error.message for error in validator().iter_errors(json.loads(path.read_text()))] == []


@pytest.mark.parametrize("path", [path for path in REJECTED if not NO_SCHEMA.search(path.name)], ids=name)
def test_rejected_examples_are_not_allowed(path: Path) -> None:
    """Every example that is refused is not allowed either, unless the reason is in no schema."""
    allowed = validator().is_valid(json.loads(path.read_text()))

    assert not allowed or path.name.partition("--")[0] in NOT_IN_A_SCHEMA

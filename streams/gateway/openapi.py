"""
The gateway's OpenAPI document, made from the Avro schemas of events and the limits of the gateway.

`schemas/gateway.openapi.json` is that of a gateway with the limits that it has unless told otherwise:

    python -m streams.gateway.openapi > schemas/gateway.openapi.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.core.block import EVENT_TYPES, FEEDBACK_KINDS, MAX_MAP_KEYS, ROLES, EventType
from streams.core.latency import LAST_BIN
from streams.core.validate import LARGEST_COUNT, LATEST_TIME, LONGEST_SUMMARY, SCORE_SUMS, SMALLEST_PROBABILITY
from streams.gateway.judging import JSON, NDJSON
from streams.gateway.limits import Limits
from streams.gateway.problems import KINDS, MEDIA_TYPE, SHOWN_EVENTS

Json = dict[str, Any]

_INT64_MAX = (1 << 63) - 1
_ID: Mapping[str, Any] = MappingProxyType({"type": "string", "minLength": 1})
_TYPES: Mapping[str, str] = MappingProxyType({"string": "string", "double": "number", "long": "integer"})
_COUNT: Mapping[str, Any] = MappingProxyType({"minimum": 0, "maximum": LARGEST_COUNT})
_SUM: Mapping[str, Any] = MappingProxyType({"minimum": -LARGEST_COUNT, "maximum": LARGEST_COUNT})
_NARROWER: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "prediction_id": {"minLength": 1},
        "feedback_id": {"minLength": 1},
        "summary_id": {"minLength": 1},
        "version": {"minLength": 1},
        "model": {"minLength": 1},
        "role": {"enum": [*ROLES, None]},
        "kind": {"enum": [*FEEDBACK_KINDS]},
        "latency_ms": {"minimum": 0},
        "revision": {"minimum": 0, "maximum": _INT64_MAX},
        "inclusion_probability": {"minimum": SMALLEST_PROBABILITY, "maximum": 1},
        "seconds": {"minimum": 1, "maximum": LONGEST_SUMMARY},
        "n": _COUNT,
        "weight": _SUM,
        "square": _SUM,
        "latency_bin": {"items": {"type": "integer", "minimum": 0, "maximum": LAST_BIN}},
        "latency_n": {"items": {"type": "integer", **_COUNT}},
        "latency_weight": {"items": {"type": "number", **_SUM}},
        "latency_square": {"items": {"type": "number", **_SUM}},
        "score_n": _COUNT,
        **{name: {"minimum": -most, "maximum": most} for name, most in SCORE_SUMS.items()},
    }
)
"""What the validator asks of a field beyond its Avro type, by the field's name."""


def document(registry: SchemaRegistry, limits: Limits) -> Json:
    """Return the document of a gateway with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "streams gateway",
            "version": "1",
            "description": "Takes predictions, outcomes, feedback and summaries of models, and writes them to Kafka.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/events": {"post": _post(limits)},
            "/v1/openapi.json": {"get": _get("openapi", "This document", JSON, {"type": "object"})},
            "/healthz": {"get": _get("health", "That it answers", JSON, _health())},
            "/metrics": {"get": _get("metrics", "Numbers for Prometheus", "text/plain", {"type": "string"})},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**_events(registry), "Accepted": _accepted(), "Problem": _problem()},
        },
    }


def _post(limits: Limits) -> Json:
    array: Json = {
        "type": "array",
        "minItems": 1,
        "maxItems": limits.events,
        "items": {"$ref": "#/components/schemas/Event"},
    }
    lines: Json = {"type": "string", "description": "Events as JSON objects, one a line, in UTF-8"}
    return {
        "operationId": "events",
        "summary": "Write events",
        "description": (
            f"All are taken or none. A body has at most {limits.body_bytes} bytes and {limits.events} events, a token "
            f"writes {limits.events_per_second:g} events a second. Events that come twice are counted once: after any "
            "answer but 202, and after none, the same request may be sent again."
        ),
        "security": [{"token": []}],
        "requestBody": {"required": True, "content": {JSON: {"schema": array}, NDJSON: {"schema": lines}}},
        "responses": {"202": _answer("Kafka has all events", JSON, _ref("Accepted")), **_problems()},
    }


def _problems() -> Json:
    titles: dict[int, list[str]] = {}
    for name, kind in KINDS.items():
        titles.setdefault(kind.status, []).append(f"{kind.title} (urn:streams:gateway:{name})")
    answers = {status: _answer("; ".join(said), MEDIA_TYPE, _ref("Problem")) for status, said in titles.items()}
    retry = {"description": "Seconds until it may be taken", "schema": {"type": "integer", "minimum": 1}}
    for status in (429, 503):
        answers[status]["headers"] = {"Retry-After": {**retry, "required": True}}
    scheme = {"description": "How to say who writes", "schema": {"type": "string"}, "required": True}
    answers[401]["headers"] = {"WWW-Authenticate": scheme}
    return {str(status): answer for status, answer in answers.items()}


def _get(name: str, text: str, media_type: str, schema: Json) -> Json:
    return {"operationId": name, "summary": text, "responses": {"200": _answer(text, media_type, schema)}}


def _answer(text: str, media_type: str, schema: Json) -> Json:
    return {"description": text, "content": {media_type: {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _health() -> Json:
    counts = {name: {"type": "integer", "minimum": 0} for name in ("waiting_events", "held_bytes")}
    return _object({"healthy": {"type": "boolean"}, **counts})


def _accepted() -> Json:
    return _object({name: {"type": "integer", "minimum": 0} for name in ("accepted", *EVENT_TYPES)})


def _problem() -> Json:
    one = _object(
        {
            "index": {"type": "integer", "minimum": 0, "description": "Place in the array, or number of the line"},
            "path": {"type": "string", "description": "The field, as a JSON path; $ is the event itself"},
            "reason": {"type": "string", "description": "As in docs/events.md, or forbidden_model"},
            "message": {"type": "string"},
        }
    )
    of_all = {"type": "string", "description": "Names the kind of problem, or about:blank"}
    every = _object(
        {
            "type": of_all,
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened, and what to do"},
        }
    )
    count: Json = {"type": "integer", "description": "Events with a problem"}
    every["properties"] |= {"count": count, "problems": {"type": "array", "maxItems": SHOWN_EVENTS, "items": one}}
    return every


def _object(properties: Json, required: Iterable[str] | None = None) -> Json:
    return {"type": "object", "properties": properties, "required": [*(properties if required is None else required)]}


def _events(registry: SchemaRegistry) -> Json:
    names = {kind: kind.capitalize() for kind in EVENT_TYPES}
    mapping = {kind: f"#/components/schemas/{name}" for kind, name in names.items()}
    event = {
        "oneOf": [_ref(name) for name in names.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    return {"Event": event, **{name: _event(kind, registry.current[kind]) for kind, name in names.items()}}


def _event(kind: EventType, schema: Mapping[str, Any]) -> Json:
    fields = schema["fields"]
    properties: Json = {"type": {"const": kind}, **{field["name"]: _field(kind, field) for field in fields}}
    event = _object(properties, ["type", *(field["name"] for field in fields if "default" not in field)])
    event["description"] = schema["doc"]
    if kind in ("outcome", "feedback"):
        named = [{"properties": {name: dict(_ID)}, "required": [name]} for name in ("request_id", "prediction_id")]
        event["anyOf"] = named
    if kind == "feedback":
        measured = [_kind_with_value("rating", {}), _kind_with_value("latency", {"minimum": 0})]
        event["allOf"] = measured
    if kind == "summary":
        filled = {"type": "array", "minItems": 1}
        sums = (f"latency_{name}" for name in ("n", "weight", "square"))
        event["allOf"] = [
            _beside("score_n", {"type": "integer"}, {one: {"type": "number"} for one in SCORE_SUMS}),
            _beside("latency_bin", filled, dict.fromkeys(sums, filled)),
        ]
    return event


def _beside(name: str, there: Json, needed: Json) -> Json:
    """Say that where a field is there others are needed."""
    return {"if": {"properties": {name: there}, "required": [name]}, "then": _object(needed)}


def _kind_with_value(kind: str, narrower: Json) -> Json:
    """Say that feedback of a kind needs a value."""
    needs = {"required": ["value"], "properties": {"value": {"type": "number", **narrower}}}
    return {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": needs}


def _field(kind: EventType, field: Mapping[str, Any]) -> Json:
    """Write a field of an Avro record as JSON Schema; null is what absent is, so it may be where there is a default."""
    made = _time() if field["name"] == "event_time" else _type(field["type"])
    if "default" in field:
        made["type"] = [*_listed(made["type"]), "null"]
        made["default"] = field["default"]
    else:
        made |= _NARROWER.get(field["name"], {}) if field["name"] != "event_time" else {}
        return {"description": field["doc"], **made}
    narrower = {} if _is_optional_id(kind, field["name"]) else _NARROWER.get(field["name"], {})
    return {"description": field["doc"], **made, **narrower}


def _is_optional_id(kind: EventType, name: str) -> bool:
    """Whether an empty id is as good as none."""
    return kind != "prediction" and name == "prediction_id"


def _time() -> Json:
    micros = {"type": "integer", "minimum": 0, "maximum": LATEST_TIME - 1, "description": "Microseconds since 1970"}
    return {"anyOf": [{"type": "string", "format": "date-time"}, micros]}


def _type(schema: Any) -> Json:
    if isinstance(schema, list):
        return _type(next(branch for branch in schema if branch != "null"))
    if isinstance(schema, str):
        return {"type": _TYPES[schema]}
    if schema["type"] == "array":
        return {"type": "array", "items": _type(schema["items"])}
    return {"type": "object", "additionalProperties": _type(schema["values"]), "maxProperties": MAX_MAP_KEYS}


def _listed(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def shipped() -> str:
    """Return the text of `schemas/gateway.openapi.json`."""
    return json.dumps(document(SchemaRegistry.load(default_schema_dir()), Limits()), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(shipped())

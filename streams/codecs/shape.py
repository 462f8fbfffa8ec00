"""
Schemas stripped to what decides the bytes, in the types that the columnar decoder is known to read.

The decoder panics on some types (bytes, fixed, logical types that it has no Arrow type for), wraps 32-bit
integers around, and never returns from a long list of things that take no bytes. So it is only ever shown shapes:
bytes become text, integers long, logical types the type beneath them, and what cannot be said so is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.codecs.binary import Shape

_SAME_BYTES = {
    "boolean": "boolean",
    "int": "long",
    "long": "long",
    "float": "float",
    "double": "double",
    "bytes": "string",
    "string": "string",
}


class UnreadableError(ValueError):
    """A schema with something that the columnar decoder cannot read."""


def shape_of(schema: Any) -> Shape:
    """
    Return the shape of a schema whose named types are written out where they are used.

    Raises `UnreadableError` for fixed and recursive types, for types without bytes outside a union, and for what is not
    a schema.

    >>> shape_of({"type": "int", "logicalType": "date"}), shape_of(["null", "bytes"])
    ('long', ['null', 'string'])
    """
    return _Namer().shape(schema)


class _Namer:
    """Gives every named type a name of its own: names are not in the bytes, and two may not be the same."""

    def __init__(self) -> None:
        self._named = 0

    def shape(self, schema: Any) -> Shape:
        if isinstance(schema, list):
            return self._union(schema)
        if not isinstance(schema, Mapping):
            return _primitive(schema)
        kind = schema["type"]
        if kind == "array":
            return {"type": "array", "items": self.shape(schema["items"])}
        if kind == "map":
            return {"type": "map", "values": self.shape(schema["values"])}
        if kind == "enum":
            return {"type": "enum", "name": self._name(), "symbols": schema["symbols"]}
        return self._record(schema) if kind == "record" else self.shape(kind)

    def _record(self, schema: Mapping[str, Any]) -> Shape:
        if not schema["fields"]:
            raise UnreadableError(f"record {schema['name']} has no fields")
        name = self._name()
        fields = [{"name": field["name"], "type": self.shape(field["type"])} for field in schema["fields"]]
        return {"type": "record", "name": name, "fields": fields}

    def _union(self, branches: list[Any]) -> Shape:
        if not branches:
            raise UnreadableError("a union has no branches")
        return ["null" if branch == "null" else self.shape(branch) for branch in branches]

    def _name(self) -> str:
        self._named += 1
        return f"t{self._named}"


def _primitive(name: Any) -> str:
    if not isinstance(name, str) or name not in _SAME_BYTES:
        raise UnreadableError(f"type {name} cannot be read")
    return _SAME_BYTES[name]

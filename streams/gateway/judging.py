"""
From a body to messages: the events are read as lines of JSON files are, and judged as the pipeline judges them.

All or none: when one event of a request cannot be taken, none is, and the answer says what is wrong with each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.codecs.jsonl import decode_lines
from streams.codecs.registry import SchemaRegistry
from streams.codecs.write import encode_messages
from streams.core.block import SCHEMAS, Batch, EventType, Reject
from streams.core.validate import Rules, validate
from streams.gateway.problems import Problem
from streams.gateway.tokens import Token
from streams.runtime.emit import keys_of

JSON, NDJSON = "application/json", "application/x-ndjson"

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS = frozenset(name for schema in SCHEMAS.values() for name in schema.names)
_AT = re.compile(r" - at `(?:key in )?(\$[^`]*)`$")


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it goes to Kafka: the topic is that of its type, the key that of its request."""

    kind: EventType
    key: bytes
    value: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.key) + len(self.value)


@dataclass(frozen=True)
class Lines:
    """The events of a body, as they came: `positions` are places in the array, or numbers of lines, from 0."""

    events: Sequence[bytes]
    positions: Sequence[int]

    def __len__(self) -> int:
        return len(self.events)


def split(body: bytes, media_type: str) -> Lines:
    """
    Cut a body into its events.

    Raises
    ------
    Problem
        The body is no array of JSON, or there is nothing in it.
    """
    if media_type == NDJSON:
        numbered = [(n, line) for n, line in enumerate(body.split(b"\n")) if line and not line.isspace()]
        lines = Lines([line for _, line in numbered], [number for number, _ in numbered])
    else:
        events = [bytes(raw) for raw in _items(body)]
        lines = Lines(events, range(len(events)))
    if not lines:
        raise Problem("unreadable", "there is no event in the body; send at least one")
    return lines


def _items(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ARRAY.decode(body)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise Problem(
            "unreadable",
            f"the body is no JSON array of events: {problem}; for one event a line, send {NDJSON}",
        ) from None


def judge(lines: Lines, token: Token, rules: Rules, registry: SchemaRegistry) -> list[Message]:
    """
    Return the events as messages, those of a type in the order in which they came.

    Raises
    ------
    Problem
        Some cannot be taken, or the token may not write them.
    """
    block = decode_lines(lines.events, token.name, lines.positions)
    rejects = list(block.rejects)
    for batch in block.batches:
        rejects += validate(batch, rules)[1]
    if rejects:
        found = [_said(reject) for reject in sorted(rejects, key=lambda reject: reject.position)]
        raise Problem(
            "invalid_events",
            f"{len(found)} of {len(lines)} events cannot be taken, and none was; mend them or leave them out, and send "
            "the request again",
            found,
        )
    foreign = [problem for batch in block.batches for problem in _foreign(batch, token)]
    if foreign:
        allowed = ", ".join(sorted(token.models or ()))
        raise Problem(
            "forbidden_model", f"token {token.name} writes predictions and summaries of {allowed} only", foreign
        )
    return [message for batch in block.batches for message in _messages(batch, registry)]


def _messages(batch: Batch, registry: SchemaRegistry) -> Iterator[Message]:
    values = encode_messages(batch.kind, batch.table, registry)
    for key, value in zip(keys_of(batch).to_pylist(), values, strict=True):
        yield Message(batch.kind, key, value)


def _foreign(batch: Batch, token: Token) -> Iterator[dict[str, object]]:
    """Predictions and summaries of models that the token may not write; outcomes and feedback name no model."""
    if token.models is None or "model" not in batch.table.schema.names:
        return
    own = pc.is_in(batch.table["model"], pa.array(sorted(token.models), pa.string()))
    for row in np.flatnonzero(~np.asarray(own)).tolist():
        model = batch.table["model"][row].as_py()
        message = f"the token may not write what is of {model}"
        yield _problem(int(batch.positions[row]), "$.model", "forbidden_model", message)


def _said(reject: Reject) -> dict[str, object]:
    return _problem(reject.position, path_of(reject.detail), reject.reason, reject.detail)


def path_of(detail: str) -> str:
    """
    Find the place that a reject is about; the event as a whole if it names none.

    >>> path_of("Expected `str`, got `int` - at `$.label`"), path_of("score=7.0: must be"), path_of("Invalid UTF-8")
    ('$.label', '$.score', '$')
    """
    if found := _AT.search(detail):
        return found[1]
    word = re.match(r"\w+", detail)
    return f"$.{word[0]}" if word and word[0] in _FIELDS else "$"


def _problem(index: int, path: str, reason: str, message: str) -> dict[str, object]:
    return {"index": index, "path": path, "reason": reason, "message": message}

"""
Events on their way: packed one by one as they are emitted, encoded many at once before they are sent.

To pack is to copy: what the caller does to an event's maps afterwards changes nothing. A packed event is one piece of
bytes, which the garbage collector need not look into, however many wait. It is refused here only if no message could
hold it; whatever else is wrong with it is found where every writer's events are judged, and kept there for its owner.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import fastavro
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.codecs.registry import SchemaRegistry
from streams.codecs.write import encode_messages, to_batch
from streams.core.block import MAX_MAP_KEYS, MAX_RECORD_BYTES, EventType
from streams.emit.events import Event, Feedback, Outcome, Prediction, Summary
from streams.runtime.kafka import partitions_of

MAX_PACKED_BYTES = MAX_RECORD_BYTES - (16 << 10)
"""As a message, an event may be larger than packed: by 7 bytes for a number of its features, and some for the rest."""

_SHOWN = 200  # characters of a detail
EVENT_CLASSES: Mapping[EventType, type[Event]] = MappingProxyType(
    {"prediction": Prediction, "outcome": Outcome, "feedback": Feedback, "summary": Summary}
)
_KINDS: Mapping[type, EventType] = MappingProxyType({class_: kind for kind, class_ in EVENT_CLASSES.items()})
_DECODERS: Mapping[EventType, msgspec.msgpack.Decoder[Event]] = MappingProxyType(
    {kind: msgspec.msgpack.Decoder(class_) for kind, class_ in EVENT_CLASSES.items()}
)
_NUMBERED = re.compile(r"\$\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Packed:
    """An event as it waits."""

    kind: EventType
    data: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event is not taken."""

    reason: Literal["invalid", "too_large"]
    detail: str


@dataclass(frozen=True)
class Messages:
    """Encoded events of one type, shape (n,) each, in the order in which they were emitted."""

    keys: list[bytes]
    values: list[bytes]
    partitions: npt.NDArray[np.int64]


def pack(event: Event) -> Packed | Refusal:
    """Check and copy an event. Raises nothing, whatever it is given."""
    if (kind := _KINDS.get(type(event))) is None:
        return Refusal("invalid", f"{type(event).__name__} is no Prediction, Outcome, Feedback or Summary")
    try:
        data = _ENCODER.encode(event)
        checked = _DECODERS[kind].decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RuntimeError) as problem:
        return Refusal("invalid", f"{kind}: {_named(str(problem), type(event))}")
    if not _key(checked):
        needed = "no summary_id" if isinstance(checked, Summary) else "neither request_id nor prediction_id"
        return Refusal("invalid", f"{kind}: it has {needed}")
    if len(data) > MAX_PACKED_BYTES:
        return Refusal("too_large", f"{kind}: {len(data)} bytes, at most {MAX_PACKED_BYTES} are taken")
    if isinstance(checked, Prediction) and _most_keys(checked) > MAX_MAP_KEYS:
        return Refusal("too_large", f"{kind}: a map of {_most_keys(checked)} keys, at most {MAX_MAP_KEYS} are taken")
    return Packed(kind, data)


def unpack(packed: Packed) -> Event:
    """Return a copy of the event that was packed."""
    return _DECODERS[packed.kind].decode(packed.data)


def encode(
    kind: EventType, packed: Sequence[bytes], partitions: int, registry: SchemaRegistry, singly: bool = False
) -> Messages:
    """Make events of one type messages, for a topic of so many partitions; `singly` without threads, but slower."""
    events = [_DECODERS[kind].decode(data) for data in packed]
    keys = pa.array([_key(event).encode() for event in events], pa.binary())
    batch = to_batch(kind, map(msgspec.structs.asdict, events))
    if singly:
        values = _encode_singly(kind, events, batch["event_time"].to_pylist(), registry)
    else:
        values = encode_messages(kind, batch, registry)
    return Messages(keys.to_pylist(), values, partitions_of(keys, partitions))


def _encode_singly(
    kind: EventType, events: Sequence[Event], times: Sequence[int], registry: SchemaRegistry
) -> list[bytes]:
    """Encode events in Confluent framing, as `encode_messages` does for columns."""
    schema = fastavro.parse_schema(registry.current[kind])
    values = []
    for event, time in zip(events, times, strict=True):
        value = io.BytesIO()
        value.write(b"\0" + registry.ids[kind].to_bytes(4, "big"))
        fastavro.schemaless_writer(value, schema, {**msgspec.structs.asdict(event), "event_time": time})
        values.append(value.getvalue())
    return values


def _key(event: Event) -> str:
    """Return the request, or what stands in for it, as `streams.core.flatten.request_of` has it for columns."""
    if isinstance(event, Summary):
        return event.summary_id
    return event.request_id or event.prediction_id or ""


def _most_keys(event: Prediction) -> int:
    return max(len(event.attributes), len(event.features), len(event.assignments))


def _plain(value: object) -> object:
    """Convert what models answer with: numpy's numbers and texts. A duration is none, its unit would be a guess."""
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.integer) and not isinstance(value, np.timedelta64):
        return int(value)
    if isinstance(value, np.str_):
        return str(value)
    raise TypeError(f"a field holds {type(value).__name__}, which no field takes")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)


def _named(problem: str, type_: type[msgspec.Struct]) -> str:
    """Say a field's name for its number."""
    return _NUMBERED.sub(lambda found: f"$.{type_.__struct_fields__[int(found[1])]}", problem)[:_SHOWN]

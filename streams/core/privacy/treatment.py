"""
Treatment: the rules of all fields, applied to one event or to many.

`Treatment.record` takes one event as a dictionary, as a service has it; `Treatment.table` takes many as columns, as the
pipeline has them. Both say the same: what is dropped is absent from the one, and null in the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from streams.core.columns import Array, Ints, from_arrow
from streams.core.privacy.pseudonym import Pseudonyms
from streams.core.privacy.rule import DROP, HASH, KEEP, Rule, Treat, treat_of

Event = Mapping[str, Any]

_LATEST = 1 << 62  # us; a time beyond makes no sense, and has the key of the first period


@dataclass(frozen=True)
class MapRule:
    """Rules of a map: by key, and for all other keys."""

    keys: Mapping[str, Rule] = field(default_factory=dict)
    others: Rule = DROP

    def of(self, key: str) -> Rule:
        """Return the rule for the value at a key."""
        return self.keys.get(key, self.others)


@dataclass(frozen=True)
class Plan:
    """The rules: of plain fields, of maps, of records that could not be decoded, and of fields not named here."""

    fields: Mapping[str, Rule] = field(default_factory=dict)
    maps: Mapping[str, MapRule] = field(default_factory=dict)
    payload: Rule = DROP
    others: Rule = DROP


class Treatment:
    """A plan with the secret that its hashes need; without one, what is to be hashed is dropped."""

    def __init__(self, plan: Plan, pseudonyms: Pseudonyms | None) -> None:
        self.plan = plan
        self.pseudonyms = pseudonyms
        self._fields = {name: treat_of(rule, name, pseudonyms) for name, rule in plan.fields.items()}
        self._keys = {
            name: {key: treat_of(rule, f"{name}.{key}", pseudonyms) for key, rule in of.keys.items()}
            for name, of in plan.maps.items()
        }
        # By path only where it matters: a rule that is made for each key of each event costs more than it does.
        others = {name: of.others for name, of in plan.maps.items() if of.others != HASH}
        self._other_keys = {name: treat_of(rule, name, pseudonyms) for name, rule in others.items()}
        self._kept = frozenset(name for name, rule in plan.fields.items() if rule == KEEP)

    def record(self, event: Event, time: int | None = None) -> dict[str, Any]:
        """
        Return what may be stored, or sent, of one event; a field that is dropped is not there.

        The `time` (us) is needed where `event_time` has another form than microseconds.
        """
        time = _sensible(event.get("event_time") if time is None else time)
        treated = {}
        for name, value in event.items():
            kept = value if value is None or name in self._kept else self._value(name, value, time)
            if kept is not None or value is None:
                treated[name] = kept
        return treated

    def table(self, events: pa.RecordBatch) -> pa.RecordBatch:
        """Return what may be stored of many events, in the same columns; what is dropped is null."""
        times = np.array([_sensible(time) for time in events["event_time"].to_pylist()], np.int64)
        columns = [self._column(name, events[name], times) for name in events.schema.names]
        return pa.RecordBatch.from_arrays(columns, schema=events.schema)

    def _value(self, name: str, value: Any, time: int) -> Any:
        if name in self._keys:
            if not isinstance(value, Mapping):
                return None
            of_key = {key: self._of_key(name, key)(inner, time) for key, inner in value.items() if inner is not None}
            return {key: inner for key, inner in of_key.items() if inner is not None}
        treat, rule = self._of_field(name), self.plan.fields.get(name, self.plan.others)
        if isinstance(value, list | tuple) and rule not in (KEEP, DROP):
            return [kept for kept in (treat(item, time) for item in value) if kept is not None]
        return treat(value, time)

    def _of_field(self, name: str) -> Treat:
        return self._fields.get(name) or treat_of(self.plan.others, name, self.pseudonyms)

    def _of_key(self, name: str, key: str) -> Treat:
        found = self._keys[name].get(key) or self._other_keys.get(name)
        return found or treat_of(self.plan.maps[name].others, f"{name}.{key}", self.pseudonyms)

    def _column(self, name: str, column: pa.Array, times: Ints) -> pa.Array:
        if pa.types.is_map(column.type):
            return self._map(name, column, times)
        rule = self.plan.fields.get(name, self.plan.others)
        if rule == KEEP:
            return column
        if rule == DROP:
            return pa.nulls(len(column), column.type)
        if pa.types.is_list(column.type):
            return self._list(name, column, times)
        return _each(self._of_field(name), column, times)

    def _list(self, name: str, column: pa.ListArray, times: Ints) -> pa.Array:
        rows, places = _items(column)
        treated = _each(self._of_field(name), column.values.take(places), times[rows])
        kept = from_arrow(treated.is_valid())
        values, offsets = treated.filter(pa.array(kept)), _offsets(column, rows[kept])
        return pa.ListArray.from_arrays(offsets, values, type=column.type, mask=_mask(column))

    def _map(self, name: str, column: pa.MapArray, times: Ints) -> pa.Array:
        rows, places = _items(column)
        encoded = column.keys.take(places).dictionary_encode()
        names, number = encoded.dictionary.to_pylist(), from_arrow(encoded.indices)
        rules = [self.plan.maps[name].of(key) for key in names]
        kept = np.array([rule == KEEP for rule in rules], np.bool_)[number]
        values: Array = np.array(column.items.take(places).to_pylist(), object)
        for key, here in _treated_keys(names, rules, number):
            treat = self._of_key(name, key)
            values[here] = [treat(value, time) for value, time in zip(values[here], times[rows[here]], strict=True)]
            kept[here] = [value is not None for value in values[here]]
        keys, items = encoded.dictionary_decode().filter(pa.array(kept)), pa.array(values[kept], column.type.item_type)
        return pa.MapArray.from_arrays(_offsets(column, rows[kept]), keys, items, column.type, mask=_mask(column))


def _treated_keys(names: Sequence[str], rules: Sequence[Rule], number: Ints) -> Iterator[tuple[str, Ints]]:
    """Keys whose values are neither all kept nor all dropped, with the places of these values."""
    for place, (name, rule) in enumerate(zip(names, rules, strict=True)):
        if rule not in (KEEP, DROP):
            yield name, np.flatnonzero(number == place)


def _each(treat: Treat, values: pa.Array, times: Ints) -> pa.Array:
    """Treat values one by one; nulls stay."""
    pairs = zip(values.to_pylist(), times.tolist(), strict=True)
    return pa.array([None if value is None else treat(value, time) for value, time in pairs], values.type)


def _items(column: pa.Array) -> tuple[Ints, pa.Array]:
    """Return the row of each item of lists or maps, and its place among all items."""
    offsets = np.asarray(column.offsets).astype(np.int64)
    lengths = np.diff(offsets) * from_arrow(column.is_valid())
    rows = np.repeat(np.arange(len(column)), lengths)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return rows, pa.array(offsets[rows] + within)


def _offsets(column: pa.Array, rows: Ints) -> pa.Array:
    """Return where the items of each row begin, once only those of the given rows are left."""
    return pa.array(np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(column))))), pa.int32())


def _mask(column: pa.Array) -> pa.Array | None:
    return column.is_null() if column.null_count else None


def _sensible(time: object) -> int:
    return time if isinstance(time, int) and abs(time) < _LATEST else 0

"""Orders to forget over a log in memory, and what a plain list of events says is left after them."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from streams.codecs.order import FORGET_HEADER, write_order
from streams.config import Config, parse_config
from streams.core.forget import INPUTS, Order
from streams.privacy import with_secret
from streams.runtime.forget import orders_for
from streams.runtime.joining import Joining
from tests.runtime.parts import CONFIG, Bench, Event, at

SECRET = "the secret of the test"  # noqa: S105 - of nothing
WAITING = """
samples: 1
sampling: {models: {m: {budget: {events_per_hour: 1000}}}}
privacy: {secret_env: S}
"""
KINDS = {"prediction": "predictions", "outcome": "outcomes", "feedback": "feedback"}
_SECOND = 1 / 3_600


def event(kind: str, number: int, request: str, unit: str | None) -> Event:
    """Give an event of a kind; its number is its second, so that it is known by its time."""
    fields: Event = {"type": kind, "request_id": request, "event_time": at(1 + number * _SECOND)}
    if kind == "outcome":
        return fields | {"label": "1"}
    if kind == "feedback":
        return fields | {"feedback_id": f"f{number}", "kind": "click", "unit_id": unit}
    said = {"prediction_id": f"p{number}", "model": "m", "version": "1", "score": 0.9}
    return fields | said | {"unit_id": unit, "attributes": {}}


def order_of(config: Config, name: str, unit: str, *requests: str) -> Order:
    """Return an order to forget a unit and these requests, by a name of ours."""
    (order,) = orders_for(config, unit, requests, at(0))
    return replace(order, name=name)


class Desk(Bench):
    """A partition's topics whose units can be forgotten, with raw events that wait for a budget."""

    def __init__(self) -> None:
        super().__init__()
        self.config = with_secret(parse_config(CONFIG + WAITING, "the test's configuration"), {"S": SECRET})

    def ask(self, order: Order) -> None:
        """Write an order into each topic."""
        for name in INPUTS:
            self.log.kafka.append(self.topic(name), 0, (b"forget", None), [(FORGET_HEADER, write_order(order))])

    def topic(self, store: str) -> str:
        """Name of an input."""
        return f"{self.config.kafka.prefix}.{store}"

    def take(self, joining: Joining, store: str, many: int) -> dict[str, list[dict[str, Any]]]:
        """Have the join read so many records of one input; returns the rows it gave."""
        topic = self.topic(store)
        records = self.log.kafka.fetch(topic, 0, joining.positions[topic], many)
        given: dict[str, list[dict[str, Any]]] = {}
        for table, rows in joining.take(topic, records) if len(records) else ():
            given.setdefault(table, []).extend(rows.to_pylist())
        return given


@dataclass
class Asked:
    """An order, where it was met, and the requests that are known as the unit's."""

    unit: str
    met: set[str] = field(default_factory=set)
    requests: set[str] = field(default_factory=set)


class Model:
    """Events in a list, and the rules of docs/privacy.md."""

    def __init__(self) -> None:
        self.held: list[Event] = []
        self.orders: dict[str, Asked] = {}
        self.removed: Counter[str] = Counter()

    def copy(self) -> Model:
        return deepcopy(self)

    def see(self, one: Event) -> None:
        """Hold an event; its raw form waits as well, for the budget or for its prediction."""
        self.held.append(one)

    def meet(self, name: str, unit: str, store: str) -> None:
        """Meet an order in an input."""
        asked = self.orders.setdefault(name, Asked(unit))
        for one in self.held:
            if one["type"] == "prediction" and one["unit_id"] == unit and "predictions" not in asked.met:
                asked.requests.add(one["request_id"])
        gone = [one for one in self.held if self._goes(one, asked)]
        self.removed.update(KINDS[one["type"]] for one in gone)
        self.removed["samples"] += len(gone)
        self.held = [one for one in self.held if one not in gone]
        asked.met.add(store)

    @staticmethod
    def _goes(one: Event, asked: Asked) -> bool:
        if len(asked.met) == len(INPUTS):
            return False
        new = KINDS[one["type"]] in asked.met
        if one["type"] == "prediction" and new:
            return False
        return one["request_id"] in asked.requests or (one.get("unit_id") == asked.unit and not new)

    def times(self) -> dict[str, list[int]]:
        """Times of the events that are left, by store, and of those whose raw form waits."""
        left = {name: [one["event_time"] for one in self.held if KINDS[one["type"]] == name] for name in INPUTS}
        waiting = [one["event_time"] for one in self.held]
        return {name: sorted(some) for name, some in (left | {"samples": waiting}).items()}


def times(joining: Joining) -> dict[str, list[int]]:
    """Times of what waits in a join, by its store, and of the raw events that wait."""
    stores = joining.upstream.stores()
    held = {name: sorted(stores[name].snapshot()["time"].tolist()) for name in INPUTS}
    texts = [raw.pack(raw.runs.snapshot())[1] for raw in joining.upstream._sampling._raw().values()]
    said = [some["event_time"].cast(pa.int64()).to_pylist() for some in texts if len(some)]
    return held | {"samples": sorted(time for some in said for time in some)}


def archived(joining: Joining) -> set[int]:
    """Times of the events whose texts are kept."""
    tables = joining.upstream._intake.archive.snapshot().values()
    return {time for table, _ in tables for time in table["event_time"].to_pylist() if time is not None}

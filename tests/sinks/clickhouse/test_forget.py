"""What is stored of a unit is found, deleted, and counted before and after."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from streams.core.privacy.pseudonym import Pseudonyms
from streams.sinks.clickhouse.forget import Forgotten, forget
from streams.sinks.clickhouse.rows import SCHEMAS, TableName
from streams.sinks.clickhouse.store import Store
from tests.sinks.filled import FIRST

NAMES = Pseudonyms(b"the secret", rotate=86_400_000_000)
DAY = 86_400_000_000


def rows(table: TableName, *some: dict[str, Any]) -> pa.Table:
    """Return rows of a table, each at a place of its own, with what is not said as it is for outcomes."""
    usual = {"source": "f", "event_time": FIRST, "model": "m", "version": "1", "inclusion_probability": 1.0}
    usual |= {"type": "outcome", "reason": "late", "detail": "", "original": b"", "payload": "{}", "request_id": ""}
    made = [usual | {"position": place} | row for place, row in enumerate(some)]
    return pa.Table.from_pylist([{key: row.get(key) for key in SCHEMAS[table].names} for row in made], SCHEMAS[table])


def prediction(request: str, unit: str) -> dict[str, Any]:
    return {"type": "prediction", "request_id": request, "payload": json.dumps({"unit_id": unit})}


def fill(store: Store, ada: str, later: str, bob: str) -> None:
    """Store events of two units, one of them under two names."""
    store.insert(
        "samples",
        rows(
            "samples",
            prediction("r1", ada),
            prediction("r2", later),
            prediction("r3", bob),
            {"request_id": "r1"},
            {"request_id": "r3"},
            {"type": "feedback", "request_id": "r3", "payload": json.dumps({"unit_id": ada})},
        ),
    )
    original = json.dumps({"prediction_id": "r4", "unit_id": ada}).encode()
    other = json.dumps({"request_id": "r5", "unit_id": bob}).encode()
    kept = rows("rejected", {"type": "prediction", "original": original}, {"original": other}, {"original": b"\xff"})
    store.insert("rejected", kept)
    texts = [{"request_id": "r4"}, {"request_id": "r9"}, {"type": "feedback", "request_id": "r3", "unit_id": later}]
    store.insert("orphans", rows("orphans", *texts))


def left(store: Store, table: str) -> list[int]:
    return sorted(store.query(f"SELECT position FROM {table}")["position"].to_pylist())  # noqa: S608


def test_a_unit_is_forgotten_under_all_its_names(store: Store) -> None:
    """Its events of every period go, with the other events of its requests; those of others stay."""
    ada, later, bob = (NAMES.of("unit_id", unit, time) for unit, time in (("ada", 0), ("ada", 9 * DAY), ("bob", 0)))
    fill(store, ada, later, bob)

    assert forget(store, "ada", NAMES) == [
        Forgotten("samples", 4, 0),
        Forgotten("rejected", 1, 0),
        Forgotten("orphans", 2, 0),
    ]
    assert (left(store, "samples"), left(store, "rejected"), left(store, "orphans")) == ([2, 4], [1, 2], [1])
    assert [(one.before, one.after) for one in forget(store, "ada", NAMES)] == [(0, 0)] * 3


def test_a_unit_that_was_kept_as_it_is_is_found(store: Store) -> None:
    """Without a secret a unit is looked for under its own name, whatever characters that has."""
    name = "o'hara\\ % 😀"
    fill(store, name, name, "bob")

    assert [one.before for one in forget(store, name, None)] == [4, 1, 2]
    assert left(store, "samples") == [2, 4]


def test_requests_that_the_store_cannot_know_are_named(store: Store) -> None:
    """An outcome whose prediction is not stored is the unit's if the caller says so."""
    fill(store, "ada", "ada", "bob")

    assert [one.before for one in forget(store, "ada", None, ["r9"])] == [4, 1, 3]
    assert left(store, "orphans") == []


@pytest.mark.parametrize("unit", ["eve", "' OR 1 = 1 --", "%", "~0-"])
def test_an_unknown_unit_costs_nobody_a_row(store: Store, unit: str) -> None:
    """Nothing is found of it, and nothing is deleted."""
    fill(store, NAMES.of("unit_id", "ada", 0), "ada", "bob")

    assert [(one.before, one.after) for one in forget(store, unit, NAMES)] == [(0, 0)] * 3
    assert left(store, "samples") == list(range(6))


def test_many_requests_are_forgotten(store: Store) -> None:
    """More requests than one statement takes are looked for in several."""
    unit = NAMES.of("unit_id", "ada", 0)
    store.insert("samples", rows("samples", *(prediction(f"r{number}", unit) for number in range(1_200))))
    store.insert("orphans", rows("orphans", *({"request_id": f"r{number}"} for number in range(1_201))))

    assert [(one.before, one.after) for one in forget(store, "ada", NAMES)] == [(1_200, 0), (0, 0), (1_200, 0)]
    assert left(store, "orphans") == [1_200]

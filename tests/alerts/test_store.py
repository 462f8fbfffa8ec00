"""`AlertStore` on a real store: what is written is read again, the newest of a key counts, text is only text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from streams.alerts.delivery import Delivery, delivery, unreadable
from streams.alerts.muting import Acknowledgement, Silence
from streams.alerts.store import AlertStore, StoreBook
from streams.core.alert.notice import Notice
from streams.core.window_spec import DAY
from streams.sinks.clickhouse.rows import SCHEMAS
from streams.sinks.clickhouse.store import Store, open_store
from tests.alerts.making import HOUR, NOON, SECOND, notice, numbered
from tests.alerts.stored import make_store, put

HOSTILE = "'; DROP TABLE alerts; -- \\"


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store without rows."""
    path = tmp_path_factory.mktemp("alerts") / "store"
    make_store(path, [])
    return path


@pytest.fixture
def tables(directory: Path) -> Iterator[Store]:
    """Open the store for one test, since a process can have but one open, and forget what the test before left."""
    with open_store(f"chdb:{directory}") as store:
        for table in ("alerts", "deliveries", "silences", "acknowledgements"):
            store._writer.command(f"TRUNCATE TABLE {table}")
        yield store


@pytest.fixture
def store(tables: Store) -> AlertStore:
    return AlertStore(tables)


def test_open_alerts_are_those_whose_last_notice_is_not_the_end(store: AlertStore, tables: Store) -> None:
    """Of each alert the newest notice is read, unchanged; what is over only when asked for; the newest alert first."""
    told: list[Notice] = [
        numbered(1),
        numbered(1, revision=2, status="updated", value=None, label_coverage=None, slice=()),
        numbered(2, opened=NOON + HOUR),
        numbered(2, opened=NOON + HOUR, revision=2, status="resolved"),
        numbered(3, opened=NOON + SECOND, worst_slices=(), worst_effects=()),
    ]
    put(tables, told)

    assert store.alerts() == [told[4], told[1]]
    assert store.alerts(resolved=True) == [told[3], told[4], told[1]]


def test_the_notices_of_an_alert_are_found_by_the_beginning_of_its_key(store: AlertStore, tables: Store) -> None:
    """All of them, in their order; a key with the signs of SQL in it is a key that is not there."""
    told = [notice(revision=number) for number in (1, 2, 3)]
    put(tables, [*told, numbered(7)])

    assert store.notices(told[0].dedup_key[:10]) == told
    assert store.notices(HOSTILE) == []
    assert store.notices("%") == []


def test_deliveries_are_read_as_they_were_recorded(store: AlertStore) -> None:
    """Every field comes back; what is recorded again replaces what was there."""
    first = delivery(numbered(1), "chat", 4, "failed", HOSTILE, 9, NOON)
    later = replace(first, outcome="sent", at=NOON + 1)
    other = delivery(numbered(1), "oncall", 4, "sent", "200 ok", 1, NOON)
    store.record([first, other, unreadable(5, "no notice", NOON)])
    store.record([later])

    assert store.deliveries(first.dedup_key) == [other, later]
    assert store.deliveries("") == [unreadable(5, "no notice", NOON)]


def test_history_says_what_is_settled_and_who_knows(store: AlertStore) -> None:
    """Settled is every delivery of the last weeks; told is who heard that an alert fires and not that it is over."""

    def sent(number: int, revision: int, status: str, **changes: object) -> Delivery:
        told = numbered(number, revision=revision, status=status)
        return replace(delivery(told, "chat", 1, "sent", "", 1, NOON), **changes)  # type: ignore[arg-type]

    deliveries = [
        sent(1, 1, "firing"),
        sent(1, 2, "updated", outcome="silenced"),
        sent(2, 1, "firing"),
        sent(2, 2, "resolved"),
        sent(3, 1, "firing", outcome="failed"),
        sent(4, 1, "firing", at=NOON - 50 * DAY),
    ]
    store.record([*deliveries, unreadable(5, "no notice", NOON)])
    history = store.history(NOON)

    assert history.settled == {one.settled for one in deliveries[:5]}
    assert history.told == {(f"{1:032x}", "chat"), (f"{4:032x}", "chat")}


def test_what_people_said_is_read_until_it_is_over(store: AlertStore) -> None:
    """A silence is there until its end, which may come sooner than was said; acknowledgements stay."""
    silence = Silence("s1", "flights-*", "*", "*", NOON, NOON + HOUR, "ann", HOSTILE)
    store.silence(silence, NOON)
    store.acknowledge(Acknowledgement("k", "bob", "on it", NOON))

    assert store.muting(NOON + HOUR - 1).silences == (silence,)
    assert store.muting(NOON + HOUR).silences == ()
    assert store.muting(NOON).acknowledgements == (Acknowledgement("k", "bob", "on it", NOON),)
    store.silence(replace(silence, ends=NOON + 1), NOON + 1)
    assert store.muting(NOON + 1).silences == ()


def test_the_deliverer_uses_it_from_its_loop(store: AlertStore) -> None:
    """Calls of several routes at once take their turns."""

    async def run() -> None:
        book = StoreBook(store)
        one, two = (delivery(numbered(number), "chat", number, "sent", "", 1, NOON) for number in (1, 2))
        await asyncio.gather(book.record([one]), book.record([two]), book.muting(NOON))
        assert (await book.history(NOON)).settled == {one.settled, two.settled}

    asyncio.run(run())


def test_the_tables_have_the_columns_of_what_is_written() -> None:
    """The store's schemas are those of the objects, field by field."""
    assert SCHEMAS["deliveries"].names == [field.name for field in fields(Delivery)]
    assert SCHEMAS["silences"].names == [*(field.name for field in fields(Silence)), "at"]
    assert SCHEMAS["acknowledgements"].names == [field.name for field in fields(Acknowledgement)]

"""What was found and told of models: `signals`, `alerts`, and the view of what stands now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from streams.sinks.clickhouse.rows import SCHEMAS
from streams.sinks.clickhouse.store import Store
from tests.sinks.filled import FIRST, alert_row, alerts, signal_row, table


def told(sequence: int, status: str, day: int, **changes: Any) -> dict[str, Any]:
    """Return a notice of an alert, told at the end of a day."""
    return alert_row(sequence=sequence, status=status, tick=FIRST + timedelta(days=day), **changes)


def current(store: Store) -> list[tuple[str, int, str]]:
    """Return what stands now of each alert: its name, the number of the notice, and its status."""
    rows = store.query("SELECT dedup_key, sequence, status FROM current_alerts ORDER BY ALL").to_pylist()
    return [(row["dedup_key"], row["sequence"], row["status"]) for row in rows]


def test_an_alert_is_shown_as_it_was_written(store: Store) -> None:
    """The view has every column of the table but the revision: times in UTC, NULL as NULL, lists and maps as such."""
    row = alert_row(low=None, label_coverage=None)
    store.insert("alerts", alerts(row))
    shown = store.query("SELECT * FROM current_alerts")
    written = alerts(row).select(shown.column_names)

    assert set(shown.column_names) == set(SCHEMAS["alerts"].names) - {"revision"}
    assert shown.to_pylist() == written.to_pylist()


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_the_last_notice_of_each_alert_stands(store: Store, order: tuple[int, ...]) -> None:
    """Whichever was written first, the one with the highest number counts, for each alert by itself."""
    statuses = {1: "firing", 2: "updated", 3: "resolved"}
    for sequence in order:
        store.insert("alerts", alerts(told(sequence, statuses[sequence], 10 + sequence)))
    store.insert("alerts", alerts(told(1, "firing", 30, dedup_key="another")))

    assert current(store) == [("5f0c1d", 3, "resolved"), ("another", 1, "firing")]


@pytest.mark.parametrize("revisions", [(1, 2), (2, 1)])
def test_a_notice_that_was_made_again_replaces_itself(store: Store, revisions: tuple[int, int]) -> None:
    """After a crash a notice is stored again under its number: there is one, of the newer revision, and no other."""
    for revision in revisions:
        store.insert("alerts", alerts(told(1, "firing", 14, title=f"revision {revision}", revision=revision)))

    assert store.query("SELECT title FROM alerts FINAL").to_pylist() == [{"title": "revision 2"}]
    assert current(store) == [("5f0c1d", 1, "firing")]


@pytest.mark.parametrize(
    "change",
    [{"model": "m"}, {"watch": "brier"}, {"kind": "column"}, {"slice_id": 7}, {"tick": FIRST + timedelta(days=60)}],
)
def test_looks_at_other_things_stay_apart(store: Store, change: dict[str, Any]) -> None:
    """A look replaces only itself, made again: of the same model, watch, kind, slice and tick."""
    store.insert("signals", table("signals", [signal_row(), signal_row(**change)]))
    store.insert("signals", table("signals", [signal_row(value=0.5, revision=2)]))

    values = store.query("SELECT value FROM signals FINAL ORDER BY value").to_pylist()
    assert values == [{"value": 0.5}, {"value": 0.9}]


def test_old_looks_can_be_forgotten_by_month(store: Store) -> None:
    """A month of looks goes at once, and takes no other with it."""
    later = signal_row(tick=FIRST + timedelta(days=40))
    store.insert("signals", table("signals", [signal_row(), later]))
    store._writer.command("ALTER TABLE signals DROP PARTITION 201301")

    assert store.query("SELECT tick FROM signals FINAL").to_pylist() == [{"tick": later["tick"]}]

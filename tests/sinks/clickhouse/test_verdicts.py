"""The views of `verdicts`: what holds now, and since when each verdict is known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.sinks.clickhouse.rows import SCHEMAS
from streams.sinks.clickhouse.store import Store
from tests.sinks.filled import FIRST, verdict_row, verdicts

UNKNOWN = "not enough evidence"


def tick(day: int) -> datetime:
    """End of a day of the experiment, the first being 1."""
    return FIRST + timedelta(days=day)


def look(day: int, verdict: str, first: int | None = None, **changes: Any) -> dict[str, Any]:
    """Return a look at the end of a day, with the day on which its verdict was first reached; its effect is its day."""
    reached = None if first is None else tick(first)
    return verdict_row(tick=tick(day), verdict=verdict, first_reached=reached, effect=float(day), **changes)


def current(store: Store) -> list[tuple[Any, ...]]:
    """Return metric, arm, verdict and effect of what holds now."""
    rows = store.query("SELECT metric, arm, verdict, effect FROM current_verdicts ORDER BY ALL").to_pylist()
    return [tuple(row.values()) for row in rows]


def first(store: Store) -> list[tuple[Any, ...]]:
    """Return arm, verdict, when it was first reached, and the effect of then."""
    rows = store.query("SELECT arm, verdict, first_reached, effect FROM first_verdicts ORDER BY ALL").to_pylist()
    return [tuple(row.values()) for row in rows]


def test_a_row_is_shown_as_it_was_written(store: Store) -> None:
    """The view of what holds now has every column of the table but the revision, with times in UTC and NULL as NULL."""
    row = look(1, "better", first=1, low=None, needed=None, label_coverage_arm=None)
    store.insert("verdicts", verdicts(row))
    shown = store.query("SELECT * FROM current_verdicts")

    assert set(shown.column_names) == set(SCHEMAS["verdicts"].names) - {"revision"}
    assert shown.to_pylist() == [{name: row[name] for name in shown.column_names}]


@pytest.mark.parametrize("days", [(1, 40, 70), (70, 1, 40)])
def test_the_latest_look_holds(store: Store, days: tuple[int, ...]) -> None:
    """Of looks in different months the one with the latest tick is shown, whichever was written first."""
    for day in days:
        store.insert("verdicts", verdicts(look(day, "better" if day < 70 else UNKNOWN, first=1 if day < 70 else None)))

    assert current(store) == [("accuracy", "with_weather", UNKNOWN, 70.0)]
    assert store.query("SELECT count() AS n FROM verdicts FINAL").to_pylist() == [{"n": 3}]


@pytest.mark.parametrize("revisions", [(1, 2), (2, 1)])
def test_the_highest_revision_of_a_look_counts(store: Store, revisions: tuple[int, int]) -> None:
    """A look that was made again replaces itself in both views, and no other look, whichever was written first."""
    for revision in revisions:
        verdict = "better" if revision == 2 else "worse"
        store.insert("verdicts", verdicts(look(2, verdict, first=2, arm_value=float(revision), revision=revision)))
    store.insert("verdicts", verdicts(look(1, UNKNOWN, revision=9)))

    assert current(store) == [("accuracy", "with_weather", "better", 2.0)]
    assert first(store) == [("with_weather", "better", tick(2), 2.0)]
    assert store.query("SELECT count() AS n FROM verdicts FINAL").to_pylist() == [{"n": 2}]


@pytest.mark.parametrize("change", [{"model": "m"}, {"experiment": "e"}, {"metric": "m"}, {"arm": "a"}])
def test_looks_at_other_things_stay_apart(store: Store, change: dict[str, str]) -> None:
    """What differs in any column of the key but the tick has a newest look, and first ones, of its own."""
    store.insert("verdicts", verdicts(look(1, "better", first=1), look(3, "better", first=3, **change)))

    assert sorted(effect for *_, effect in current(store)) == [1.0, 3.0]
    assert sorted(effect for *_, effect in first(store)) == [1.0, 3.0]


def ratio(day: int, verdict: str, arm: str, first: int | None = None, **changes: Any) -> dict[str, Any]:
    """Return a look at the sample ratio, with the arm that is furthest off."""
    check = {"metric": "sample_ratio", "kind": "sample_ratio", "arm": arm, "control": ""}
    return look(day, verdict, first, **check | changes)


def test_an_old_mismatch_of_another_arm_holds_no_longer(store: Store) -> None:
    """Of the sample ratio the newest look holds, whichever arm it names, in each experiment of each model."""
    old, new = ratio(1, "mismatch", "b", first=1), ratio(2, "match", "c", first=2)
    others = [ratio(1, "mismatch", "b", first=1, experiment="e"), ratio(1, "mismatch", "b", first=1, model="m")]
    store.insert("verdicts", verdicts(new, old, *others))

    assert current(store) == [
        ("sample_ratio", "b", "mismatch", 1.0),
        ("sample_ratio", "b", "mismatch", 1.0),
        ("sample_ratio", "c", "match", 2.0),
    ]


@pytest.mark.parametrize("metric", ["accuracy", "crossovers"])
def test_arms_of_other_metrics_hold_side_by_side(store: Store, metric: str) -> None:
    """Looks at two arms by one metric are two comparisons, each with a newest look, however old it is."""
    looks = [look(1, "worse", first=1, metric=metric, arm="b"), look(2, "better", first=2, metric=metric, arm="c")]
    store.insert("verdicts", verdicts(*looks))

    assert [(arm, verdict) for _, arm, verdict, _ in current(store)] == [("b", "worse"), ("c", "better")]


def test_a_mismatch_is_one_row_whichever_arms_it_named(store: Store) -> None:
    """Since when there is a mismatch does not depend on which arm was the furthest off."""
    course = [("match", "a", 1), ("mismatch", "c", 2), ("mismatch", "b", 2), ("match", "b", 1)]
    store.insert("verdicts", verdicts(*(ratio(day, *said) for day, said in enumerate(course, 1))))

    assert first(store) == [("a", "match", tick(1), 1.0), ("c", "mismatch", tick(2), 2.0)]


def test_every_verdict_that_was_reached_has_its_first_look(store: Store) -> None:
    """Not enough evidence was never reached; a verdict that came back counts from when it was there first."""
    course = [(1, UNKNOWN, None), (2, "better", 2), (3, UNKNOWN, None), (4, "better", 2), (5, "worse", 5)]
    store.insert("verdicts", verdicts(*(look(day, verdict, first) for day, verdict, first in course)))

    assert first(store) == [
        ("with_weather", "better", tick(2), 2.0),
        ("with_weather", "worse", tick(5), 5.0),
    ]


def test_when_old_months_are_dropped_it_is_still_known_when(store: Store) -> None:
    """The first look that is left says when its verdict was first reached, though that look is gone."""
    store.insert("verdicts", verdicts(look(2, "better", first=2), look(40, "better", first=2)))
    store._writer.command("ALTER TABLE verdicts DROP PARTITION 201301")

    assert first(store) == [("with_weather", "better", tick(2), 40.0)]


def test_an_open_interval_stays_open(store: Store) -> None:
    """Infinite ends and infinite evidence come back as such, so that they compare as they should."""
    store.insert("verdicts", verdicts(look(1, "better", first=1, low=0.1, high=float("inf"), log_e=float("inf"))))
    rows = store.query("SELECT high > 1e300 AS open, log_e FROM current_verdicts").to_pylist()

    assert rows == [{"open": 1, "log_e": float("inf")}]

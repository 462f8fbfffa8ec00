"""From which ticks a model learns what is usual: pinned periods, trailing ones, and ticks that are handed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.core.catalog import Catalog
from streams.core.columns import Floats
from streams.core.detect.column_sums import ROWS, Entries
from streams.core.detect.column_watch import ColumnWatch
from streams.core.detect.learning import Course, Least, Span, Watches
from streams.core.detect.measuring import Signal
from streams.core.detect.sensitivity import Sensitivity
from streams.core.detect.signal_group import Looked, SignalGroup
from streams.core.detect.watchman import METHOD, watchmen
from streams.core.groups import Slice
from streams.runtime.packing import decode, encode
from tests.core.detect.test_stage import DAYS, START, config, events, run, same, ticks
from tests.statistical.drift_promise import TRAILING, false_alarms
from tests.streams_strategy import DAY

WHOLE = Slice("m", (), ())
NAME = (WHOLE, "accuracy")
PINNED = {"from": "2024-01-06", "to": "2024-01-26"}  # days 5 to 24
CHANGED = 35


def course(learned: int = 20, **declared: Any) -> Course:
    """Return the course of one model, with one false alarm in 1,000 ticks."""

    def watches() -> Watches:
        drawn = learned // 2
        levels = SignalGroup(Sensitivity(1_000, learned), "both", "metric")
        distances = SignalGroup(Sensitivity(1_000, learned - drawn), "up", "column")
        return Watches(ColumnWatch({"score": 1}, drawn), levels, distances, Least(min(learned, 20)))

    return Course(watches, **declared)


def walked(through: Course, values: Floats, first: int = 0) -> list[Looked | None]:
    """Show a course one value a tick (NaN: none), and return what it says of it."""
    found = []
    for number, value in enumerate(values.tolist(), first):
        signals = {} if np.isnan(value) else {NAME: Signal(number, WHOLE, NAME[1], value, 0.0, 1, 1, 1)}
        looked = through.look(number, signals, {})
        found.append(looked[0] if looked else None)
    return found


def standings(looked: list[Looked | None]) -> list[int | None]:
    """What was said of the signal: 0 learning, 1 quiet, 2 suspected, 3 changed, 4 no data; None if nothing."""
    return [None if one is None else int(one.looks.standing[0]) for one in looked]


def cell(rng: np.random.Generator, shares: Floats, rows: int = 500) -> Entries:
    """Draw a tick of one column of categories."""
    counts = rng.multinomial(rows, shares).astype(float)
    bins = np.concatenate([[0, 1, 2], 10 + np.arange(len(shares))])
    columns = np.concatenate([np.full(3, ROWS), np.ones(len(shares), np.int64)])
    return Entries(columns, bins, np.concatenate([[rows, rows, rows], counts]))


@pytest.mark.parametrize("traffic", TRAILING, ids=lambda traffic: traffic.name)
def test_a_trailing_reference_keeps_the_promise(traffic: Any) -> None:
    """A year in which nothing changes, learned anew six or twelve times: at most one false alarm in 30 days a model."""
    found = false_alarms(traffic, models=10, ticks=365)

    assert found.periods > 120
    assert found.kept, found
    assert traffic.trailing


def test_columns_that_are_learned_anew_keep_the_promise() -> None:
    """Sixty columns in fifteen periods, in which nothing changes: at most one false alarm in 1,000 ticks."""
    rng, shares = np.random.default_rng(1), np.array([0.4, 0.3, 0.2, 0.1])
    through = course(every=20)
    places = [Slice("m", ("country",), (f"{number:02}",)) for number in range(60)]
    before, alarms, first = set[int](), 0, list[Any]()
    for number in range(300):
        looked = through.look(number, {}, {place: cell(rng, shares) for place in places})
        changed = {place for one in looked for place in np.flatnonzero(one.looks.standing == 3).tolist()}
        before, alarms = changed, alarms + len(changed - before)
        if number == 20:
            first = through.watches.columns.snapshot()["references"]
    asked = 300 / 1_000
    renewed = zip(first, through.watches.columns.snapshot()["references"], strict=True)

    assert alarms <= asked + 4 * asked**0.5
    assert not any(same(now, then) for then, now in renewed)


def test_a_slow_decay_is_forgotten_where_the_reference_trails() -> None:
    """What it costs: 0.01 standard deviations a tick are found against the first ticks, and never against new ones."""
    values = np.random.default_rng(2).standard_normal(500) + 0.01 * np.arange(500)

    assert 3 in standings(walked(course(), values))
    assert 3 not in standings(walked(course(every=20), values))


def test_a_change_is_not_taken_for_usual_where_the_reference_trails() -> None:
    """A jump stays a change for as long as it lasts, and a level that is usual again is learned anew after it."""
    values = np.random.default_rng(3).standard_normal(200)
    values[50:100] += 8
    said = standings(walked(through := course(every=20), values))

    assert said[:20] == [0] * 20
    assert set(said[20:50]) == {1}
    assert set(said[54:100]) == {3}
    assert set(said[110:]) == {1}
    assert through.watches.levels.snapshot()["detectors"]["state"]["begun"][0] >= 120


def test_what_is_usual_moves_with_a_trailing_reference() -> None:
    """A level that changes too little to be proven is what is expected after the next period."""
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.standard_normal(40), 0.4 + 0.1 * rng.standard_normal(40)])
    expected = [one.looks.reference[0] for one in walked(course(every=20), values) if one is not None]

    assert abs(expected[39] - values[:20].mean()) < 0.3
    assert abs(expected[79] - 0.4) < 0.1


def test_a_signal_without_enough_ticks_in_a_period_goes_on_learning() -> None:
    """With a value in every third tick of forty there are 14; it takes until there are forty of them."""
    values = np.random.default_rng(5).standard_normal(150)
    values[np.arange(150) % 3 != 0] = np.nan
    said = standings(walked(course(40, span=Span.of(0, 40)), values))

    assert said[117] == 0
    assert said[120] == 1


def test_a_signal_with_enough_ticks_in_a_period_is_watched_after_it() -> None:
    """With thirty values in a period of forty ticks, learning ends with the period."""
    values = np.random.default_rng(6).standard_normal(50)
    values[1:40:4] = np.nan
    values[40:] += 9
    said = standings(walked(course(40, span=Span.of(0, 40)), values))

    assert set(said[:40]) <= {0, 4}
    assert 3 in said[40:45]


def test_a_column_with_enough_ticks_in_a_period_is_watched_after_it() -> None:
    """With rows in three of four ticks: the first half is its reference, and distances are known after the second."""
    rng, shares = np.random.default_rng(10), np.array([0.5, 0.3, 0.2])
    through = course(40, span=Span.of(0, 40))
    said = []
    for number in range(44):
        looked = through.look(number, {}, {WHOLE: cell(rng, shares)} if number % 4 else {})
        said.append([int(one.looks.standing[0]) for one in looked])

    assert said[:21] == [[]] * 21
    assert said[21:24] == [[0]] * 3
    assert said[41:] == [[1]] * 3


def test_ticks_before_a_pinned_period_are_not_looked_at() -> None:
    """A level that was another before the period is no part of what is usual, and nothing is said of it."""
    values = np.random.default_rng(7).standard_normal(60)
    values[:10] += 50
    through = course(span=Span.of(10, 20))
    looked = walked(through, values)

    assert standings(looked)[:10] == [None] * 10
    assert standings(looked)[10:30] == [0] * 20
    assert set(standings(looked)[30:]) == {1}


def test_a_course_that_waits_says_so() -> None:
    """Without the ticks that were promised nothing is looked at; with them, what lies before their end is passed."""
    through = course(waits=True)
    with pytest.raises(ValueError, match="have not been handed over"):
        walked(through, np.zeros(1))
    values = np.random.default_rng(8).standard_normal(60)
    through.learn([(n, {NAME: Signal(n, WHOLE, NAME[1], values[n], 0.0, 1, 1, 1)}, {}, {}) for n in range(30, 60)])

    assert not through.waits
    assert standings(walked(through, np.full(80, 9.0)))[:60] == [None] * 60
    assert 3 in standings(walked(through, np.full(8, 9.0), 80))


@pytest.mark.parametrize("cut", [3, 15, 20, 33, 40, 57])
@pytest.mark.parametrize("declared", [{"every": 20}, {"span": Span.of(5, 25)}, {}], ids=("trailing", "pinned", "first"))
def test_a_course_goes_on_from_a_snapshot(declared: dict[str, Any], cut: int) -> None:
    """Saved and restored between any two ticks, it says the same; a snapshot may be packed as bytes."""
    values = np.random.default_rng(9).standard_normal(90)
    values[70:] += 5
    whole = walked(course(25, **declared), values)
    before, after = course(25, **declared), course(25, **declared)
    found = walked(before, values[:cut])
    after.restore(decode(encode(before.snapshot()), "test"))
    found += walked(after, values[cut:], cut)

    assert same([one and one.looks for one in found], [one and one.looks for one in whole])


@pytest.mark.parametrize("reference", ["trailing", PINNED], ids=("trailing", "pinned"))
@pytest.mark.parametrize(("size", "restored"), [(199, 10), (1_000, 4)])
def test_findings_do_not_depend_on_blocks(reference: Any, size: int, restored: int) -> None:
    """All at once, or in blocks, and stopped and restored in between: the same findings and the same alerts."""
    told, declared = events(1, changed=CHANGED), config(reference=reference)
    whole, again = run(told, len(told), declared), run(told, size, declared, restored)

    assert {row["standing"] for row in whole["signals"]} >= {"learning", "quiet", "changed"}
    assert whole["alerts"]
    for name in ("signals", "alerts"):
        assert same(again[name], whole[name])


def test_days_before_a_pinned_period_have_no_rows() -> None:
    """Signals begin with the first day of the period, and what is usual is known after its last one."""
    found = run(events(1, changed=CHANGED), 1_000, config(reference=PINNED))["signals"]
    whole = [row for row in found if row["watch"] == "accuracy" and not row["slice"]]
    days = [round((row["tick"].timestamp() * 1e6 - START) / DAY) for row in whole]

    assert days == list(range(6, DAYS + 1))
    assert {row["standing"] for row in whole[:20]} == {"learning"}
    assert "learning" not in {row["standing"] for row in whole[20:]}


def test_a_file_of_the_first_days_is_as_good_as_having_seen_them() -> None:
    """
    Metrics and columns say of later days the very same as where the first days were learned from.

    The stream has the days of the file as well: they are not looked at, and confuse nobody. How many labels are due is
    known from all days of the stream, and of none of the file.
    """
    told = events(1, changed=CHANGED)
    first = run(told, 500, config())["signals"]
    handed = [event for event in told if event["event_time"] < START + 20 * DAY]
    declared = config(reference={"files": ["first days"]})
    (watchman,) = watchmen(Catalog(declared)).values()
    remarks = watchman.learn([one for one in ticks(handed, 300, declared) if one.model == "fraud"])
    later = [tick for tick in ticks(told, 700, declared) if tick.model == "fraud"]
    found = [one for tick in later for one in watchman.step(tick).findings if one.method == METHOD]
    after = [row for row in first if row["method"] == METHOD and row["tick"].timestamp() * 1e6 > START + 20 * DAY]
    due = [(row["value"], row["n"]) for row in after if row["watch"] == "label_coverage"]
    kept = [row for row in after if row["kind"] in ("metric", "column")]

    assert remarks == []
    assert len(kept) > 100
    assert {one.tick for one in found} == {START + day * DAY for day in range(21, DAYS + 1)}
    assert same(
        [(one.watch, one.standing, one.log_e, one.reference) for one in found if one.kind in ("metric", "column")],
        [(row["watch"], row["standing"], row["log_e"], row["reference"]) for row in kept],
    )
    assert {one.standing for one in found if one.watch == "traffic"} >= {"learning", "quiet"}
    assert len(due) == DAYS - 20
    assert same([(one.value, one.n) for one in found if one.watch == "label_coverage"], due)

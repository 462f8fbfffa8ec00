"""What changed in a year of which it is known, and what it is read from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streams.core.columns import Floats
from streams.core.detect.change_points import ChangePoint
from streams.core.detect.decay import decay
from streams.core.detect.release import Marker, Series
from streams.core.window_spec import DAY
from streams.report.changes import Asked, Report, Watched, find_changes
from streams.report.changes_read import Span, read_releases, read_slices, read_whole
from streams.report.changes_slow import gradual_steps
from streams.report.read import Query
from streams.sinks.clickhouse.store import open_store, read_store
from tests.report import year
from tests.sinks.filled import signal_row, table, windows

BEGIN = int(year.FIRST.timestamp()) * 1_000_000


def on(day: int) -> int:
    return BEGIN + day * DAY


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    dsn = f"chdb:{tmp_path_factory.mktemp('changes')}/store"
    with open_store(dsn) as store:
        year.fill(store)
    return dsn


@pytest.fixture
def query(dsn: str) -> Iterator[Query]:
    with read_store(dsn) as store:
        yield store.query


@pytest.fixture(scope="module")
def report(dsn: str) -> Report:
    with read_store(dsn) as store:
        return find_changes(store.query, Asked(Span("fraud")))


def watched(report: Report, name: str) -> Watched:
    return next(one for one in report.watched if one.name == name)


def test_every_metric_is_looked_at(report: Report) -> None:
    """Without names, it is all metrics, with all their ticks, and nothing else; a tick is as long as it is."""
    assert [one.name for one in report.watched] == list(year.METRICS)
    assert {(one.ticks, one.first, one.last) for one in report.watched} == {(year.DAYS, BEGIN, on(year.DAYS))}
    assert report.tick == DAY


def test_a_jump_at_a_release(report: Report) -> None:
    """The jump is dated within its interval, points to the release, is of its size, and is called quality."""
    jump = watched(report, "accuracy").jumps[0]

    assert jump.point.low <= on(year.RELEASE) <= jump.point.high
    assert jump.point.high - jump.point.low <= 4 * DAY
    assert jump.point.after - jump.point.before == pytest.approx(-0.06, abs=0.01)
    assert jump.release is not None
    assert (jump.release.name, jump.release.time) == ("version v2", on(year.RELEASE))
    assert [call.cause for call in jump.calls] == ["quality"]
    assert not jump.gradual


def test_before_and_after_a_release(report: Report) -> None:
    """Each watch is compared before and after it: where it fell, by how much, and that others did not move."""
    ((marker, fell),) = watched(report, "accuracy").releases
    ((_, same),) = watched(report, "precision").releases

    assert marker.time == on(year.RELEASE)
    assert fell is not None
    assert (fell.verdict, fell.season_removed) == ("lower", True)
    assert fell.interval.contains(-0.06)
    assert same is not None
    assert same.verdict == "not enough evidence"


def test_an_outage_is_called_one(report: Report) -> None:
    """The fall while traffic was away, and the rise after it, are called an outage before they are called quality."""
    jumps = watched(report, "accuracy").jumps[1:]

    assert [round((jump.point.onset - BEGIN) / DAY) for jump in jumps] == list(year.OUTAGE)
    assert [jump.calls[0].cause for jump in jumps] == ["outage / traffic"] * 2
    assert {jump.release for jump in jumps} == {None}


def test_missing_labels_are_called_so(report: Report) -> None:
    """A fall while half of the labels were missing is called that too, by how much fewer there were."""
    fall, _ = watched(report, "specificity").jumps

    assert fall.point.low <= on(year.UNLABELLED[0]) <= fall.point.high
    assert [call.cause for call in fall.calls] == ["quality", "missing labels"]
    assert "Label coverage fell to 50.1 %" in fall.calls[1].evidence


def test_a_slow_trend(report: Report) -> None:
    """A slide all year is one slope, whose interval holds the truth; its steps are told as steps of a slow change."""
    slid = watched(report, "brier")
    (trend,) = slid.trends

    assert trend.whole
    assert trend.decay.verdict == "rising"
    assert trend.decay.interval.contains(7 * year.SLOPE)
    assert len(slid.jumps) >= 2
    assert all(jump.gradual for jump in slid.jumps)
    assert {(jump.nearby, jump.release, jump.calls) for jump in slid.jumps} == {(None, None, ())}


def test_stretches_between_jumps(report: Report, query: Query) -> None:
    """Beside the whole, slopes are told between jumps, where there is none; all of these share the error rate."""
    whole, *stretches = watched(report, "accuracy").trends
    first = read_whole(query, Span("fraud", until=stretches[0].last)).series["accuracy"]

    assert (whole.first, whole.last, whole.whole) == (BEGIN, on(year.DAYS), True)
    assert (stretches[0].first, stretches[-1].last) == (BEGIN, on(year.DAYS))
    assert len(stretches) == 4
    assert stretches[0].decay == decay(first, season=7, alpha=0.01 / 4)
    assert {one.decay.verdict for one in stretches} == {"not enough evidence"}
    assert all(one.decay.interval.contains(0.0) for one in stretches)


def test_what_changed_in_one_slice(report: Report) -> None:
    """The slice that moved is named first, with how far; the change is within slices, and not of their mix."""
    (jump,) = watched(report, "recall").jumps
    ((attributes, movement),) = jump.movements
    first, *others = movement.movers

    assert attributes == ("country",)
    assert first.slice == (("country", "IT"),)
    assert first.effect is not None
    assert first.effect.interval.contains(-0.25)
    assert first.share_before == pytest.approx(0.2)
    assert all(one.sure < 0.01 for one in others)
    assert abs(movement.mix.value) < 0.1 * abs(movement.within.value)


def test_what_did_not_change(report: Report) -> None:
    """A metric that stays has no jump, and a slope whose interval holds 0."""
    stayed = watched(report, "precision")

    assert not stayed.jumps
    assert stayed.trends[0].decay.interval.contains(0.0)


def test_the_same_question_has_the_same_answer(report: Report, query: Query) -> None:
    """A watch is told alike again, to the last p, and whether alone or among others."""
    assert find_changes(query, Asked(Span("fraud"), ("brier",))).watched[0] == watched(report, "brier")


def test_a_part_of_the_time(query: Query) -> None:
    """With limits, only ticks within them count, and a release outside is none."""
    span = Span("fraud", on(year.RELEASE + 30), on(year.RELEASE + 100))
    found = find_changes(query, Asked(span, ("accuracy", "traffic")))

    assert [(one.name, one.ticks, one.first, one.last) for one in found.watched] == [
        (name, 70, span.since, span.until) for name in ("accuracy", "traffic")
    ]
    assert found.releases == ()
    assert not watched(found, "accuracy").jumps


def test_what_jumps_are_compared_with(report: Report) -> None:
    """Ticks up to the next jump, four seasons at most."""
    jumps = watched(report, "accuracy").jumps

    assert [jump.nearby and jump.nearby.ticks for jump in jumps] == [(28, 28), (28, 12), (12, 28)]


def test_what_releases_are_compared_with(tmp_path: Path) -> None:
    """Ticks up to the next release; the longer side gives the tick that is left out."""
    days = {"v1": 0, "v2": 120, "v3": 140, "v4": 165, "v5": 180}
    rows = [row | {"version": version} for version, day in days.items() for row in year.versions()[day:]]
    with open_store(f"chdb:{tmp_path}/store") as store:
        store.migrate()
        store.insert("windows", windows(*rows))
        store.insert("signals", table("signals", [row for row in year.signals() if row["watch"] == "precision"]))
        (found,) = find_changes(store.query, Asked(Span("fraud"))).watched

    assert [(marker.name, compared and compared.ticks) for marker, compared in found.releases] == [
        ("version v2", (28, 20)),
        ("version v3", (20, 24)),
        ("version v4", (24, 15)),
        ("version v5", (15, 28)),
    ]


def test_watches_that_are_no_metrics(query: Query) -> None:
    """Traffic can be asked for too: its jumps have no slices, and are called nothing."""
    (traffic,) = find_changes(query, Asked(Span("fraud"), ("traffic",))).watched

    assert [round((jump.point.onset - BEGIN) / DAY) for jump in traffic.jumps] == list(year.OUTAGE)
    assert {(jump.movements, jump.calls) for jump in traffic.jumps} == {((), ())}


def test_slices_have_the_ticks_of_the_whole(query: Query) -> None:
    """Slices of one attribute come together, a row each, with the numbers of their ticks."""
    span = Span("fraud", until=on(10))
    whole = read_whole(query, span).series["recall"]
    (sliced,) = read_slices(query, span, "recall", whole)

    assert sliced.slices == tuple((("country", name),) for name in ("DE", "FR", "IT"))
    assert sliced.ends.tolist() == [on(day + 1) for day in range(10)]
    assert sliced.n.sum(axis=0) == pytest.approx(whole.n)
    assert (sliced.n * sliced.value).sum(axis=0) == pytest.approx(whole.n * whole.value)


def test_slices_without_a_row(tmp_path: Path) -> None:
    """
    Attributes are told apart; a slice without a row in a tick has no observations there, and NULL is no value.

    What a slice has in a tick that the whole does not have is left out.
    """
    with open_store(f"chdb:{tmp_path}/store") as store:
        store.migrate()
        ticks = [year.FIRST + timedelta(days=day) for day in (1, 2, 3)]
        of = {"model": "m", "watch": "w", "value": 1.0, "n": 5.0}
        sliced = [({"a": "x"}, 1, ticks[1]), ({"a": "x", "b": "y"}, 2, ticks[0])]
        sliced.append(({"a": "x"}, 1, ticks[2]))
        rows = [signal_row(**of, tick=tick) for tick in ticks[:2]]
        rows += [signal_row(**of, slice=where, slice_id=number, tick=tick) for where, number, tick in sliced]
        rows[1]["value"] = None
        store.insert("signals", table("signals", rows))
        whole = read_whole(store.query, Span("m")).series["w"]
        first, second = read_slices(store.query, Span("m"), "w", whole)

    assert len(whole.known().ends) == 1
    assert (first.slices, second.slices) == (((("a", "x"),),), ((("a", "x"), ("b", "y")),))
    assert (first.n.tolist(), second.n.tolist()) == ([[0.0, 5.0]], [[5.0, 0.0]])


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ([year.versions("count")], [year.RELEASE]),
        ([year.versions("accuracy")], [year.RELEASE]),
        ([year.versions("count", "15m/1m"), year.versions("count", "1mo")], None),
        ([], None),
    ],
    ids=["counts", "labels and their coverage", "no tumbling windows", "no windows"],
)
def test_where_releases_are_read(
    tmp_path: Path, written: list[list[dict[str, object]]], days: list[int] | None
) -> None:
    """Predictions by version are counts, else labels over their coverage; without windows to tell, none are known."""
    with open_store(f"chdb:{tmp_path}/store") as store:
        store.migrate()
        store.insert("windows", windows(*(row for rows in written for row in rows)))
        found = read_releases(store.query, "fraud", DAY, ["accuracy"])

    assert (None if found is None else [marker.time for marker in found]) == (
        None if days is None else [on(day) for day in days]
    )


def test_a_release_with_few_labels(tmp_path: Path) -> None:
    """Without counts, a version's predictions are its labels over their coverage: one that has few is seen too."""
    rows = year.versions("accuracy", days=30)
    for row in year.versions("accuracy", days=30)[10:]:
        rows.append(row | {"version": "v3", "n": 80.0, "label_coverage": 0.2})  # 400 predictions beside 4,000
    with open_store(f"chdb:{tmp_path}/store") as store:
        store.migrate()
        store.insert("windows", windows(*rows))
        found = read_releases(store.query, "fraud", DAY, ["accuracy"])

    assert found == [Marker(on(10), "version v3")]


def series(value: Floats) -> Series:
    unknown = np.full(len(value), np.nan)
    return Series(np.array([on(day + 1) for day in range(len(value))], np.int64), value, unknown, unknown, DAY)


def steps(value: Floats, days: list[int]) -> list[ChangePoint]:
    edges = [0, *days, len(value)]
    means = [float(value[a:b].mean()) for a, b in pairwise(edges)]
    return [ChangePoint(on(day), on(day), on(day), means[i], means[i + 1], 0.001) for i, day in enumerate(days)]


def test_a_line_is_told_from_stairs() -> None:
    """Steps cut out of a slope are gradual; stairs are not, nor a single step, nor steps that go both ways."""
    noise = 0.01 * np.random.default_rng(1).standard_normal(120)
    day = np.arange(120)
    slope, stairs = day / 120 + noise, (day >= 40) + (day >= 80) + noise
    there_and_back = np.where((day >= 40) & (day < 80), 1.0, 0.0) + noise

    assert gradual_steps(series(slope), steps(slope, [40, 80]), 1) == [True, True]
    assert gradual_steps(series(stairs), steps(stairs, [40, 80]), 1) == [False, False]
    assert gradual_steps(series(slope), steps(slope, [60]), 1) == [False]
    assert gradual_steps(series(there_and_back), steps(there_and_back, [40, 80]), 1) == [False, False]


def test_a_jump_beside_a_slope_stays_one() -> None:
    """Of a slope that follows a jump, only the steps of the slope are gradual."""
    day = np.arange(160)
    value = 2.0 * (day >= 40) + np.maximum(day - 60, 0) / 100 + 0.01 * np.random.default_rng(1).standard_normal(160)

    assert gradual_steps(series(value), steps(value, [40, 80, 105, 130]), 1) == [False, True, True, True]

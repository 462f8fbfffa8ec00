"""What holds for alerts whatever is found: proof before firing, one resolution, stable names, no alert lost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.alert.alerting import Alerting
from streams.core.alert.cause import Grouping
from streams.core.alert.monitor import Episode, MonitorKey
from streams.core.alert.notice import Notice, from_json, to_json
from streams.core.alert.rule import SEVERITIES, AlertRule
from streams.core.detect.finding import Finding, Kind, Slice
from streams.core.window_spec import HOUR
from tests.core.alert.making import EV, EV_JFK, UA, WHOLE, alerting, at, finding, gone

Hours = list[list[Finding]]

_DECLARED = (
    AlertRule("page", severity="page", kinds=("metric",), margin=0.02, recovery_margin=0.01, min_n_effective=100.0),
    AlertRule("warn", kinds=("metric", "threshold"), on_no_data="warn", no_data_ticks=2, min_label_coverage=0.5),
    AlertRule("columns", severity="info", kinds=("column",), team="data", for_ticks=2, flap_count=2),
    AlertRule("traffic", kinds=("traffic", "pipeline"), on_no_data="fire", recover_ticks=1, remind_after=4 * HOUR),
)
RULES = tuple(replace(rule, flap_ticks=5) for rule in _DECLARED)
GROUPING = Grouping(HOUR, together=1, outlast=2, lasting=6 * HOUR, storm=4)

WATCHES: list[tuple[str, Kind, Slice]] = [
    ("accuracy", "metric", WHOLE),
    ("accuracy", "metric", EV),
    ("accuracy", "metric", EV_JFK),
    ("accuracy", "metric", UA),
    ("accuracy", "threshold", WHOLE),
    ("recall", "metric", WHOLE),
    ("dep_delay", "column", WHOLE),
    ("distance", "column", WHOLE),
    ("carrier", "column", WHOLE),
    ("traffic", "traffic", WHOLE),
    ("traffic", "traffic", EV),
    ("label_coverage", "traffic", WHOLE),
    ("lag", "pipeline", WHOLE),
]

INTERVALS = [
    (-2.0, -1.0),
    (-0.05, -0.03),
    (-0.05, -0.02),
    (-0.015, -0.005),
    (-0.001, 0.001),
    (-0.05, 0.05),
    (0.03, 0.05),
    (math.nan, math.nan),
]


@st.composite
def hours(draw: st.DrawFn, most: int = 14) -> Hours:
    """Draw what is found in some hours: each watch in some of them, mostly going on as it was."""
    number = draw(st.integers(1, most))
    found: Hours = [[] for _ in range(number)]
    for watch, kind, where in draw(st.lists(st.sampled_from(WATCHES), min_size=1, max_size=8, unique=True)):
        for hour, change in enumerate(draw(st.lists(changes, min_size=number, max_size=number))):
            if change is not None:
                found[hour].append(_one(watch, kind, where, hour, change))
    return found


Change = tuple[str, int, bool, int, str]
changes: st.SearchStrategy[Change | None] = st.none() | st.tuples(
    st.sampled_from(["changed"] * 4 + ["quiet"] * 3 + ["suspected", "learning", "no data"]),
    st.integers(0, len(INTERVALS) - 1),
    st.booleans(),
    st.integers(0, 12),
    st.sampled_from(["", "", "version 7"]),
)


def _one(watch: str, kind: Kind, where: Slice, hour: int, change: Change) -> Finding:
    standing, interval, enough, age, release = change
    if standing == "no data":
        return gone(watch, hour, kind=kind, slice=where)
    onset = None if age > 9 else at(hour - age)
    size: dict[str, float] = {} if enough else {"n_effective": 10.0, "label_coverage": 0.2}
    return finding(
        watch,
        hour,
        INTERVALS[interval],
        kind=kind,
        slice=where,
        standing=standing,
        onset=onset,
        release=release,
        **size,
    )


def fresh() -> Alerting:
    """Return the alerting under test."""
    return alerting(*RULES, grouping=GROUPING)


def run(one: Alerting, found: Hours, first: int = 0) -> list[Notice]:
    """Take all steps, and return all notices."""
    return [notice for hour, some in enumerate(found, first) for notice in one.step(at(hour), some)]


def calm(found: Hours, last: int) -> Hours:
    """Return hours in which everything that was ever looked at is as usual, and on the good side of its limit."""
    watched = sorted({(one.watch, one.kind, one.slice) for some in found for one in some})
    good: dict[str, Any] = {"interval": (0.0, 0.001), "standing": "quiet"}
    return [
        [finding(watch, hour, **good, kind=kind, slice=where) for watch, kind, where in watched]
        for hour in range(len(found), len(found) + last)
    ]


def episodes(one: Alerting) -> dict[MonitorKey, Episode | None]:
    """Return the episode of each monitor."""
    return {monitor.key: monitor.episode for monitor in one.monitors}


@given(hours())
def test_nothing_fires_without_proof(found: Hours) -> None:
    """A monitor fires only if its watch proved a change, with enough data, wholly beyond the margin, the worse way."""
    one = fresh()
    before = episodes(one)
    for hour, some in enumerate(found):
        one.step(at(hour), some)
        seen = {(each.kind, each.watch, each.slice): each for each in some}
        for monitor in one.monitors:
            episode = monitor.episode
            if episode is None or episode is before.get(monitor.key) or episode.reason == "no data":
                continue
            proof = seen[monitor.key[1:]]
            worse = proof.high < -monitor.rule.margin or (proof.low > monitor.rule.margin and monitor.harm == "either")
            assert worse
            assert proof.standing == "changed" or proof.kind == "threshold"
            assert proof.n_effective >= monitor.rule.min_n_effective
            assert not proof.label_coverage < monitor.rule.min_label_coverage
        before = episodes(one)


@given(hours(), st.data())
def test_a_snapshot_anywhere_changes_nothing(found: Hours, data: st.DataObject) -> None:
    """Whoever is stopped at any tick and goes on from its state tells the same; the state is plain data."""
    cuts = data.draw(st.sets(st.integers(0, len(found) - 1)))
    one, other = fresh(), fresh()
    for hour, some in enumerate(found):
        if hour in cuts:
            saved = other.snapshot()
            assert is_plain(saved)
            other = fresh()
            other.restore(saved)
            assert other.snapshot() == saved
        assert one.step(at(hour), some) == other.step(at(hour), some)


def is_plain(value: Any) -> bool:
    """Whether a value is made of dicts, lists, texts, numbers and None, and nothing else."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_plain(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


@given(hours())
def test_each_alert_is_a_story(found: Hours) -> None:
    """Each key begins by firing, counts its revisions, keeps its labels, and ends at most once, with nothing after."""
    stories: dict[str, list[Notice]] = {}
    for notice in run(fresh(), found):
        stories.setdefault(notice.dedup_key, []).append(notice)
    for story in stories.values():
        assert [notice.status for notice in story[1:-1]] == ["updated"] * len(story[1:-1])
        assert story[0].status == "firing"
        assert len(story) == 1 or story[-1].status in ("updated", "resolved")
        assert [notice.revision for notice in story] == list(range(1, len(story) + 1))
        assert all(old.tick < new.tick for old, new in pairwise(story))
        assert all(notice.labels() == story[0].labels() for notice in story)
        assert all(notice.opened == story[0].tick for notice in story)


@given(hours())
def test_when_all_is_well_every_alert_is_over(found: Hours) -> None:
    """After everything has been as usual for long enough, each alert that fired has been resolved."""
    one = fresh()
    notices = run(one, found) + run(one, calm(found, 12), len(found))
    fired, over = ([one.dedup_key for one in notices if one.status == status] for status in ("firing", "resolved"))

    assert sorted(fired) == sorted(over)
    assert all(monitor.state == "ok" for monitor in one.monitors)


@given(hours())
def test_no_monitor_fires_unheard(found: Hours) -> None:
    """Whoever fires is part of exactly one alert that is open, which is at least as urgent."""
    one, is_open = fresh(), dict[str, Notice]()
    for hour, some in enumerate(found):
        for notice in one.step(at(hour), some):
            is_open[notice.dedup_key] = notice
        is_open = {key: notice for key, notice in is_open.items() if notice.status != "resolved"}
        told = {incident.told.dedup_key: incident for incident in one._incidents.all if incident.told is not None}
        members = [key for incident in told.values() for key in incident.open]

        assert told.keys() == is_open.keys()
        assert sorted(members) == [monitor.key for monitor in one.monitors if monitor.episode is not None]
        for key, incident in told.items():
            assert SEVERITIES.index(incident.severity) <= SEVERITIES.index(is_open[key].severity)


@given(hours(), st.randoms(use_true_random=False))
def test_the_order_within_a_tick_does_not_matter(found: Hours, dice: Any) -> None:
    """Findings of a tick in another order give the same notices in the same order, and the same state."""
    one, other = fresh(), fresh()
    for hour, some in enumerate(found):
        shuffled = list(some)
        dice.shuffle(shuffled)
        assert one.step(at(hour), some) == other.step(at(hour), shuffled)
        assert one.snapshot() == other.snapshot()


@given(hours())
def test_every_notice_survives_json(found: Hours) -> None:
    """Whatever is told is read from its record as it was."""
    notices = run(fresh(), found)

    assert [from_json(to_json(notice)) for notice in notices] == notices


@given(hours(8))
def test_rules_may_vanish_at_any_time(found: Hours) -> None:
    """After a restart with fewer rules, alerts are still resolved once, when what is left of them is well."""
    cut = len(found) // 2
    one, other = fresh(), alerting(*RULES[1:3], grouping=GROUPING)
    notices = run(one, found[:cut])
    other.restore(one.snapshot())
    notices += run(other, found[cut:], cut) + run(other, calm(found, 12), len(found))
    fired, over = ([one.dedup_key for one in notices if one.status == status] for status in ("firing", "resolved"))

    assert sorted(fired) == sorted(over)


@pytest.mark.parametrize("hour", [1, 2, 3])
@given(st.integers(2, 60), st.integers(0, 2**20))
@settings(max_examples=20)
def test_a_storm_is_one_alert(hour: int, size: int, seed: int) -> None:
    """However many monitors fire because nothing comes, in whichever of the ticks next to it, it is one alert."""
    rule = replace(RULES[0], on_no_data="fire")
    one = alerting(rule, replace(RULES[3], severity="page"), grouping=Grouping(HOUR))
    slices = [(("carrier", str(number)),) for number in range(size)]
    late = {where: 1 + (seed >> (number % 20)) % 3 for number, where in enumerate(slices)}
    notices = []
    for now in range(1, 6):
        findings = [gone("accuracy", now, slice=where) for where in slices if late[where] <= now]
        findings += [gone("traffic", now, kind="traffic")] if hour <= now else []
        notices += one.step(at(now), findings)

    assert len({notice.dedup_key for notice in notices}) == 1
    assert notices[-1].cause == "outage"
    assert "no data on traffic" in notices[-1].title


def test_thousands_of_monitors_of_one_outage_are_one_alert() -> None:
    """Every slice of every metric fires and recovers as one, which is told twice."""
    one = alerting(replace(RULES[0], on_no_data="fire"), replace(RULES[3], severity="page"))

    def all_of(hour: int, missing: bool) -> Iterable[Finding]:
        watches: Sequence[tuple[str, Slice]] = [(f"m{m}", (("carrier", f"{c}"),)) for m in range(50) for c in range(50)]
        traffic = ("traffic", WHOLE)
        for watch, where in [*watches, traffic]:
            kind = "traffic" if watch == "traffic" else "metric"
            yield (gone if missing else finding)(watch, hour, kind=kind, slice=where)

    firing, over = [one.step(at(hour), all_of(hour, missing=hour < 3)) for hour in (1, 2, 3, 4)][::3]
    assert [(notice.status, notice.cause, notice.members) for notice in firing] == [("firing", "outage", 2_501)]
    assert [(notice.status, notice.dedup_key) for notice in over] == [("resolved", firing[0].dedup_key)]

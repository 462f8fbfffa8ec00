"""A monitor changes its state as the table says, holds when nothing is proven, and does not flap."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.alert.monitor import Monitor, MonitorKey, finding_from_plain, finding_to_plain
from streams.core.alert.rule import AlertRule, OnNoData
from streams.core.detect.finding import Finding
from tests.core.alert.making import EV, at, fell, finding, gone, quiet

RULE = AlertRule(
    "quality",
    severity="page",
    margin=0.02,
    recovery_margin=0.01,
    for_ticks=2,
    recover_ticks=2,
    on_no_data="fire",
    no_data_ticks=2,
    min_n_effective=100.0,
    flap_count=100,
)

STATES = {"ok": "o", "warning": "w", "firing": "f", "recovering": "r", "no_data": "n"}


def seen(letter: str, hour: int) -> Finding:
    """Return a finding: Beyond the margin, Leaning that way, Midway, Inside, Thin, or Empty."""
    interval, standing = {"B": ((-0.05, -0.03), "changed"), "L": ((-0.05, 0.0), "suspected")}.get(
        letter, ((-0.019, -0.012), "quiet")
    )
    if letter == "I":
        return quiet("accuracy", hour)
    if letter == "E":
        return gone("accuracy", hour)
    return finding("accuracy", hour, interval, standing=standing, n_effective=1.0 if letter == "T" else 900.0)


def monitor(rule: AlertRule = RULE) -> Monitor:
    """Return a monitor of accuracy."""
    return Monitor(MonitorKey(rule.name, "metric", "accuracy", ()), rule, "lower")


def course(letters: str, rule: AlertRule = RULE) -> str:
    """Return the states after each of some findings."""
    one, states = monitor(rule), ""
    for hour, letter in enumerate(letters):
        one.advance(seen(letter, hour), hour)
        states += STATES[one.state]
    return states


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I", "BLMITE wwoooo"),
        ("L", "BLMITE wwooww"),
        ("B", "BLMITE fwooww"),
        ("BB", "BLMITE fffrff"),
        ("BBI", "BLMITE ffforr"),
        ("EE", "BLMITE rrrrrn"),
        ("EEI", "BLMITE wwooon"),
        ("BBEE", "BLMITE fffrfn"),
        ("BBIEE", "BLMITE fffrfn"),
    ],
)
def test_every_transition(before: str, after: str) -> None:
    """From each state, each thing that can be found leads where the table says."""
    letters, states = after.split()

    assert [course(before + letter)[-1] for letter in letters] == list(states)


@pytest.mark.parametrize(
    ("letters", "states"),
    [
        ("BIBIB", "wowow"),  # not in a row
        ("BTB", "wwf"),  # a thin tick interrupts nothing
        ("BEB", "wwf"),  # nor does a short gap
        ("BEEB", "wwnr"),  # a long one does
        ("BBIMII", "wfrfro"),
        ("BBITI", "wfrro"),
        ("EIE", "ooo"),  # not in a row
        ("ETE", "ooo"),
        ("EEIEII", "onrnro"),
        ("EEBB", "onrf"),  # what is proven as the data comes back fires
        ("BBEEII", "wffnro"),
    ],
)
def test_courses(letters: str, states: str) -> None:
    """What counts is how many ticks in a row say the same; those that say nothing are not counted."""
    assert course(letters) == states


@pytest.mark.parametrize("for_ticks", [1, 2, 5])
def test_it_fires_after_so_many_ticks_in_a_row(for_ticks: int) -> None:
    """The tick that completes the row is the one that fires, and the trouble began with the first."""
    one = monitor(replace(RULE, for_ticks=for_ticks))
    for hour in range(10):
        one.advance(seen("B", hour), hour)
        assert (one.state == "firing") == (hour + 1 >= for_ticks)

    assert one.trouble.since == at(0)
    assert one.trouble.opened == at(for_ticks - 1)


def test_the_onset_is_that_of_the_finding() -> None:
    """Where a watch knows when the change began, the episode says so, with the interval."""
    one = monitor(replace(RULE, for_ticks=1))
    one.advance(fell("accuracy", 9, onset=at(5), onset_low=at(4), onset_high=at(7)), 1)

    assert (one.trouble.since, one.trouble.low, one.trouble.high) == (at(5), at(4), at(7))


@pytest.mark.parametrize(
    ("meaning", "states", "severity"), [("ignore", "oooo", None), ("warn", "onnn", "warning"), ("fire", "onnn", "page")]
)
def test_missing_data_means_what_was_declared(meaning: OnNoData, states: str, severity: str | None) -> None:
    """Nothing to look at is nothing, at most a warning, or as bad as what the rule is about."""
    one = monitor(replace(RULE, on_no_data=meaning))
    course_of = ""
    for hour in range(4):
        one.advance(seen("E", hour), hour)
        course_of += STATES[one.state]

    assert course_of == states
    assert (one.episode is None) == (severity is None)
    if severity is not None:
        assert (one.severity, one.trouble.reason, one.trouble.since) == (severity, "no data", at(0))


def test_a_mild_rule_is_not_made_worse_by_missing_data() -> None:
    """What is no more than information does not become a warning because there is no data."""
    one = monitor(replace(RULE, severity="info", on_no_data="warn", no_data_ticks=1))
    one.advance(seen("E", 0), 0)

    assert one.severity == "info"


def test_data_that_stops_is_no_recovery() -> None:
    """A monitor that fires goes on when the data stops, be that ignored or not; it is the same episode after it."""
    for meaning in ("ignore", "fire"):
        one = monitor(replace(RULE, on_no_data=meaning))
        for hour, letter in enumerate("BBEEEEEE"):
            one.advance(seen(letter, hour), hour)
        assert one.trouble.reason == "harm"
        assert one.state == ("firing" if meaning == "ignore" else "no_data")
        one.advance(seen("B", 9), 9)
        assert (one.state, one.trouble.opened) == ("firing", at(1))


def test_a_limit_recovers_with_hysteresis() -> None:
    """A series that oscillates around the margin fires once; one that comes back inside the inner margin recovers."""
    rule = replace(RULE, for_ticks=1, recover_ticks=3)

    def firing(values: list[float]) -> str:
        one, states = monitor(rule), ""
        for hour, value in enumerate(values):
            one.advance(finding("accuracy", hour, (value - 0.002, value + 0.002), kind="threshold"), hour)
            states += STATES[one.state]
        return states

    assert firing([-0.03, -0.015] * 5) == "f" * 10
    assert firing([-0.03, -0.007, -0.007] * 3) == "frr" * 3
    assert firing([-0.03, -0.007, -0.007, -0.007, -0.015]) == "frroo"


def test_a_monitor_that_flaps_is_held() -> None:
    """At the third time within so many ticks it is flapping: it recovers only after as many quiet ones."""
    rule = replace(RULE, for_ticks=1, recover_ticks=1, flap_count=3, flap_ticks=8)
    one, states, flapping = monitor(rule), "", ""
    for hour, letter in enumerate("BIBIBIBIIIIIIIIB"):
        one.advance(seen(letter, hour), hour)
        states, flapping = states + STATES[one.state], flapping + ".F"[one.flapping]

    assert states == "fofofrfrrrrrrrof"
    assert flapping == "....FFFFFFFFFF.."


def test_old_episodes_are_no_flapping() -> None:
    """Episodes that begin further apart are told one by one."""
    rule = replace(RULE, for_ticks=1, recover_ticks=1, flap_count=2, flap_ticks=4)

    assert course("BIIIBIIIBI", rule) == "fooofooofo"
    assert course("BIIBI", rule) == "foofr"


@given(st.text("BLMITE", max_size=60), st.data())
def test_a_snapshot_changes_nothing(letters: str, data: st.DataObject) -> None:
    """A monitor that is saved and restored at any time, pristine ones from nothing, goes on as it would have."""
    cut = data.draw(st.integers(0, len(letters)))
    rule = replace(RULE, flap_count=2, flap_ticks=6)
    one, other = monitor(rule), monitor(rule)
    for hour, letter in enumerate(letters):
        if hour == cut:
            fresh = monitor(rule)
            if not other.is_pristine:
                fresh.restore(other.snapshot())
            other = fresh
        one.advance(seen(letter, hour), hour)
        other.advance(seen(letter, hour), hour)
        assert (one.state, one.episode, one.flapping) == (other.state, other.episode, other.flapping)


@given(st.text("BLMITE", max_size=80), st.integers(1, 3), st.integers(1, 3))
def test_episodes_begin_with_proof_and_end_with_recovery(letters: str, for_ticks: int, recover_ticks: int) -> None:
    """An episode of harm begins at a tick beyond the margin, and ends only after ticks inside and none beyond."""
    rule = replace(RULE, for_ticks=for_ticks, recover_ticks=recover_ticks)
    one = monitor(rule)
    episodes = [one.episode]
    for hour, letter in enumerate(letters):
        one.advance(seen(letter, hour), hour)
        episodes.append(one.episode)
    for hour, (before, after) in enumerate(pairwise(episodes)):
        told = letters[: hour + 1].replace("T", "").replace("E", "")
        if after is not before and after is not None and after.reason == "harm":
            assert letters[hour] == "B"
            assert told.endswith("B" * for_ticks)
        if after is not before and before is not None and before.reason == "harm":
            assert told.endswith("I" * recover_ticks)


def test_findings_are_plain_data_and_back() -> None:
    """A finding in a snapshot is what it was, with its slices."""
    one = fell("accuracy", 3, slice=EV, worst=((EV, -0.1), ((), 0.2)), onset=at(1), release="version 7")

    assert finding_from_plain(finding_to_plain(one)) == one


def test_a_monitor_that_is_well_has_no_trouble() -> None:
    """Asking for the episode of a monitor that does not fire is an error that names it."""
    with pytest.raises(ValueError, match=r"accuracy.* does not fire"):
        _ = monitor().trouble

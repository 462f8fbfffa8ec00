"""Alerts are told when they begin, when they are over, and in between only what is worth it."""

from __future__ import annotations

from dataclasses import replace

from streams.core.window_spec import HOUR
from tests.core.alert.making import (
    COLUMNS,
    EV,
    QUALITY,
    START,
    TRAFFIC,
    UA,
    alerting,
    at,
    fell,
    finding,
    gone,
    moved,
    only,
    quiet,
    silence,
    told,
)


def test_an_alert_says_everything() -> None:
    """A notice carries what, how much, since when, where, near which release, how to see it, and what to do."""
    one = alerting(replace(QUALITY, runbook="https://runbooks/quality"))
    onset = {"onset": at(3), "onset_low": at(2), "onset_high": at(4)}
    notice = only(one, 6, fell("accuracy", 6, **onset, worst=((EV, -0.2), (UA, -0.1)), release="version 7"))

    assert notice.title == (
        "delays: accuracy fell by 0.04 (0.03 to 0.05) since 2013-07-12 03:00, near version 7, worst where carrier=EV"
    )
    assert (notice.status, notice.revision, notice.reason, notice.state) == ("firing", 1, "new", "firing")
    assert (notice.severity, notice.team, notice.runbook) == ("page", "models", "https://runbooks/quality")
    assert (notice.value, notice.reference, notice.effect, notice.low, notice.high) == (0.8, 0.84, -0.04, -0.05, -0.03)
    assert (notice.n, notice.n_effective, notice.label_coverage) == (1000.0, 900.0, 0.9)
    assert (notice.since, notice.since_low, notice.since_high, notice.opened) == (at(3), at(2), at(4), at(6))
    assert (notice.worst_slices, notice.worst_effects) == ((EV, UA), (-0.2, -0.1))
    assert (notice.release, notice.cause, notice.members, notice.worst_members) == ("version 7", "alone", 1, ())
    assert "BETWEEN '2013-07-12 02:00:00.000000' AND '2013-07-12 06:00:00.000000'" in notice.query


def test_the_whole_is_not_a_place() -> None:
    """Where everything moved more than any slice, no slice is named in the title."""
    assert "worst" not in only(alerting(), 1, fell("accuracy", 1, worst=(((), -0.2), (EV, -0.1)))).title


def test_an_alert_is_told_once_and_resolved_once() -> None:
    """While it lasts nothing is told; when it is over, that is told under the same key, with the numbers of then."""
    one = alerting()
    first = only(one, 1, fell("accuracy", 1))
    for hour in range(2, 30):
        assert one.step(at(hour), [fell("accuracy", hour)]) == []
    assert one.step(at(30), [quiet("accuracy", 30)]) == []
    last = only(one, 31, quiet("accuracy", 31))

    assert (last.status, last.revision, last.reason, last.state) == ("resolved", 2, "recovered", "ok")
    assert (last.dedup_key, last.labels()) == (first.dedup_key, first.labels())
    assert last.title == "delays: accuracy recovered after 1d6h"
    assert (last.effect, last.since, last.opened) == (0.0, at(1), at(1))
    assert one.step(at(32), [quiet("accuracy", 32)]) == []
    assert only(one, 33, fell("accuracy", 33)).dedup_key != first.dedup_key


def test_an_alert_is_told_again_after_a_while() -> None:
    """A reminder comes when the declared time has passed since the last notice, with the numbers of then."""
    one = alerting(replace(QUALITY, remind_after=5 * HOUR))
    first = only(one, 1, fell("accuracy", 1))
    told_at = {hour: one.step(at(hour), [finding("accuracy", hour, (-0.5, -0.3))]) for hour in range(2, 15)}

    assert [hour for hour, notices in told_at.items() if notices] == [6, 11]
    (reminder,) = told_at[6]
    assert (reminder.status, reminder.reason, reminder.revision, reminder.effect) == ("updated", "reminder", 2, -0.4)
    assert (reminder.dedup_key, reminder.labels()) == (first.dedup_key, first.labels())


def test_what_becomes_more_urgent_is_told_anew() -> None:
    """An alert never changes its severity: it is over, and a more urgent one fires with all of its members."""
    one = alerting(replace(QUALITY, name="mild", severity="warning", margin=0.0, recovery_margin=0.0), QUALITY)
    first = only(one, 1, finding("accuracy", 1, (-0.015, -0.005)))
    over, second = one.step(at(2), [finding("accuracy", 2, (-0.05, -0.03))])

    assert (first.severity, first.rule, second.severity, second.rule) == ("warning", "mild", "page", "quality")
    assert (over.status, over.dedup_key, over.reason) == ("resolved", first.dedup_key, f"part of {second.dedup_key}")
    assert (second.status, second.reason, second.members) == ("firing", "more urgent", 1)
    assert told(one, 3, [quiet("accuracy", 3)]) == []
    assert told(one, 4, [quiet("accuracy", 4)]) == [("resolved", "alone", "accuracy")]


def test_what_is_told_anew_is_new() -> None:
    """An alert that became more urgent becomes that of its cause, as any new alert does."""
    one = alerting(replace(QUALITY, name="mild", severity="warning", margin=0.0, recovery_margin=0.0), QUALITY, TRAFFIC)
    only(one, 1, finding("accuracy", 1, (-0.015, -0.005)))
    _, urgent = one.step(at(20), [fell("accuracy", 20)])
    notice = only(one, 21, finding("traffic", 21, (-2.0, -1.0), kind="traffic", onset=at(-20)))

    assert (notice.status, notice.cause, notice.dedup_key) == ("updated", "outage", urgent.dedup_key)


def test_a_cause_that_is_just_over_is_still_named() -> None:
    """A reminder soon after the cause is over still names it: what is left may be a consequence."""
    one = alerting(replace(QUALITY, remind_after=HOUR), TRAFFIC)
    only(one, 1, fell("accuracy", 1))
    only(one, 2, fell("accuracy", 2), silence(2))
    told_of = [
        only(one, hour, fell("accuracy", hour), quiet("traffic", hour, kind="traffic")) for hour in (3, 4, 5, 6, 7)
    ]

    assert [notice.cause for notice in told_of] == ["outage"] * 4 + ["alone"]
    assert [notice.reason for notice in told_of] == ["reminder"] * 4 + ["outlasts its cause"]
    assert told_of[3].explanation == "no data on traffic"


def test_an_alert_that_grows_tenfold_is_told_again() -> None:
    """More members are told only when they are many times what was told."""
    one = alerting()
    only(one, 1, moved("c0", 1))
    assert one.step(at(2), [moved(f"c{n}", 2) for n in range(9)]) == []
    notice = only(one, 3, *[moved(f"c{n}", 3) for n in range(10)])

    assert (notice.reason, notice.members, notice.cause) == ("many more", 10, "columns")


def test_a_subject_that_recovers_first() -> None:
    """If what an alert is named after recovers first, the alert goes on, and says what is left."""
    one = alerting(QUALITY, replace(COLUMNS, remind_after=6 * HOUR), TRAFFIC)
    only(one, 1, moved("a", 1), moved("b", 1), finding("c", 1, (0.29, 0.31), kind="column"))
    for hour in range(2, 7):
        assert told(one, hour, [quiet("c", hour, kind="column"), moved("a", hour), moved("b", hour)]) == []
    reminder = only(one, 7)

    assert reminder.title == "delays: c recovered, what is left: a moved by 0.3 (0.2 to 0.4)"
    for hour in (8, 9):
        both = [quiet("a", hour, kind="column"), quiet("b", hour, kind="column")]
        assert told(one, hour, both) == [("resolved", "together", "c")] * (hour == 9)


def test_flapping_is_told_once() -> None:
    """A watch that comes and goes is told as flapping the third time, and then held until it is quiet for long."""
    one = alerting(replace(QUALITY, recover_ticks=1, flap_count=3, flap_ticks=10))
    notices = []
    for hour in range(1, 41):
        swings = fell("accuracy", hour) if hour % 2 else quiet("accuracy", hour)
        notices += one.step(at(hour), [swings if hour <= 25 else quiet("accuracy", hour)])

    assert [notice.status for notice in notices] == ["firing", "resolved"] * 3
    assert [notice.flapping for notice in notices] == [False] * 4 + [True, False]
    assert notices[4].title.endswith(", flapping")
    assert [(notice.tick - START) // HOUR for notice in notices] == [1, 2, 3, 4, 5, 35]


def test_no_data_has_its_own_alert() -> None:
    """What is missing is told as that, and what is proven when it comes back is another alert."""
    one = alerting(replace(QUALITY, on_no_data="warn", no_data_ticks=2))
    assert told(one, 1, [gone("accuracy", 1)]) == []
    missing = only(one, 2, gone("accuracy", 2))
    back = one.step(at(3), [fell("accuracy", 3, onset=at(3))])

    assert (missing.title, missing.state) == ("delays: no data on accuracy since 2013-07-12 01:00", "no_data")
    assert (missing.severity, missing.value) == ("warning", None)
    assert [(notice.status, notice.severity) for notice in back] == [("resolved", "warning"), ("firing", "page")]
    assert len({notice.dedup_key for notice in back}) == 2

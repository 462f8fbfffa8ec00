"""What has one cause is one alert: outages, missing labels, releases, storms, wholes and their parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams.core.alert.cause import Grouping
from streams.core.alert.rule import AlertRule
from streams.core.detect.finding import Finding
from streams.core.window_spec import HOUR
from tests.core.alert.making import (
    COLUMNS,
    EV,
    EV_JFK,
    QUALITY,
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
    restarted,
    silence,
    told,
)


def test_an_outage_is_one_alert() -> None:
    """A thousand monitors that fire because no events come are one alert, which counts them and names the worst."""
    one = alerting(replace(QUALITY, on_no_data="fire"), COLUMNS, replace(TRAFFIC, severity="info"))
    slices = [(("carrier", str(number)),) for number in range(500)]
    findings = [fell("accuracy", 1, slice=where) for where in slices] + [moved(f"c{n}", 1) for n in range(499)]
    notice = only(one, 1, *findings, fell("accuracy", 1), silence(1))

    assert (notice.cause, notice.watch, notice.kind, notice.members) == ("outage", "traffic", "traffic", 1001)
    assert notice.severity == "page"  # as urgent as what it explains
    assert notice.title == "delays: no data on traffic since 2013-07-12 01:00; with it 1000 more"
    assert len(notice.worst_members) == 5
    assert notice.worst_members[0] == "accuracy fell by 0.04 (0.03 to 0.05)"


@pytest.mark.parametrize(
    "cause",
    [
        silence(1),
        finding("traffic", 1, (-2.0, -1.0), kind="traffic"),
        finding("no events", 1, (1.0, 1.0), kind="pipeline"),
    ],
)
def test_what_goes_missing_during_an_outage_is_part_of_it(cause: Finding) -> None:
    """What begins while events do not come is explained by that, even long after it began."""
    one = alerting(replace(QUALITY, on_no_data="fire"), TRAFFIC)
    assert only(one, 1, cause).cause == "outage"

    for hour in range(2, 30):
        findings = [gone("accuracy", hour)] if hour > 20 else []
        assert one.step(at(hour), [replace(cause, tick=at(hour)), *findings]) == []


def test_a_little_less_traffic_explains_nothing() -> None:
    """A quality drop a day after traffic fell a little is an alert of its own."""
    one = alerting()
    some = {hour: finding("traffic", hour, (-0.3, -0.2), kind="traffic") for hour in range(1, 30)}

    assert told(one, 1, [some[1]]) == [("firing", "alone", "traffic")]
    assert told(one, 25, [some[25], fell("accuracy", 25)]) == [("firing", "alone", "accuracy")]


@pytest.mark.parametrize("standing", ["no data", "changed"])
def test_missing_labels_are_called_that(standing: str) -> None:
    """A quality drop while labels are missing is told as missing labels; what needs no labels is not."""
    changes: dict[str, Any] = {"standing": standing, "kind": "traffic"}
    labels = [finding("label_coverage", hour, (-0.6, -0.4), **changes) for hour in range(11)]
    one = alerting(QUALITY, COLUMNS, replace(TRAFFIC, watches=("label_coverage",)))

    assert told(one, 1, [labels[1]]) == [("firing", "labels", "label_coverage")]
    assert told(one, 10, [labels[10], fell("accuracy", 10), moved("dep_delay", 10)]) == [
        ("firing", "alone", "dep_delay")
    ]


@pytest.mark.parametrize(
    ("cause", "name", "said"),
    [
        (silence(1), "outage", "while no data on traffic"),
        (finding("label_coverage", 1, (-0.6, -0.4), kind="traffic"), "labels", "while label_coverage fell by 0.5"),
    ],
)
def test_a_cause_without_a_rule_is_named(cause: Finding, name: str, said: str) -> None:
    """A quality drop is called what it is even where no rule is about what explains it."""
    notice = only(alerting(QUALITY), 1, fell("accuracy", 1), cause)

    assert (notice.cause, notice.watch) == (name, "accuracy")
    assert said in notice.title
    assert notice.explanation in notice.title


def test_a_cause_that_is_found_later_is_told() -> None:
    """An alert whose cause is found in the next tick is told again as that, under the same key."""
    one = alerting()
    first = only(one, 1, fell("accuracy", 1))
    second = only(one, 2, fell("accuracy", 2), silence(2))

    assert (second.status, second.reason, second.dedup_key) == ("updated", "its cause is known", first.dedup_key)
    assert (second.cause, second.watch, second.labels()) == ("outage", "accuracy", first.labels())
    assert second.title.endswith("; with it 1 more, while no data on traffic")
    assert one.step(at(3), [fell("accuracy", 3), silence(3)]) == []


def test_a_later_cause_joins_what_is_new() -> None:
    """Several alerts that turn out to have one cause become one; the others are resolved, and say where to look."""
    one = alerting()
    apart = {"onset": at(-50), "onset_low": at(-51), "onset_high": at(-49)}
    findings = [fell("accuracy", 1), fell("recall", 1, **apart)]
    first, second = one.step(at(1), findings)
    joined, moved_on = one.step(at(2), [silence(2, onset=at(-48), onset_low=at(-51), onset_high=at(1))])

    assert (joined.status, joined.dedup_key, joined.cause) == ("updated", first.dedup_key, "outage")
    assert (moved_on.status, moved_on.dedup_key) == ("resolved", second.dedup_key)
    assert moved_on.reason == f"part of {first.dedup_key}"
    assert moved_on.title.startswith("delays: now told as: accuracy fell")


def test_a_cause_that_concerns_others_is_their_alert() -> None:
    """Where the cause is another team's, what it explains becomes part of their alert."""
    one = alerting(QUALITY, replace(TRAFFIC, team="platform"))
    first = only(one, 1, fell("accuracy", 1))
    second, over = one.step(at(2), [fell("accuracy", 2), silence(2)])

    assert (second.status, second.team, second.watch, second.severity) == ("firing", "platform", "traffic", "page")
    assert (over.status, over.dedup_key, over.reason) == ("resolved", first.dedup_key, f"part of {second.dedup_key}")


def test_what_outlasts_its_cause_surfaces() -> None:
    """What still fires some ticks after the cause is over is an alert of its own, which says of what it is left."""
    one = alerting()
    outage = only(one, 1, silence(1), fell("accuracy", 1), fell("recall", 1))
    for hour in range(2, 6):
        recall = quiet("recall", hour) if hour > 3 else fell("recall", hour)
        assert one.step(at(hour), [quiet("traffic", hour, kind="traffic"), fell("accuracy", hour), recall]) == []
        one = restarted(one)
    over, left = one.step(at(6), [fell("accuracy", 6)])

    assert (over.status, over.dedup_key, over.reason) == ("resolved", outage.dedup_key, "the cause is over")
    assert over.title == "delays: traffic recovered after 5h, but not 1 more"
    assert (left.status, left.watch, left.cause, left.members) == ("firing", "accuracy", "alone", 1)
    assert left.reason == f"outlasts {outage.dedup_key}"


def test_what_outlasts_a_cause_that_came_later_is_told() -> None:
    """An alert that was explained by something that is over is told as unexplained, if it goes on."""
    one = alerting()
    only(one, 1, fell("accuracy", 1))
    only(one, 2, fell("accuracy", 2), silence(2))
    for hour in range(3, 7):
        assert one.step(at(hour), [fell("accuracy", hour), quiet("traffic", hour, kind="traffic")]) == []
    notice = only(one, 7, fell("accuracy", 7), quiet("traffic", 7, kind="traffic"))

    assert (notice.reason, notice.cause, notice.explanation) == ("outlasts its cause", "alone", "")


def test_an_outage_that_comes_back_is_the_same() -> None:
    """While consequences of an outage last, a second one soon after is no other alert; the time counts anew then."""
    one = alerting()
    only(one, 1, silence(1), fell("accuracy", 1))
    for hour in (2, 3):
        assert told(one, hour, [quiet("traffic", hour, kind="traffic"), fell("accuracy", hour)]) == []
    assert told(one, 4, [silence(4), fell("accuracy", 4)]) == []
    for hour in range(5, 9):
        assert told(one, hour, [quiet("traffic", hour, kind="traffic"), fell("accuracy", hour)]) == []
    assert told(one, 9, [fell("accuracy", 9)]) == [("resolved", "outage", "traffic"), ("firing", "alone", "accuracy")]


def test_a_cause_that_began_long_before_is_joined() -> None:
    """A new alert becomes that of its cause, under its own key, though the cause began long before it was found."""
    one = alerting()
    first = only(one, 1, fell("accuracy", 1))
    second = only(one, 2, finding("traffic", 2, (-2.0, -1.0), kind="traffic", onset=at(-20)))

    assert (second.status, second.dedup_key, second.members) == ("updated", first.dedup_key, 2)


def test_an_alert_that_is_not_new_stays_one() -> None:
    """The cause of an alert that was told long ago is named in it, and is an alert of its own."""
    one = alerting()
    only(one, 1, fell("accuracy", 1))
    found = told(one, 20, [finding("traffic", 20, (-2.0, -1.0), kind="traffic", onset=at(-20))])

    assert found == [("updated", "outage", "accuracy"), ("firing", "outage", "traffic")]


def test_nothing_explains_itself() -> None:
    """Traffic that falls further is not told as its own cause."""
    one = alerting()

    assert told(one, 1, [finding("traffic", 1, (-0.3, -0.2), kind="traffic")]) == [("firing", "alone", "traffic")]
    assert told(one, 2, [finding("traffic", 2, (-3.0, -2.0), kind="traffic")]) == []


def test_many_columns_are_one_alert() -> None:
    """Columns that move at one onset are one alert about the largest move, wherever each thinks that it began."""
    one = alerting()
    onsets = [{"onset": at(hour), "onset_low": at(hour - 1), "onset_high": at(hour + 1)} for hour in (1, 2, 3)]
    notice = only(
        one,
        5,
        moved("a", 5, **onsets[0]),
        finding("b", 5, (0.49, 0.51), kind="column", **onsets[1]),
        moved("c", 5, **onsets[2]),
    )

    assert (notice.cause, notice.members) == ("columns", 3)
    assert notice.title == "delays: 3 columns changed since 2013-07-12 02:00, most of all b moved by 0.5 (0.49 to 0.51)"


def test_other_onsets_are_other_alerts() -> None:
    """What began at another time is another alert, even if it is found in the same tick; so is another team's."""
    long_ago = {"onset": at(-50), "onset_low": at(-60), "onset_high": at(-40)}
    assert len(alerting().step(at(1), [moved("a", 1), moved("b", 1, **long_ago)])) == 2

    of_others = alerting(replace(COLUMNS, watches=("a",)), replace(COLUMNS, name="b", watches=("b",), team="data"))
    assert [notice.team for notice in of_others.step(at(1), [moved("a", 1), moved("b", 1)])] == ["data", "models"]


def test_a_storm_is_one_alert_whatever_its_onsets() -> None:
    """Very many monitors in one tick are one alert though each thinks that it began at another time."""
    findings = [moved(f"c{n}", 1, onset=at(-10 * n)) for n in range(20)]

    assert only(alerting(), 1, *findings).members == 20
    assert len(alerting().step(at(1), findings[:19])) == 19


def test_a_storm_goes_on_in_the_next_tick() -> None:
    """Whoever fires within the next ticks is part of the storm, and whoever fires later is not."""
    one = alerting()
    only(one, 1, *[moved(f"c{n}", 1, onset=at(-10 * n)) for n in range(20)])

    assert told(one, 3, [moved("late", 3, onset=at(-500))]) == []
    assert told(one, 4, [moved("later", 4, onset=at(-1_000))]) == [("firing", "alone", "later")]


def test_columns_do_not_keep_a_page_open() -> None:
    """Where the urgent part of what began together has recovered, the rest is told as urgent as it is."""
    one = alerting()
    page = only(one, 1, fell("accuracy", 1), moved("a", 1))
    for hour in range(2, 6):
        assert one.step(at(hour), [quiet("accuracy", hour), moved("a", hour)]) == []
    over, left = one.step(at(6), [quiet("accuracy", 6), moved("a", 6)])

    assert (page.severity, over.status, over.dedup_key) == ("page", "resolved", page.dedup_key)
    assert (left.status, left.severity, left.watch) == ("firing", "warning", "a")


def test_a_release_is_one_alert() -> None:
    """Watches that changed near one release, at whatever times, are one alert about the release."""
    one = alerting()
    notice = only(one, 1, fell("recall", 1, release="version 7"), moved("a", 1, onset=at(-30), release="version 7"))

    assert (notice.cause, notice.release, notice.members) == ("release", "version 7", 2)
    assert notice.title == (
        "delays: 2 watches changed near version 7: recall fell by 0.04 (0.03 to 0.05) since 2013-07-12 01:00"
    )
    assert told(one, 20, [fell("accuracy", 20, release="version 8")]) == [("firing", "alone", "accuracy")]
    assert told(one, 40, [fell("precision", 40, release="version 7")]) == []
    assert told(one, 300, [fell("f1", 300, release="version 7")]) == [("firing", "alone", "f1")]


def test_a_release_is_named_where_the_parts_know_it() -> None:
    """The release that others changed near is suspected of what has none by itself."""
    parts = [fell("accuracy", 1, slice=where, release="version 7") for where in (EV, UA)]
    notice = only(alerting(), 1, fell("accuracy", 1), *parts)

    assert (notice.slice, notice.release, notice.cause) == ((), "version 7", "release")


def test_a_release_must_be_shared_by_half() -> None:
    """Where most of what began together is near no release, it is not about that."""
    findings = [moved(name, 1, release="version 7" if name in "ab" else "") for name in "abcde"]

    assert only(alerting(), 1, *findings).cause == "columns"
    assert only(alerting(), 1, *findings[:4]).cause == "release"


def test_a_whole_is_one_alert_with_its_parts() -> None:
    """A metric that falls in the whole and in slices is one alert, which says where it fell most."""
    parts = [fell("accuracy", 1, slice=UA), finding("accuracy", 1, (-0.3, -0.2), slice=EV)]
    notice = only(alerting(), 1, *parts, fell("accuracy", 1))

    assert (notice.cause, notice.slice, notice.members) == ("slices", (), 3)
    assert (notice.worst_slices, notice.worst_effects) == ((EV, UA), (-0.25, -0.04))
    assert "worst where carrier=EV; with it 2 more" in notice.title


def test_a_limit_is_one_alert_with_its_metric() -> None:
    """A metric that is beyond its limit long after it fell is the same alert, unless that is another team's."""
    limit = AlertRule("limit", severity="page", kinds=("threshold",), team="models")
    below = fell("accuracy", 30, kind="threshold")
    one, other = alerting(QUALITY, limit), alerting(QUALITY, replace(limit, team="platform"))
    for each in (one, other):
        only(each, 1, fell("accuracy", 1))

    assert told(one, 30, [below]) == []
    assert told(other, 30, [below]) == [("firing", "alone", "accuracy")]


def test_a_part_that_follows_is_part_of_it() -> None:
    """A slice that falls while its whole does is no other alert; one that outlasts it is."""
    one = alerting()
    only(one, 1, fell("accuracy", 1))
    for hour in range(2, 20):
        assert one.step(at(hour), [fell("accuracy", hour)] + [fell("accuracy", hour, slice=EV_JFK)] * (hour > 10)) == []
    for hour in range(20, 24):
        assert one.step(at(hour), [quiet("accuracy", hour)]) == []

    assert told(one, 24, []) == [("resolved", "alone", "accuracy"), ("firing", "alone", "accuracy")]


def test_a_cause_does_not_hide_what_comes_much_later() -> None:
    """What begins long after an outage began, though it still goes on, is an alert of its own, and not its fault."""
    one = alerting(grouping=Grouping(HOUR, lasting=24 * HOUR))

    def low(hour: int) -> Finding:
        return finding("traffic", hour, (-2.0, -1.0), kind="traffic", onset=at(1))

    assert told(one, 1, [low(1)]) == [("firing", "outage", "traffic")]
    assert told(one, 25, [low(25), fell("accuracy", 25)]) == []
    assert told(one, 26, [low(26), fell("recall", 26)]) == [("firing", "alone", "recall")]

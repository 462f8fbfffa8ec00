"""Which routes a notice goes to, until when it waits in quiet hours, and what silences keep back."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from streams.alerts.muting import Acknowledgement, Muting, Silence
from streams.alerts.routing import held_until, routes_for
from streams.config.alerting import AlertingConfig, QuietConfig
from tests.alerts.making import HOUR, NOON, SECOND, alerting, notice

RULES = (
    {"models": "flights*", "severities": "page", "routes": ["oncall", "chat"], "continue": True},
    {"teams": "pricing", "routes": "mail"},
    {"models": ["weather", "tides"], "routes": []},
    {"severities": ["info", "warning"], "routes": ["chat"]},
)
SECTION: AlertingConfig = alerting(*RULES, routes=("oncall", "chat", "mail", "am"), default=["am", "am"])
NIGHT = QuietConfig.model_validate({"from": "22:00", "until": "07:00", "zone": "Europe/Berlin"})
LUNCH = QuietConfig.model_validate({"from": "12:00", "until": "13:30"})


@pytest.mark.parametrize(
    ("changes", "routes"),
    [
        ({"model": "flights-eu", "team": ""}, ("oncall", "chat")),
        ({"model": "flights-eu", "team": "pricing"}, ("oncall", "chat", "mail")),
        ({"model": "flights-eu", "team": "", "severity": "info"}, ("chat",)),
        ({"model": "other", "team": "pricing", "severity": "info"}, ("mail",)),
        ({"model": "weather", "team": ""}, ()),
        ({"model": "other", "team": "x"}, ("am",)),
        ({"model": "my-flights", "team": "x"}, ("am",)),
    ],
)
def test_the_first_rule_that_matches_decides(changes: dict[str, str], routes: tuple[str, ...]) -> None:
    """With those behind it as long as each says so; without a rule the default does; each route once."""
    assert routes_for(notice(**changes), SECTION) == routes


def at(text: str, zone: str = "Europe/Berlin") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2023-11-14T21:59:59", None),
        ("2023-11-14T22:00:00", "2023-11-15T07:00:00"),
        ("2023-11-14T23:59:59", "2023-11-15T07:00:00"),
        ("2023-11-15T00:00:00", "2023-11-15T07:00:00"),
        ("2023-11-15T06:59:59", "2023-11-15T07:00:00"),
        ("2023-11-15T07:00:00", None),
        # The clock is set forward, and back: the hours are those on the wall.
        ("2024-03-30T22:30:00", "2024-03-31T07:00:00"),
        ("2024-10-26T22:30:00", "2024-10-27T07:00:00"),
    ],
)
def test_quiet_hours_end_in_the_morning_of_their_zone(now: str, until: str | None) -> None:
    """Also over midnight, and in the nights in which the clock is set."""
    held = held_until(notice(severity="warning"), NIGHT, at(now))

    assert held == (None if until is None else at(until))


def test_a_night_in_which_the_clock_is_set_has_another_length() -> None:
    """Eight hours and a half of the clock on the wall are seven and a half, or nine and a half."""
    mild = notice(severity="info")
    spring, autumn = (at(day) for day in ("2024-03-30T22:30:00", "2024-10-26T22:30:00"))

    assert held_until(mild, NIGHT, spring) == spring + 7 * HOUR + HOUR // 2
    assert held_until(mild, NIGHT, autumn) == autumn + 9 * HOUR + HOUR // 2


def test_quiet_hours_may_lie_within_a_day() -> None:
    """From noon to half past one, UTC."""
    mild = notice(severity="warning")

    assert held_until(mild, LUNCH, NOON) == NOON + 3 * HOUR // 2
    assert held_until(mild, LUNCH, NOON - 1) is None
    assert held_until(mild, LUNCH, NOON + 3 * HOUR // 2) is None


def test_pages_do_not_wait() -> None:
    """Unless it is declared; and without quiet hours nothing does."""
    assert held_until(notice(), NIGHT, at("2023-11-15T03:00:00")) is None
    assert held_until(notice(), NIGHT.model_copy(update={"pages": "wait"}), at("2023-11-15T03:00:00")) is not None
    assert held_until(notice(severity="info"), None, NOON) is None


@pytest.mark.parametrize(
    ("pattern", "now", "covers"),
    [
        (("flights", "*", "*"), NOON, True),
        (("fl*", "qual*", "0123*"), NOON, True),
        (("*", "other", "*"), NOON, False),
        (("weather", "*", "*"), NOON, False),
        (("*", "*", "0123"), NOON, False),
        (("*", "*", "*"), NOON - 1, False),
        (("*", "*", "*"), NOON + HOUR, False),
    ],
)
def test_a_silence_covers_what_it_names_for_its_time(pattern: tuple[str, str, str], now: int, covers: bool) -> None:
    """Model, rule and key must all fit, and the time."""
    assert Silence("s", *pattern, NOON, NOON + HOUR, "ann", "x").covers(notice(), now) == covers


def test_what_keeps_a_notice_back() -> None:
    """A silence before an acknowledgement; the end of an alert is told to those who heard of it."""
    silence = Silence("s", "*", "*", "*", NOON, NOON + HOUR, "ann", "known")
    acknowledgement = Acknowledgement(notice().dedup_key, "bob", "on it", NOON)
    over = notice(status="resolved")

    assert Muting().of(notice(), NOON, is_known=True) is None
    assert Muting((silence,), (acknowledgement,)).of(notice(), NOON, is_known=True) == ("silenced", "by ann: known")
    only_acknowledged = Muting((), (acknowledgement,))
    assert only_acknowledged.of(notice(), NOON, is_known=True) == ("acknowledged", "by bob: on it")
    assert only_acknowledged.of(notice(), NOON, is_known=False) is None
    assert only_acknowledged.of(notice(dedup_key="k"), NOON, is_known=True) is None
    assert Muting((silence,)).of(over, NOON, is_known=True) is None
    assert Muting((silence,)).of(over, NOON, is_known=False) == ("silenced", "by ann: known")
